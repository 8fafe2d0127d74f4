package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/admin"
	"github.com/millrace/millrace/cmd/internal/backlog"
	"github.com/millrace/millrace/cmd/internal/custom"
	"github.com/millrace/millrace/cmd/internal/erased"
	"github.com/millrace/millrace/cmd/internal/keys"
	"github.com/millrace/millrace/cmd/internal/topics"
	"github.com/millrace/millrace/ingest"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/failpoint"
)

// recordRoom is what a record may take beside the event as it was sent: envelope, key, headers, batch.
const recordRoom = 64 << 10

// prepare makes the stages, now that both engines answer: topics and tables are checked (or made, when the engine is ours) before anything is written to them.
func (s *server) prepare(ctx context.Context) error {
	if err := s.engines.havePorts(); err != nil {
		return err
	}
	if s.role.brokers() {
		if err := s.prepareStages(ctx); err != nil {
			return err
		}
	}
	if s.role.queries() {
		if err := s.prepareQuery(); err != nil {
			return errors.Join(err, s.release(ctx))
		}
	}
	return nil
}

// prepareStages makes what works with the broker.
func (s *server) prepareStages(ctx context.Context) (err error) {
	if s.client, err = broker.New(s.c.Broker); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.client.Close()
		}
	}()
	if err := s.client.Probe(ctx); err != nil {
		return unavailableError{err}
	}
	if s.topics, err = topics.Inspect(ctx, s.client, s.c.Broker, s.engines.broker != nil); err != nil {
		return err
	}
	if len(s.topics.Relaxed) > 0 && !s.c.Broker.AllowRelaxedDurability {
		return fmt.Errorf("an acknowledged event could be lost:\n  %s\nor accept that with broker.allow_relaxed_durability: true; each answer then says \"durability\":\"relaxed\"", strings.Join(s.topics.Relaxed, "\n  "))
	}
	s.warnings = append(s.warnings, s.topics.Relaxed...)
	if err := s.prepareTables(ctx); err != nil {
		return err
	}
	warnings, err := s.pins.Check(s.topics)
	if err != nil {
		return err
	}
	s.warnings = append(s.warnings, warnings...)
	if s.role.sinks() {
		s.sink, err = sink.New(s.c.Sink, sink.Deps{
			Broker: s.client, Events: sink.Topic{Name: s.c.Broker.Topic, Log: s.pins.Events.Log, Keeps: s.c.Retention.Events},
			Quarantine: sink.Topic{Name: s.c.Broker.QuarantineTopic, Log: s.pins.Quarantine.Log, Keeps: s.c.Retention.Quarantine},
			ClickHouse: s.c.ClickHouse, DataDir: s.dir.Path(), Detach: s.detach, Logger: s.log, Metrics: s.metrics,
		})
		if err != nil {
			return err
		}
		s.running.Store(s.sink)
	}
	if s.role.jobs() {
		if err := s.prepareJobs(ctx); err != nil {
			return err
		}
	}
	if s.watchesRetention() {
		s.retention.Store(backlog.NewRetention(backlog.RetentionConfig{
			Topics: []string{s.c.Broker.Topic, s.c.Broker.QuarantineTopic}, Group: s.c.Sink.Group,
			Interval: s.c.Broker.RetentionCheckInterval, RefuseAt: s.c.Broker.RetentionRefuseRatio,
		}, s.client, s.log.With("component", "retention"), s.metrics))
	}
	if s.role.ingests() {
		return s.prepareDoor()
	}
	return nil
}

// detach takes away the view of a custom metric in which the sink's INSERTs fail, and what people read of it.
func (s *server) detach(ctx context.Context, db *clickhouse.DB, message string) (metric string, err error) {
	if metric, err = custom.Detach(ctx, db, message); err != nil || metric == "" {
		return metric, err
	}
	if err := refreshShown(ctx, db); err != nil {
		s.log.Warn("the users of projects still see a metric that is gone", "metric", metric, "error", err)
	}
	return metric, nil
}

// watchesRetention says whether unread events could be removed by a broker that is not ours, and somebody is here who could refuse new ones.
func (s *server) watchesRetention() bool {
	return s.role.ingests() && s.engines.broker == nil && s.c.Broker.RetentionCheckInterval > 0
}

// gate asks every guard there is; nil when there is none.
func (s *server) gate() func() error {
	retention := s.retention.Load()
	switch {
	case s.engines.guard != nil && retention != nil:
		return func() error { return cmp.Or(s.engines.guard.Gate(), retention.Gate()) }
	case s.engines.guard != nil:
		return s.engines.guard.Gate
	case retention != nil:
		return retention.Gate
	}
	return nil
}

