package report

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/bench/load"
)

// Judge fills in Checks and Pass from the scenario's thresholds. What should be checked and was not measured fails: a run that proves nothing does not pass. So does one
// that sent nothing, and one that was aborted.
func (r *Result) Judge() {
	r.Checks = nil
	t, c := &r.Scenario.Thresholds, &r.Load.Counts
	r.check("sent", "more than 0 events", plural(c.Sent, "event"), c.Sent > 0)
	if r.aborted() {
		r.check("complete", "runs to its end", fmt.Sprintf("aborted after %s", seconds(r.Load.Seconds)), false)
	}
	r.checkTime("p50", t.P50, &r.Load.Latency, r.Load.Latency.P50)
	r.checkTime("p99", t.P99, &r.Load.Latency, r.Load.Latency.P99)
	r.checkTime("p999", t.P999, &r.Load.Latency, r.Load.Latency.P999)
	queryable := r.Queryable
	if queryable == nil {
		queryable = new(load.Percentiles)
	}
	r.checkTime("queryable", t.Queryable, queryable, queryable.P99)
	r.checkShare("errors", t.Errors, c.Errors, c.Requests, "requests")
	r.checkShare("dropped", t.Dropped, c.Dropped, c.Requests+c.Dropped, "sends")
	if t.MinRate > 0 {
		rate := func(v float64) string { return decimal(v) + " events/s" }
		r.check("min_rate", "at least "+rate(t.MinRate), apart(r.acceptedRate(), t.MinRate, rate, "events/s"), r.acceptedRate() >= t.MinRate)
	}
	if t.Ledger {
		r.checkLedger()
	}
	r.Pass = true
	for _, c := range r.Checks {
		r.Pass = r.Pass && c.Pass
	}
}

func (r *Result) check(name, limit, value string, pass bool) {
	r.Checks = append(r.Checks, Check{Name: name, Limit: limit, Value: value, Pass: pass})
}

func (r *Result) checkTime(name string, limit time.Duration, of *load.Percentiles, value float64) {
	if limit <= 0 {
		return
	}
	most := float64(limit) / float64(time.Millisecond)
	if of.Count == 0 {
		r.check(name, "at most "+millis(most), "not measured", false)
		return
	}
	r.check(name, "at most "+millis(most), apart(value, most, millis, "ms"), value <= most)
}

func (r *Result) checkShare(name string, limit float64, n, of uint64, what string) {
	if limit < 0 {
		return
	}
	share := ratio(float64(n), float64(of))
	r.check(name, "at most "+percent(limit), fmt.Sprintf("%s (%s of %s %s)", percent(share), count(n), count(of), what), share <= limit)
}

// checkLedger has one check per finding, so that a report says at a glance what is wrong.
func (r *Result) checkLedger() {
	v := r.Ledger
	if v == nil {
		r.check("ledger", "balances", "not compared with ClickHouse", false)
		return
	}
	if !v.Complete {
		r.check("ledger", "closed", "was not closed: what it lacks is unknown", false)
	}
	if !v.Drained {
		r.check("drained", "all accepted events arrive", "compared before they had", false)
	}
	for _, l := range v.Lines() {
		r.check(l.Name, "0 events", plural(l.Finding.Count, "event"), l.Finding.Count == 0)
	}
}

func (r *Result) aborted() bool { return r.Aborted || r.Load.Aborted }

// acceptedRate is in events per second, without the warm-up.
func (r *Result) acceptedRate() float64 {
	return ratio(float64(r.Load.Counts.Accepted), r.Load.Seconds)
}

// askedRate is what the schedule wanted; in mode saturate what was sent.
func (r *Result) askedRate() float64 { return ratio(float64(r.Load.Counts.Scheduled), r.Load.Seconds) }

// ratio is 0 when there is nothing to divide by.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
