package compare

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// burn uses that much CPU time, however long it takes.
func burn(cost time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := func() time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
			panic(err)
		}
		return time.Duration(ts.Nano())
	}
	for end := now() + cost; now() < end; {
	}
}
