package load

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/schema"
)

func TestMain(m *testing.M) {
	if events := os.Getenv(serverVariable); events != "" {
		serveBench(events)
		return
	}
	goleak.VerifyTestMain(m)
}

const run ledger.RunID = 0x123456789abc

// lab is one run against a server of the test.
type lab struct {
	scenario *scenario.Scenario
	pool     *generate.Pool
	blind    bool // answers are not parsed
	every    time.Duration
	adjust   func(*Runner)
	record   func(*ledger.Entry) error // beside keeping entries

	mu        sync.Mutex
	entries   []ledger.Entry
	intervals []Interval
}

// newLab has four connections that send requests of five valid events, at 1,000 requests per second for 200 ms.
func newLab(t *testing.T, change func(*scenario.Scenario)) *lab {
	t.Helper()
	s := scenario.Default()
	s.Load.Stages = []scenario.Stage{{Duration: 200 * time.Millisecond, Rate: 5000}}
	s.Load.Connections, s.Load.Batch, s.Load.Timeout = 4, 5, 10*time.Second
	s.Events.PoolBytes, s.Events.Bytes, s.Events.Invalid, s.Events.Duplicates, s.Events.Late = 64<<10, 600, 0, 0, 0
	if change != nil {
		change(&s)
	}
	pool, err := generate.New(&s)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{scenario: &s, pool: pool, every: 50 * time.Millisecond}
}

func (l *lab) run(ctx context.Context, url string) (*Summary, error) {
	r, err := New(Options{
		URL: url, Key: "dev_key", Scenario: l.scenario, Pool: l.pool, Run: run, Interval: l.every, ParseAnswers: !l.blind,
		Record: func(e *ledger.Entry) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			kept := *e
			kept.Results = slices.Clone(e.Results)
			l.entries = append(l.entries, kept)
			if l.record != nil {
				return l.record(e)
			}
			return nil
		},
		Tick: func(i Interval) { l.intervals = append(l.intervals, i) },
	})
	if err != nil {
		return nil, err
	}
	if l.adjust != nil {
		l.adjust(r)
	}
	return r.Run(ctx)
}

// mustRun runs to the end and checks what holds for every run.
func (l *lab) mustRun(t *testing.T, url string) *Summary {
	t.Helper()
	s, err := l.run(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	l.check(t, s)
	return s
}

// check compares the summary, the intervals and the ledger's entries with each other.
func (l *lab) check(t *testing.T, s *Summary) {
	t.Helper()
	var intervals, entries Counts
	var latencies uint64
	at := 0.0
	for _, i := range l.intervals {
		if i.At < at || i.Seconds <= 0 || i.At-i.Seconds-at > 1e-6 || i.At-i.Seconds-at < -1e-6 {
			t.Errorf("an interval of %v s ends at %v s, the one before at %v s", i.Seconds, i.At, at)
		}
		at = i.At
		if !i.Warmup {
			intervals.merge(&i.Counts)
			latencies += i.Latency.Count
		}
	}
	if intervals != s.Counts || latencies != s.Latency.Count {
		t.Errorf("the intervals sum up to\n%+v and %d latencies, the summary has\n%+v and %d", intervals, latencies, s.Counts, s.Latency.Count)
	}
	warm := s.Started.Add(l.scenario.Load.Warmup).UnixNano()
	next := map[uint16]uint64{}
	for i := range l.entries {
		e := &l.entries[i]
		if e.Seq != next[e.Producer] {
			t.Errorf("producer %d sends number %d after %d", e.Producer, e.Seq, next[e.Producer])
		}
		next[e.Producer] = e.Seq + uint64(e.Events)
		if e.Sent < e.Intended || e.Done < e.Sent || e.Stamp > e.Sent/1e6 || e.Stamp < e.Intended/1e6 && l.scenario.Load.Mode == scenario.Rate {
			t.Errorf("times of an entry: %+v", *e)
		}
		if e.Intended >= warm {
			entries.Tally(e)
			entries.Sent += uint64(e.Events)
		}
	}
	if c := s.Counts; c.Sent != entries.Sent || c.Accepted != entries.Accepted || c.Rejected != entries.Rejected || c.Unknown != entries.Unknown {
		t.Errorf("the ledger holds %+v, the summary %+v", entries, c)
	}
	var kinds uint64
	for _, n := range s.ErrorKinds {
		kinds += n
	}
	if kinds != s.Counts.Errors {
		t.Errorf("%d errors by kind, %d in the counts", kinds, s.Counts.Errors)
	}
}

// request is what a test's server saw.
type request struct {
	producer uint16
	seqs     []uint64
}

// server is a door of the test's own. Answer decides what a request gets; nil: that everything is accepted.
type server struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *request)

	mu       sync.Mutex
	requests []request
	problems []string
}

func newServer(t *testing.T, answer func(w http.ResponseWriter, r *request)) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		for _, p := range s.problems {
			t.Error(p)
		}
	})
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen, err := decode(r)
	s.mu.Lock()
	if err != nil {
		s.problems = append(s.problems, err.Error())
	}
	s.requests = append(s.requests, seen)
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, &seen)
		return
	}
	accept(w, &seen)
}

// decode reads a request of the Segment dialect and checks all that must be the same in each.
func decode(r *http.Request) (seen request, err error) {
	if user, password, ok := r.BasicAuth(); r.Method != http.MethodPost || r.URL.Path != "/v1/batch" || !ok || user != "dev_key" || password != "" || r.Header.Get("Content-Type") != "application/json" {
		return seen, fmt.Errorf("%s %s of user %q with %v", r.Method, r.URL, user, r.Header)
	}
	var body io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		if body, err = gzip.NewReader(body); err != nil {
			return seen, err
		}
	case "zstd":
		z, err := zstd.NewReader(body)
		if err != nil {
			return seen, err
		}
		defer z.Close()
		body = z
	default:
		return seen, fmt.Errorf("encoding %q", encoding)
	}
	var batch struct {
		Batch []struct {
			MessageID string `json:"messageId"`
		} `json:"batch"`
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return seen, err
	}
	if err := json.Unmarshal(raw, &batch); err != nil {
		return seen, err
	}
	for i, e := range batch.Batch {
		id, ok := schema.ParseUUID([]byte(e.MessageID))
		of, producer, seq, ours := ledger.SplitID(id)
		if !ok || !ours || of != run || i > 0 && producer != seen.producer {
			return seen, fmt.Errorf("event %d has the id %q", i, e.MessageID)
		}
		seen.producer = producer
		seen.seqs = append(seen.seqs, seq)
	}
	return seen, nil
}

func accept(w http.ResponseWriter, r *request) { render(w, len(r.seqs), nil) }

// render answers like the product: results are what is not plain ok.
func render(w http.ResponseWriter, accepted int, results []string) {
	w.Header().Set("Content-Type", "application/json")
	rejected := 0
	for _, r := range results {
		if strings.Contains(r, `"drop"`) {
			rejected++
		}
	}
	if accepted == 0 {
		w.WriteHeader(http.StatusBadRequest)
	}
	_, _ = fmt.Fprintf(w, `{"success":%v,"request_id":"x","accepted":%d,"rejected":%d,"durability":"broker","results":[%s]}`, accepted > 0, accepted, rejected, strings.Join(results, ","))
}
