package faultlab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/verify"
)

const (
	drainTimeout = 60 * time.Second // from the last event until everything in the topics is confirmed
	quiet        = time.Second      // nothing more comes, not even from a gateway that was still trying
	drainIdle    = 3 * time.Second
	freshWithin  = 10 * time.Second
	checkTimeout = 3 * time.Minute
)

// settle waits until everything that was sent is stored.
func (l *lab) settle(ctx context.Context, r *Result) {
	l.drain(ctx, r)
	if _, _, err := l.store.Wait(ctx, l.traffic.run, &l.traffic.header, l.traffic.accepted.Load(), drainIdle, nil); err != nil {
		r.problem("wait for rows: %v", err)
	}
}

// drain waits until everything in the topics is confirmed.
func (l *lab) drain(ctx context.Context, r *Result) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	// What the sink refuses goes to the quarantine topic before it is confirmed: events first.
	for _, m := range []*motion{l.motion, l.refused} {
		if err := m.drained(ctx, quiet); err != nil {
			r.problem("%v", err)
		}
	}
}

// check compares everything that was promised with what is.
func (l *lab) check(ctx context.Context, r *Result) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	l.checkFresh(ctx, r)
	l.drain(ctx, r) // the fresh events are in table events before they are in all rollups
	l.checkLedger(ctx, r)
	l.checkPlaces(ctx, r)
	l.checkRollups(ctx, r)
	if l.kind.Check != nil {
		r.Problems = append(r.Problems, l.kind.Check(ctx, l)...)
	}
}

func (r *Result) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// checkFresh sends events of a run of their own and looks for them.
func (l *lab) checkFresh(ctx context.Context, r *Result) {
	sc := trafficScenario(l.o.Seed)
	sc.Load.Connections = 1
	pool, err := generate.NewContext(ctx, &sc)
	if err != nil {
		r.problem("fresh event: %v", err)
		return
	}
	probe := verify.NewProbe(verify.ProbeOptions{
		URL: "http://" + l.links.addr(clientGateway), Key: labKey, Dialect: sc.Load.Dialect, Producer: pool.Probe, Run: ledger.NewRunID(), Store: l.store,
		Every: 500 * time.Millisecond, Look: 50 * time.Millisecond, Grace: freshWithin,
	})
	sending, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := probe.Run(sending); err != nil {
		r.problem("fresh event: %v", err)
		return
	}
	times, _ := probe.Result()
	unseen, lookErr := probe.Unseen()
	switch {
	case times == nil:
		r.problem("a fresh event was not accepted")
	case unseen > 0:
		r.problem("%d fresh events could not be queried within %v (last look: %v)", unseen, freshWithin, lookErr)
	default:
		r.Fresh = times.Max / 1000
	}
	if times != nil && times.Max/1000 > freshWithin.Seconds() {
		r.problem("a fresh event could be queried after %.1f s only, promised are %v", times.Max/1000, freshWithin)
	}
}

// checkLedger holds what clients were told against the tables.
func (l *lab) checkLedger(ctx context.Context, r *Result) {
	reader, err := ledger.Open(l.traffic.path)
	if err != nil {
		r.problem("%v", err)
		return
	}
	defer reader.Close() //nolint:errcheck // it was only read
	v, err := verify.Verify(ctx, reader, l.store, nil)
	if err != nil {
		r.problem("%v", err)
		return
	}
	r.Verdict = v
	for _, f := range findings(v) {
		if f.found.Count > 0 {
			r.problem("%s %s: %s", ledger.Grouped(f.found.Count), f.name, f.found.String())
		}
	}
	if v.ClientDuplicates > 0 {
		r.problem("%s rows of events that clients had sent twice", ledger.Grouped(v.ClientDuplicates))
	}
	if v.Rows == 0 {
		r.problem("no row was stored: nothing was tested")
	}
}

// finding is one of a verdict's, with its name.
type finding struct {
	name  string
	found *ledger.Finding
}

func findings(v *ledger.Verdict) []finding {
	return []finding{
		{"lost", &v.Lost},
		{"duplicated", &v.Duplicated},
		{"invented", &v.Invented},
		{"corrupted", &v.Corrupted},
		{"refused, yet stored", &v.RefusedStored},
		{"misjudged", &v.Misjudged},
		{"out of order", &v.Misordered},
		{"lost from quarantine", &v.QuarantineLost},
	}
}

// checkPlaces looks for records that have more than one row, in both tables.
func (l *lab) checkPlaces(ctx context.Context, r *Result) {
	n, err := l.store.Places(ctx)
	if err != nil {
		r.problem("%v", err)
		return
	}
	if r.Duplicates = n; n > 0 {
		r.problem("%s rows beyond the first of a record", ledger.Grouped(n))
	}
}

// checkRollups recomputes the rollups. Where they drifted the auditor is asked to repair them, and then they must agree.
func (l *lab) checkRollups(ctx context.Context, r *Result) {
	drift, err := l.store.Rollups(ctx)
	if err != nil {
		r.problem("%v", err)
		return
	}
	if r.Drift = drift; !drifted(drift) {
		return
	}
	r.Reconciled = true
	if err := l.command(ctx, "reconcile", "sink", "reconcile", "--wait"); err != nil {
		r.problem("%v", err)
	}
	if r.DriftAfter, err = l.store.Rollups(ctx); err != nil {
		r.problem("%v", err)
		return
	}
	for _, d := range r.DriftAfter {
		if d.Drifted() {
			r.problem("after reconciliation: %v", d)
		}
	}
}

func drifted(all []verify.RollupDrift) bool {
	return slices.ContainsFunc(all, verify.RollupDrift.Drifted)
}

// conclude decides whether the run held, from everything that is in it.
func (r *Result) conclude() {
	if bit := r.Bit(); bit < r.Planned {
		r.problem("%d of %d injections bit", bit, r.Planned)
	}
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; o.Problem != "" {
			r.problem("%s: %s", o.Injection.String(), o.Problem)
		}
	}
	r.Pass = len(r.Problems) == 0 && !r.Aborted
}
