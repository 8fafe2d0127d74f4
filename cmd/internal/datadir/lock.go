package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"
)

// DefaultWait is how long a start waits for a lock: three times what a child has to end after its parent was killed.
const DefaultWait = 15 * time.Second

// pollInterval is how often a waiting Acquire asks again: flock has no wait with a deadline.
const pollInterval = 20 * time.Millisecond

// ErrLocked reports that another process holds the lock, after the whole wait.
var ErrLocked = errors.New("in use by another process")

// Lock is a held lock. Release it once; a process that ends releases it too.
type Lock struct {
	f *os.File
}

// Acquire takes the exclusive lock on the file path, which it creates with mode 0600 when it is missing; the folder must
// exist. It waits for another holder up to wait (zero: not at all), logging once what it waits for, and ends early with
// ctx. The error wraps ErrLocked and names the holder's process id when the wait was too short.
func Acquire(ctx context.Context, path string, wait time.Duration, log *slog.Logger) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := waitFlock(ctx, f, wait, log); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	// The content is for people and for the message of the next one who waits; the lock itself never depends on it.
	pid := strconv.AppendInt(nil, int64(os.Getpid()), 10)
	if err := errors.Join(f.Truncate(0), writeAt(f, append(pid, '\n'))); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	return &Lock{f: f}, nil
}

// File returns the open lock file. A process that inherits it shares the lock, which then lasts until both are gone.
func (l *Lock) File() *os.File { return l.f }

// Release gives the lock back. The file stays: removing it would let two processes lock two files of one name.
func (l *Lock) Release() error { return l.f.Close() }

func waitFlock(ctx context.Context, f *os.File, wait time.Duration, log *slog.Logger) error {
	err := tryFlock(f)
	if !errors.Is(err, ErrLocked) {
		return err
	}
	if wait <= 0 {
		return fmt.Errorf("%w (%s)", ErrLocked, holder(f))
	}
	log.Warn("waiting for a lock: its holder is still running or ending", "lock", f.Name(), "holder", holder(f), "at_most", wait)
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("still %w after %v (%s): stop that process, or use another directory", ErrLocked, wait, holder(f))
		case <-tick.C:
			if err := tryFlock(f); !errors.Is(err, ErrLocked) {
				return err
			}
		}
	}
}

// tryFlock returns ErrLocked when somebody else holds the lock.
func tryFlock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		case err != nil:
			return fmt.Errorf("flock: %w", err)
		}
		return nil
	}
}

// holder says who wrote the lock file last: the holder, except for the instant between its flock and its write.
func holder(f *os.File) string {
	buf := make([]byte, 20)
	n, err := f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "holder unknown"
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n])))
	if err != nil {
		return "holder unknown"
	}
	return fmt.Sprintf("process %d", pid)
}

func writeAt(f *os.File, b []byte) error {
	_, err := f.WriteAt(b, 0)
	return err
}
