//go:build !linux

package clickhouse

import "syscall"

// childAttr: the program has a session of its own, so no terminal signals it. Here only its pipe ties it to this process.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true}
}
