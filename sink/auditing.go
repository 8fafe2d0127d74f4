package sink

import (
	"context"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink/audit"
	"github.com/millrace/millrace/sink/exact"
)

// database opens the pool for what is not on the way of a block, once.
func (s *Sink) database(ctx context.Context) (*clickhouse.DB, error) {
	s.db.Lock()
	defer s.db.Unlock()
	if s.pool == nil {
		db, err := clickhouse.Open(ctx, s.tables)
		if err != nil {
			return nil, err
		}
		s.pool = db
	}
	return s.pool, nil
}

func (s *Sink) closeDatabase() error {
	s.db.Lock()
	defer s.db.Unlock()
	if s.pool == nil {
		return nil
	}
	db := s.pool
	s.pool = nil
	return db.Close()
}

// audit compares the rollups with the events until ctx ends. It runs on the owner of partition 0, so on one member of the group.
func (s *Sink) audit(ctx context.Context) {
	again := retry.Backoff{Least: s.cfg.BackoffMin, Most: s.cfg.BackoffMax}
	for ctx.Err() == nil {
		db, err := s.database(ctx)
		if err != nil {
			retry.Pause(ctx, again.Next())
			continue
		}
		a := audit.New(audit.Config{Interval: s.cfg.AuditInterval}, audit.Deps{
			DB: db, Pending: func(ctx context.Context) ([]audit.Pending, error) {
				return Pending(ctx, s.client, s.cfg.Group, s.events)
			},
			Logger: s.log, Metrics: s.metrics.set,
		})
		if err := a.Run(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the auditor of the rollups ended; it begins again", "error", err)
			retry.Pause(ctx, again.Next())
		}
	}
}

// Pending reads which blocks of a topic the sinks of a group have under way.
func Pending(ctx context.Context, client *broker.Client, group, topic string) ([]audit.Pending, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	progress, err := client.Progress(ctx, group, topic)
	if err != nil {
		return nil, err
	}
	var all []audit.Pending
	for _, o := range progress {
		p := audit.Pending{Topic: topic, Partition: o.Partition, Offset: o.Committed, Next: o.Committed}
		if in, err := exact.ParseIntent(o.Metadata); err == nil && in.Next > o.Committed {
			p.Next = in.Next
		}
		all = append(all, p)
	}
	return all, nil
}
