package load

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Kinds of failure without an answer.
const (
	kindTimeout = "timeout"
	kindReset   = "reset"
	kindRefused = "refused"
	kindEOF     = "eof"
	kindAborted = "aborted"
	kindNetwork = "network" // anything else: no route, no address, no agreement on TLS
)

// failureKind names why a request has no answer.
func failureKind(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, errBadAnswer):
		return kindBadAnswer
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return kindTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return kindReset
	case errors.Is(err, syscall.ECONNREFUSED):
		return kindRefused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return kindEOF
	}
	return kindNetwork
}
