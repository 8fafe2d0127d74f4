//go:build !linux

package proxy

import "net"

// unsent cannot be told on this system, so what a client reads before its reset may be less than a cut let pass.
func unsent(*net.TCPConn) int64 { return 0 }
