package queries

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// diskBacked tells whether files of the folder have a device behind them: those of tmpfs live in the page cache alone.
func diskBacked(folder string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(folder, &stat) == nil && stat.Type != unix.TMPFS_MAGIC && stat.Type != unix.RAMFS_MAGIC
}

func TestDropPages(t *testing.T) {
	dir := t.TempDir()
	if !diskBacked(dir) {
		t.Skip("the files lie in memory")
	}
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(inner, "file")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	resident := func() uint64 {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // it was only read
		var stat unix.Cachestat_t
		if err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{}, &stat, 0); err != nil {
			t.Skipf("the kernel does not tell: %v", err)
		}
		return stat.Cache
	}
	if resident() == 0 {
		t.Skip("what was just written is not in the page cache")
	}
	left, err := dropPages(dir)
	if err != nil || left != 0 {
		t.Errorf("%d bytes are left, %v", left, err)
	}
	if n := resident(); n != 0 {
		t.Errorf("%d pages are still there", n)
	}
	if _, err := os.ReadFile(path); err != nil || resident() == 0 {
		t.Errorf("%d pages after reading, %v", resident(), err)
	}
	if _, err := dropPages(filepath.Join(dir, "missing")); err == nil {
		t.Error("a folder that is not there has no pages to drop, and that is no error")
	}
}
