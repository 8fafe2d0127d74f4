//go:build unix

package load

import (
	"errors"
	"net"
	"syscall"
)

// stale reports whether an idle connection cannot carry another request: it has ended, or something was sent that nobody asked for, such as the farewell
// of a server that closes idle connections.
func stale(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
		return true
	})
	return err != nil || !quiet
}
