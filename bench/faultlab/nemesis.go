package faultlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/bench/faultlab/stack"
)

const (
	biteTimeout    = 20 * time.Second // for an injection to take effect
	recoverTimeout = 40 * time.Second // for the system to move again after it
	giveUpAfter    = 2                // injections in a row after which it does not
)

// errNoBite says that an injection found nothing to act upon in time.
var errNoBite = errors.New("did not bite")

// torment makes the injections one after another, as long as more says so and ctx lives.
func (l *lab) torment(ctx context.Context, plan []Injection, told func(*Outcome), more func() bool) []Outcome {
	all := make([]Outcome, 0, len(plan))
	stuck := 0
	for i := range plan {
		if stuck == giveUpAfter {
			return all // what is broken for good tells nothing more
		}
		if !more() || pause(ctx, plan[i].Wait) != nil {
			return all
		}
		o := l.inject(ctx, &plan[i])
		if ctx.Err() != nil {
			return all
		}
		all = append(all, o)
		told(&o)
		if o.stuck {
			stuck++
		} else {
			stuck = 0
		}
	}
	return all
}

// pause lets time pass between faults. Its error is that of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// inject makes one injection and waits until the system moves again.
func (l *lab) inject(ctx context.Context, in *Injection) Outcome {
	began := time.Now()
	o := Outcome{Injection: *in, At: began.Sub(l.traffic.began).Seconds()}
	biting, cancel := context.WithTimeout(ctx, biteTimeout+in.For)
	what, struck, err := l.act(biting, in)
	cancel()
	o.What = what
	if err != nil {
		o.Problem = err.Error()
	}
	o.Bit = err == nil || what != ""
	if in.Action == Leave || in.Action == Join {
		return o // a storm waits for nobody
	}
	if struck.IsZero() {
		struck = began
	}
	recovering, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	mark, err := l.motion.ends(recovering)
	if err == nil {
		err = l.motion.past(recovering, mark)
	}
	if err != nil {
		if ctx.Err() == nil {
			o.stuck = true
			l.diagnose(ctx, in.Number)
			o.Problem = join(o.Problem, fmt.Sprintf("did not recover within %v: %v", recoverTimeout, err))
		}
		return o
	}
	o.Seconds = time.Since(struck).Seconds()
	return o
}

// diagnose keeps what the sinks say of themselves while nothing moves.
func (l *lab) diagnose(ctx context.Context, number int) {
	for _, p := range l.sinks {
		name := p.Name()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.metrics[name]+"/sink", nil)
		if err != nil {
			continue
		}
		resp, err := stack.Once.Do(req)
		if err != nil {
			continue // it is down, which the report tells
		}
		text, err := io.ReadAll(resp.Body)
		if errors.Join(err, resp.Body.Close()) == nil {
			l.failed(os.WriteFile(filepath.Join(l.dir, fmt.Sprintf("stuck-%d-%s.json", number, name)), text, 0o644))
		}
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// act does what an injection says and returns when it is over: whoever was killed runs again, whatever was frozen goes on. what says what happened; it is empty when the
// injection did not bite. struck is when it did.
func (l *lab) act(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	switch in.Action {
	case Kill, Term:
		return l.end(ctx, in)
	case Freeze:
		return l.freeze(ctx, in)
	case KillAt, FreezeAt, ServerAt, StatementAt:
		return l.atPoint(ctx, in)
	case Leave:
		return l.leave(in)
	case Join:
		err := l.process(in.Target).Start(ctx)
		return said(err, "%s has joined", in.Target), time.Now(), err
	case Cut, DropReply, Latency, HalfOpen:
		return l.shoot(ctx, in)
	case Statement:
		return l.statement(ctx, in)
	case RewindAt:
		return l.rewindAt(ctx, in)
	case BadRow:
		return l.badRow(ctx, in)
	case Poison:
		return l.poison(ctx, in)
	case Repeats:
		return l.repeats(ctx)
	}
	panic("BUG: no action " + string(in.Action))
}

// said is a text when there is no error.
func said(err error, format string, args ...any) string {
	if err != nil {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// end kills or stops a process and starts it again.
func (l *lab) end(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	p := l.process(in.Target)
	pid, err := l.running(ctx, p)
	if err != nil {
		return "", struck, err
	}
	struck = time.Now()
	if in.Action == Kill {
		err = p.Kill()
		what = said(err, "SIGKILL of %s, process %d", p.Name(), pid)
	} else {
		err = p.Stop()
		what = fmt.Sprintf("SIGTERM of %s, process %d, ended after %v", p.Name(), pid, time.Since(struck).Round(time.Millisecond))
	}
	return what, struck, errors.Join(err, pause(ctx, in.For), l.start(ctx, p))
}

// running waits until a process that may be on its way up after an unplanned death runs.
func (l *lab) running(ctx context.Context, p *stack.Process) (pid int, err error) {
	return persist(ctx, func(context.Context) (int, error) {
		if pid := p.PID(); pid != 0 {
			return pid, nil
		}
		return 0, fmt.Errorf("%s %w", p.Name(), stack.ErrDown)
	})
}

// start starts a process unless it runs.
func (l *lab) start(ctx context.Context, p *stack.Process) error {
	if p.PID() != 0 {
		return nil
	}
	return p.Start(ctx)
}

func (l *lab) freeze(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	p := l.process(in.Target)
	if _, err := l.running(ctx, p); err != nil {
		return "", struck, err
	}
	struck = time.Now()
	if err := p.Freeze(ctx); err != nil {
		p.Thaw()
		return "", struck, err
	}
	err = pause(ctx, in.For)
	p.Thaw()
	return fmt.Sprintf("SIGSTOP of %s for %v", p.Name(), time.Since(struck).Round(time.Millisecond)), struck, err
}

// leave ends a process for now.
func (l *lab) leave(in *Injection) (what string, struck time.Time, err error) {
	p, struck := l.process(in.Target), time.Now()
	if in.Hard {
		err = p.Kill()
		return said(err, "%s was killed", in.Target), struck, err
	}
	err = p.Stop()
	return said(err, "%s was stopped by SIGTERM", in.Target), struck, err
}

// shoot arms a fault of a link and waits until it has fired, and is over.
func (l *lab) shoot(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	shot := l.links.byName[in.Target].Arm(in.fault())
	select {
	case <-shot.Fired():
		struck = time.Now()
		return in.Target + ": " + shot.What(), struck, pause(ctx, in.For)
	case <-ctx.Done():
	}
	if shot.Cancel() {
		return "", struck, fmt.Errorf("%w: %s on %s met nothing that fits: %w", errNoBite, in.Action, in.Target, context.Cause(ctx))
	}
	return in.Target + ": " + shot.What(), time.Now(), nil
}

// repeats waits until clients have sent some more requests twice.
func (l *lab) repeats(ctx context.Context) (what string, struck time.Time, err error) {
	const enough = 20
	from := l.traffic.resent.Load()
	struck = time.Now()
	n, err := persist(ctx, func(context.Context) (uint64, error) {
		n := l.traffic.resent.Load() - from
		if n < enough {
			return n, fmt.Errorf("%d requests were sent again", n)
		}
		return n, nil
	})
	return said(err, "%d requests were sent twice", n), struck, err
}
