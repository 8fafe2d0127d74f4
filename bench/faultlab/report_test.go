package faultlab

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/verify"
)

// fixture is a run that held.
func fixture() *Result {
	r := &Result{
		Kind: "sink-kill", Describe: "SIGKILL of the sink", Seed: 7, Seconds: 41, Planned: 3,
		Load:    load.Counts{Sent: 12_345, Accepted: 12_000, Rejected: 345},
		Proof:   map[string]float64{"millrace_sink_takeovers_total": 4},
		Starts:  map[string]int{"sink-0": 4, "gateway": 1},
		Verdict: &ledger.Verdict{Accepted: 12_000, Rows: 12_000},
		Drift:   []verify.RollupDrift{{Table: "rollup_1m", Keys: 1000}, {Table: "rollup_1h", Keys: 234}},
		Fresh:   0.3,
	}
	for i := range 3 {
		r.Outcomes = append(r.Outcomes, Outcome{Injection: Injection{Number: i + 1, Action: Kill, Target: "sink-0"}, Bit: true, What: "SIGKILL of sink-0, process 1", Seconds: float64(i + 1)})
	}
	r.Recovery = recovery(r.Outcomes)
	return r
}

func block(r *Result) string {
	var b strings.Builder
	writeBlock(&b, r, "millrace faultlab run --seed 7 --only sink-kill")
	return b.String()
}

func TestBlockOfARunThatHeld(t *testing.T) {
	r := fixture()
	r.conclude()
	text := block(r)
	for _, want := range []string{
		"sink-kill: SIGKILL of the sink (seed 7, 41 s)", "3 planned, 3 fired, 3 bit", "4 starts of sink-0", "sink_takeovers_total 4", "lost 0, duplicated 0, invented 0, corrupted 0",
		"2 tables, 1,234 keys recomputed: no drift", "p50 2.00 s, max 3.00 s of 3", "held: 12,000 accepted events",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "replay") || strings.Contains(text, "starts of gateway") {
		t.Errorf("too much said:\n%s", text)
	}
}

func TestARunFailsForEachReason(t *testing.T) {
	for name, spoil := range map[string]func(*Result){
		"2 of 3 injections bit": func(r *Result) { r.Outcomes[1].Bit = false },
		"did not recover":       func(r *Result) { r.Outcomes[2].Problem = "did not recover within 40s" },
		"something else":        func(r *Result) { r.problem("something else") },
	} {
		r := fixture()
		spoil(r)
		r.conclude()
		text := block(r)
		if r.Pass || !strings.Contains(text, "FAILED") || !strings.Contains(text, name) || !strings.Contains(text, "replay      millrace faultlab run --seed 7 --only sink-kill") {
			t.Errorf("%s: pass %v\n%s", name, r.Pass, text)
		}
	}
	r := fixture()
	r.Aborted = true
	if r.conclude(); r.Pass {
		t.Error("a run that was aborted passed")
	}
}

func TestTables(t *testing.T) {
	held, failed := fixture(), fixture()
	failed.Kind, failed.Describe = "zombie", "a sink freezes"
	failed.Verdict.Duplicated.Add(3, 40, 1)
	failed.Verdict.Duplicated.Add(3, 41, 1)
	failed.problem("2 duplicated")
	held.conclude()
	failed.conclude()
	var table, markdown strings.Builder
	writeTable(&table, []*Result{held, failed})
	if err := Markdown(&markdown, []*Result{held, failed}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[1], "held") || !strings.HasSuffix(lines[2], "FAILED") {
		t.Errorf("table:\n%s", table.String())
	}
	if want := "| `zombie` | a sink freezes | 3/3 | 12,000 | 0 | 2 | 0 | 0 | 0 | 2.0 s | 3.0 s | FAILED |"; !strings.Contains(markdown.String(), want) {
		t.Errorf("no %q in\n%s", want, markdown.String())
	}
}

// What a verdict must not hide: rollups that were repaired only when asked, keys that differ in something else than a number of events, and processes that died.
func TestTablesTellOfRepairsAndDeaths(t *testing.T) {
	r := fixture()
	r.Drift[0].Different, r.Reconciled, r.DriftAfter = 5, true, []verify.RollupDrift{{Table: "rollup_1m", Keys: 1000}}
	r.Unasked = map[string][]string{"gateway": {"exit status 1"}, "clickhouse": {"signal: aborted", "signal: aborted"}}
	r.conclude()
	var markdown strings.Builder
	if err := Markdown(&markdown, []*Result{r}); err != nil {
		t.Fatal(err)
	}
	if want := "| 0 | 5 | 2.0 s | 3.0 s | held, rollups repaired, 3 deaths unasked |"; !strings.Contains(markdown.String(), want) {
		t.Errorf("no %q in\n%s", want, markdown.String())
	}
	if text := block(r); !strings.Contains(text, "drift of 5 rows before, 0 after reconciliation") {
		t.Errorf("block:\n%s", text)
	}
}

