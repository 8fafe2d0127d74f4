package load

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

// firstID finds the first event id of a run in a body.
var firstID = regexp.MustCompile(`"([0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8000-[0-9a-f]{12})"`)

// sends keeps every body that a server got, by the id of its first event, which all sends of one body share.
type sends struct {
	mu     sync.Mutex
	bodies map[string][][]byte
}

func (s *sends) add(r *http.Request) (times int) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bodies == nil {
		s.bodies = map[string][][]byte{}
	}
	key := string(firstID.FindSubmatch(body)[1])
	s.bodies[key] = append(s.bodies[key], body)
	return len(s.bodies[key])
}

// resending is a lab whose requests are sent again.
func resending(t *testing.T, policy ResendPolicy, d time.Duration) *lab {
	t.Helper()
	l := newLab(t, func(s *scenario.Scenario) {
		s.Load.Stages = []scenario.Stage{{Duration: 200 * time.Millisecond, Rate: 500}}
	})
	l.adjust = func(r *Runner) {
		r.options.Resend = policy
		if d > 0 {
			r.options.ResendFor = d
		}
	}
	return l
}

const allGood = `{"accepted":5,"rejected":0,"results":[]}`

func TestUnclearRequestsAreSentAgain(t *testing.T) {
	for name, first := range map[string]func(http.ResponseWriter){
		"503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"cut": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"one retry": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"accepted":4,"rejected":0,"results":[{"index":2,"result":"retry"}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got sends
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got.add(r) == 1 {
					first(w)
					return
				}
				_, _ = io.WriteString(w, allGood)
			}))
			defer server.Close()
			l := resending(t, Unclear, 0)
			s := l.mustRun(t, server.URL)
			if s.Counts.Unknown > 0 || s.Counts.Errors > 0 || s.Counts.Accepted != s.Counts.Sent {
				t.Errorf("counts %+v: everything is clear in the end", s.Counts)
			}
			if s.Counts.Resent != uint64(len(l.entries)) || len(l.entries) != len(got.bodies) {
				t.Errorf("%d requests sent again, %d entries, %d bodies", s.Counts.Resent, len(l.entries), len(got.bodies))
			}
			for id, bodies := range got.bodies {
				if len(bodies) != 2 || !bytes.Equal(bodies[0], bodies[1]) {
					t.Fatalf("body with id %s was sent %d times, or changed", id, len(bodies))
				}
			}
		})
	}
}

func TestUnclearRequestsAreGivenUp(t *testing.T) {
	var got sends
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.add(r)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	l := resending(t, Unclear, 30*time.Millisecond)
	s := l.mustRun(t, server.URL)
	if s.Counts.Unknown != s.Counts.Sent || s.Counts.Sent == 0 || s.Counts.Resent == 0 {
		t.Errorf("counts %+v", s.Counts)
	}
	for i := range l.entries {
		if e := &l.entries[i]; e.Answer != ledger.Unknown || e.Status != http.StatusServiceUnavailable {
			t.Fatalf("entry %+v", e)
		}
	}
}

func TestEveryRequestTwice(t *testing.T) {
	var got sends
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got.add(r) == 2 { // what is said to the repeat must not take back what was said before
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, allGood)
	}))
	defer server.Close()
	l := resending(t, Always, 0)
	s := l.mustRun(t, server.URL)
	if s.Counts.Accepted != s.Counts.Sent || s.Counts.Errors > 0 || s.Counts.Resent != uint64(len(l.entries)) {
		t.Errorf("counts %+v with %d entries", s.Counts, len(l.entries))
	}
	for id, bodies := range got.bodies {
		if len(bodies) != 2 {
			t.Fatalf("body with id %s was sent %d times", id, len(bodies))
		}
	}
}

func TestNeverIsNever(t *testing.T) {
	var got sends
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.add(r)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	s := resending(t, Never, 0).mustRun(t, server.URL)
	if s.Counts.Resent != 0 || s.Counts.Requests != uint64(len(got.bodies)) {
		t.Errorf("counts %+v with %d bodies", s.Counts, len(got.bodies))
	}
}

func TestAnswersTogether(t *testing.T) {
	entry := func(status uint16, all ledger.Answer, others ...ledger.Result) *ledger.Entry {
		return &ledger.Entry{Events: 3, Status: status, Answer: all, Results: others}
	}
	var a answers
	for _, e := range []*ledger.Entry{
		entry(0, ledger.Unknown),
		entry(200, ledger.Accepted, ledger.Result{Index: 1, Answer: ledger.Quarantined}, ledger.Result{Index: 2, Answer: ledger.Unknown}),
		entry(503, ledger.Unknown),
	} {
		a.add(e)
	}
	if !a.unclear() {
		t.Error("event 2 has no clear answer")
	}
	a.add(entry(200, ledger.Dropped))
	if a.unclear() {
		t.Error("every event has a clear answer")
	}
	var sum ledger.Entry
	a.enter(&sum)
	if sum.Status != 200 || sum.Answer != ledger.Accepted || len(sum.Results) != 2 ||
		sum.Results[0] != (ledger.Result{Index: 1, Answer: ledger.Quarantined}) || sum.Results[1] != (ledger.Result{Index: 2, Answer: ledger.Dropped}) {
		t.Errorf("together: %+v", sum)
	}
}
