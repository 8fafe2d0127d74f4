package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal collects what happens, with the second of the bubble's clock.
type journal struct {
	began time.Time
	mu    sync.Mutex
	lines []string
}

func newJournal() *journal { return &journal{began: time.Now()} }

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%vs ", time.Since(j.began).Seconds())+fmt.Sprintf(format, args...))
}

func (j *journal) expect(t *testing.T, want string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if got := strings.Join(j.lines, "\n"); got != strings.TrimSpace(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func (j *journal) logger() *slog.Logger { return slog.New(journalHandler{j: j}) }

// journalHandler writes log records to the journal.
type journalHandler struct {
	j     *journal
	attrs []slog.Attr
}

func (h journalHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h journalHandler) WithGroup(string) slog.Handler            { return h }

func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journalHandler{h.j, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h journalHandler) Handle(_ context.Context, r slog.Record) error {
	line := fmt.Sprintf("log: %s", r.Message)
	add := func(a slog.Attr) bool {
		if a.Key != "stack" {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.j.add("%s", line)
	return nil
}

// worker is a stage that takes startup to become ready and drain to finish.
func worker(j *journal, name string, startup, drain time.Duration) Stage {
	ready := make(chan struct{})
	return Stage{
		Name:        name,
		StopTimeout: 5 * time.Second,
		Ready:       func() <-chan struct{} { return ready },
		Run: func(ctx context.Context) error {
			j.add("%s runs", name)
			pause(ctx, startup)
			close(ready)
			<-ctx.Done()
			j.add("%s cancelled", name)
			return ctx.Err()
		},
		Drain: func(ctx context.Context) error {
			j.add("%s drains", name)
			pause(ctx, drain)
			return ctx.Err()
		},
	}
}

// pause waits in the bubble's clock.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		g := New(j.logger())
		g.Add(worker(j, "sink", 2*time.Second, 1500*time.Millisecond))
		pipeline := worker(j, "pipeline", 0, 3*time.Second-time.Millisecond)
		pipeline.Start = func(context.Context) error { j.add("pipeline starts"); return nil }
		pipeline.Left = func() string { return "7 events" }
		g.Add(pipeline)
		g.Add(Stage{Name: "flag", StopTimeout: time.Second, Drain: func(context.Context) error { j.add("flag drains"); return nil }})
		ctx, cancel := context.WithCancel(t.Context())
		err := g.Run(ctx, func() {
			j.add("all ready")
			time.AfterFunc(10*time.Second, cancel)
		})
		if err != nil {
			t.Error(err)
		}
		j.expect(t, `
0s sink runs
2s log: started stage=sink took=2s
2s pipeline starts
2s pipeline runs
2s log: started stage=pipeline took=0s
2s log: started stage=flag took=0s
2s all ready
12s log: stopping stage=flag timeout=1s
12s flag drains
12s log: stopped stage=flag took=0s
12s log: stopping stage=pipeline timeout=5s
12s pipeline drains
13s log: still stopping stage=pipeline for=1s left=7 events
14s log: still stopping stage=pipeline for=2s left=7 events
14.999s pipeline cancelled
14.999s log: stopped stage=pipeline took=2.999s
14.999s log: stopping stage=sink timeout=5s
14.999s sink drains
15.999s log: still stopping stage=sink for=1s
16.499s sink cancelled
16.499s log: stopped stage=sink took=1.5s`)
	})
}

// TestDeadlines: each way of not stopping costs its deadline and no more, becomes an error, and does not keep the stages behind from
// their turn.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		release := make(chan struct{})
		defer close(release)
		stuck := func(context.Context) error { <-release; return nil }
		g := New(slog.New(slog.DiscardHandler))
		g.Add(Stage{Name: "last", StopTimeout: time.Second, Run: func(ctx context.Context) error {
			<-ctx.Done()
			j.add("last stops")
			return nil
		}})
		g.Add(Stage{Name: "deaf", StopTimeout: 2 * time.Second, Run: stuck})
		g.Add(Stage{Name: "drain-deaf", StopTimeout: 3 * time.Second, Drain: stuck})
		g.Add(Stage{Name: "run-deaf", StopTimeout: 4 * time.Second, Run: stuck, Drain: func(context.Context) error { return nil }})
		g.Add(worker(j, "slow", 0, time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		err := g.Run(ctx, cancel)
		want := `slow: drain: context deadline exceeded
run-deaf: left running: it did not end in 1s
drain-deaf: drain: left running: it did not return in 4s
deaf: left running: it did not end in 2s`
		if err == nil || err.Error() != want {
			t.Errorf("got:\n%v\nwant:\n%s", err, want)
		}
		if !errors.Is(err, ErrLeftRunning) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("causes are lost: %v", err)
		}
		j.expect(t, "0s slow runs\n0s slow drains\n5s slow cancelled\n12s last stops")
	})
}

