package people

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/people/identity"
)

// taskFunc is a Task.
type taskFunc func(ctx context.Context, l *Leader) error

func (taskFunc) Name() string { return "test" }

func (f taskFunc) Run(ctx context.Context, l *Leader) error { return f(ctx, l) }

// lead runs a job, and returns its leader when it has done everything.
func (l *lab) lead() (*Leader, *running) {
	l.t.Helper()
	found := make(chan *Leader, 1)
	r := l.run(func(j *Job) {
		j.deps.Tasks = append(j.deps.Tasks, taskFunc(func(ctx context.Context, l *Leader) error {
			found <- l
			<-ctx.Done()
			return ctx.Err()
		}))
	})
	leader := <-found
	await(l.t, "all is done", l.caughtUp)
	return leader, r
}

// story is some events with ids of their own, in order.
func story(project uint32, events ...*said) []*said {
	for i, e := range events {
		e.project, e.ts, e.log, e.id = project, 1_790_000_000_000+int64(i), 1, [16]byte{byte(project), byte(i)}
		if e.distinct == "" {
			e.distinct = e.user
		}
	}
	return events
}

func set(name, value string) []deed { return []deed{{"$set", name, value}} }

func TestForget(t *testing.T) {
	l := newLab(t, start(t))
	events := story(
		1,
		&said{typ: "identify", user: "u", anonymous: "x", does: set("a", `"of u"`)},
		&said{typ: "identify", user: "u", anonymous: "y"},
		&said{typ: "track", distinct: "x", does: set("b", `"of x"`)},
		&said{typ: "track", distinct: "y", does: set("c", `"of y"`)},
		&said{typ: "track", distinct: "z", does: set("d", `"of z"`)},
	)
	l.load(events)
	l.confirm()
	leader, r := l.lead()
	l.mustBeRight("before")
	ids := []uint64{hash("u"), hash("x"), hash("y")}
	slices.Sort(ids)
	if got := leader.Members(1, hash("x"), hash("z"), hash("u")); !slices.Equal(got, slices.Sorted(slices.Values(append(ids, hash("z"))))) {
		t.Errorf("members %d", got)
	}
	if got := leader.Members(2, hash("x")); !slices.Equal(got, []uint64{hash("x")}) {
		t.Errorf("members in another project: %d", got)
	}
	check := func(when string, overrides, profiles []string) {
		t.Helper()
		got := l.rows("SELECT toString(user_h) FROM {db}.identity_overrides FINAL WHERE person_h = " + "cityHash64('u') AND user_h != person_h")
		slices.Sort(got)
		slices.Sort(overrides)
		if !slices.Equal(got, overrides) {
			t.Errorf("%s: of u are %s, want %s", when, got, overrides)
		}
		got = l.rows("SELECT concat(distinct_id, ' ', toString(ids), ' ', props) FROM {db}.profiles FINAL ORDER BY distinct_id")
		if !slices.Equal(got, profiles) {
			t.Errorf("%s: profiles are %s, want %s", when, got, profiles)
		}
	}
	text := func(id string) string { return l.rows("SELECT toString(cityHash64('" + id + "'))")[0] }
	if err := leader.Forget(within(t), 1, []uint64{hash("x")}); err != nil {
		t.Fatal(err)
	}
	check("x is forgotten", []string{text("y")}, []string{`u 2 {"a":"of u","c":"of y"}`, `z 1 {"d":"of z"}`})
	if err := leader.Forget(within(t), 1, []uint64{hash("u")}); err != nil {
		t.Fatal(err)
	}
	check("u is forgotten", nil, []string{`y 1 {"c":"of y"}`, `z 1 {"d":"of z"}`})
	if got := leader.Members(1, hash("y")); !slices.Equal(got, []uint64{hash("y")}) {
		t.Errorf("members of y %d", got)
	}
	version := leader.Version()
	if err := leader.Forget(within(t), 1, []uint64{hash("u"), hash("x"), hash("nobody")}); err != nil {
		t.Fatal(err)
	}
	if next := leader.Version(); next != version+1 {
		t.Errorf("forgetting again wrote something: version %d after %d", next, version)
	}
	if version>>32 != leader.epoch {
		t.Errorf("version %x in epoch %d", version, leader.epoch)
	}
	r.stop()
}

