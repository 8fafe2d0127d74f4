package faultlab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/bench/faultlab/stack"
)

// atPoint waits until a process reaches a failpoint of topic events, and lets the fault strike there.
func (l *lab) atPoint(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	hit, p, err := l.await(ctx, in.Point, in.Target)
	if err != nil {
		return "", struck, err
	}
	where := fmt.Sprintf("%s of %s/%d", in.Point, hit.Topic, hit.Partition)
	struck = time.Now()
	switch in.Action {
	case KillAt:
		err = l.die(ctx, p, hit)
		what, err := l.again(ctx, in, said(err, "%s killed at %s", p.Name(), where), err)
		return what, struck, errors.Join(err, pause(ctx, in.For), l.start(ctx, p))
	case FreezeAt:
		return l.zombie(ctx, in, p, hit, where)
	case ServerAt:
		server := l.process(in.Target)
		err = server.Kill()
		hit.Answer(stack.Go)
		return said(err, "%s killed while %s was at %s", in.Target, p.Name(), where), struck, errors.Join(err, pause(ctx, in.For), l.start(ctx, server))
	}
	changed, err := l.atBlock(ctx, in, hit)
	err = errors.Join(err, l.die(ctx, p, hit))
	what, err = l.again(ctx, in, said(err, "%s, and %s was killed at %s", changed, p.Name(), where), err)
	return what, struck, errors.Join(err, pause(ctx, in.For), l.start(ctx, p))
}

// again starts the sinks that are down and lets one of them kill itself at Injection.Then. Without that there is nothing to do.
func (l *lab) again(ctx context.Context, in *Injection, what string, err error) (string, error) {
	if in.Then == "" || err != nil {
		return what, err
	}
	second, err := l.killNext(ctx, in.Then)
	if err != nil {
		return "", err
	}
	return what + ", then " + second, nil
}

// killNext starts the sinks that are down and kills the first sink that comes to the failpoint. It does not start that one again.
func (l *lab) killNext(ctx context.Context, point string) (what string, err error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	type struckAt struct {
		hit *stack.Hit
		p   *stack.Process
		err error
	}
	struck := make(chan struckAt, 1)
	go func() {
		hit, p, err := l.await(waiting, point, "")
		struck <- struckAt{hit, p, err}
	}()
	var errs []error
	for _, p := range l.sinks {
		errs = append(errs, l.start(ctx, p))
	}
	if err := errors.Join(errs...); err != nil {
		stop()
		if s := <-struck; s.hit != nil {
			s.hit.Answer(stack.Go)
		}
		return "", err
	}
	s := <-struck
	if s.err != nil {
		return "", s.err
	}
	what = fmt.Sprintf("%s killed at %s of %s/%d", s.p.Name(), point, s.hit.Topic, s.hit.Partition)
	return what, l.die(ctx, s.p, s.hit)
}

// await waits for a hit of a failpoint in topic events. target is a process, or a server that waits for nobody: then any process will do.
func (l *lab) await(ctx context.Context, point, target string) (*stack.Hit, *stack.Process, error) {
	expected := l.points.Expect(point, func(h *stack.Hit) bool {
		p := l.byPID(h.PID)
		return h.Topic == labTopic && p != nil && (target == "" || target == clickHouseProcess || p.Name() == target)
	})
	select {
	case hit := <-expected.Hit():
		if p := l.byPID(hit.PID); p != nil {
			return hit, p, nil
		}
		hit.Answer(stack.Go)
		return nil, nil, fmt.Errorf("%w: the process at %s is gone", errNoBite, point)
	case <-ctx.Done():
		if !l.points.Cancel(expected) {
			(<-expected.Hit()).Answer(stack.Go)
		}
		return nil, nil, fmt.Errorf("%w: nobody came to failpoint %s: %w", errNoBite, point, context.Cause(ctx))
	}
}

// die lets the process that waits kill itself.
func (l *lab) die(ctx context.Context, p *stack.Process, hit *stack.Hit) error {
	p.Expect()
	hit.Answer(stack.Die)
	return p.Gone(ctx)
}

// zombie freezes a process at a failpoint until its session is over and others have taken over everything it had, and then lets it go on.
func (l *lab) zombie(ctx context.Context, in *Injection, p *stack.Process, hit *stack.Hit, where string) (what string, struck time.Time, err error) {
	struck = time.Now()
	hit.Answer(stack.Freeze)
	if err := p.Frozen(ctx); err != nil {
		p.Thaw()
		return "", struck, err
	}
	defer p.Thaw()
	mark, err := l.motion.ends(ctx)
	if err == nil {
		err = l.motion.past(ctx, mark)
	}
	if err != nil {
		return "", struck, fmt.Errorf("nobody took over from %s, frozen at %s: %w", p.Name(), where, err)
	}
	taken := time.Since(struck)
	err = pause(ctx, in.For)
	return fmt.Sprintf("%s froze at %s, was replaced after %v and went on after %v", p.Name(), where, taken.Round(time.Millisecond), time.Since(struck).Round(time.Millisecond)), struck, err
}
