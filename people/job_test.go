package people

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/people/identity"
)

// streams are the events of some projects, in any order.
func streams(r *rand.Rand, first, projects, each int) []*said {
	var all []*said
	for project := range projects {
		all = append(all, random(r, uint32(first+project), each)...)
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// TestTwoJobsInTurn has two jobs lead in turn while events of many kinds come in, in any order, and all of them are read again from time to time.
func TestTwoJobsInTurn(t *testing.T) {
	l := newLab(t, start(t))
	r := rand.New(rand.NewPCG(6, 6))
	all := streams(r, 1, seeds(t, 8), 60)
	const turns = 4
	var leads *running
	refused, epochs := uint64(0), map[uint64]bool{}
	led := func(r *running) { epochs[l.awaitEpoch(r)] = true }
	end := func(r *running) {
		r.stop()
		refused += r.metrics.refused(identity.ClusterSize).Get()
	}
	for turn := range turns {
		from, to := len(all)*turn/turns, len(all)*(turn+1)/turns
		middle := (from + to) / 2
		l.load(all[from:middle])
		l.confirm()
		if leads != nil {
			led(leads) // before there are two of them: the group may give the partition to the other one, and leave it there
		}
		next := l.run(nil)
		if leads != nil {
			end(leads)
		}
		leads = next
		l.load(all[middle:to]) // may be read while it leads, and while another one takes over
		l.confirm()
		if turn%2 == 1 {
			await(t, "all is done", l.caughtUp)
			l.mustBeRight("in turn")
			led(leads)
			end(leads)
			leads = nil
			l.exec("TRUNCATE TABLE {db}.people_progress")
		}
	}
	leads = l.run(nil)
	await(t, "all is done again", l.caughtUp)
	led(leads)
	end(leads)
	l.mustBeRight("after everything was read again")
	if len(epochs) != turns+1 {
		t.Errorf("%d leaders had epochs %v", turns+1, epochs)
	}
	if refused == 0 {
		t.Error("no person would have been too large: nothing tests that")
	}
}

// stopAt makes a job stop at a step, once, until resume is closed. Then it goes on without a context, as a process does that was stopped in the middle and does not know yet.
func stopAt(at step) (change func(*Job), stopped, resume, over chan struct{}) {
	stopped, resume, over = make(chan struct{}), make(chan struct{}), make(chan struct{})
	late := false
	return func(j *Job) {
		j.at = func(ctx context.Context, s step) (context.Context, error) {
			switch {
			case !late && s == at:
				late = true
				close(stopped)
				<-resume
				return context.WithoutCancel(ctx), nil
			case late && s == stepProgress:
				close(over)
			}
			return ctx, ctx.Err()
		}
	}, stopped, resume, over
}

// late has a leader stop at a step, while another one takes over and does what was confirmed since; then the former one goes on writing.
func (l *lab) late(at step, since []*said, change func(*Job)) {
	l.t.Helper()
	stale, stopped, resume, over := stopAt(at)
	a := l.run(stale)
	<-stopped
	l.load(since)
	l.confirm()
	b := l.run(change)
	await(l.t, "another leader has done everything", l.caughtUp)
	close(resume)
	<-over
	a.stop()
	b.stop()
}

// TestLateLeader has a leader stop at each step of a cycle.
func TestLateLeader(t *testing.T) {
	l := newLab(t, start(t))
	l.cfg.RangeOffsets = 10_000 // all in one cycle, so that as much as possible is late
	r := rand.New(rand.NewPCG(6, 7))
	for i, at := range steps {
		if at == stepElected || at == stepClaimed || at == stepLoaded || at == stepCompared || at == stepProgress {
			continue
		}
		events := streams(r, 1+2*i, 2, 40)
		l.load(events[:40])
		l.confirm()
		l.late(at, events[40:], nil)
		l.mustBeRight("a leader was late after " + string(at))
		c := l.run(nil) // would go on from the progress of a late leader, if that counted
		await(t, "a third one leads", c.leads)
		await(t, "all is done", l.caughtUp)
		c.stop()
		l.mustBeRight("a third leader after a late one after " + string(at))
	}
}

// TestLateLeaderBeforeThereWasProgress has the first leader of all be late, with a second one that died before it moved an offset on: what the first says it has done does not count.
func TestLateLeaderBeforeThereWasProgress(t *testing.T) {
	l := newLab(t, start(t))
	l.load(story(
		1,
		&said{typ: "track", distinct: "u", does: set("a", "1")},
		&said{typ: "track", distinct: "u", does: set("a", "2")},
		&said{typ: "track", distinct: "u", does: set("b", "3")},
	))
	l.confirm()
	stale, stopped, resume, over := stopAt(stepRead)
	a := l.run(stale)
	<-stopped
	l.cfg.RangeOffsets = 1 // so that the second knows less than the first
	reached := make(chan struct{})
	b := l.run(func(j *Job) {
		j.at = func(ctx context.Context, s step) (context.Context, error) {
			if s == stepGroups {
				close(reached)
				<-ctx.Done() // nothing is done after this
			}
			return ctx, ctx.Err()
		}
	})
	<-reached
	b.stop()
	close(resume)
	<-over
	a.stop()
	c := l.run(nil)
	await(t, "a third one has done everything", func() bool { return c.metrics.cycles.Get() > 0 && c.metrics.lag.Load() == 0 })
	c.stop()
	l.mustBeRight("after a late leader that nobody's progress stands against")
}

// TestLateLeaderWhenOnlyChangesAreWritten is the control: without rows for ids whose person has not changed, a late leader has the last word.
func TestLateLeaderWhenOnlyChangesAreWritten(t *testing.T) {
	l := newLab(t, start(t))
	scene := func(project uint32) (before, since *said) {
		before = &said{project: project, typ: "identify", distinct: "u", user: "u", anonymous: "x", ts: 1_790_000_000_000, log: 1, id: [16]byte{1}}
		since = &said{project: project, typ: "unmerge", distinct: "u", previous: "x", ts: 1_790_000_000_001, log: 1, id: [16]byte{2}}
		return before, since
	}
	for project, onlyChanged := range []bool{false, true} {
		before, since := scene(uint32(project))
		l.load([]*said{before})
		l.confirm()
		l.late(stepRead, []*said{since}, func(j *Job) { j.onlyChanged = onlyChanged })
		if wrong := l.differences(); onlyChanged != (len(wrong) > 0) {
			t.Errorf("only changes are written: %t: %q", onlyChanged, wrong)
		}
	}
}

// leads tells that the job has taken over.
func (r *running) leads() bool {
	detail, err := r.Check(context.Background())
	return err == nil && strings.Contains(detail, "leads in epoch")
}

// TestCrashes kills a leader after each step, and lets a new one find what it has left.
func TestCrashes(t *testing.T) {
	l := newLab(t, start(t))
	l.cfg.RangeOffsets = 10_000
	r := rand.New(rand.NewPCG(6, 8))
	all := streams(r, 1, 3, 25*len(steps))
	for i, at := range steps {
		l.load(all[len(all)*i/len(steps) : len(all)*(i+1)/len(steps)])
		l.confirm()
		reached := make(chan struct{})
		dies := l.run(func(j *Job) {
			j.at = func(ctx context.Context, s step) (context.Context, error) {
				if s == at {
					close(reached)
					<-ctx.Done() // nothing is done after this
				}
				return ctx, ctx.Err()
			}
		})
		<-reached
		dies.stop()
		heir := l.run(nil)
		await(t, "all is done", l.caughtUp)
		heir.stop()
		l.mustBeRight("after a crash after " + string(at))
	}
}

// TestOverridesThatAreNotThere has a new leader find a table that is not what the facts say.
func TestOverridesThatAreNotThere(t *testing.T) {
	l := newLab(t, start(t))
	r := rand.New(rand.NewPCG(6, 9))
	l.load(streams(r, 1, 3, 60))
	l.confirm()
	first := l.run(nil)
	await(t, "all is done", l.caughtUp)
	first.stop()
	l.mustBeRight("before")
	for _, damage := range []string{
		"TRUNCATE TABLE {db}.identity_overrides",
		"INSERT INTO {db}.identity_overrides VALUES (1, 123, 456, 99999999999)",
		"INSERT INTO {db}.identity_overrides SELECT project_id, user_h, user_h, version + 1000 FROM {db}.identity_overrides FINAL WHERE person_h != user_h LIMIT 3",
		"ALTER TABLE {db}.identity_overrides DELETE WHERE user_h % 2 = 0 SETTINGS mutations_sync = 2",
	} {
		l.exec(damage)
		if len(l.differences()) == 0 {
			t.Fatalf("%s: does no damage", damage)
		}
		again := l.run(nil)
		await(t, "it leads", again.leads)
		again.stop()
		l.mustBeRight(damage)
	}
}
