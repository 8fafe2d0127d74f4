package queries

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/observe"
)

// session is one Run.
type session struct {
	o      Options
	engine *engine
	server *server
	stream *stream
	result *Result
}

// Run measures. It blocks until all is done or ctx ends; a statement that runs then is waited for. What it has started has ended when it returns, and what it has made is gone unless Options.Keep.
// When answers differ the result comes with an error that is ErrDiffer; tables that differ leave none.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("queries: %w", err)
	}
	s := &session{o: o.withDefaults(time.Now())}
	defer func() {
		if err != nil {
			err = fmt.Errorf("queries: %w", err)
		}
	}()
	s.result = &Result{
		Version: Version, Started: time.Now(), Seconds: map[string]float64{}, Environment: observe.ReadEnvironment(), Rounds: s.o.Rounds, ColdRounds: s.o.ColdRounds,
	}
	for name, version := range o.Versions {
		s.result.Environment.Versions[name] = version
	}
	s.o.Progress("starting", 0, 0)
	if s.engine, err = startEngine(ctx, &s.o); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.engine.stop()) }()
	if s.server, err = openServer(ctx, s.engine.cfg); err != nil {
		return nil, err
	}
	// A database in an engine that is about to be removed need not be dropped.
	defer func() { err = errors.Join(err, s.server.close(s.o.Keep || s.engine.own)) }()
	s.result.Server, s.result.Embedded = s.server.version, s.engine.own
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{{"load", s.load}, {"settle", s.settle}, {"compare", s.compare}, {"sizes", s.sizes}, {"ask", s.ask}} {
		begin := time.Now()
		if err := phase.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", phase.name, err)
		}
		s.result.Seconds[phase.name] = time.Since(begin).Seconds()
	}
	s.keepNote()
	if differing := s.result.Differing(); len(differing) > 0 {
		return s.result, fmt.Errorf("%w in their answers to %s", ErrDiffer, strings.Join(differing, ", "))
	}
	return s.result, nil
}

func (s *session) load(ctx context.Context) error {
	s.stream = newStream(&s.o)
	l := &loader{o: &s.o, s: s.server, stream: s.stream}
	all, err := l.load(ctx)
	if err != nil {
		return err
	}
	costs, err := s.server.costs(ctx)
	if err != nil {
		return err
	}
	if s.result.Inserts, err = insertCosts(all, costs, s.o.BlockRows); err != nil {
		return err
	}
	rows := float64(s.o.Rows)
	s.result.Data = Data{
		Rows: s.o.Rows, Seed: s.o.Seed, From: s.o.from(), Until: s.o.Until, Projects: len(projectShares), AskedShare: projectShares[askedProject-1],
		People: s.stream.people(), Sessions: s.stream.sessions,
		Properties: float64(s.stream.propBytes) / rows, Context: float64(s.stream.contexts) / rows, NaiveData: float64(l.data) / rows,
	}
	return nil
}

func (s *session) settle(ctx context.Context) (err error) {
	s.result.Settled, err = s.server.settle(ctx, s.o.SettleTimeout, func(time.Duration) { s.o.Progress("waiting for merges", 0, 0) })
	if err == nil && !s.result.Settled {
		s.note("the server still merged after %v: there were more parts to read than there would be later, on both sides", s.o.SettleTimeout)
	}
	return err
}

func (s *session) compare(ctx context.Context) (err error) {
	s.o.Progress("comparing the tables", 0, 0)
	s.result.Sameness, err = s.server.compareTables(ctx, s.o.Rows)
	return err
}

func (s *session) sizes(ctx context.Context) (err error) {
	s.o.Progress("measuring sizes", 0, 0)
	s.result.Storage, err = s.server.sizes(ctx, s.o.Rows)
	return err
}

func (s *session) ask(ctx context.Context) error {
	cooler, err := newCooler(ctx, s.server)
	if err != nil {
		return err
	}
	i := &interview{o: &s.o, s: s.server, cooler: cooler, example: s.stream.example}
	if s.result.Questions, err = i.measure(ctx); err != nil {
		return err
	}
	s.result.Notes = append(s.result.Notes, cooler.notes...)
	if cooler.left > 0 {
		s.note("the kernel kept up to %d KiB of the tables' pages when it was asked to give them back", cooler.left>>10)
	}
	if names := unchilled(s.result.Questions); len(names) > 0 {
		s.note("not cold, as less than half of what was read came from the device: %s", strings.Join(names, ", "))
	}
	if waits := waiting(s.result.Questions); waits > 0.25 {
		s.note("the machine did other work: threads waited for a processor %.0f %% as long as they ran, so latencies are upper bounds; CPU time suffers less", waits*100)
	}
	return nil
}

// waiting is how long threads of warm runs waited for a processor, as a share of how long they ran.
func waiting(all []Question) float64 {
	var wait, ran float64
	for i := range all {
		for _, side := range []*Side{&all[i].Ours, &all[i].Naive} {
			for _, run := range side.WarmRuns {
				wait += run.WaitMillis
				ran += run.CPUMillis
			}
		}
	}
	if ran == 0 {
		return 0
	}
	return wait / ran
}

func (s *session) note(format string, args ...any) {
	s.result.Notes = append(s.result.Notes, fmt.Sprintf(format, args...))
}

// keepNote says where what was kept is.
func (s *session) keepNote() {
	switch {
	case !s.o.Keep:
	case s.engine.own:
		s.note("kept: database %s in %s", s.server.database, s.engine.dir)
	default:
		s.note("kept: databases %s and %s", s.server.database, s.server.db.StagingDatabase())
	}
}
