package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/report"
	"github.com/millrace/millrace/schema"
)

// ProbeOptions say what a Probe sends where.
type ProbeOptions struct {
	URL      string                    // of the target: scheme://host:port
	Key      string                    // write key; empty: none is sent
	Dialect  string                    // segment or native, as the producer was made for
	Producer *generate.Producer        // its first body is sent; the Probe writes into it
	Run      ledger.RunID              //
	Store    *Store                    // where the events must appear
	Every    time.Duration             // between two events. Default 500 ms.
	Look     time.Duration             // between two looks while an event is awaited, at least. Default 100 ms.
	Timeout  time.Duration             // of a request. Default 30 s.
	Grace    time.Duration             // how long after the end the last answer is waited for, and then the events not seen yet. Default 5 s.
	Record   func(*ledger.Entry) error // gets each request and its answer, in order, from one goroutine; the entry is valid during the call. Nil: nothing is recorded.
}

func (o *ProbeOptions) setDefaults() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&o.Every, 500 * time.Millisecond}, {&o.Look, 100 * time.Millisecond}, {&o.Timeout, 30 * time.Second}, {&o.Grace, 5 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
}

// Probe measures how long accepted events take until a query shows them: it sends one event at a time beside the load and looks for it in table
// events until it is there.
//
// A time runs from the complete answer to the end of the first look that shows the event. It is an upper bound: the event was there at most Look and
// one query before. The looks cost ClickHouse a query by primary key each, on the rows of the probe alone. All events are of one user, so they take
// one partition of the topic.
type Probe struct {
	o      ProbeOptions
	client *http.Client

	start    time.Time
	awaited  chan probed // from the one who sends to the one who looks; closed when no more are sent
	times    *hdrhistogram.Histogram
	series   []report.Point
	unseen   int
	lastLook error // the last look that failed
}

// probed is an event that was accepted.
type probed struct {
	seq      uint64
	stamp    int64     // its time, Unix milliseconds
	answered time.Time //
}

// longestProbe bounds what is told apart: longer times count as this.
const longestProbe = time.Hour

// NewProbe makes a probe. It starts nothing.
func NewProbe(o ProbeOptions) *Probe {
	o.setDefaults()
	return &Probe{
		o: o, awaited: make(chan probed, 1024), times: hdrhistogram.New(1, longestProbe.Microseconds(), 3),
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConns: 1, Proxy: nil},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       o.Timeout,
		},
	}
}

// Run sends until ctx ends, then looks for what it has not seen yet for at most Grace, and returns when all its goroutines have ended. The end of ctx
// is no error; that nothing could be recorded is one, and ends the run. Requests and looks that fail are no error either: the first are in the
// ledger, the others show as long times. It is called once.
func (p *Probe) Run(ctx context.Context) error {
	defer p.client.CloseIdleConnections()
	p.start = time.Now()
	var looking sync.WaitGroup
	looking.Go(func() { p.look(context.WithoutCancel(ctx)) })
	err := p.send(ctx)
	close(p.awaited)
	looking.Wait()
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}

// Result is what was measured, after Run: nil when nothing was accepted. Events that were never seen count with the time that they were waited for.
func (p *Probe) Result() (*load.Percentiles, []report.Point) {
	if p.times.TotalCount() == 0 {
		return nil, nil
	}
	all := load.PercentilesOf(p.times)
	// Events are seen by one look at the table, in any order.
	slices.SortFunc(p.series, func(a, b report.Point) int { return cmp.Compare(a.At, b.At) })
	return &all, p.series
}

// Unseen is how many accepted events never appeared, after Run, and the last error of a look, which may be why.
func (p *Probe) Unseen() (events int, lastLook error) { return p.unseen, p.lastLook }

