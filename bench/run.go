package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/progress"
	"github.com/millrace/millrace/bench/report"
	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/bench/verify"
)

// Files of a run, in its directory.
const (
	LedgerFile   = "ledger.bin"
	ScenarioFile = "scenario.yaml"
	PageFile     = "report.html"
)

// Options say what is run against what.
type Options struct {
	Scenario scenario.Scenario
	URL      string // of the target: scheme://host:port
	Key      string // write key
	Dir      string // gets a directory named like the run
	// Store is where the events must arrive. Nil: the run ends with the last answer, nothing is compared, and a scenario whose thresholds ask for the ledger fails.
	Store      *verify.Store
	Database   string // of the Store, for who checks the ledger later
	MetricsURL string // of the target; empty: no queues and no lag are shown
	Processes  []observe.Process
	Durability string            // what a 200 of the target means, in words
	Versions   map[string]string // of the target and of what is behind it
	Config     map[string]string // settings of the target
	// DrainIdle is how long nothing may arrive in ClickHouse before the run stops waiting for what is missing.
	DrainIdle time.Duration
	Progress  *progress.Progress
}

// How often the prober sends an event, and how often it looks for it. A look costs ClickHouse some milliseconds of CPU time, which the load lacks.
const (
	probeEvery = 500 * time.Millisecond
	probeLook  = 100 * time.Millisecond
)

// Run makes one run and writes its files to a directory below Options.Dir, which it returns. The end of ctx ends the run early: what is there by then is in the result,
// marked as aborted and not compared with ClickHouse; before the first event is sent there is none. An error means that there is no result.
func Run(ctx context.Context, o Options) (result *report.Result, dir string, err error) {
	r := &run{Options: o, id: ledger.NewRunID()}
	r.result = &report.Result{
		Version: report.Version, Run: r.id.String(), Target: o.URL, Scenario: o.Scenario, Durability: o.Durability, Environment: environment(o),
	}
	if dir, err = r.begin(ctx); err != nil {
		return nil, dir, fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, r.ledger.Close()) }()
	if err := r.send(ctx); err != nil {
		return nil, dir, fmt.Errorf("bench: %w", err)
	}
	if err := r.ledger.Close(); err != nil {
		return nil, dir, fmt.Errorf("bench: %w", err)
	}
	if err := r.compare(ctx, dir); err != nil {
		return nil, dir, fmt.Errorf("bench: %w", err)
	}
	r.result.Aborted = ctx.Err() != nil
	r.result.Notes = append(r.result.Notes, r.watch.Problems()...)
	r.result.Judge()
	if err := Save(dir, r.result); err != nil {
		return nil, dir, fmt.Errorf("bench: %w", err)
	}
	return r.result, dir, nil
}

// Save writes the result and its page.
func Save(dir string, result *report.Result) error {
	if err := report.Write(dir, result); err != nil {
		return err
	}
	page, err := os.Create(filepath.Join(dir, PageFile))
	if err != nil {
		return err
	}
	return errors.Join(report.HTML(page, result), page.Close())
}

func environment(o Options) observe.Environment {
	e := observe.ReadEnvironment()
	if e.Versions == nil {
		e.Versions = map[string]string{}
	}
	for name, v := range o.Versions {
		e.Versions[name] = v
	}
	e.Config = o.Config
	return e
}

// run is a run under way.
type run struct {
	Options
	id       ledger.RunID
	pool     *generate.Pool
	ledger   *ledger.Writer
	header   ledger.Header
	watch    *observe.Watch
	result   *report.Result
	accepted atomic.Uint64 // events, those of the warm-up and of the prober too
	ended    time.Time     // when the last request was answered
}

