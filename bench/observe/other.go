//go:build !linux

package observe

import (
	"fmt"
	"runtime"
)

// ReadUsage needs Linux: the error is ErrUnavailable.
func ReadUsage(p Process) (Usage, error) {
	u, _, err := readUsage(p)
	return u, err
}

func readUsage(p Process) (Usage, uint64, error) {
	return Usage{}, 0, fmt.Errorf("process %s (%d): %w", p.Name, p.PID, ErrUnavailable)
}

// Listener needs Linux: the error is ErrUnavailable.
func Listener(port int) (int, error) {
	return 0, fmt.Errorf("who listens on port %d: %w", port, ErrUnavailable)
}

// Server needs Linux: the error is ErrUnavailable.
func Server(ingestPort int) ([]Process, error) {
	return nil, fmt.Errorf("processes of the server on port %d: %w", ingestPort, ErrUnavailable)
}

// readMachine knows what the Go runtime knows.
func readMachine(e *Environment) { e.OS, e.CPU = runtime.GOOS, runtime.GOARCH }
