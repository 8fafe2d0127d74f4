package observe

import "errors"

// What can be wrong with a process.
var (
	ErrEnded       = errors.New("process has ended")                                  // it does not run any more, or its id belongs to another one now
	ErrUnavailable = errors.New("not available on this system: only Linux has /proc") // see the package comment
)
