package main

import (
	"context"
	"net/http"
	"sync"

	"github.com/millrace/millrace/cmd/internal/keys"
	"github.com/millrace/millrace/cmd/internal/topics"
	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/people/api"
	"github.com/millrace/millrace/people/erase"
	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink/audit"
	"github.com/millrace/millrace/sink/exact"
)

// prepareJobs makes what works out who people are, and the tasks that rest on it.
func (s *server) prepareJobs(ctx context.Context) error {
	if s.engines.broker != nil {
		if err := topics.CreateJobs(ctx, s.client, s.c.Broker, s.c.People.Topic, func(what string) { s.log.Debug(what) }); err != nil {
			return err
		}
	}
	if err := topics.InspectJobs(ctx, s.client, s.c.People.Topic); err != nil {
		return err
	}
	send, err := s.announcer()
	if err != nil {
		return err
	}
	segments, err := segment.New(s.c.Segments, segment.Deps{Send: send, Logger: s.log, Metrics: s.metrics})
	if err != nil {
		return err
	}
	erasures, err := erase.New(s.c.Erase, erase.Deps{
		Quarantine: func(ctx context.Context) ([]people.Confirmed, error) {
			return s.confirmed(ctx, s.c.Broker.QuarantineTopic, s.pins.Quarantine)
		},
		Audit: func(ctx context.Context, db *clickhouse.DB, hours []int64) error {
			return audit.Enqueue(ctx, db, hours, "erasure")
		},
		Logger: s.log, Metrics: s.metrics,
	})
	if err != nil {
		return err
	}
	s.people, err = people.New(s.c.People, people.Deps{
		Broker: s.client, ClickHouse: s.c.ClickHouse,
		Confirmed: func(ctx context.Context) ([]people.Confirmed, error) {
			return s.confirmed(ctx, s.c.Broker.Topic, s.pins.Events)
		},
		Tasks: []people.Task{segments, erasures}, Logger: s.log, Metrics: s.metrics,
	})
	return err
}

// confirmed is how far the sinks have loaded the partitions of a topic.
func (s *server) confirmed(ctx context.Context, topic string, pin topics.Pin) ([]people.Confirmed, error) {
	progress, err := s.client.Progress(ctx, s.c.Sink.Group, topic)
	if err != nil {
		return nil, err
	}
	all := make([]people.Confirmed, len(progress))
	for i, p := range progress {
		c := &all[i]
		*c = people.Confirmed{Log: pin.Log, Partition: uint16(p.Partition)}
		in, err := exact.ParseIntent(p.Metadata)
		if p.Committed < 0 || err == nil && in.Log != c.Log {
			continue // nothing of this life of the topic
		}
		c.Offset = uint64(p.Committed)
	}
	return all, nil
}

// checkJobs tells whether the jobs can be run, here or elsewhere.
func (s *server) checkJobs(ctx context.Context) (string, error) {
	if s.people == nil {
		return "", errStarting
	}
	return s.people.Check(ctx)
}

// peopleRoutes are the handlers of segments and erasures, by the paths that they answer.
func (s *server) peopleRoutes() map[string]http.Handler {
	s.tables = &tables{cfg: s.c.ClickHouse}
	h := api.New(api.Deps{
		Keys: peopleKeyring{s.keys}, Segments: segment.NewStore(s.tables.open), Erasures: erase.NewStore(s.tables.open, nil),
		MaxConcurrent: s.c.Query.MaxConcurrent, MaxConcurrentPerProject: s.c.Query.MaxConcurrentPerProject,
		Timeout: s.c.Query.Timeout, WriteTimeout: s.c.Query.WriteTimeout, Log: s.log.With("component", "people"), Metrics: s.metrics,
	})
	routes := map[string]http.Handler{}
	for _, prefix := range api.Prefixes {
		routes[prefix] = h
	}
	return routes
}

// peopleKeyring shows the keys to the handler of segments and erasures.
type peopleKeyring struct{ store *keys.Store }

func (k peopleKeyring) Lookup(key []byte) (api.Caller, bool) {
	found, ok := k.store.Lookup(key)
	return api.Caller{Project: found.Project, KeyID: found.ID, Read: found.Scopes.Has(keys.Query), Manage: found.Scopes.Has(keys.Manage)}, ok
}

// tables is a pool that is opened when it is first needed: ClickHouse may be away when a server starts.
type tables struct {
	cfg clickhouse.Config

	mu sync.Mutex
	db *clickhouse.DB // guarded by mu
}

func (t *tables) open(ctx context.Context) (*clickhouse.DB, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.db != nil {
		return t.db, nil
	}
	db, err := clickhouse.Open(ctx, t.cfg)
	if err != nil {
		return nil, unavailableError{err}
	}
	t.db = db
	return db, nil
}

func (t *tables) close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.db == nil {
		return nil
	}
	return t.db.Close()
}
