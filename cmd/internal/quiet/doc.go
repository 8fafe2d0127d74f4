// Package quiet silences what libraries write to Go's standard logger while they are initialised, before main runs: lines without form, among them
// one of the metrics library on every machine without pressure-stall information, in front of each command's output.
//
// Importing it is all. It must import nothing but io and log: Go initialises a package as soon as its imports are, in the order of paths, and so this
// one precedes every library that needs net/http. Who wants the later lines sets another output, as serve does.
package quiet

import (
	"io"
	"log"
)

func init() { log.SetOutput(io.Discard) }
