package e2e

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// freezeBroker stops the embedded broker's process with SIGSTOP; thaw lets it go on.
func freezeBroker(t *testing.T, s *server) (thaw func()) {
	t.Helper()
	for _, pid := range descendants(s.cmd.Process.Pid) {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !bytes.Contains(cmdline, []byte("embedded\x00broker")) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("no broker process below the server")
	return nil
}
