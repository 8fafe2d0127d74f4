package custom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Deps are what Metrics work with.
type Deps struct {
	DB     *clickhouse.DB
	Broker *broker.Client // nil: for Plan and Drop only
	Topic  string         // of the events
	Group  string         // of the sinks
	Logger *slog.Logger
}

// Metrics plans, applies and drops. Its methods may be called by several processes at once: of two that work on one metric, the later one goes on.
type Metrics struct {
	Deps

	pace pace
	// step is called before each step; tests stop there.
	step func(step)
}

// pace is how long things take, and how much is done at a time. Tests shorten it.
type pace struct {
	sample time.Duration // how long the growth of the topic is measured
	lead   time.Duration // for how much growth the boundary leaves room, doubled with each attempt
	poll   time.Duration
	still  time.Duration // a partition that has not grown for so long may have stopped
	note   time.Duration // between two notes of progress
	retry  time.Duration // for how long a server that is away is waited for
	keys   int           // the most of one INSERT of the back-fill
	odd    int           // rows on which a view is tried
	anew   int           // how often a build begins at most, because its boundary did not hold
}

var usualPace = pace{sample: time.Second, lead: 5 * time.Second, poll: 200 * time.Millisecond, still: 15 * time.Second, note: 2 * time.Second, retry: 2 * time.Minute, keys: mostKeys, odd: oddRows, anew: 20}

// step names a point of Apply.
type step string

const (
	stepChosen   step = "boundary chosen"
	stepTable    step = "table made"
	stepView     step = "view made"
	stepWaiting  step = "waiting"
	stepFilling  step = "filling"
	stepPiece    step = "piece sent"
	stepFilled   step = "filled"
	stepReadable step = "readable"
)

// New returns Metrics. It starts nothing.
func New(d Deps) *Metrics {
	if d.DB == nil || d.Logger == nil {
		panic("BUG: custom: DB and Logger are needed")
	}
	return &Metrics{Deps: d, pace: usualPace, step: func(step) {}}
}

// Progress tells what Apply does.
type Progress struct {
	Metric string
	What   string // in words
	Done   uint64 // events of the back-fill that were looked at
	Total  uint64 // 0: it is not back-filling
}

// ErrUnknown says that there is no metric of a name.
var ErrUnknown = errors.New("no such metric")

// Apply builds the metric, or goes on with a build of it, and returns when people can read it: false when it was there already, as it is declared. progress may be nil; it
// is called from this goroutine. When ctx ends, what is done is kept for the next Apply. ErrTaken: another Apply or Drop goes on with it.
func (m *Metrics) Apply(ctx context.Context, d Definition, progress func(Progress)) (built bool, err error) {
	if m.Broker == nil {
		panic("BUG: custom: Apply needs a broker")
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	b := &builder{
		Metrics: m, book: newBook(m.DB), rollup: compile(d), topic: topic{m.Broker, m.DB, m.Topic, m.Group},
		tell: func(p Progress) { p.Metric = d.Name; progress(p) },
	}
	built, err = b.apply(ctx)
	if err != nil {
		return built, fmt.Errorf("metric %s: %w", d.Name, explain(err, m.DB.Database()))
	}
	return built, nil
}

// builder is one Apply.
type builder struct {
	*Metrics
	book
	rollup *rollup
	topic  topic
	tell   func(Progress)

	tried bool // the expressions were tried on odd rows
	first ends // when the growth of the topic began to be measured
}

func (b *builder) apply(ctx context.Context) (built bool, err error) {
	r, decided, err := b.decide(ctx)
	if err != nil || decided.action == Unchanged {
		return false, err
	}
	outrun, why := 0, ""
	for failed := 0; failed < b.pace.anew; {
		switch {
		case r == nil:
			r, why, err = b.attach(ctx, outrun)
			if err == nil && r == nil {
				outrun++
				failed++
				b.Logger.Info("metric begins anew", "metric", b.rollup.definition.Name, "reason", why)
			}
		case r.phase == waiting:
			why, err = b.await(ctx, r)
			if err == nil && why != "" {
				b.Logger.Info("metric begins anew", "metric", r.name, "build", r.build, "reason", why)
				err = b.abandon(ctx, r, why)
				r, outrun, b.first = nil, 0, ends{}
				failed++
			}
		case r.phase == filling:
			err = b.fill(ctx, r)
		default:
			return true, b.publish(ctx, r)
		}
		if err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("began anew %d times because the topic grows so unevenly, the last time because %s: try again when it is calmer", b.pace.anew, why)
}

// takeAttempts bounds how often a build is taken over from one that goes on writing.
const takeAttempts = 10

// decide looks what there is of the metric. A build to go on with is returned, taken over; others that are not whole are abandoned.
func (b *builder) decide(ctx context.Context) (*record, decision, error) {
	for range takeAttempts {
		r, d, err := b.decideOnce(ctx)
		if !errors.Is(err, ErrTaken) {
			return r, d, err
		}
	}
	return nil, decision{}, fmt.Errorf("%w: try again", ErrTaken)
}

func (b *builder) decideOnce(ctx context.Context) (*record, decision, error) {
	name := b.rollup.definition.Name
	records, err := b.records(ctx, name)
	if err != nil {
		return nil, decision{}, err
	}
	there, err := b.relations(ctx, b.db.Database(), readerName(name))
	if err != nil {
		return nil, decision{}, err
	}
	now, err := b.topic.read(ctx, false)
	if err != nil {
		return nil, decision{}, err
	}
	d := b.rollup.decide(records, there, now.log)
	if d.action == refused {
		return nil, d, errors.New(d.why)
	}
	var resumed *record
	for i := range records {
		r := &records[i]
		switch {
		case r.phase == dropped, r.build == d.build && d.action == Unchanged:
		case r.build == d.build:
			if resumed, err = r, b.takeOver(ctx, r); err != nil {
				return nil, d, err
			}
		case r.unfinished() || d.action == Unchanged:
			if err := b.abandon(ctx, r, "given up for another build"); err != nil {
				return nil, d, err
			}
		}
	}
	return resumed, d, b.clean(ctx, name)
}

// takeOver makes a build this holder's. Statements that another one has begun are over afterwards, and those it begins later add nothing.
func (b *builder) takeOver(ctx context.Context, r *record) error {
	if err := b.write(ctx, r); err != nil {
		return err
	}
	return b.silence(ctx, r.statements())
}
