package clickhouse

import "syscall"

// childAttr: the program has a session of its own, so no terminal signals it, and dies with this process at the latest.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
