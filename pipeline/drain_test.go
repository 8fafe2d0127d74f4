package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// TestDrainLosesNothing drains under load, with a slow broker and a lingering batch: every answer given is true, and every caller gets one.
func TestDrainLosesNothing(t *testing.T) {
	for name, linger := range map[string]time.Duration{"no linger": 0, "linger": time.Second} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, options{cfg: func(c *Config) { c.Linger = linger }})
			g := newLedger()
			stop := make(chan struct{})
			join := l.load(g, 8, stop)
			if linger == 0 {
				l.awaitBatches(20)
				l.wire.freeze()
			}
			eventually(t, func() bool { return l.unacked() >= 24 })
			drained := make(chan error, 1)
			go func() { drained <- l.Drain(testContext(t)) }()
			eventually(t, func() bool { return l.draining.Load() })
			l.wire.thaw()
			if err := <-drained; err != nil {
				t.Errorf("Drain: %v", err)
			}
			if n := l.unacked(); n != 0 {
				t.Errorf("%d records are left", n)
			}
			if err := l.Submit(context.Background(), eventBatch(1, 1, 0)); !errors.Is(err, schema.ErrOverloaded) {
				t.Errorf("Submit after Drain: %v", err)
			}
			if _, err := l.Check(testContext(t)); err == nil {
				t.Error("Check says ready after Drain")
			}
			close(stop)
			join()
			l.stop()
			records := l.stored(testTopic)
			if repeated := g.compare(t, records); repeated != 0 {
				t.Errorf("%d events are stored twice", repeated)
			}
			if len(records) != len(g.acked) {
				t.Errorf("%d records, %d events acknowledged", len(records), len(g.acked))
			}
			least := 24 // what was under way when the drain began
			if linger == 0 {
				least += 16 // and most of the batches before it
			}
			if len(g.acked) < least {
				t.Errorf("only %d events were acknowledged", len(g.acked))
			}
		})
	}
}

// TestDrainEndsOnTime: a broker that never answers does not keep the program from ending, and what is left is said.
func TestDrainEndsOnTime(t *testing.T) {
	const deadline = 300 * time.Millisecond
	l := newLab(t, options{cfg: func(c *Config) { c.DrainTimeout = deadline }})
	l.wire.freeze()
	answer := make(chan error, 1)
	b := eventBatch(5, 1, 0)
	go func() { answer <- l.Submit(context.Background(), b) }()
	l.wire.await(func() bool { return l.wire.attempts(testTopic) == 1 })
	begin := time.Now()
	err := l.Drain(context.Background())
	if took := time.Since(begin); took < deadline || took > deadline+2*time.Second {
		t.Errorf("Drain took %v", took)
	}
	if err == nil || !strings.Contains(err.Error(), "5 events") {
		t.Errorf("Drain: %v", err)
	}
	// The end of Run gives the caller its answer long before the ack timeout.
	l.stop()
	if err := <-answer; !errors.Is(err, schema.ErrBrokerUnavailable) {
		t.Errorf("Submit: %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestDrainWithNothingToDo(t *testing.T) {
	l := newLab(t, options{down: true})
	if err := l.Drain(context.Background()); err != nil {
		t.Errorf("Drain: %v", err)
	}
}
