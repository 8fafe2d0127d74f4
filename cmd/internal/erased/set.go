package erased

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"github.com/millrace/millrace/cmd/internal/datadir"
	"github.com/millrace/millrace/schema/clickhouse"
)

// interval is how often the table is read, and timeout how long that may take.
const (
	interval = 5 * time.Second
	timeout  = 30 * time.Second
)

// ids are hashes by project; never changed once they are published.
type ids map[uint32]map[uint64]struct{}

// Set is the erased ids. Make it with New and Run it. Of is safe for concurrent use.
type Set struct {
	path string
	cfg  clickhouse.Config
	log  *slog.Logger

	// current is what Of reads; storing it publishes a finished set. nil: nobody is erased.
	current atomic.Pointer[ids]
	count   atomic.Int64
	// read is when the table was read last, Unix milliseconds; 0: not since the start.
	read atomic.Int64
}

// New makes the set of the data directory and reads its file. A file that cannot be used is logged and left.
func New(dataDir string, cfg clickhouse.Config, log *slog.Logger, set *metrics.Set) *Set {
	s := &Set{path: filepath.Join(dataDir, "erased.bin"), cfg: cfg, log: log}
	switch content, err := os.ReadFile(s.path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		log.Error("the erased ids cannot be read: events of erased people are taken until ClickHouse answers", "error", err)
	default:
		all, err := decode(content)
		if err != nil {
			log.Error("the file of erased ids is damaged: events of erased people are taken until ClickHouse answers", "file", s.path, "error", err)
			break
		}
		s.publish(all)
	}
	set.NewGauge("millrace_erased_ids", func() float64 { return float64(s.count.Load()) })
	set.NewGauge("millrace_erased_read_timestamp_seconds", func() float64 { return float64(s.read.Load()) / 1000 })
	return s
}

// Of returns what tells whether a hash of an id is erased in the project; nil when none is. It costs one atomic load while nobody is erased.
func (s *Set) Of(project uint32) func(h uint64) bool {
	all := s.current.Load()
	if all == nil {
		return nil
	}
	of := (*all)[project]
	if of == nil {
		return nil
	}
	return func(h uint64) bool {
		_, is := of[h]
		return is
	}
}

func (s *Set) publish(all ids) {
	n := 0
	for _, of := range all {
		n += len(of)
	}
	s.count.Store(int64(n))
	if n == 0 {
		s.current.Store(nil)
		return
	}
	s.current.Store(&all)
}

// Run reads the table again and again until ctx ends. While ClickHouse is away the set stays as it is.
func (s *Set) Run(ctx context.Context) error {
	var db *clickhouse.DB
	defer func() {
		if db != nil {
			_ = db.Close() // it was only read from
		}
	}()
	var seen version
	failing := false
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			if db == nil {
				if db, err = clickhouse.Open(ctx, s.cfg); err != nil {
					return err
				}
			}
			return s.refresh(ctx, db, &seen)
		}()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			s.log.Warn("the erased ids cannot be read again: those known so far are refused", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// version is what the table was like when it was read.
type version struct {
	known          bool
	highest, count uint64
}

// refresh reads the table if it has changed, publishes the set and keeps it in the file.
func (s *Set) refresh(ctx context.Context, db *clickhouse.DB, seen *version) error {
	query := func(what, final string, each func(), into ...any) error {
		return db.Query(ctx, clickhouse.Call{ID: "millrace-erased-" + uuid.NewString()}, "SELECT "+what+" FROM "+db.Database()+".erasures"+final, each, into...)
	}
	now := version{known: true}
	if err := query("max(version), count()", "", func() {}, &now.highest, &now.count); err != nil {
		return fmt.Errorf("look at table erasures: %w", err)
	}
	if now != *seen {
		all := ids{}
		var project uint32
		var h uint64
		err := query("project_id, user_h", " FINAL", func() {
			if all[project] == nil {
				all[project] = map[uint64]struct{}{}
			}
			all[project][h] = struct{}{}
		}, &project, &h)
		if err != nil {
			return fmt.Errorf("read table erasures: %w", err)
		}
		s.publish(all)
		if err := datadir.WriteFile(s.path, encode(all), 0o600); err != nil {
			return fmt.Errorf("keep the erased ids: %w", err)
		}
		*seen = now
	}
	s.read.Store(time.Now().UnixMilli())
	return nil
}