func TestFencedLeader(t *testing.T) {
	l := newLab(t, start(t))
	before, first := l.lead()
	if err := before.Still(within(t)); err != nil {
		t.Error(err)
	}
	confirmed, err := before.Confirmed(within(t))
	if err != nil || len(confirmed) != 0 {
		t.Errorf("%v, %v", confirmed, err)
	}
	first.stop()
	after, _ := l.lead()
	if after.epoch <= before.epoch {
		t.Errorf("epoch %d after %d", after.epoch, before.epoch)
	}
	if err := before.Still(within(t)); !errors.Is(err, ErrFenced) {
		t.Errorf("a former leader: %v", err)
	}
	if err := after.Still(within(t)); err != nil {
		t.Error(err)
	}
}

func TestTasksAreRunAgain(t *testing.T) {
	l := newLab(t, start(t))
	l.cfg.BackoffMin = time.Millisecond
	runs := make(chan int, 10)
	ended := make(chan struct{})
	n := 0
	r := l.run(func(j *Job) {
		j.deps.Tasks = []Task{taskFunc(func(ctx context.Context, _ *Leader) error {
			n++
			runs <- n
			if n < 3 {
				return errors.New("not yet")
			}
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		})}
	})
	for want := range 3 {
		if got := <-runs; got != want+1 {
			t.Fatalf("run %d, want %d", got, want+1)
		}
	}
	await(t, "it leads", r.leads)
	r.stop()
	select {
	case <-ended:
	default:
		t.Error("Run returned before the task")
	}
}

// TestNothingToDoIsCheap counts what the server is asked while nothing new is confirmed.
func TestNothingToDoIsCheap(t *testing.T) {
	l := newLab(t, start(t))
	l.load(streams(rand.New(rand.NewPCG(1, 1)), 1, 1, 30))
	l.confirm()
	_, r := l.lead()
	const statement = "SELECT toString(sum(value)) FROM system.events WHERE event IN ('SelectQuery', 'InsertQuery')"
	from, before := r.metrics.cycles.Get(), l.number(statement)
	await(t, "many cycles", func() bool { return r.metrics.cycles.Get() >= from+100 })
	asked := l.number(statement) - before
	t.Logf("%d statements in %d cycles", asked, r.metrics.cycles.Get()-from)
	if asked > 20 { // the question itself, and the server's own for its dictionary
		t.Errorf("%d statements in 100 cycles", asked)
	}
}

// TestTopicsOfThePast has events of a topic that nobody confirms any longer, and of one that begins far from offset 0.
func TestTopicsOfThePast(t *testing.T) {
	l := newLab(t, start(t))
	l.cfg.RangeOffsets = 10
	events := streams(rand.New(rand.NewPCG(2, 2)), 1, 2, 40)
	for p := range uint16(3) {
		l.next[source{1, p}], l.next[source{2, p}] = 7_000_000_000, 1<<40
	}
	l.load(events)
	l.confirm()
	for s := range l.confirmed {
		if s.log == 1 {
			delete(l.confirmed, s)
		}
	}
	if len(l.confirmed) == 0 {
		t.Fatal("BUG: all events are of the past")
	}
	leader, r := l.lead()
	idle := func() bool { return r.metrics.lag.Load() == 0 && r.leads() }
	await(t, "the past is done", idle)
	l.mustBeRight("with a past")
	l.mu.Lock()
	l.confirmed[source{2, 9}] = 1 << 50 // has no event at all
	l.mu.Unlock()
	cycles := r.metrics.cycles.Get()
	await(t, "an empty partition is done", func() bool { return r.metrics.cycles.Get() > cycles+1 && idle() })
	all, err := leader.Confirmed(within(t))
	if err != nil || !slices.ContainsFunc(all, func(c Confirmed) bool { return c.Log == 1 && c.Offset > 7_000_000_000 }) {
		t.Errorf("%v, %v", all, err)
	}
	r.stop()
}

