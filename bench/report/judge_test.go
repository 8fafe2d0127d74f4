package report

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/scenario"
)

// fine is a run that passes everything.
func fine() *Result {
	return &Result{
		Scenario: scenario.Scenario{Thresholds: scenario.Thresholds{
			P50: 5 * time.Millisecond, P99: 50 * time.Millisecond, P999: 100 * time.Millisecond, Queryable: 3 * time.Second, Errors: 0.001, Dropped: 0, MinRate: 1000, Ledger: true,
		}},
		Load: load.Summary{
			Seconds: 10, Counts: load.Counts{Scheduled: 20_000, Sent: 20_000, Accepted: 19_990, Requests: 200},
			Latency: load.Percentiles{Count: 200, P50: 5, P90: 9, P99: 50, P999: 60, Max: 70},
		},
		Queryable: &load.Percentiles{Count: 20, P99: 2999},
		Ledger:    &ledger.Verdict{Complete: true, Drained: true},
	}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Result)
		failed string // names of the checks
		value  string // of the first
		limit  string
	}{
		"all is well":              {func(*Result) {}, "", "", ""},
		"p50":                      {func(r *Result) { r.Load.Latency.P50 = 5.01 }, "p50", "5.01 ms", "at most 5 ms"},
		"p99":                      {func(r *Result) { r.Load.Latency.P99 = 1234 }, "p99", "1.23 s", "at most 50 ms"},
		"p999":                     {func(r *Result) { r.Load.Latency.P999 = 100.1 }, "p999", "100.1 ms", "at most 100 ms"},
		"nothing answered":         {func(r *Result) { r.Load.Latency = load.Percentiles{} }, "p50 p99 p999", "not measured", "at most 5 ms"},
		"queryable":                {func(r *Result) { r.Queryable.P99 = 3001 }, "queryable", "3001 ms", "at most 3 s"},
		"queryable, no prober":     {func(r *Result) { r.Queryable = nil }, "queryable", "not measured", "at most 3 s"},
		"queryable, saw nothing":   {func(r *Result) { *r.Queryable = load.Percentiles{} }, "queryable", "not measured", "at most 3 s"},
		"errors":                   {func(r *Result) { r.Load.Counts.Errors = 1 }, "errors", "0.50 % (1 of 200 requests)", "at most 0.10 %"},
		"dropped":                  {func(r *Result) { r.Load.Counts.Dropped = 50 }, "dropped", "20 % (50 of 250 sends)", "at most 0 %"},
		"rate":                     {func(r *Result) { r.Load.Seconds = 20 }, "min_rate", "999.5 events/s", "at least 1,000 events/s"},
		"rate, nothing sent":       {func(r *Result) { r.Load = load.Summary{} }, "sent p50 p99 p999 min_rate", "0 events", "more than 0 events"},
		"aborted":                  {func(r *Result) { r.Aborted = true }, "complete", "aborted after 10 s", "runs to its end"},
		"aborted load":             {func(r *Result) { r.Load.Aborted = true }, "complete", "aborted after 10 s", "runs to its end"},
		"no ledger":                {func(r *Result) { r.Ledger = nil }, "ledger", "not compared with ClickHouse", "balances"},
		"lost":                     {func(r *Result) { r.Ledger.Lost.Count = 1 }, "lost", "1 event", "0 events"},
		"duplicated":               {func(r *Result) { r.Ledger.Duplicated.Count = 1234 }, "duplicated", "1,234 events", "0 events"},
		"invented":                 {func(r *Result) { r.Ledger.Invented.Count = 2 }, "invented", "2 events", "0 events"},
		"corrupted":                {func(r *Result) { r.Ledger.Corrupted.Count = 2 }, "corrupted", "2 events", "0 events"},
		"misordered":               {func(r *Result) { r.Ledger.Misordered.Count = 2 }, "misordered", "2 events", "0 events"},
		"refused, stored":          {func(r *Result) { r.Ledger.RefusedStored.Count = 2 }, "refused_stored", "2 events", "0 events"},
		"misjudged":                {func(r *Result) { r.Ledger.Misjudged.Count = 2 }, "misjudged", "2 events", "0 events"},
		"quarantine lost":          {func(r *Result) { r.Ledger.QuarantineLost.Count = 2 }, "quarantine_lost", "2 events", "0 events"},
		"torn ledger":              {func(r *Result) { r.Ledger.Complete = false }, "ledger", "was not closed: what it lacks is unknown", "closed"},
		"not drained":              {func(r *Result) { r.Ledger.Drained = false }, "drained", "compared before they had", "all accepted events arrive"},
		"nothing checked":          {func(r *Result) { r.Scenario.Thresholds = scenario.Thresholds{Errors: -1, Dropped: -1}; r.Ledger = nil }, "", "", ""},
		"unchecked and bad":        {func(r *Result) { r.Scenario.Thresholds.P99 = 0; r.Load.Latency.P99 = 1e6 }, "", "", ""},
		"ledger not asked, is bad": {func(r *Result) { r.Scenario.Thresholds.Ledger = false; r.Ledger.Lost.Count = 1 }, "", "", ""},
	} {
		r := fine()
		c.change(r)
		for range 2 { // the second time it begins anew
			r.Judge()
		}
		var failed []string
		var first *Check
		seen := make(map[string]bool)
		for i := range r.Checks {
			check := &r.Checks[i]
			if seen[check.Name+check.Limit] {
				t.Errorf("%s: check %s twice", name, check.Name)
			}
			seen[check.Name+check.Limit] = true
			if check.Pass {
				continue
			}
			failed = append(failed, check.Name)
			if first == nil {
				first = check
			}
		}
		if got := strings.Join(failed, " "); got != c.failed || r.Pass != (c.failed == "") {
			t.Errorf("%s: failed %q, pass %v, want %q failed", name, got, r.Pass, c.failed)
			continue
		}
		if c.value != "" && (first.Value != c.value || first.Limit != c.limit) {
			t.Errorf("%s: %q, %q, want %q, %q", name, first.Value, first.Limit, c.value, c.limit)
		}
	}
}
