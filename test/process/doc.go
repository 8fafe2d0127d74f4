// Package process is what the tests of the whole need of the programs that they start: their output, what they have started themselves, an end for all of it, and waiting.
package process
