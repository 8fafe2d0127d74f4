package backlog

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/schema"
)

func TestGateFollowsTheLogAndTheDisk(t *testing.T) {
	g := New(Config{MaxBytes: 100, MinFreeBytes: 10}, slog.New(slog.DiscardHandler), metrics.NewSet())
	for _, c := range []struct {
		size, free int64
		want       error
	}{{0, 1000, nil}, {99, 10, nil}, {100, 10, schema.ErrBacklog}, {500, 9, schema.ErrStorageFull}, {0, 9, schema.ErrStorageFull}, {99, 10, nil}} {
		g.decide(c.size, c.free)
		if err := g.Gate(); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("log %d, free %d: %v, want %v", c.size, c.free, err, c.want)
		}
	}
}

func TestRunMeasuresAtEachInterval(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var size atomic.Int64
		g := New(Config{Dir: dir, MaxBytes: 100, Interval: time.Second, LogBytes: func(string) (int64, error) { return size.Load(), nil }},
			slog.New(slog.DiscardHandler), metrics.NewSet())
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		if g.Gate() != nil {
			t.Error("refused an empty log")
		}
		size.Store(100)
		<-time.After(time.Second)
		synctest.Wait()
		if !errors.Is(g.Gate(), schema.ErrBacklog) {
			t.Errorf("full log: %v", g.Gate())
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