// TestEnginesAway kills each engine under a leader.
func TestEnginesAway(t *testing.T) {
	e := start(t)
	l := newLab(t, e)
	l.cfg.BackoffMax = 100 * time.Millisecond
	all := streams(rand.New(rand.NewPCG(3, 3)), 1, 3, 40)
	l.load(all[:40])
	l.confirm()
	r := l.run(nil)
	await(t, "all is done", l.caughtUp)

	l.load(all[40:80])
	e.tables.Kill()
	l.confirm()
	await(t, "a cycle has failed", func() bool { return r.metrics.failures.Get() > 0 })
	e.tables.Start()
	await(t, "all is done after ClickHouse was away", l.caughtUp)
	l.mustBeRight("after ClickHouse was away")

	epoch := r.status.Load().epoch
	e.broker.Kill()
	await(t, "it does not lead", func() bool { return !r.leads() })
	l.load(all[80:])
	l.confirm()
	e.broker.Start()
	await(t, "it leads again", r.leads)
	await(t, "all is done after the broker was away", l.caughtUp)
	l.mustBeRight("after the broker was away")
	if now := r.status.Load().epoch; now <= epoch {
		t.Errorf("epoch %d after %d", now, epoch)
	}
	r.stop()
}

func TestCheckAndMetrics(t *testing.T) {
	l := newLab(t, start(t))
	l.load(streams(rand.New(rand.NewPCG(4, 4)), 1, 3, 60))
	l.confirm()
	set := metrics.NewSet()
	j, err := New(l.cfg, Deps{Broker: l.client, ClickHouse: l.tables, Confirmed: l.ask, Logger: slog.New(slog.DiscardHandler), Metrics: set})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Check(within(t)); err == nil || !strings.Contains(err.Error(), "joining") {
		t.Errorf("before it runs: %v", err)
	}
	a, b := l.run(nil), l.run(nil)
	await(t, "all is done", l.caughtUp)
	stands := func(r *running) bool {
		detail, err := r.Check(context.Background())
		return err == nil && strings.Contains(detail, "another process leads")
	}
	await(t, "one leads and one stands by", func() bool { return a.leads() && stands(b) || b.leads() && stands(a) })
	if stands(a) {
		a, b = b, a
	}
	read := func(r *running) string {
		var text bytes.Buffer
		r.set.WritePrometheus(&text)
		return text.String()
	}
	await(t, "it has done a cycle", func() bool { return a.metrics.cycles.Get() > 0 })
	for _, line := range []string{"millrace_people_leader 1\n", "millrace_people_lag_offsets 0\n"} {
		await(t, "metrics say "+line, func() bool { return strings.Contains(read(a), line) }) // a cycle says it when it has written all
	}
	for _, line := range []string{"millrace_people_facts 0\n", "millrace_people_bytes 0\n", "millrace_people_cluster_largest 0\n", `reason="two_users"} 0`} {
		if text := read(a); strings.Contains(text, line) {
			t.Errorf("the graph looks empty: %q in\n%s", line, text)
		}
	}
	if text := read(b); !strings.Contains(text, "millrace_people_leader 0\n") {
		t.Errorf("who stands by says:\n%s", text)
	}
	a.stop()
	await(t, "the other one leads", b.leads)
	b.stop()
	if _, err := b.Check(within(t)); err == nil {
		t.Error("a job that was stopped is fine")
	}
}

func TestAlertOncePerPersonAndHour(t *testing.T) {
	var text bytes.Buffer
	now := time.Unix(1_790_000_000, 0)
	a := &alerts{log: slog.New(slog.NewTextHandler(&text, nil)), now: func() time.Time { return now }}
	r := identity.Refusal{Fact: identity.Fact{Project: 3, AH: 5, BH: 6, Kind: identity.Identify}, Reason: identity.ClusterSize}
	for range 3 {
		a.clusterSize(r, 7, 1000)
		a.clusterSize(r, 8, 1000)
	}
	now = now.Add(alertEvery)
	a.clusterSize(r, 7, 1000)
	if n := strings.Count(text.String(), "person_h=7"); n != 2 {
		t.Errorf("%d alerts of one person:\n%s", n, &text)
	}
	if n := strings.Count(text.String(), "person_h=8"); n != 1 || len(a.said) != 1 {
		t.Errorf("%d alerts of the other, %d remembered:\n%s", n, len(a.said), &text)
	}
}