// begin renders the events and makes the directory.
func (r *run) begin(ctx context.Context) (dir string, err error) {
	r.Progress.Phase("rendering events", 0, 0)
	if r.pool, err = generate.NewContext(ctx, &r.Scenario); err != nil {
		return "", err
	}
	dir = filepath.Join(r.Dir, r.id.String())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return dir, err
	}
	if err := os.WriteFile(filepath.Join(dir, ScenarioFile), r.Scenario.YAML(), 0o644); err != nil {
		return dir, err
	}
	r.result.Started = time.Now()
	r.header = ledger.Header{
		Run: r.result.Run, Started: r.result.Started, Scenario: r.Scenario.Name, Dialect: r.Scenario.Load.Dialect, Target: r.URL, Database: r.Database,
	}
	for _, p := range r.pool.Producers {
		r.header.Producers = append(r.header.Producers, p.Slots)
	}
	if r.Store != nil {
		r.header.ProbeEvent = generate.ProbeEvent
		r.header.Producers = append(r.header.Producers, r.pool.Probe.Slots)
	}
	r.ledger, err = ledger.Create(filepath.Join(dir, LedgerFile), r.header)
	return dir, err
}

// record writes an answer to the ledger and counts what has to arrive.
func (r *run) record(e *ledger.Entry) error {
	var c load.Counts
	c.Tally(e)
	r.accepted.Add(c.Accepted)
	return r.ledger.Append(e)
}

// send runs the load, with the prober beside it.
func (r *run) send(ctx context.Context) error {
	r.watch = observe.NewWatch(r.Processes, r.MetricsURL)
	r.sample(ctx, 0)
	runner, err := load.New(load.Options{
		URL: r.URL, Key: r.Key, Scenario: &r.Scenario, Pool: r.pool, Run: r.id, Record: r.record, ParseAnswers: true, Tick: func(i load.Interval) {
			r.result.Intervals = append(r.result.Intervals, i)
			r.sample(ctx, seconds(i.At))
			last := r.result.Samples[len(r.result.Samples)-2:]
			r.Progress.Tick(i, &last[0], &last[1])
		},
	})
	if err != nil {
		return err
	}
	probing, stop := context.WithCancel(ctx)
	var prober sync.WaitGroup
	var probe *verify.Probe
	var probeErr error
	if r.Store != nil {
		probe = verify.NewProbe(verify.ProbeOptions{
			URL: r.URL, Key: r.Key, Dialect: r.Scenario.Load.Dialect, Producer: r.pool.Probe, Run: r.id, Store: r.Store, Every: probeEvery, Look: probeLook, Record: r.record,
		})
		prober.Go(func() { probeErr = probe.Run(probing) })
	}
	summary, err := runner.Run(ctx)
	r.ended = time.Now()
	stop()
	prober.Wait()
	if err = errors.Join(err, probeErr); err != nil {
		return err
	}
	r.result.Load = *summary
	if probe != nil {
		r.result.Queryable, r.result.QueryableSeries = probe.Result()
		r.result.QueryableEvery = probeLook.Seconds()
		if unseen, err := probe.Unseen(); unseen > 0 {
			r.result.Notes = append(r.result.Notes, fmt.Sprintf("%d events of the prober were accepted and never seen (last error of a look: %v)", unseen, err))
		}
	}
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (r *run) sample(ctx context.Context, at time.Duration) {
	r.result.Samples = append(r.result.Samples, r.watch.Sample(ctx, at))
}

// compare waits until everything accepted is stored, and holds the ledger against it.
func (r *run) compare(ctx context.Context, dir string) error {
	if r.Store == nil || ctx.Err() != nil {
		return nil
	}
	want := r.accepted.Load()
	seen, last := uint64(0), r.ended
	_, drained, err := r.Store.Wait(ctx, r.id, &r.header, want, r.DrainIdle, func(rows uint64) {
		if rows != seen {
			seen, last = rows, time.Now()
		}
		r.Progress.Phase("waiting for ClickHouse", min(rows, want), want)
		r.sample(ctx, time.Since(r.result.Load.Started))
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	r.result.DrainSeconds = last.Sub(r.ended).Seconds()
	reader, err := ledger.Open(filepath.Join(dir, LedgerFile))
	if err != nil {
		return err
	}
	defer reader.Close() //nolint:errcheck // it was only read
	verdict, err := verify.Verify(ctx, reader, r.Store, func(done, total uint64) { r.Progress.Phase("comparing with ClickHouse", done, total) })
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	verdict.Drained = drained
	r.result.Ledger = verdict
	return nil
}
