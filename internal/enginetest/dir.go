package enginetest

import (
	"os"
	"syscall"
	"testing"
)

// memory is where Linux has a file system without a disk; least is how much room it must have for an engine's data to lie there.
const (
	memory = "/dev/shm"
	least  = 2 << 30
)

// dataDir makes a directory that is removed after the test, in memory where there is room: half of the processor's time would go into making small files and syncing them
// otherwise. What a test can do to an engine, kill -9 included, takes nothing from such a file system that it would leave on a disk.
func dataDir(tb testing.TB) string {
	tb.Helper()
	var room syscall.Statfs_t
	if err := syscall.Statfs(memory, &room); err != nil || room.Bavail*uint64(room.Bsize) < least {
		return tb.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "millrace-enginetest-")
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove the engine's data: %v", err)
		}
	})
	return dir
}