func TestFailuresStopAll(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		run  func(context.Context) error
		want string
		is   error
	}{
		{"error", func(context.Context) error { return boom }, "middle: boom", boom},
		{"nil", func(context.Context) error { return nil }, "middle: ended by itself", ErrEnded},
		{"canceled of its own", func(context.Context) error { return context.Canceled }, "middle: context canceled", context.Canceled},
		{"panic", func(context.Context) error { panic("odd") }, "middle: BUG: panic: odd", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal()
				g := New(slog.New(slog.DiscardHandler))
				g.Add(worker(j, "first", 0, 0))
				g.Add(Stage{Name: "middle", StopTimeout: time.Second, Run: func(ctx context.Context) error {
					pause(ctx, time.Minute)
					return c.run(ctx)
				}, Drain: func(context.Context) error { t.Error("drained although it had ended"); return nil }})
				g.Add(worker(j, "third", 0, 0))
				err := g.Run(t.Context(), nil)
				if err == nil || err.Error() != c.want || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				j.expect(t, "0s first runs\n0s third runs\n60s third drains\n60s third cancelled\n60s first drains\n60s first cancelled")
			})
		})
	}
}

func TestFailureWhileStarting(t *testing.T) {
	boom := errors.New("boom")
	never := func() <-chan struct{} { return nil }
	for _, c := range []struct {
		name  string
		stage func(j *journal, cancel func()) Stage
		want  string
		log   string
	}{
		{"start fails", func(*journal, func()) Stage {
			return Stage{Start: func(context.Context) error { return boom }}
		}, "bad: start: boom", ""},
		{"start panics", func(*journal, func()) Stage {
			return Stage{Start: func(context.Context) error { panic("odd") }}
		}, "bad: start: BUG: panic: odd", ""},
		{"run fails before it is ready", func(*journal, func()) Stage {
			return Stage{Ready: never, Run: func(context.Context) error { return boom }}
		}, "bad: boom", ""},
		{"interrupted in start", func(_ *journal, cancel func()) Stage {
			return Stage{Start: func(ctx context.Context) error { cancel(); <-ctx.Done(); return fmt.Errorf("wait: %w", ctx.Err()) }}
		}, "", ""},
		{"interrupted before it is ready", func(j *journal, cancel func()) Stage {
			return Stage{Ready: never, Run: func(ctx context.Context) error { cancel(); <-ctx.Done(); j.add("bad stops"); return nil }}
		}, "", "0s bad stops\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal()
				g := New(slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				g.Add(worker(j, "first", 0, 0))
				bad := c.stage(j, cancel)
				bad.Name, bad.StopTimeout = "bad", time.Second
				g.Add(bad)
				g.Add(worker(j, "third", 0, 0))
				err := g.Run(ctx, func() { t.Error("ready was called") })
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
				j.expect(t, "0s first runs\n"+c.log+"0s first drains\n0s first cancelled")
			})
		})
	}
}

// TestEarlierStageFailsWhileLaterStarts: waiting for something that will never come must not hide that.
func TestEarlierStageFailsWhileLaterStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(slog.New(slog.DiscardHandler))
		g.Add(Stage{Name: "child", StopTimeout: time.Second, Run: func(ctx context.Context) error {
			pause(ctx, time.Second)
			return errors.New("died")
		}})
		g.Add(Stage{Name: "client", StopTimeout: time.Second, Start: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		if err := g.Run(t.Context(), nil); err == nil || err.Error() != "child: died" {
			t.Errorf("got %v", err)
		}
	})
}

// TestErrorsWhileStoppingAreJoined: what goes wrong late is reported beside what came first.
func TestErrorsWhileStoppingAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		g := New(j.logger())
		g.Add(Stage{Name: "sink", StopTimeout: time.Second, Run: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("3 rows left")
		}})
		g.Add(Stage{Name: "ingest", StopTimeout: time.Second, Run: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, Drain: func(context.Context) error { panic("odd") }})
		ctx, cancel := context.WithCancel(t.Context())
		err := g.Run(ctx, cancel)
		if want := "ingest: drain: BUG: panic: odd\nsink: 3 rows left"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		j.expect(t, `
0s log: started stage=sink took=0s
0s log: started stage=ingest took=0s
0s log: stopping stage=ingest timeout=1s
0s log: BUG: panic stage=ingest panic=odd
0s log: stopped with something left behind stage=ingest took=0s error=drain: BUG: panic: odd
0s log: stopping stage=sink timeout=1s
0s log: stopped with something left behind stage=sink took=0s error=3 rows left`)
	})
}

func TestAddRefusesIncompleteStages(t *testing.T) {
	for _, s := range []Stage{{Name: "x"}, {StopTimeout: 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", s)
				}
			}()
			New(slog.New(slog.DiscardHandler)).Add(s)
		}()
	}
}
