//go:build !linux

package stack

import "syscall"

// childAttr: a group of its own, so that a terminal's ^C reaches the lab alone, which then stops its processes in order.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
