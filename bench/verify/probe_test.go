package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

// gateway answers the probe and stores what it accepted, when the test lets it.
type gateway struct {
	t      *testing.T
	store  *Store
	answer func(n int) (status int, body string) // to request n, from 0
	stored func(n int) bool                      // whether it comes to be stored

	mu     sync.Mutex
	ids    []string
	auth   []string
	behind sync.WaitGroup
	gate   chan struct{} // one value lets one event be stored
	at     []time.Time   // when storing began
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Batch []struct {
			MessageID string    `json:"messageId"`
			Timestamp time.Time `json:"timestamp"`
			Event     string    `json:"event"`
		} `json:"batch"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Batch) != 1 || body.Batch[0].Event != generate.ProbeEvent || r.URL.Path != "/v1/batch" {
		g.t.Errorf("POST %s: %+v, %v", r.URL.Path, body, err)
		return
	}
	e := body.Batch[0]
	user, _, _ := r.BasicAuth()
	g.mu.Lock()
	n := len(g.ids)
	g.ids, g.auth = append(g.ids, e.MessageID), append(g.auth, user)
	g.mu.Unlock()
	status, text := g.answer(n)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
	if !g.stored(n) {
		return
	}
	g.behind.Go(func() {
		<-g.gate
		g.mu.Lock()
		g.at = append(g.at, time.Now())
		g.mu.Unlock()
		b, err := g.store.conn().PrepareBatch(within(g.t), "INSERT INTO "+g.store.db.Database()+".events (project_id, type, event, ts, event_id)")
		if err == nil {
			err = errors.Join(b.Append(uint32(1), "track", e.Event, e.Timestamp, e.MessageID), b.Send())
		}
		if err != nil {
			g.t.Error(err)
		}
	})
}

func probeProducer(t testing.TB) *generate.Producer {
	t.Helper()
	s := scenario.Default()
	s.Load.Connections, s.Load.Batch, s.Events.PoolBytes = 2, 1, 1<<20
	pool, err := generate.New(&s)
	if err != nil {
		t.Fatal(err)
	}
	return pool.Probe
}

const acceptedText = `{"success":true,"request_id":"x","accepted":1,"rejected":0,"durability":"broker","results":[]}`

func TestProbeMeasuresWhatAppears(t *testing.T) {
	s := openStore(t)
	g := &gateway{t: t, store: s, gate: make(chan struct{}, 1), stored: func(int) bool { return true }, answer: func(int) (int, string) { return 200, acceptedText }}
	server := httptest.NewServer(g)
	defer server.Close()
	ctx, stop := context.WithCancel(within(t))
	defer stop()
	var entries []ledger.Entry
	// Every event is let through when the next one is sent: by then the one before has been looked for.
	p := NewProbe(ProbeOptions{
		URL: server.URL, Key: "key1", Dialect: "segment", Producer: probeProducer(t), Run: ledger.NewRunID(), Store: s, Every: 100 * time.Millisecond, Look: 10 * time.Millisecond,
		Record: func(e *ledger.Entry) error {
			entries = append(entries, *e)
			if len(entries) == 4 {
				stop()
			}
			g.gate <- struct{}{}
			return nil
		},
	})
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	g.behind.Wait()
	if len(entries) != 4 {
		t.Fatalf("%d entries", len(entries))
	}
	for i, e := range entries {
		if want := (ledger.Entry{Producer: 2, Seq: uint64(i), Events: 1, Stamp: e.Stamp, Intended: e.Intended, Sent: e.Sent, Done: e.Done, Status: 200}); !reflect.DeepEqual(e, want) ||
			e.Sent < e.Intended-1e6 || e.Done <= e.Sent || e.Stamp != e.Sent/1e6 {
			t.Errorf("entry %+v", e)
		}
		if g.ids[i] != ledger.ID(p.o.Run, 2, uint64(i)).String() || g.auth[i] != "key1" {
			t.Errorf("sent %s as %q", g.ids[i], g.auth[i])
		}
	}
	all, series := p.Result()
	if all == nil || all.Count != 4 || len(series) != int(all.Count) {
		t.Fatalf("measured %+v, %v", all, series)
	}
	if unseen, err := p.Unseen(); unseen != 0 || err != nil {
		t.Errorf("%d unseen, %v", unseen, err)
	}
	last := -1.
	for _, x := range series {
		if x.Value <= 0 || x.At <= last {
			t.Errorf("series %v", series)
		}
		last = x.At
	}
}

// A time is never shorter than the event really took to appear.
func TestProbeTimeIsAnUpperBound(t *testing.T) {
	s := openStore(t)
	g := &gateway{t: t, store: s, gate: make(chan struct{}, 1), stored: func(int) bool { return true }, answer: func(int) (int, string) { return 200, acceptedText }}
	server := httptest.NewServer(g)
	defer server.Close()
	ctx, stop := context.WithCancel(within(t))
	defer stop()
	var answered time.Time
	p := NewProbe(ProbeOptions{
		URL: server.URL, Dialect: "segment", Producer: probeProducer(t), Run: ledger.NewRunID(), Store: s, Every: time.Hour, Look: 10 * time.Millisecond, Grace: time.Minute,
		Record: func(e *ledger.Entry) error {
			answered = time.Unix(0, e.Done)
			stop()
			return nil
		},
	})
	var run sync.WaitGroup
	run.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-ctx.Done()
	// A few looks in vain, then it is stored.
	for range 3 {
		if _, err := s.Count(within(t), p.o.Run, epoch); err != nil {
			t.Error(err)
		}
	}
	g.gate <- struct{}{}
	run.Wait()
	end := time.Now()
	g.behind.Wait()
	all, series := p.Result()
	if all == nil || all.Count != 1 {
		t.Fatalf("measured %+v", all)
	}
	least, most := float64(g.at[0].Sub(answered).Microseconds())/1000, float64(end.Sub(answered).Microseconds())/1000
	if got := series[0].Value; got < least-1 || got > most+1 {
		t.Errorf("%.1f ms, want %.1f to %.1f", got, least, most)
	}
}

func TestProbeWithoutLuck(t *testing.T) {
	s := openStore(t)
	answers := []struct {
		status int
		body   string
		want   ledger.Answer
	}{
		{200, acceptedText, ledger.Accepted}, // and never stored
		{503, `{"code":"overloaded","message":"x"}`, ledger.Unknown},
		{200, `{"accepted":0,"rejected":1,"results":[{"index":0,"result":"drop","quarantined":true}]}`, ledger.Quarantined},
		{400, `{"accepted":0,"rejected":1,"results":[{"index":0,"result":"drop","quarantined":false}]}`, ledger.Dropped},
		{200, `{"accepted":0,"rejected":0,"results":[{"index":0,"result":"retry"}]}`, ledger.Unknown},
		{200, `OK`, ledger.Unknown},
		{401, `{"code":"invalid_key"}`, ledger.Dropped},
		{429, `{"code":"rate_limited"}`, ledger.Unknown},
		{307, ``, ledger.Unknown},
	}
	g := &gateway{t: t, store: s, stored: func(int) bool { return false }, answer: func(n int) (int, string) { return answers[n%len(answers)].status, answers[n%len(answers)].body }}
	server := httptest.NewServer(g)
	defer server.Close()
	full := errors.New("disk is full")
	var got []ledger.Answer
	p := NewProbe(ProbeOptions{
		URL: server.URL, Dialect: "segment", Producer: probeProducer(t), Run: ledger.NewRunID(), Store: s, Every: time.Millisecond, Look: time.Millisecond, Grace: 20 * time.Millisecond,
		Record: func(e *ledger.Entry) error {
			if got = append(got, e.Answer); len(got) == len(answers) {
				return full
			}
			return nil
		},
	})
	if err := p.Run(within(t)); !errors.Is(err, full) {
		t.Errorf("run: %v", err)
	}
	for i, a := range answers {
		if i < len(got) && got[i] != a.want {
			t.Errorf("%d %s: answer %d, want %d", a.status, a.body, got[i], a.want)
		}
	}
	all, series := p.Result()
	if unseen, _ := p.Unseen(); unseen != 1 || all == nil || all.Count != 1 || len(series) != 1 || series[0].Value < 20 {
		t.Errorf("%d unseen, measured %+v, %v", unseen, all, series)
	}

	server.Close() // nobody answers
	ctx, stop := context.WithCancel(within(t))
	p = NewProbe(ProbeOptions{URL: server.URL, Dialect: "segment", Producer: probeProducer(t), Store: s, Record: func(e *ledger.Entry) error {
		if e.Status != 0 || e.Answer != ledger.Unknown {
			t.Errorf("without an answer: %+v", e)
		}
		stop()
		return nil
	}})
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
	if all, series := p.Result(); all != nil || series != nil {
		t.Errorf("measured %+v, %v", all, series)
	}
}
