package run

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for _, c := range []struct {
		second os.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		synctest.Test(t, func(t *testing.T) {
			signals := make(chan os.Signal)
			ctx, cancel := context.WithCancel(t.Context())
			exited := make(chan int, 1)
			go await(signals, nil, slog.New(slog.DiscardHandler), cancel, func(code int) { exited <- code })
			if ctx.Err() != nil {
				t.Error("ended without a signal")
			}
			signals <- syscall.SIGTERM
			<-ctx.Done()
			synctest.Wait()
			select {
			case code := <-exited:
				t.Errorf("the first signal exits with %d", code)
			default:
			}
			signals <- c.second // an echo of the first
			synctest.Wait()
			select {
			case code := <-exited:
				t.Errorf("an echo of the first signal exits with %d", code)
			case <-time.After(echo):
			}
			signals <- c.second
			if code := <-exited; code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
		})
	}
}

func TestWithSignals(t *testing.T) {
	ctx, stop := WithSignals(t.Context(), slog.New(slog.DiscardHandler))
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	stop()
	stop()

	ctx, stop = WithSignals(t.Context(), slog.New(slog.DiscardHandler))
	stop()
	if ctx.Err() == nil {
		t.Error("stop did not end the context")
	}
}
