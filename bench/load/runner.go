package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/scenario"
)

const (
	// grace is how long requests in flight may still be answered when a run is ended early.
	grace = 2 * time.Second
	// dialers is how many connections are opened at a time before the run begins.
	dialers = 64
)

// Runner is one run. It is used once.
type Runner struct {
	options    Options
	load       *scenario.Load
	schedule   *scenario.Schedule // nil in mode saturate
	duration   time.Duration      // of all stages
	total      int64              // requests on the schedule
	measured   int64              // the first of them that is due after the warm-up
	compressor *compressor
	target     *target
	recorder   *recorder
	workers    []*worker

	next atomic.Int64 // the next request on the schedule

	begin   time.Time
	dialing context.Context // ends when nothing more is to be sent
	cut     context.Context // ends when nothing more is to be waited for
	stopped atomic.Int64    // nanoseconds since begin at which the run was ended early; 0: it was not
	aborted bool            // set before Run's goroutine reads it, through the channel that ends the meter

	failed  sync.Once
	failure error // of Record
	abandon context.CancelFunc
}

// New prepares a run and starts nothing. The scenario must be valid.
func New(o Options) (*Runner, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	if o.ResendFor == 0 {
		o.ResendFor = defaultResendFor
	}
	r := &Runner{options: o, load: &o.Scenario.Load, duration: o.Scenario.Duration(), recorder: newRecorder()}
	var err error
	if r.compressor, err = newCompressor(r.load.Compression); err != nil {
		return nil, err
	}
	if r.target, err = newTarget(o.URL, generate.Path(r.load.Dialect), o.Key, r.compressor.encoding(), r.load.Timeout); err != nil {
		return nil, err
	}
	if r.load.Mode == scenario.Rate {
		r.schedule = scenario.NewSchedule(r.load.Stages, r.load.Batch)
		r.total = r.schedule.Requests()
		r.measured = firstAfter(r.schedule, r.load.Warmup)
	}
	for i, p := range o.Pool.Producers {
		r.workers = append(r.workers, newWorker(r, i, p))
	}
	return r, nil
}

// firstAfter is the first request that is not due before t.
func firstAfter(s *scenario.Schedule, t time.Duration) int64 {
	i := min(s.Due(t), s.Requests())
	for i > 0 && s.At(i-1) >= t {
		i--
	}
	for i < s.Requests() && s.At(i) < t {
		i++
	}
	return i
}

// Run opens the connections, sends until the stages are over and everything sent is answered or has timed out, and returns when all its goroutines have
// ended. The end of ctx ends the run early: nothing more is sent, requests in flight get two seconds, and the Summary says Aborted. An error of Record ends it in the same way and is
// returned beside the Summary. There is no Summary when no connection could be opened to begin with.
func (r *Runner) Run(ctx context.Context) (*Summary, error) {
	ctx, r.abandon = context.WithCancel(ctx)
	defer r.abandon()
	cut, cutNow := context.WithCancel(context.WithoutCancel(ctx))
	defer cutNow()
	r.dialing, r.cut = ctx, cut
	defer r.disconnect()
	if err := r.connect(); err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("connect to %s: %w", r.target.address, err)
	}

	r.begin = time.Now()
	var sending, watching sync.WaitGroup
	for _, w := range r.workers {
		sending.Go(w.run)
	}
	finished := make(chan struct{})
	watching.Go(func() {
		defer close(finished)
		sending.Wait()
		r.aborted = !r.outlast(ctx)
	})
	watching.Go(func() {
		select {
		case <-finished:
			return
		case <-ctx.Done():
		}
		r.stop()
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-finished:
		case <-timer.C:
			cutNow()
		}
	})
	m := newMeter(r)
	m.run(finished)
	watching.Wait()

	summary, err := m.summary()
	if err != nil {
		return nil, err
	}
	return summary, r.failure
}

// connect opens all connections. It returns an error when not one could be opened; the others are tried again when they are needed.
func (r *Runner) connect() error {
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		open  atomic.Int64
		first sync.Once
		why   error
	)
	for range min(dialers, len(r.workers)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(r.workers)); i = next.Add(1) - 1 {
				if err := r.workers[i].client.connect(r.dialing, r.cut); err != nil {
					first.Do(func() { why = err })
				} else {
					open.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if open.Load() > 0 {
		return nil
	}
	return why
}

func (r *Runner) disconnect() {
	for _, w := range r.workers {
		w.client.close()
	}
}

// outlast waits for the end of the stages, the last of which may ask for nothing. It returns false when ctx ends first.
func (r *Runner) outlast(ctx context.Context) bool {
	timer := time.NewTimer(r.duration - r.now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// stop keeps the workers from sending more.
func (r *Runner) stop() {
	r.stopped.Store(int64(max(r.now(), 1))) // for the meter, which stops the schedule there
	for _, w := range r.workers {
		close(w.stop)
	}
}

// fail ends the run because of an error of Record.
func (r *Runner) fail(err error) {
	r.failed.Do(func() {
		r.failure = fmt.Errorf("record: %w", err)
		r.abandon()
	})
}

// now is the time since the run began.
func (r *Runner) now() time.Duration { return time.Since(r.begin) }

// unix is the Unix time, in nanoseconds, that was d after the beginning.
func (r *Runner) unix(d time.Duration) int64 { return r.begin.UnixNano() + int64(d) }

// open reports whether the schedule sets the pace.
func (r *Runner) open() bool { return r.schedule != nil }

// dueBy is how many requests were due up to t or up to the early end of the run.
func (r *Runner) dueBy(t time.Duration) int64 {
	if stopped := r.stopped.Load(); stopped != 0 {
		t = min(t, time.Duration(stopped))
	}
	if t == r.load.Warmup {
		return r.measured // where the intervals of the warm-up end, so do its requests
	}
	return min(r.schedule.Due(t), r.total)
}

// sentUntil is when the last request was sent, but not before the end of the stages, which belongs to the run even if it asks for nothing.
func (r *Runner) sentUntil() time.Duration {
	until := r.duration
	if stopped := r.stopped.Load(); r.aborted && stopped != 0 {
		until = min(until, time.Duration(stopped))
	}
	for _, w := range r.workers {
		until = max(until, w.lastSent)
	}
	return until
}