// send sends one event after another.
func (p *Probe) send(ctx context.Context) error {
	url := strings.TrimRight(p.o.URL, "/") + generate.Path(p.o.Dialect)
	tick := time.NewTicker(p.o.Every)
	defer tick.Stop()
	for seq, due := uint64(0), p.start; ctx.Err() == nil; seq++ {
		e, answered := p.post(ctx, url, seq, due)
		if p.o.Record != nil {
			if err := p.o.Record(e); err != nil {
				return err
			}
		}
		if e.Answer == ledger.Accepted {
			p.awaited <- probed{seq, e.Stamp, answered} // waits at most for a look, and only when minutes of events are awaited
		}
		select {
		case due = <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// post sends one event and reads the answer.
func (p *Probe) post(ctx context.Context, url string, seq uint64, due time.Time) (e *ledger.Entry, answered time.Time) {
	sent := time.Now()
	e = &ledger.Entry{
		Producer: p.o.Producer.Number, Seq: seq, Events: 1, Stamp: sent.UnixMilli(), Intended: due.UnixNano(), Sent: sent.UnixNano(), Answer: ledger.Unknown,
	}
	body := &p.o.Producer.Bodies[0]
	body.Stamp(p.o.Run, e.Producer, seq, e.Stamp)
	e.Status, e.Answer = p.exchange(ctx, url, body.JSON)
	answered = time.Now()
	e.Done = sent.Add(answered.Sub(sent)).UnixNano()
	return e, answered
}

// probeAnswer is what counts of an answer. Fields that are missing stay nil.
type probeAnswer struct {
	Rejected *int `json:"rejected"`
	Results  []struct {
		Quarantined bool `json:"quarantined"`
	} `json:"results"`
}

const maxAnswer = 64 << 10

// exchange posts a body of one event. Status 0 is no answer. When ctx ends meanwhile the answer is still waited for, at most Grace: it is due any moment.
func (p *Probe) exchange(ctx context.Context, url string, body []byte) (status uint16, answer ledger.Answer) {
	outer := ctx
	ctx, cut := context.WithCancel(context.WithoutCancel(outer))
	defer cut()
	defer context.AfterFunc(outer, func() { time.AfterFunc(p.o.Grace, cut) })()
	// The transport may read a body after the answer has come; the next event is written into the same memory.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(bytes.Clone(body)))
	if err != nil {
		return 0, ledger.Unknown
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "millrace-bench-probe")
	if p.o.Key != "" {
		req.SetBasicAuth(p.o.Key, "")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, ledger.Unknown
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, ledger.Unknown
	}
	return uint16(resp.StatusCode), judge(resp.StatusCode, text)
}

// judge reads the answer to a request of one event.
func judge(status int, text []byte) ledger.Answer {
	var a probeAnswer
	understood := json.Unmarshal(text, &a) == nil && a.Rejected != nil
	switch {
	case status == http.StatusTooManyRequests, status != http.StatusOK && (status < 400 || status >= 500):
		return ledger.Unknown
	case understood && *a.Rejected > 0 && len(a.Results) == 1 && a.Results[0].Quarantined:
		return ledger.Quarantined
	case understood && *a.Rejected > 0, status >= 400:
		return ledger.Dropped
	case understood && len(a.Results) == 0:
		return ledger.Accepted
	}
	return ledger.Unknown // asked to send it again, or no answer that we know
}

// look waits for events and looks for them.
func (p *Probe) look(ctx context.Context) {
	tick := time.NewTicker(p.o.Look)
	defer tick.Stop()
	var open []probed
	var end <-chan time.Time // of the grace
	for awaited := p.awaited; awaited != nil || len(open) > 0; {
		due := tick.C
		if len(open) == 0 {
			due = nil
		}
		select {
		case e, more := <-awaited:
			if more {
				open = append(open, e)
			} else {
				awaited, end = nil, time.After(p.o.Grace)
			}
		case <-due:
			open = p.find(ctx, open)
		case <-end:
			open = p.find(ctx, open)
			for _, e := range open {
				p.observe(e, time.Now())
			}
			p.unseen = len(open)
			return
		}
	}
}

// find looks once, and returns the events that are not there yet.
func (p *Probe) find(ctx context.Context, open []probed) []probed {
	seen, err := p.o.Store.probed(ctx, p.o.Run, p.o.Producer.Number, open[0])
	if err != nil {
		p.lastLook = err
		return open
	}
	now := time.Now()
	missing := open[:0]
	for _, e := range open {
		if seen[e.seq] {
			p.observe(e, now)
		} else {
			missing = append(missing, e)
		}
	}
	return missing
}

func (p *Probe) observe(e probed, now time.Time) {
	took := now.Sub(e.answered)
	if err := p.times.RecordValue(min(took, longestProbe).Round(time.Microsecond).Microseconds()); err != nil {
		panic("BUG: a time out of bounds: " + err.Error())
	}
	p.series = append(p.series, report.Point{At: e.answered.Sub(p.start).Seconds(), Value: float64(took.Microseconds()) / 1000})
}

// probed returns the sequence numbers of the probe's events that are in table events, from the oldest on that is awaited. Name and day of the events
// are part of the primary key, so that only rows of probes are read; which of them are ours is told here, because a query that does it takes ClickHouse twice the time.
func (s *Store) probed(ctx context.Context, run ledger.RunID, producer uint16, oldest probed) (seen map[uint64]bool, err error) {
	ctx, cancel := whole(ctx)
	defer cancel()
	parameters := clickhouse.Parameters{"event": generate.ProbeEvent, "since": millis(time.UnixMilli(oldest.stamp))}
	rows, err := s.conn().Query(s.with(ctx, parameters, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1})),
		"SELECT event_id FROM {database:Identifier}.events WHERE event = {event:String} AND ts >= {since:DateTime64(3, 'UTC')}")
	if err != nil {
		return nil, fmt.Errorf("look for events of the probe: %w", err)
	}
	ids, err := collect[uuid.UUID](rows)
	if err != nil {
		return nil, fmt.Errorf("look for events of the probe: %w", err)
	}
	seen = make(map[uint64]bool, len(ids))
	for _, id := range ids {
		if r, p, seq, ok := ledger.SplitID(schema.UUID(id)); ok && r == run && p == producer {
			seen[seq] = true
		}
	}
	return seen, nil
}
