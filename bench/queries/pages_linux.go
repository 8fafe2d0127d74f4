package queries

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// dropPages writes the files of the folder to the device and gives their pages back to the kernel, for which reading rights are enough. left is how many bytes the page cache
// still holds of them, -1 when the kernel does not tell (before 6.5).
func dropPages(folder string) (left int64, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, err
	}
	known := true
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if entry.IsDir() {
			n, err := dropPages(path)
			if err != nil {
				return 0, err
			}
			left, known = left+max(n, 0), known && n >= 0
			continue
		}
		n, err := dropFile(path)
		if err != nil {
			return 0, fmt.Errorf("give back pages of %s: %w", path, err)
		}
		left, known = left+max(n, 0), known && n >= 0
	}
	if !known {
		return -1, nil
	}
	return left, nil
}

func dropFile(path string) (left int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if err := f.Sync(); err != nil {
		return 0, err // pages that are not on the device yet would stay
	}
	fd := int(f.Fd())
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
		return 0, err
	}
	var stat unix.Cachestat_t
	switch err := unix.Cachestat(uint(fd), &unix.CachestatRange{}, &stat, 0); {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP):
		return -1, nil
	case err != nil:
		return 0, err
	}
	return int64(stat.Cache) * int64(os.Getpagesize()), nil
}

// freeBytes is what a user may still write below dir.
func freeBytes(dir string) (n int64, ok bool) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, false
	}
	return int64(stat.Bavail) * stat.Bsize, true
}