func TestSoakNeedsTheSameProcess(t *testing.T) {
	before, after := map[string]reading{survivor: {PID: 7, Resident: 100 << 20, Goroutines: 50}}, map[string]reading{survivor: {PID: 7, Resident: 104 << 20, Goroutines: 52}}
	r := fixture()
	if r.compareReadings(before, after); len(r.Problems) > 0 {
		t.Errorf("problems %q", r.Problems)
	}
	after[survivor] = reading{PID: 7, Resident: 106 << 20, Goroutines: 60}
	if r.compareReadings(before, after); len(r.Problems) != 2 || !strings.Contains(r.Problems[0], "holds 111,149,056 bytes") {
		t.Errorf("problems %q", r.Problems)
	}
	r = fixture()
	after[survivor] = reading{PID: 8, Resident: 50 << 20, Goroutines: 40}
	if r.compareReadings(before, after); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "died by itself") {
		t.Errorf("problems %q", r.Problems)
	}
}

func TestProofTakesCountersThatTell(t *testing.T) {
	got := proof(map[string]float64{
		"millrace_sink_repeats_total{topic=\"events\"}": 3, "millrace_sink_insert_rows_total": 1000, "millrace_publish_errors_total{kind=\"ambiguous\"}": 2, "millrace_sink_parked_total": 0,
	})
	if len(got) != 2 || got["millrace_sink_repeats_total{topic=\"events\"}"] != 3 || got["millrace_publish_errors_total{kind=\"ambiguous\"}"] != 2 {
		t.Errorf("proof %v", got)
	}
}

func TestCountersAddUpOverLives(t *testing.T) {
	c := newCounters()
	const name = `millrace_sink_recoveries_total{step="a"}`
	for _, v := range []float64{2, 5, 1, 4} { // 5, then a new life that comes to 4
		c.add("sink-0", map[string]float64{name: v, "millrace_gauge": v, "go_gc_total": v})
	}
	c.add("sink-1", map[string]float64{name: 10})
	if got := c.sum("millrace_sink_recoveries_total"); got != 19 {
		t.Errorf("sum %v, want 5 + 4 + 10", got)
	}
	if got := c.snapshot(); len(got) != 1 {
		t.Errorf("counted %v: only the program's own counters are", got)
	}
}

func TestControlsSayWhatTheyCaught(t *testing.T) {
	for _, c := range controls() {
		without, with := fixture(), fixture()
		without.Planned, with.Planned = 3, 3
		with.conclude()
		var quiet strings.Builder
		if c.report(&quiet, without, with, "millrace faultlab") || !strings.Contains(quiet.String(), "NOT CAUGHT") {
			t.Errorf("%s: nothing was named, and it says\n%s", c.name, quiet.String())
		}
		for seq := range uint64(42) {
			c.caught(without).Add(3, 40+seq, 1)
		}
		without.problem("42 events")
		without.conclude()
		var told strings.Builder
		if !c.report(&told, without, with, "millrace faultlab") || !strings.Contains(told.String(), "the checker named 42 events "+c.word()+": producer 3: 40–81") {
			t.Errorf("%s:\n%s", c.name, told.String())
		}
		with.problem("something")
		with.conclude()
		var broken strings.Builder
		if c.report(&broken, without, with, "millrace faultlab") {
			t.Errorf("%s: the run with the protection failed, and it says\n%s", c.name, broken.String())
		}
	}
	if strings.Join(ControlNames(), ",") != "intent,token,window,verify,ids" {
		t.Errorf("controls %v", ControlNames())
	}
}

func TestAcceptedCountsWhatMustBeStored(t *testing.T) {
	slots := []ledger.Slot{{Kind: ledger.Valid}, {Kind: ledger.Invalid}, {Kind: ledger.Valid}, {Kind: ledger.Duplicate, Back: 1}}
	tr := &traffic{header: ledger.Header{Run: ledger.NewRunID().String(), Producers: [][]ledger.Slot{slots}}}
	var err error
	if tr.ledger, err = ledger.Create(t.TempDir()+"/ledger", tr.header); err != nil {
		t.Fatal(err)
	}
	defer tr.ledger.Close() //nolint:errcheck // what counts is counted
	for i, e := range []ledger.Entry{
		{Events: 4, Answer: ledger.Accepted, Results: []ledger.Result{{Index: 1, Answer: ledger.Quarantined}}},                                 // 2
		{Events: 4, Answer: ledger.Unknown, Results: []ledger.Result{{Index: 2, Answer: ledger.Accepted}}},                                     // 1
		{Events: 4, Answer: ledger.Accepted, Results: []ledger.Result{{Index: 0, Answer: ledger.Dropped}, {Index: 2, Answer: ledger.Unknown}}}, // 0
		{Events: 4, Answer: ledger.Dropped}, // 0
	} {
		e.Seq = uint64(i * 4)
		if err := tr.record(&e); err != nil {
			t.Fatal(err)
		}
	}
	if n := tr.accepted.Load(); n != 3 {
		t.Errorf("%d accepted, want 3", n)
	}
}
