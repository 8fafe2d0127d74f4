package segment

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/schema/clickhouse"
)

// Deps are what the Builder works with. Send, Logger and Metrics are required.
type Deps struct {
	// Send posts a body to /v1/events of the door, for a project. nil: it was taken, and no event of it has to be sent again. It may be called again with the same body after
	// any error.
	Send    func(ctx context.Context, project uint32, body []byte) error
	Logger  *slog.Logger
	Metrics *metrics.Set
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Builder makes the members of segments while its process leads. It is a people.Task.
type Builder struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	gauges *gauges
	slice  uint64 // changeBytes, but in tests

	// at is called when a step is done; its error ends Run as if the process had ended there. For tests; nil otherwise.
	at func(s step) error
}

var _ people.Task = (*Builder)(nil)

// New makes a Builder. It starts nothing. The error names every setting that cannot work.
func New(cfg Config, deps Deps) (*Builder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Send == nil || deps.Logger == nil || deps.Metrics == nil {
		panic("BUG: segment.New without Send, Logger or Metrics")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Builder{cfg: cfg, deps: deps, log: deps.Logger.With("component", "segments"), gauges: newGauges(deps.Metrics), slice: changeBytes}, nil
}

// Name is that of the task.
func (b *Builder) Name() string { return "segments" }

// Run builds and announces until ctx ends, as the only one who does.
func (b *Builder) Run(ctx context.Context, l *people.Leader) error { return b.run(ctx, l) }

// leader is what is needed of a people.Leader.
type leader interface {
	DB() *clickhouse.DB
	Version() uint64
	Still(ctx context.Context) error
}

// step is a point at which tests stop a Builder. What it names has been done.
type step string

const (
	stepBegun     step = "begun"
	stepMembers   step = "members"
	stepOthers    step = "others"
	stepDrafted   step = "drafted"
	stepSlice     step = "slice" // of the changes
	stepChanges   step = "changes"
	stepSwitched  step = "switched"
	stepSent      step = "sent" // a batch, not noted yet
	stepAnnounced step = "announced"
	stepCleaned   step = "cleaned"
)

var steps = []step{stepBegun, stepMembers, stepOthers, stepDrafted, stepSlice, stepChanges, stepSwitched, stepSent, stepAnnounced, stepCleaned}

func (b *Builder) passed(ctx context.Context, s step) error {
	if b.at == nil {
		return ctx.Err()
	}
	return b.at(s)
}

// work is one Run: what it knows belongs to the goroutine that builds, but for the announcer.
type work struct {
	*Builder
	leader
	book
	tracks    map[key]*track
	announcer *announcer
}

func (b *Builder) newWork(l leader) *work {
	w := &work{Builder: b, leader: l, book: book{l.DB()}, tracks: map[key]*track{}}
	w.announcer = newAnnouncer(w)
	return w
}

func (b *Builder) run(ctx context.Context, l leader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := b.newWork(l)
	if err := w.takeOver(ctx); err != nil {
		return err
	}
	var announcing sync.WaitGroup
	announcing.Go(func() { cancel(w.announcer.run(ctx)) })
	err := w.build(ctx)
	cancel(err)
	announcing.Wait()
	// Whichever of the two ended first has said why.
	return context.Cause(ctx)
}

// takeOver learns what was built, gives up what was being built by whoever led before, and asks for it anew.
func (w *work) takeOver(ctx context.Context) error {
	last, err := w.builds(ctx, `FINAL WHERE version >= {begun:UInt64} ORDER BY at DESC, version DESC LIMIT `+number(mostBroken)+` BY project_id, segment`, params{"begun": number(askedVersions)})
	if err != nil {
		return err
	}
	ended := map[key]bool{}
	for _, r := range last {
		t := w.track(r.key())
		if t.last.State == "" {
			t.last = r
		}
		if ended[r.key()] = ended[r.key()] || r.State != Building && !isBroken(r); !ended[r.key()] {
			t.broken++
		}
	}
	active, err := w.builds(ctx, `FINAL WHERE `+isReadable+` ORDER BY at DESC, version DESC LIMIT 2 BY project_id, segment`, nil)
	if err != nil {
		return err
	}
	for _, r := range active {
		t := w.track(r.key())
		t.active = append(t.active, r)
	}
	// A stale leader must not give up what the real one builds.
	if err := w.Still(ctx); err != nil {
		return err
	}
	if err := w.giveUp(ctx); err != nil {
		return err
	}
	if err := w.cleanAll(ctx); err != nil {
		return err
	}
	pending, err := w.builds(ctx, `FINAL WHERE state = 'active' ORDER BY at, version`, nil)
	if err != nil {
		return err
	}
	for _, r := range pending {
		w.announcer.add(r, true)
	}
	return nil
}

// mostBroken is how often in turn a build is made anew that was broken off: whatever ends its leaders must not do so for ever.
const mostBroken = 3

const brokenNote = "broken off: the process that built it ended"

// isBroken tells whether a build was given up because its leader ended. Then another one follows, unless that has happened too often.
func isBroken(r Build) bool { return r.State == Failed && r.Note == brokenNote }

// giveUp ends the builds that other leaders have begun, and asks for each anew.
func (w *work) giveUp(ctx context.Context) error {
	begun, err := w.builds(ctx, `FINAL WHERE state = 'building' AND version >= {begun:UInt64} ORDER BY at, version`, params{"begun": number(askedVersions)})
	if err != nil {
		return err
	}
	for _, r := range begun {
		t := w.track(r.key())
		r.State, r.Note, r.Version = Failed, brokenNote, w.Version()
		if t.broken >= mostBroken {
			r.Note = fmt.Sprintf("the process that built it ended, %d times in turn: it is built again when it is due or asked for", t.broken)
		} else {
			again := Build{Project: r.Project, Segment: r.Segment, ID: newID(), Definition: r.Definition, At: later(w.deps.Now(), r.At), State: Building, Version: askedVersion}
			if err := w.write(ctx, again); err != nil {
				return err
			}
		}
		if err := w.write(ctx, r); err != nil {
			return err
		}
		if t.last.ID == r.ID {
			t.last = r
		}
		w.log.Warn("a build was broken off", "project", r.Project, "segment", r.Segment, "build", r.ID.String())
	}
	return nil
}

// later is now, or a moment after one that has passed: the clocks of two leaders may differ.
func later(now, past time.Time) time.Time {
	now = now.UTC().Truncate(time.Millisecond)
	if now.After(past) {
		return now
	}
	return past.Add(time.Millisecond)
}

func (w *work) track(k key) *track {
	t := w.tracks[k]
	if t == nil {
		t = &track{}
		w.tracks[k] = t
	}
	return t
}

// build makes builds as they become due. It ends with ctx or an error.
func (w *work) build(ctx context.Context) error {
	tick := time.NewTicker(w.cfg.PollInterval)
	defer tick.Stop()
	for {
		if err := w.round(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// round makes what is due now.
func (w *work) round(ctx context.Context) error {
	all, err := w.definitions(ctx, 0)
	if err != nil {
		return err
	}
	asked, err := w.asked(ctx)
	if err != nil {
		return err
	}
	declared := map[key]bool{}
	for _, d := range all {
		declared[d.key()] = true
	}
	for k := range w.tracks {
		if !declared[k] {
			delete(w.tracks, k)
		}
	}
	for _, r := range asked {
		if !declared[r.key()] {
			if err := w.forget(ctx, r.key()); err != nil {
				return err
			}
		}
	}
	for _, j := range due(w.deps.Now(), all, w.tracks, asked) {
		if err := w.make(ctx, j); err != nil {
			return err
		}
	}
	return nil
}
