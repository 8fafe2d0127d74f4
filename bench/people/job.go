package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/bench/faultlab/stack"
	"github.com/millrace/millrace/bench/observe"
)

// Job is what it cost to work out persons and profiles from the history, from nothing.
type Job struct {
	// Skipped is why a server did not do it; then Fill has how SQL did, and the fields up to it are empty. Empty: it did.
	Skipped string `json:"skipped,omitempty"`
	// Seconds are from the start of the server until its progress has passed the whole history, of which Ready went by until it took events and First until the first progress.
	Seconds float64 `json:"seconds"`
	Ready   float64 `json:"ready_seconds"`
	First   float64 `json:"first_seconds"`
	// Server and ClickHouse are the processes meanwhile, zero where they cannot be seen. All of the server is in it: doors and sinks were there, with nothing to do.
	Server     Process `json:"server"`
	ClickHouse Process `json:"clickhouse"`
	// Facts and FactBytes are the graph in the server's memory, by its metrics; zero when it tells none.
	Facts     uint64  `json:"facts"`
	FactBytes uint64  `json:"fact_bytes"`
	Fresh     []Fresh `json:"fresh,omitempty"`
	// Fill is the cost of the statements that wrote the same by SQL.
	Fill []Cost `json:"fill,omitempty"`
	// Overrides are ids that belong to a person of another id, Profiles those that are there.
	Overrides uint64 `json:"overrides"`
	Profiles  uint64 `json:"profiles"`
}

// Process is what a process used while the job worked.
type Process struct {
	CPU      float64 `json:"cpu_seconds"`
	Resident int64   `json:"resident_bytes"` // at most, as seen five times a second
}

// Fresh is a visitor who identified while the server ran; times are seconds from sending the call.
type Fresh struct {
	Accepted float64 `json:"accepted_seconds"` // answered by the door
	Override float64 `json:"override_seconds"` // in table identity_overrides
	Joined   float64 `json:"joined_seconds"`   // one person in view events_q
}

const jobLook = 200 * time.Millisecond

// work starts a server on the history and watches it until it has worked through it.
func (r *run) work(ctx context.Context) (err error) {
	j := &r.result.Job
	begin := time.Now()
	w := r.watch()
	waiting, err := r.lab.serve(ctx)
	if err != nil {
		return err
	}
	look := time.NewTicker(jobLook)
	defer look.Stop()
	defer func() {
		if waiting != nil {
			err = errors.Join(err, <-waiting)
		}
	}()
	for {
		select {
		case err := <-waiting:
			waiting = nil
			if err != nil {
				return err
			}
			j.Ready = time.Since(begin).Seconds()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		done, err := r.server.progress(ctx)
		if err != nil {
			return err
		}
		elapsed := time.Since(begin)
		if done > 0 && j.First == 0 {
			j.First = elapsed.Seconds()
		}
		r.o.Progress("working out persons", done, uint64(r.result.Data.Events))
		w.look(r.lab)
		switch {
		case done == uint64(r.result.Data.Events) && j.Seconds == 0:
			j.Seconds = elapsed.Seconds()
		}
		switch {
		case j.Seconds > 0 && waiting == nil:
			w.into(j)
			return r.server.counted(ctx, r.o, j)
		case done == 0 && elapsed > r.o.Patience:
			j.Skipped = fmt.Sprintf("table people_progress had nothing of the history %v after the start of a server", r.o.Patience)
			j.Ready = 0
			return nil
		case elapsed > r.o.JobTimeout:
			return fmt.Errorf("the server had worked through %d of %d events after %v", done, r.result.Data.Events, r.o.JobTimeout)
		}
	}
}

// progress is how many events of the history the job has passed.
func (s *server) progress(ctx context.Context) (done uint64, err error) {
	err = s.row(ctx, fmt.Sprintf("SELECT sum(next) FROM {db}.people_progress FINAL WHERE _log = %d", historyLog), nil, &done)
	return done, err
}

// counted looks at what was written. Every user is one person of two ids, with a profile.
func (s *server) counted(ctx context.Context, o *Options, j *Job) error {
	var right uint64
	err := errors.Join(
		s.row(ctx, "SELECT count() FROM {db}.identities_q WHERE project_id = 1", nil, &j.Overrides),
		s.row(ctx, "SELECT count(), countIf(ids = 2 AND person_h = cityHash64(distinct_id) AND JSONExtractString(props, 'email') = concat(distinct_id, '@mail.example')) FROM {db}.profiles_q WHERE project_id = 1",
			nil, &j.Profiles, &right),
	)
	if n := uint64(o.Users); err == nil && (j.Overrides != n || j.Profiles != n || right != n) {
		return fmt.Errorf("%w: %d users were to be %d persons of two ids with a profile each, and there are %d overrides and %d profiles, %d of them right", ErrWrong, n, n, j.Overrides, j.Profiles, right)
	}
	return err
}

// graph reads what the server says of its memory.
func (r *run) graph(ctx context.Context) {
	series, err := observe.Scrape(ctx, "http://"+r.lab.admin+"/metrics")
	if err != nil {
		r.note("the server's metrics could not be read: %v", err)
		return
	}
	r.result.Job.Facts, r.result.Job.FactBytes = uint64(series["millrace_people_facts"]), uint64(series["millrace_people_bytes"])
}

// watcher looks at the processes while the job works.
type watcher struct {
	server, clickhouse Process
	before             observe.Usage // of ClickHouse, which ran already
	blind              error
}

func (r *run) watch() *watcher {
	w := new(watcher)
	if w.before, w.blind = usage(r.lab.clickhouseProcess); w.blind != nil {
		r.note("processes cannot be seen here: %v", w.blind)
	}
	return w
}

// look reads both processes. A server that starts is not there yet.
func (w *watcher) look(l *lab) {
	if w.blind != nil {
		return
	}
	if u, err := usage(l.clickhouseProcess); err == nil {
		w.clickhouse.CPU = u.User + u.System - w.before.User - w.before.System
		w.clickhouse.Resident = max(w.clickhouse.Resident, u.Resident)
	}
	if u, err := usage(l.serverProcess); err == nil {
		w.server.CPU = u.User + u.System
		w.server.Resident = max(w.server.Resident, u.Resident)
	}
}

func (w *watcher) into(j *Job) { j.Server, j.ClickHouse = w.server, w.clickhouse }

// usage is what a process and its children have used.
func usage(p *stack.Process) (observe.Usage, error) {
	if p == nil || p.PID() == 0 {
		return observe.Usage{}, observe.ErrEnded
	}
	return observe.ReadUsage(observe.Process{Name: p.Name(), PID: p.PID(), Tree: true})
}
