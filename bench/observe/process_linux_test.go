package observe

import (
	"errors"
	"math"
	"os"
	"strconv"
	"testing"
	"time"
)

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func usage(t *testing.T, p Process) Usage {
	t.Helper()
	u, err := ReadUsage(p)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUsage(t *testing.T) {
	p := running(t)
	p.must(t, "name a) R 1 (b c")
	self := Process{Name: "helper", PID: p.cmd.Process.Pid}
	before := usage(t, self)
	used := number(t, p.must(t, "burn 200ms"))
	u := usage(t, self)
	// The kernel's ticks are of 10 ms; while it waits on its pipe the helper uses next to nothing.
	if got := u.User + u.System; got < used-0.021 || got > used+0.2 {
		t.Errorf("user %v + system %v s, the process itself says %v s", u.User, u.System, used)
	}
	if grown := u.User + u.System - before.User - before.System; grown < 0.17 {
		t.Errorf("grown by %v s while 0.2 s were burnt", grown)
	}
	if u.Resident < 1<<20 || u.Resident > 1<<30 {
		t.Errorf("resident %d bytes, want some MiB", u.Resident)
	}
	if u.Threads < 2 {
		t.Errorf("%d threads, a Go program has more", u.Threads)
	}
	s, err := readStat(self.PID)
	if err != nil || s.name != "a) R 1 (b c" || s.parent != os.Getpid() {
		t.Errorf("name %q, parent %d, %v", s.name, s.parent, err)
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadUsage(self); !errors.Is(err, ErrEnded) {
		t.Errorf("after its end: %v, want ErrEnded", err)
	}
}

// TestUsageTree follows a child from its start until its parent has waited for it: its time stays in the sum.
func TestUsageTree(t *testing.T) {
	p := running(t)
	tree := Process{Name: "helper", PID: p.cmd.Process.Pid, Tree: true}
	alone := tree
	alone.Tree = false
	sum := func() float64 { u := usage(t, tree); return u.User + u.System }

	before := sum()
	p.must(t, "start")
	p.must(t, "child burn 150ms")
	p.must(t, "child start")
	p.must(t, "child child burn 150ms") // a grandchild
	alive := sum()
	if alive < before+0.25 {
		t.Errorf("%v s with children that burnt 0.3 s, %v s before they were", alive, before)
	}
	if tree, alone := usage(t, tree), usage(t, alone); tree.Resident <= alone.Resident || tree.Threads <= alone.Threads {
		t.Errorf("three processes hold %d bytes and %d threads, one of them %d and %d", tree.Resident, tree.Threads, alone.Resident, alone.Threads)
	}
	p.must(t, "child end")
	grandchildGone := sum()
	if grandchildGone < alive {
		t.Errorf("the sum fell from %v to %v s when the grandchild ended", alive, grandchildGone)
	}
	p.must(t, "end")
	if all := sum(); all < grandchildGone {
		t.Errorf("the sum fell from %v to %v s when the child ended", grandchildGone, all)
	}
	if u := usage(t, alone); u.User+u.System > alive-0.2 {
		t.Errorf("%v s for the process alone, %v s with what its children burnt", u.User+u.System, alive)
	}
}

// TestUsageTreeZombie: a child that is dead and not waited for is still counted.
func TestUsageTreeZombie(t *testing.T) {
	p := running(t)
	tree := Process{Name: "helper", PID: p.cmd.Process.Pid, Tree: true}
	child, err := strconv.Atoi(p.must(t, "start"))
	if err != nil {
		t.Fatal(err)
	}
	p.must(t, "child burn 150ms")
	alive := usage(t, tree)
	p.must(t, "kill")
	for s, err := readStat(child); ; s, err = readStat(child) { // its output closes a moment before it is dead
		if err != nil {
			t.Fatalf("nobody waited for the child, yet: %v", err)
		}
		if s.ended() {
			break
		}
	}
	dead := usage(t, tree)
	if dead.User+dead.System < alive.User+alive.System {
		t.Errorf("the sum fell from %v to %v s", alive.User+alive.System, dead.User+dead.System)
	}
	if _, err := ReadUsage(Process{Name: "child", PID: child}); !errors.Is(err, ErrEnded) {
		t.Errorf("the dead child itself: %v, want ErrEnded", err)
	}
}

func TestParseStat(t *testing.T) {
	const good = "42 (a b) c) S 1 42 42 0 -1 4194560 2895 46839 0 9 11 7 37 17 20 0 5 0 1129075 5124096 943 18446744073709551615 1 1"
	s, err := parseStat([]byte(good))
	want := stat{name: "a b) c", state: 'S', parent: 1, user: 11, system: 7, childUser: 37, childSyst: 17, threads: 5, started: 1129075}
	if err != nil || s != want {
		t.Errorf("%+v, %v, want %+v", s, err, want)
	}
	for _, bad := range []string{"", "42", "42 (a", "42 )a(", "42 (a) S 1 2", "42 (a) S x 42 42 0 -1 4194560 2895 46839 0 9 11 7 37 17 20 0 5 0 1129075", "42 (a) S 1 42 42 0 -1 4194560 2895 46839 0 9 -11 7 37 17 20 0 5 0 1129075"} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: %+v, want an error", bad, s)
		}
	}
	if leader := (stat{state: 'Z', threads: 3}); leader.ended() {
		t.Error("a process whose first thread ended is taken for dead")
	}
}

