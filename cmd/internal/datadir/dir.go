package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Layout is the layout of the data directory that this program reads and writes.
const Layout = 1

// ErrNewerLayout reports a data directory that a newer program has written.
var ErrNewerLayout = errors.New("data directory has a newer layout")

// Dir is an open data directory: locked, with a layout this program knows. It is safe for concurrent use.
type Dir struct {
	path string
	lock *Lock
}

// Open creates the directory path (mode 0700) when it is missing, locks it, waiting up to wait for another holder, checks
// or writes its VERSION and makes run/ (mode 0700). A newer VERSION is refused with ErrNewerLayout and nothing is changed.
func Open(ctx context.Context, path string, wait time.Duration, log *slog.Logger) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	lock, err := Acquire(ctx, filepath.Join(path, "LOCK"), wait, log)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &Dir{path: path, lock: lock}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return d, nil
}

// Path returns the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// Run returns the absolute path of the folder for run-time files, which are worthless once the process is gone.
func (d *Dir) Run() string { return filepath.Join(d.path, "run") }

// Close releases the directory to the next process.
func (d *Dir) Close() error { return d.lock.Release() }

func (d *Dir) prepare() error {
	if err := d.checkVersion(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.Run(), 0o700); err != nil {
		return fmt.Errorf("create run folder: %w", err)
	}
	// MkdirAll leaves an existing folder as it is; what lies in it (ports, member ids) is nobody else's business.
	if err := os.Chmod(d.Run(), 0o700); err != nil {
		return fmt.Errorf("protect run folder: %w", err)
	}
	return nil
}

func (d *Dir) checkVersion() error {
	path := filepath.Join(d.path, "VERSION")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return WriteFile(path, []byte(strconv.Itoa(Layout)+"\n"), 0o644)
	}
	if err != nil {
		return fmt.Errorf("read layout: %w", err)
	}
	have, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	switch {
	case err != nil || have < 1:
		return fmt.Errorf("%s holds %q, want a layout number of at most %d: this is no data directory of millrace, or the file is damaged; use another directory, or restore the file", path, bytes.TrimSpace(text), Layout)
	case have > Layout:
		return fmt.Errorf("%w: %s says %d, this program knows up to %d: run the newer millrace, or use another directory", ErrNewerLayout, path, have, Layout)
	}
	return nil
}

// WriteFile replaces the file path with data so that a reader, also one after a power cut, finds the old or the new content,
// never a part: it writes and syncs a file beside it, renames that, and syncs the folder. One writer at a time per path.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	if err := writeSync(tmp, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", tmp, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sync folder of %s: %w", path, err)
	}
	return nil
}

// SyncDir makes the names in the folder dir durable.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func writeSync(path string, data []byte, mode fs.FileMode) error {
	// A file left by a crash may have another mode, which OpenFile would keep.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}
