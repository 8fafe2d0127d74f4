package erase

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/schema/clickhouse"
)

// runJob runs a real job with the Task, until the function returned is called.
func (w *world) runJob(client *broker.Client) (stop func()) {
	w.t.Helper()
	cfg := people.DefaultConfig()
	cfg.HeartbeatInterval, cfg.RebalanceTimeout, cfg.JoinBackoff, cfg.Interval = 100*time.Millisecond, time.Second, 10*time.Millisecond, 20*time.Millisecond
	tables := clickhouse.DefaultConfig()
	tables.Addresses = []string{w.engine.TCP}
	w.restart()
	w.task.cfg.Interval = 50 * time.Millisecond
	job, err := people.New(cfg, people.Deps{
		Broker: client, ClickHouse: tables, Tasks: []people.Task{w.task}, Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
		Confirmed: func(context.Context) ([]people.Confirmed, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.leader.confirmed), nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- job.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// With the job that works out identities: a person of three ids goes as a whole, of another one only the device, and nothing comes back with the next leader.
func TestErasureBesideTheJob(t *testing.T) {
	w := newWorld(t)
	w.job = true
	bc := broker.DefaultConfig()
	bc.Addresses = []string{enginetest.Broker(t, 1).Broker}
	client, err := broker.New(bc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.CreateTopic(t.Context(), broker.TopicSpec{Name: people.DefaultConfig().Topic, Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	const tablet, phone, second = "tablet-44bd01", "phone-8812aa", "second-person@example.org"
	traits := fmt.Sprintf(`{"email":%q}`, mail)
	w.add(event{kind: "identify", distinct: victim, user: victim, anon: device, traits: traits}, event{distinct: device, anon: device},
		event{kind: "identify", distinct: second, user: second, anon: phone, traits: `{"plan":"pro"}`}, event{distinct: phone, anon: phone}, event{distinct: second, user: second, traits: `{"kept":1}`})
	stop := w.runJob(client)
	person := func(id string) uint64 {
		return w.number("SELECT max(person_h) FROM (SELECT person_h FROM millrace.identity_overrides FINAL WHERE project_id = 7 AND user_h = %d UNION ALL SELECT toUInt64(0))", hashID(id))
	}
	w.until("the devices have their persons", func() bool { return person(device) == hashID(victim) && person(phone) == hashID(second) })
	w.until("there are profiles", func() bool { return w.number("SELECT count() FROM millrace.profiles FINAL") == 2 })

	// The tablet is identified and the person erased before the job has seen it: the request knows two ids.
	w.add(event{kind: "identify", distinct: victim, user: victim, anon: tablet}, event{distinct: tablet, anon: tablet})
	e := w.request(victim, false)
	one := w.request(phone, true)
	w.until("both erasures are done", func() bool {
		p, q := w.proof(e), w.proof(one)
		return p.Done() && q.Done()
	})
	// What a leader was at meanwhile is gone in the end.
	gone := []string{victim, device, tablet, phone}
	w.until("nothing is left", func() bool { return len(w.bearers(gone...)) == 0 })
	if p := w.proof(e); p.IDs != 3 {
		t.Errorf("%d ids are erased, want 3: %+v", p.IDs, p)
	}
	w.until("the second person has the profile of what is left", func() bool {
		return w.number("SELECT count() FROM millrace.profiles FINAL WHERE person_h = %d AND props = '{\"kept\":1,\"plan\":\"pro\"}' AND ids = 1", hashID(second)) == 1
	})
	stop()

	stop = w.runJob(client)
	w.add(event{distinct: "somebody-new", user: "somebody-new", traits: `{"x":1}`}, event{kind: "identify", distinct: victim, user: victim, anon: tablet, traits: traits})
	w.until("the next leader is at work", func() bool {
		return w.number("SELECT count() FROM millrace.profiles FINAL WHERE person_h = %d", hashID("somebody-new")) == 1
	})
	w.until("nothing is left after a late event", func() bool { return len(w.bearers(gone...)) == 0 })
	stop()
	if n := w.number("SELECT count() FROM millrace.events"); n != 2 {
		t.Errorf("%d events, want the second person's own and the new one", n)
	}
}
