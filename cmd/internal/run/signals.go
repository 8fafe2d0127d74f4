package run

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// WithSignals returns a context that ends with parent, with the first SIGINT, SIGTERM or SIGHUP (its terminal is gone), or with stop, which gives the signals back
// their usual meaning. A second signal, half a second later or more, ends the process at once, with 128 plus its number. Call stop.
func WithSignals(parent context.Context, log *slog.Logger) (ctx context.Context, stop context.CancelFunc) {
	// Room for two: a signal that comes while the first one is being logged must not get lost.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(parent)
	quit, joined := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(joined)
		await(signals, quit, log, cancel, os.Exit)
	}()
	return ctx, func() {
		signal.Stop(signals)
		select {
		case <-quit:
		default:
			close(quit)
		}
		cancel()
		<-joined
	}
}

// echo is how long after the first signal another one counts as the same: timeout(1) signals the process and then its whole group, a terminal signals
// make and what make runs, which passes it on.
const echo = 500 * time.Millisecond

// await handles signals until quit is closed.
func await(signals <-chan os.Signal, quit <-chan struct{}, log *slog.Logger, cancel context.CancelFunc, exit func(int)) {
	var first time.Time
	for {
		select {
		case <-quit:
			return
		case s := <-signals:
			if first.IsZero() {
				first = time.Now()
				log.Info("stopping; a second signal ends at once", "signal", s.String())
				cancel()
				continue
			}
			if time.Since(first) < echo {
				continue
			}
			log.Error("ending at once: what is acknowledged is stored, the rest is lost", "signal", s.String())
			exit(exitCode(s))
			return
		}
	}
}

// exitCode is what a shell reports for a process that a signal has ended.
func exitCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
