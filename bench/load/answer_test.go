package load

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/ledger"
)

func TestJudge(t *testing.T) {
	const (
		acc = ledger.Accepted
		qua = ledger.Quarantined
		dro = ledger.Dropped
		unk = ledger.Unknown
	)
	all := func(accepted, rejected int, results string) string {
		return fmt.Sprintf(`{"success":true,"request_id":"x","accepted":%d,"rejected":%d,"durability":"broker","results":[%s]}`, accepted, rejected, results)
	}
	drop := func(i int) string {
		return fmt.Sprintf(`{"index":%d,"id":"x","result":"drop","code":"missing_event","field":"/event","detail":"no \"event\"","quarantined":true}`, i)
	}
	problem := func(status int, code, more string) string {
		return fmt.Sprintf(`{"type":"x","title":"y","status":%d,"detail":"z","code":%q,"message":"z","error":%q%s}`, status, code, code, more)
	}
	refused := func(n int) string {
		results := make([]string, n)
		for i := range results {
			results[i] = drop(i)
		}
		return problem(400, "missing_event", fmt.Sprintf(`,"success":false,"accepted":0,"rejected":%d,"durability":"broker","results":[%s]`, n, strings.Join(results, ",")))
	}
	for _, c := range []struct {
		name     string
		status   int
		body     string
		hopeless bool
		blind    bool
		answer   ledger.Answer
		results  []ledger.Result
		kind     string
	}{
		{name: "all accepted", status: 200, body: all(3, 0, ""), answer: acc},
		{name: "all accepted, spaced", status: 200, body: `{ "accepted": 3, "rejected": 0, "results": [] }`, answer: acc},
		{name: "all accepted, listed", status: 200, body: all(3, 0, `{"index":0,"result":"ok"},{"index":1,"result":"warning","code":"timestamp_adjusted"},{"index":2,"result":"ok"}`), answer: acc},
		{name: "no counts", status: 200, body: `{"results":[]}`, answer: acc},
		{name: "one refused", status: 200, body: all(2, 1, drop(1)), answer: acc, results: []ledger.Result{{Index: 1, Answer: qua}}},
		{name: "one refused and not kept", status: 200, body: all(2, 1, `{"index":2,"result":"drop","quarantined":false}`), answer: acc, results: []ledger.Result{{Index: 2, Answer: dro}}},
		{name: "one to be sent again", status: 200, body: all(1, 1, drop(0)+`,{"index":2,"result":"retry","code":"unknown"}`), answer: acc, results: []ledger.Result{{Index: 0, Answer: qua}, {Index: 2, Answer: unk}}},

		{name: "fewer accepted than sent", status: 200, body: all(2, 0, ""), answer: unk, kind: kindBadAnswer},
		{name: "more accepted than sent", status: 200, body: all(33, 0, ""), answer: unk, kind: kindBadAnswer},
		{name: "counts against results", status: 200, body: all(3, 1, ""), answer: unk, kind: kindBadAnswer},
		{name: "results against counts", status: 200, body: all(3, 0, drop(1)), answer: unk, kind: kindBadAnswer},
		{name: "an event that was not sent", status: 200, body: all(2, 1, drop(3)), answer: unk, kind: kindBadAnswer},
		{name: "a negative event", status: 200, body: all(2, 1, drop(-1)), answer: unk, kind: kindBadAnswer},
		{name: "an event twice", status: 200, body: all(1, 2, drop(1)+","+drop(1)), answer: unk, kind: kindBadAnswer},
		{name: "no index", status: 200, body: all(2, 1, `{"result":"drop"}`), answer: unk, kind: kindBadAnswer},
		{name: "an unknown result", status: 200, body: all(2, 1, `{"index":1,"result":"perhaps"}`), answer: unk, kind: kindBadAnswer},
		{name: "no results", status: 200, body: `{"accepted":3,"rejected":0}`, answer: unk, kind: kindBadAnswer},
		{name: "the fast path's words inside of a text", status: 200, body: `{"detail":"\"accepted\":3,\"rejected\":0,\"results\":[]"}`, answer: unk, kind: kindBadAnswer},
		{name: "not JSON", status: 200, body: "OK", answer: unk, kind: kindBadAnswer},
		{name: "nothing", status: 200, answer: unk, kind: kindBadAnswer},
		{name: "nothing, which nobody asked for", status: 200, blind: true, answer: acc},
		{name: "another success", status: 202, body: all(3, 0, ""), answer: unk, kind: "202"},
		{name: "elsewhere", status: 302, answer: unk, kind: "302"},

		{name: "every event refused", status: 400, body: refused(3), answer: dro, results: []ledger.Result{{Index: 0, Answer: qua}, {Index: 1, Answer: qua}, {Index: 2, Answer: qua}}, kind: "400 missing_event"},
		{name: "every event refused, rightly", status: 400, body: refused(3), hopeless: true, answer: dro, results: []ledger.Result{{Index: 0, Answer: qua}, {Index: 1, Answer: qua}, {Index: 2, Answer: qua}}},
		{name: "hopeless, but not by event", status: 400, body: problem(400, "invalid_json", ""), hopeless: true, answer: dro, kind: "400 invalid_json"},
		{name: "hopeless, blind", status: 400, body: refused(3), hopeless: true, blind: true, answer: dro, kind: "400 missing_event"},
		{name: "a refusal that contradicts itself", status: 400, body: refused(2), answer: dro, kind: "400 missing_event"},
		{name: "no such key", status: 401, body: problem(401, "invalid_key", ""), answer: dro, kind: "401 invalid_key"},
		{name: "too large", status: 413, body: "too large", answer: dro, kind: "413"},
		{name: "too fast", status: 429, body: problem(429, "rate_limited", ""), answer: unk, kind: "429 rate_limited"},
		{name: "overloaded", status: 503, body: problem(503, "overloaded", ""), answer: unk, kind: "503 overloaded"},
		{name: "overloaded, with results", status: 503, body: problem(503, "overloaded", `,"accepted":2,"rejected":0,"results":[{"index":1,"result":"retry"}]`), answer: unk, kind: "503 overloaded"},
		{name: "a code that is none", status: 500, body: problem(500, "a \x1b[31m b", ""), answer: unk, kind: "500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := ledger.Entry{Events: 3, Results: make([]ledger.Result, 1, 8)}
			kind := judge(&e, &response{status: c.status, body: []byte(c.body)}, !c.blind, c.hopeless)
			if kind != c.kind || e.Answer != c.answer || int(e.Status) != c.status || len(e.Results)+len(c.results) > 0 && !reflect.DeepEqual(e.Results, c.results) {
				t.Fatalf("answer %d, results %v, status %d, kind %q; want %d, %v, %d, %q\n%s", e.Answer, e.Results, e.Status, kind, c.answer, c.results, c.status, c.kind, c.body)
			}
		})
	}
}