// prepareTables brings the embedded engine's tables up to date, checks an external one's, and learns which partitions are pinned. A gateway can do
// without ClickHouse when it has been told before.
func (s *server) prepareTables(ctx context.Context) error {
	db, err := clickhouse.Open(ctx, s.c.ClickHouse)
	if err != nil {
		pins, ok, loadErr := topics.LoadPins(s.dir.Path(), s.topics.ClusterID)
		if s.role.sinks() || s.role.jobs() || !ok {
			return unavailableError{errors.Join(err, loadErr)}
		}
		s.pins = pins
		s.warnings = append(s.warnings, fmt.Sprintf("ClickHouse is away, the partitions pinned at the last start are used: %v", err))
		return nil
	}
	defer db.Close() //nolint:errcheck // it was only read from
	if s.engines.clickhouse != nil {
		if err := s.migrateOwn(ctx); err != nil {
			return err
		}
		if err := clickhouse.ApplyRetention(ctx, db, s.c.Retention, s.log); err != nil {
			return err
		}
		if err := showTables(ctx, db); err != nil {
			return err
		}
	}
	if err := errors.Join(clickhouse.Assert(ctx, db), clickhouse.AssertRetention(ctx, db, s.c.Retention)); err != nil {
		if !failpoint.Without("assert") {
			return err
		}
		s.warnings = append(s.warnings, fmt.Sprintf("the assertions are left out: %v", err))
	}
	s.pins.ClusterID = s.topics.ClusterID
	for _, p := range []struct {
		pin   *topics.Pin
		topic string
		now   int
	}{{&s.pins.Events, s.c.Broker.Topic, s.topics.Events}, {&s.pins.Quarantine, s.c.Broker.QuarantineTopic, s.topics.Quarantine}} {
		l, err := clickhouse.AllotLog(ctx, db, s.topics.ClusterID, p.topic, p.now)
		if err != nil {
			return err
		}
		*p.pin = topics.Pin{Log: l.Number, Partitions: l.Partitions}
	}
	return topics.SavePins(s.dir.Path(), s.pins)
}

// migrateOwn applies the migrations to the embedded engine. They make a dictionary, which the account default must not.
func (s *server) migrateOwn(ctx context.Context) error {
	c := s.c
	asBackupUser(&c)
	db, err := clickhouse.Open(ctx, c.ClickHouse)
	if err != nil {
		return err
	}
	db.ReadAsDefault()
	return errors.Join(clickhouse.Up(ctx, db, s.log), db.Close())
}

// prepareDoor makes pipeline and door, with limits that the topics can keep.
func (s *server) prepareDoor() (err error) {
	limits, cfg := s.c.Limits, s.c.Pipeline
	limits.MaxEventBytes = min(limits.MaxEventBytes, s.topics.MaxMessageBytes-recordRoom)
	cfg.MaxBatchBytes = min(cfg.MaxBatchBytes, s.topics.MaxMessageBytes)
	deps := pipeline.Deps{
		Broker: s.client, Topic: s.c.Broker.Topic, QuarantineTopic: s.c.Broker.QuarantineTopic,
		Partitions: s.pins.Events.Partitions, QuarantinePartitions: s.pins.Quarantine.Partitions,
		AckTimeout: s.c.Broker.AckTimeout, Relaxed: len(s.topics.Relaxed) > 0, Logger: s.log.With("component", "pipeline"), Metrics: s.metrics,
	}
	deps.Gate = s.gate()
	s.erased = erased.New(s.dir.Path(), s.c.ClickHouse, s.log.With("component", "erased ids"), s.metrics)
	deps.Erased = s.erased.Of
	if s.enrich, err = s.newEnricher(); err != nil {
		return err
	}
	deps.Enrich = s.enrich
	if s.pipeline, err = pipeline.New(cfg, limits, deps); err != nil {
		return err
	}
	s.door, err = ingest.New(s.c.Ingest, limits, ingest.Deps{
		Submitter: s.pipeline, Validate: s.pipeline.Validate, Keys: keyring{s.keys}, Health: s.health.Ready, Log: s.log.With("component", "ingest"), Metrics: s.metrics,
	})
	return err
}

// release lets go of what prepare has opened.
func (s *server) release(context.Context) error {
	if s.client != nil {
		s.client.Close()
	}
	return s.tables.close()
}

// checks are the conditions of being ready. What they look at exists once the process serves; before that it is not ready anyway.
func (s *server) checks() []admin.Check {
	var checks []admin.Check
	add := func(name string, advisory bool, f func(context.Context) (string, error)) {
		checks = append(checks, admin.Check{Name: name, Advisory: advisory, Func: f})
	}
	if s.engines.guard != nil {
		add("storage", false, s.engines.guard.Check)
	}
	if s.watchesRetention() {
		// What it refuses shows in the pipeline's check, which is not advisory.
		add("retention", true, func(ctx context.Context) (string, error) {
			r := s.retention.Load()
			if r == nil {
				return "", errStarting
			}
			return r.Check(ctx)
		})
	}
	if s.role.ingests() {
		add("pipeline", false, func(ctx context.Context) (string, error) {
			if s.pipeline == nil {
				return "", errStarting
			}
			return s.pipeline.Check(ctx)
		})
	}
	if s.role.sinks() {
		// A gateway takes events durably while ClickHouse is away.
		add("sink", s.role.ingests(), func(ctx context.Context) (string, error) {
			if s.sink == nil {
				return "", errStarting
			}
			return s.sink.Check(ctx)
		})
	}
	if s.role.queries() {
		add("query", s.role.ingests(), s.checkQuery)
	}
	if s.role.jobs() {
		add("jobs", s.role != roleJobs, s.checkJobs) // the others do their work without
	}
	return checks
}

var errStarting = errors.New("starting")

// keyring shows the keys to the door.
type keyring struct{ store *keys.Store }

func (k keyring) Lookup(key []byte) (ingest.Key, bool) {
	found, ok := k.store.Lookup(key)
	if !ok {
		return ingest.Key{}, false
	}
	return ingest.Key{
		ID: found.ID, Project: found.Project, Name: found.Name, Forbidden: !found.Scopes.Has(keys.Ingest),
		Dialect: found.Dialect, HasDialect: found.HasDialect, Address: found.Address,
	}, true
}
