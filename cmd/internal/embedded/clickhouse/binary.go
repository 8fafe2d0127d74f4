package clickhouse

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// killAfter is what a clickhouse program has to end after its pipe was closed: less than what this process has itself.
const killAfter = 4 * time.Second

// inheritedFD is the first descriptor that exec.Cmd.ExtraFiles becomes.
const inheritedFD = 3

// runBinary runs a clickhouse program until it ends. It inherits stop, the read end of the stop pipe, as inheritedFD, and
// the lock, so that the folder stays locked until the program is gone, even when this process was killed. After stopping is
// closed it has killAfter to end.
func runBinary(path string, args []string, stop, lock *os.File, stopping <-chan struct{}) error {
	cmd := exec.Command(path, append([]string{"local"}, args...)...)
	cmd.Env = append(os.Environ(), "TZ="+timezone)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.ExtraFiles = []*os.File{stop, lock}
	cmd.SysProcAttr = childAttr()
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ties the death of a child to the thread that started it, so this one waits as well.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start program: %w", err)
	}
	select {
	case err := <-ended:
		return err
	case <-stopping:
	}
	timer := time.NewTimer(killAfter)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		_ = cmd.Process.Kill() // fails only when it has just ended
		return fmt.Errorf("%s did not stop within %v and was killed: %w", path, killAfter, <-ended)
	}
}
