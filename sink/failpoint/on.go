//go:build failpoints

package failpoint

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Enabled tells whether this build has failpoints.
const Enabled = true

var (
	socket  = os.Getenv("MILLRACE_FAILPOINTS")
	without = strings.Split(os.Getenv("MILLRACE_WITHOUT"), ",")
)

// Hit is called when a step is reached; where is "topic/partition". It returns when the step may happen.
func Hit(name, where string) {
	if socket == "" {
		return
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // it was only asked
	if _, err := fmt.Fprintf(conn, "%s %s %d\n", name, where, os.Getpid()); err != nil {
		return
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	switch strings.TrimSpace(answer) {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is under way
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

// Without tells whether a protection is to be left out.
func Without(protection string) bool { return slices.Contains(without, protection) }
