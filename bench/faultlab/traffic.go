package faultlab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/scenario"
)

// What is sent while faults are injected: little enough for two processors that also run everything else, in small requests, so that many are under way when a fault
// strikes.
const (
	trafficRate        = 1500 // events per second
	trafficBatch       = 20
	trafficConnections = 10
	trafficTimeout     = 10 * time.Second
	trafficHours       = 4 // longer than any run; the lab ends it
)

// trafficScenario is what is sent. Late, repeated and invalid events are frequent, because what becomes of them is a part of the promise.
func trafficScenario(seed uint64) scenario.Scenario {
	s := scenario.Default()
	s.Name, s.Description, s.Seed = "faultlab", "the load of the fault lab", seed
	s.Load.Stages = []scenario.Stage{{Duration: trafficHours * time.Hour, Rate: trafficRate}}
	s.Load.Connections, s.Load.Batch, s.Load.Timeout = trafficConnections, trafficBatch, trafficTimeout
	s.Events.Bytes, s.Events.Users, s.Events.PoolBytes = 700, 50, 4<<20
	s.Events.Late, s.Events.Duplicates, s.Events.Invalid = 0.03, 0.02, 0.01
	return s
}

// traffic is the load of a run and its ledger.
type traffic struct {
	run    ledger.RunID
	header ledger.Header
	path   string // of the ledger
	began  time.Time

	ledger   *ledger.Writer
	cancel   context.CancelFunc
	ended    chan struct{} // closed when the load has ended; publishes summary and err
	summary  *load.Summary
	err      error
	stopping sync.Once
	closeErr error

	accepted atomic.Uint64 // events, without repeats: what must be stored
	resent   atomic.Uint64 // requests
}

// startTraffic begins to send. The caller must stop it.
func startTraffic(ctx context.Context, url, key, path, database string, seed uint64, resend load.ResendPolicy) (*traffic, error) {
	sc := trafficScenario(seed)
	pool, err := generate.NewContext(ctx, &sc)
	if err != nil {
		return nil, err
	}
	t := &traffic{run: ledger.NewRunID(), path: path, began: time.Now(), ended: make(chan struct{})}
	t.header = ledger.Header{Run: t.run.String(), Started: t.began, Scenario: sc.Name, Dialect: sc.Load.Dialect, Target: url, Database: database}
	for _, p := range pool.Producers {
		t.header.Producers = append(t.header.Producers, p.Slots)
	}
	if t.ledger, err = ledger.Create(path, t.header); err != nil {
		return nil, err
	}
	runner, err := load.New(load.Options{
		URL: url, Key: key, Scenario: &sc, Pool: pool, Run: t.run, Record: t.record, ParseAnswers: true, Resend: resend,
		Tick: func(i load.Interval) { t.resent.Add(i.Counts.Resent) },
	})
	if err != nil {
		return nil, errors.Join(err, t.ledger.Close())
	}
	ctx, t.cancel = context.WithCancel(ctx)
	go func() {
		defer close(t.ended)
		t.summary, t.err = runner.Run(ctx)
	}()
	return t, nil
}

// record writes an answer down and counts what has to arrive.
func (t *traffic) record(e *ledger.Entry) error {
	slots := t.header.Producers[e.Producer]
	valid := func(i int) uint64 {
		if slots[(e.Seq+uint64(i))%uint64(len(slots))].Kind == ledger.Valid {
			return 1
		}
		return 0
	}
	accepted := uint64(0)
	if e.Answer == ledger.Accepted {
		for i := range int(e.Events) {
			accepted += valid(i)
		}
	}
	for _, r := range e.Results { // each differs from e.Answer
		switch ledger.Accepted {
		case e.Answer:
			accepted -= valid(int(r.Index))
		case r.Answer:
			accepted += valid(int(r.Index))
		}
	}
	t.accepted.Add(accepted)
	return t.ledger.Append(e)
}

// stop ends the load, waits for the answers under way and closes the ledger. It may be called again.
func (t *traffic) stop() error {
	t.stopping.Do(func() {
		t.cancel()
		<-t.ended
		t.closeErr = t.ledger.Close()
	})
	if err := errors.Join(t.err, t.closeErr); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}
