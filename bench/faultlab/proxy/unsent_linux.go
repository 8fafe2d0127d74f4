package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsent returns how many bytes that were written have not arrived at the peer's system.
func unsent(c *net.TCPConn) int64 {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	if cerr := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); cerr != nil || err != nil {
		return 0 // closed: nothing will arrive any more
	}
	return int64(n)
}
