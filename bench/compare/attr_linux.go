package compare

import "syscall"

// childAttr: a group of its own, so that a terminal's ^C reaches this process alone, which then stops its children in order; and no life beyond this
// process.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