func TestTally(t *testing.T) {
	var c Counts
	c.Tally(&ledger.Entry{Events: 10, Answer: ledger.Accepted, Results: []ledger.Result{{Index: 1, Answer: ledger.Quarantined}, {Index: 2, Answer: ledger.Dropped}, {Index: 3, Answer: ledger.Unknown}}})
	c.Tally(&ledger.Entry{Events: 5, Answer: ledger.Dropped, Results: []ledger.Result{{Index: 0, Answer: ledger.Accepted}}})
	c.Tally(&ledger.Entry{Events: 2, Answer: ledger.Unknown})
	if want := (Counts{Accepted: 8, Rejected: 6, Unknown: 3}); c != want {
		t.Fatalf("%+v, want %+v", c, want)
	}
}

func TestJudgeAllocatesNothing(t *testing.T) {
	answer := response{status: 200, body: []byte(`{"success":true,"request_id":"x","accepted":100,"rejected":0,"durability":"broker","results":[]}`)}
	e := ledger.Entry{Events: 100}
	if n := testing.AllocsPerRun(1000, func() {
		if kind := judge(&e, &answer, true, false); kind != "" {
			t.Fatal(kind)
		}
	}); n != 0 {
		t.Fatalf("%v allocations per answer", n)
	}
}

// FuzzJudge: whatever an answer says, every event ends up with one outcome, and the results name events that exist, once.
func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(`{"accepted":2,"rejected":1,"results":[{"index":1,"result":"drop","quarantined":true}]}`))
	f.Add(400, []byte(`{"code":"missing_event","accepted":0,"rejected":3,"results":[{"index":0,"result":"drop"},{"index":1,"result":"drop"},{"index":2,"result":"drop"}]}`))
	f.Add(503, []byte(`{"code":"overloaded"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := ledger.Entry{Events: 3}
		kind := judge(&e, &response{status: status, body: body}, true, true)
		if kind == "" && status != 200 && status != 400 {
			t.Fatalf("status %d is no error", status)
		}
		seen := map[uint16]bool{}
		for _, r := range e.Results {
			if r.Index >= e.Events || seen[r.Index] || r.Answer == e.Answer {
				t.Fatalf("results %v beside answer %d", e.Results, e.Answer)
			}
			seen[r.Index] = true
		}
		var c Counts
		c.Tally(&e)
		if c.Accepted+c.Rejected+c.Unknown != uint64(e.Events) {
			t.Fatalf("%+v of %d events", c, e.Events)
		}
		if status != 200 && c.Accepted == 3 {
			t.Fatalf("status %d accepts everything: %s", status, body)
		}
	})
}
