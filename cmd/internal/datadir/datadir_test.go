package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestLockExcludesAndNamesHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOCK")
	l, err := Acquire(t.Context(), path, 0, quiet())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(t.Context(), path, 0, quiet())
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("second lock: %v, want ErrLocked", err)
	}
	if want := fmt.Sprintf("process %d", os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("message %q does not name %q", err, want)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	l, err = Acquire(t.Context(), path, 0, quiet())
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestLockWaitsSaysSoAndGetsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOCK")
	held, err := Acquire(t.Context(), path, 0, quiet())
	if err != nil {
		t.Fatal(err)
	}
	said := make(notify, 1)
	type result struct {
		lock *Lock
		err  error
	}
	got := make(chan result, 1)
	go func() {
		l, err := Acquire(context.WithoutCancel(t.Context()), path, time.Minute, slog.New(slog.NewTextHandler(said, nil)))
		got <- result{l, err}
	}()
	if line := <-said; !strings.Contains(line, "waiting for a lock") || !strings.Contains(line, path) {
		t.Errorf("logged %q", line)
	}
	select {
	case r := <-got:
		t.Fatalf("got the lock while it was held: %v", r.err)
	default:
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	if err := r.lock.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestLockGivesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOCK")
	held, err := Acquire(t.Context(), path, 0, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release() //nolint:errcheck // the process ends anyway
	if _, err := Acquire(t.Context(), path, 50*time.Millisecond, quiet()); !errors.Is(err, ErrLocked) {
		t.Errorf("after the wait: %v, want ErrLocked", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Acquire(ctx, path, time.Minute, quiet()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOpenMakesLayoutAndReopens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "data")
	for range 2 {
		d, err := Open(t.Context(), path, 0, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(path, "VERSION")); err != nil || string(text) != "1\n" {
			t.Errorf("VERSION %q, %v", text, err)
		}
		for _, dir := range []string{path, d.Run()} {
			info, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %v", dir, info.Mode())
			}
		}
		if _, err := Open(t.Context(), path, 0, quiet()); !errors.Is(err, ErrLocked) {
			t.Errorf("second open: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefusesOtherLayouts(t *testing.T) {
	for _, c := range []struct {
		version string
		newer   bool
	}{{"2\n", true}, {"x", false}, {"", false}, {"0", false}} {
		path := t.TempDir()
		file := filepath.Join(path, "VERSION")
		if err := os.WriteFile(file, []byte(c.version), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), path, 0, quiet())
		if err == nil {
			t.Fatalf("VERSION %q was taken", c.version)
		}
		if errors.Is(err, ErrNewerLayout) != c.newer || !strings.Contains(err.Error(), file) {
			t.Errorf("VERSION %q: %v", c.version, err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != c.version {
			t.Errorf("VERSION %q was changed to %q, %v", c.version, text, err)
		}
		// The refusal must not leave the lock behind.
		l, err := Acquire(t.Context(), filepath.Join(path, "LOCK"), 0, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriteFileReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	// What a crash left beside it must not lend its mode to the new file.
	if err := os.WriteFile(path+".tmp", []byte("half"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, []byte(text)) {
			t.Errorf("got %q, %v", got, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}

// notify is a writer that hands each log line to a waiting test.
type notify chan string

func (n notify) Write(p []byte) (int, error) {
	n <- string(p)
	return len(p), nil
}