func TestWatch(t *testing.T) {
	one, two := running(t), running(t)
	w := NewWatch([]Process{{Name: "one", PID: one.cmd.Process.Pid}, {Name: "two", PID: two.cmd.Process.Pid, Tree: true}, {Name: "self", PID: os.Getpid()}}, "")
	s := w.Sample(t.Context(), 0)
	if len(s.Processes) != 3 || s.At != 0 || len(w.Problems()) != 0 {
		t.Fatalf("%+v, problems %q", s, w.Problems())
	}
	one.must(t, "burn 100ms")
	next := w.Sample(t.Context(), 1500*time.Millisecond)
	if grown := next.Processes["one"].User + next.Processes["one"].System - s.Processes["one"].User - s.Processes["one"].System; grown < 0.07 || next.At != 1.5 {
		t.Errorf("at %v: grown by %v s, want 0.1 s", next.At, grown)
	}
	if err := one.end(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = w.Sample(t.Context(), 2*time.Second)
		if _, ok := s.Processes["one"]; ok || len(s.Processes) != 2 {
			t.Errorf("after one ended: %+v", s.Processes)
		}
	}
	if p := w.Problems(); len(p) != 1 {
		t.Errorf("problems %q, want the end of one, once", p)
	}
}

// TestWatchOtherProcess: a process that has got the id of one that ended is not taken for it.
func TestWatchOtherProcess(t *testing.T) {
	w := NewWatch([]Process{{Name: "self", PID: os.Getpid()}}, "")
	w.Sample(t.Context(), 0)
	w.processes[0].started-- // as if it had been another
	for range 2 {
		if s := w.Sample(t.Context(), time.Second); len(s.Processes) != 0 {
			t.Errorf("%+v", s.Processes)
		}
	}
	if p := w.Problems(); len(p) != 1 {
		t.Errorf("problems %q", p)
	}
}

// TestWatchNeverFalls: time that a descendant took away stays counted.
func TestWatchNeverFalls(t *testing.T) {
	w := NewWatch([]Process{{Name: "self", PID: os.Getpid()}}, "")
	s := w.Sample(t.Context(), 0)
	w.processes[0].last.User += 1000
	if next := w.Sample(t.Context(), time.Second); math.Abs(next.Processes["self"].User-s.Processes["self"].User-1000) > 0.001 {
		t.Errorf("user %v s, then %v s", s.Processes["self"].User+1000, next.Processes["self"].User)
	}
}
