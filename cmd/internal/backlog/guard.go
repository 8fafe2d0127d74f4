package backlog

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/schema"
)

// Config says what to watch. It is made by the program from the section "broker".
type Config struct {
	Dir          string // the embedded broker's folder
	MaxBytes     int64  // of the log; at or above it new events are refused
	MinFreeBytes int64  // of the file system; below it new events are refused
	Interval     time.Duration
	// LogBytes measures the log.
	LogBytes func(dir string) (int64, error)
}

// Guard knows whether the embedded broker can take more.
type Guard struct {
	cfg Config
	log *slog.Logger
	// verdict is nil while events may come in. Its store publishes nothing but itself.
	verdict    atomic.Pointer[error]
	size, free atomic.Int64
}

// New makes a guard that lets everything through until Run has measured.
func New(cfg Config, log *slog.Logger, set *metrics.Set) *Guard {
	g := &Guard{cfg: cfg, log: log}
	set.NewGauge("millrace_embedded_log_bytes", func() float64 { return float64(g.size.Load()) })
	set.NewGauge("millrace_embedded_log_limit_bytes", func() float64 { return float64(cfg.MaxBytes) })
	set.NewGauge("millrace_data_free_bytes", func() float64 { return float64(g.free.Load()) })
	return g
}

// Gate returns nil, or an error that is schema.ErrBacklog or schema.ErrStorageFull and says what to do.
func (g *Guard) Gate() error {
	if p := g.verdict.Load(); p != nil {
		return *p
	}
	return nil
}

// Check is Gate in the form of a readiness check.
func (g *Guard) Check(context.Context) (detail string, err error) {
	return fmt.Sprintf("log %d MiB of %d MiB, %d MiB free on disk", g.size.Load()>>20, g.cfg.MaxBytes>>20, g.free.Load()>>20), g.Gate()
}

// Run measures until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(g.cfg.Interval)
	defer tick.Stop()
	for {
		g.measure()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (g *Guard) measure() {
	size, err := g.cfg.LogBytes(g.cfg.Dir)
	if err != nil {
		// A segment may vanish while it is counted; the next measurement tells.
		g.log.Debug("measure the embedded broker's log", "error", err)
		return
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(g.cfg.Dir, &fs); err != nil {
		g.log.Warn("measure the free disk space", "dir", g.cfg.Dir, "error", err)
		return
	}
	free := int64(fs.Bavail) * fs.Bsize
	g.size.Store(size)
	g.free.Store(free)
	g.decide(size, free)
}

func (g *Guard) decide(size, free int64) {
	var verdict error
	switch {
	case free < g.cfg.MinFreeBytes:
		verdict = fmt.Errorf("%w: %d MiB are free on the file system of %s, %d MiB must stay free (broker.embedded_min_free_bytes): free space", schema.ErrStorageFull, free>>20, g.cfg.Dir, g.cfg.MinFreeBytes>>20)
	case size >= g.cfg.MaxBytes:
		verdict = fmt.Errorf("%w: the embedded broker holds %d MiB, the limit is %d MiB (broker.embedded_max_bytes): see why the sink does not load, or use a broker of your own (broker.addresses)", schema.ErrBacklog, size>>20, g.cfg.MaxBytes>>20)
	}
	before := g.Gate()
	switch {
	case verdict == nil:
		g.verdict.Store(nil)
		if before != nil {
			g.log.Info("events are taken again", "log_bytes", size, "free_bytes", free)
		}
	default:
		g.verdict.Store(&verdict)
		if before == nil {
			g.log.Error("new events are refused", "error", verdict)
		}
	}
}
