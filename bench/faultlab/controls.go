package faultlab

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
)

// control is a run with a protection of the sink left out, in which the damage that it protects from is certain, and the same run with it.
type control struct {
	name     string // of the protection
	describe string // what is done, and what the protection is for
	// off is what is left out of the run that must be caught; kept is left out of both, because it would repair what this one is to prevent.
	off, kept []string
	caught    func(*Result) *ledger.Finding // what the checker must name
	resend    load.ResendPolicy
	plan      func(r *rand.Rand, n int) []Injection
	// before changes the stack of the run that must be caught, before the load.
	before string
}

// damages is how often the damage is done in a run of a control.
const damages = 5

func controls() []control {
	lost := func(r *Result) *ledger.Finding { return &r.Verdict.Lost }
	duplicated := func(r *Result) *ledger.Finding { return &r.Verdict.Duplicated }
	killed := func(r *rand.Rand, n int) []Injection {
		return plan(n, func(int) Injection {
			return Injection{Action: KillAt, Point: "after-send", Wait: between(r, 0, 500*time.Millisecond), For: between(r, 300*time.Millisecond, 600*time.Millisecond)}
		})
	}
	return []control{
		{
			name: "intent", describe: "the sink is killed between INSERT and commit; without the announcement its heir cuts the block anew",
			off: []string{"intent"}, caught: duplicated, plan: killed,
		},
		{
			name: "token", describe: "the sink is killed between INSERT and commit; without the token ClickHouse does not know its heir's INSERT again",
			off: []string{"token"}, kept: []string{"verify"}, caught: duplicated, plan: killed,
		},
		{
			name: "window", describe: "the sink is killed between INSERT and commit; without a window, which the start would refuse, ClickHouse remembers no token",
			off: []string{"assert"}, kept: []string{"verify"}, caught: duplicated, plan: killed,
			before: "ALTER TABLE {database}.events MODIFY SETTING non_replicated_deduplication_window = 0",
		},
		{
			name: "verify", describe: "the rows of an announced block vanish while ClickHouse remembers its token, and the sink is killed; without the comparison nobody notices",
			off: []string{"verify"}, caught: lost,
			plan: struckBy(deleteRows),
		},
		{
			name: "ids", describe: "clients send every request twice; without the set of ids every event is stored twice",
			off: []string{"ids"}, caught: duplicated, resend: load.Always,
			plan: func(_ *rand.Rand, n int) []Injection {
				return plan(n, func(int) Injection { return Injection{Action: Repeats, Wait: 200 * time.Millisecond} })
			},
		},
	}
}

// struckBy runs a statement when everything of a block was sent and nothing is confirmed, and kills the sink.
func struckBy(statement string) func(r *rand.Rand, n int) []Injection {
	return func(r *rand.Rand, n int) []Injection {
		return plan(n, func(int) Injection {
			return Injection{Action: StatementAt, Point: "after-send", SQL: []string{statement}, Wait: between(r, 0, 500*time.Millisecond), For: between(r, 0, 300*time.Millisecond)}
		})
	}
}

// ControlNames lists the protections that can be left out.
func ControlNames() []string {
	var names []string
	for _, c := range controls() {
		names = append(names, c.name)
	}
	return names
}

// Controls runs the controls, or those named in Options.Only. ErrFailed when one was not caught, or when the same damage was not healed with the protection on.
func Controls(ctx context.Context, o Options) error {
	if err := o.validate(); err != nil {
		return fmt.Errorf("faultlab: %w", err)
	}
	if !o.Failpoints {
		return fmt.Errorf("faultlab: controls: %w", ErrNoFailpoints)
	}
	all := controls()
	for _, name := range o.Only {
		if !slices.Contains(ControlNames(), name) {
			return fmt.Errorf("faultlab: %w: no control is called %q: there are %s", ErrUsage, name, strings.Join(ControlNames(), ", "))
		}
	}
	failed := false
	for i := range all {
		c := &all[i]
		if len(o.Only) > 0 && !slices.Contains(o.Only, c.name) {
			continue
		}
		without := c.run(ctx, &o, false)
		with := c.run(ctx, &o, true)
		if ctx.Err() != nil {
			return ErrAborted
		}
		caught := c.report(o.Out, without, with, o.Replay)
		failed = failed || !caught
		if caught && !o.Keep {
			if err := os.RemoveAll(without.Dir); err != nil {
				o.Logger.Warn("remove the directory of a control that was caught", "error", err)
			}
		}
	}
	if failed {
		return ErrFailed
	}
	return nil
}

// run is one of the two runs of a control.
func (c *control) run(ctx context.Context, o *Options, protected bool) *Result {
	off, suffix := slices.Clone(c.kept), "with"
	if !protected {
		off, suffix = append(off, c.off...), "without"
	}
	k := &Kind{
		Name: "control-" + c.name, Describe: c.describe, Injections: damages, Failpoints: true, Resend: c.resend, Plan: c.plan,
		sinkEnv: []string{"MILLRACE_WITHOUT=" + strings.Join(off, ",")},
	}
	if c.before != "" && !protected {
		k.Prepare = func(ctx context.Context, l *lab) error {
			return l.exec(ctx, fill(c.before, map[string]string{"database": labDatabase}))
		}
	}
	return o.one(ctx, k, fmt.Sprintf("control-%d-%s-%s", o.Seed, c.name, suffix), k.Schedule(o.Seed, o.Injections))
}

// report tells of both runs, and whether the control did what it is for.
func (c *control) report(w io.Writer, without, with *Result, replay string) bool {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", c.name, c.describe)
	ok := true
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	left := strings.Join(append(slices.Clone(c.off), c.kept...), ", ")
	switch found := c.found(without); {
	case without.Verdict == nil:
		line("without", "nothing was compared: %s", strings.Join(without.Problems, "; "))
		ok = false
	case without.Bit() < without.Planned:
		line("without", "%d of %d damages were done: %s", without.Bit(), without.Planned, strings.Join(without.Problems, "; "))
		ok = false
	case found.Count == 0:
		line("without", "%s left out, %d damages, and the checker named nothing", left, without.Bit())
		ok = false
	default:
		line("without", "%s left out, %d damages: the checker named %s events %s: %s", left, without.Bit(), ledger.Grouped(found.Count), c.word(), brief(found.String()))
	}
	if with.Pass {
		line("with", "%d damages: %s accepted events, 0 %s, nothing else", with.Bit(), ledger.Grouped(with.Verdict.Accepted), c.word())
	} else {
		line("with", "did not hold: %s", strings.Join(with.Problems, "; "))
		ok = false
	}
	if ok {
		line("verdict", "caught")
	} else {
		line("verdict", "NOT CAUGHT; logs in %s and %s", without.Dir, with.Dir)
		line("replay", "%s controls --seed %d --only %s", replay, without.Seed, c.name)
	}
	_, _ = io.WriteString(w, b.String()+"\n") // nobody is left to tell
	return ok
}

// found is what the checker named of what it had to.
func (c *control) found(r *Result) *ledger.Finding {
	if r.Verdict == nil {
		return &ledger.Finding{}
	}
	return c.caught(r)
}

func (c *control) word() string {
	v := &Result{Verdict: &ledger.Verdict{}}
	if c.caught(v) == &v.Verdict.Lost {
		return "lost"
	}
	return "duplicated"
}

// brief cuts a list of ranges after the first few.
func brief(list string) string {
	const most = 100
	if len(list) <= most {
		return list
	}
	if i := strings.LastIndexByte(list[:most], ','); i > 0 {
		return list[:i] + " …"
	}
	return list[:most] + " …"
}
