package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/ingest"
	"github.com/millrace/millrace/pipeline/enrich"
	"github.com/millrace/millrace/schema"
)

func TestMain(m *testing.M) {
	// fasthttp keeps one goroutine for the process that refreshes the Date header.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// testNow is when the tests take place, so that they are about the same events for ever: the first day and the seed decide on them.
var testNow = time.Date(2026, 3, 5, 6, 7, 8, 0, time.UTC)

// testKey opens project 1.
const testKey = "mr_dev_demo"

type keyring struct{}

func (keyring) Lookup(key []byte) (ingest.Key, bool) {
	return ingest.Key{ID: "dev", Project: 1, Name: "development"}, string(key) == testKey
}

// row is an event as the door and what follows it have understood it.
type row struct {
	schema.Envelope
	text    map[schema.Field]string
	warning bool
}

// shop is the door of a server, behind which events are completed as the pipeline does and then kept.
type shop struct {
	url string

	mu     sync.Mutex
	before func(n int) error // of the nth request from 1; an error is its answer
	after  func(n int)       // the nth request is kept, its answer is still to be sent
	take   func(rows []row)  // nil: rows gathers them
	n      int
	rows   []row
}

// Submit is what the door calls.
func (s *shop) Submit(_ context.Context, b *schema.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.before != nil {
		if err := s.before(s.n); err != nil {
			return err
		}
	}
	b.Durability = schema.Broker
	b.ReceivedAt = testNow.UnixMilli()
	var r enrich.Request
	r.Begin(b, schema.DefaultLimits())
	var rows []row
	for i := range b.Events {
		e := &b.Events[i]
		if e.Refused() {
			continue
		}
		r.Stamp(b, e)
		r.Name(b, e)
		r.Actor(e)
		adjusted := r.Clock(e)
		r.ID(b, e)
		r.Session(b, e)
		one := row{Envelope: e.Envelope, text: map[schema.Field]string{}, warning: adjusted}
		for f := range schema.NumFields {
			if t := e.Text(f); t.Len() > 0 {
				one.text[f] = string(t.AppendValue(nil, b.Buf))
				if f == schema.FieldProperties || f == schema.FieldContext || f == schema.FieldTraits {
					one.text[f] = string(t.In(b.Buf))
				}
			}
		}
		rows = append(rows, one)
	}
	if s.take != nil {
		s.take(rows)
	} else {
		s.rows = append(s.rows, rows...)
	}
	if s.after != nil {
		s.after(s.n)
	}
	return nil
}

// open starts the door on a loopback port.
func open(t testing.TB) *shop {
	t.Helper()
	s := &shop{}
	server, err := ingest.New(ingest.DefaultConfig(), schema.DefaultLimits(), ingest.Deps{
		Submitter: s, Validate: func(*schema.Batch) {}, Keys: keyring{}, Health: func(bool) (int, []byte) { return http.StatusOK, nil },
		Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("door: %v", err)
		}
	})
	return s
}

// small is a story for tests: two weeks.
func small(t testing.TB, users int) (*Story, Facts) {
	t.Helper()
	s, err := newStory(Options{Days: 14, Users: users, Seed: 7}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Survey(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

var errAway = fmt.Errorf("%w: on purpose", schema.ErrBrokerUnavailable)

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Minute, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}
