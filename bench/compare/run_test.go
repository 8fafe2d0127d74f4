package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// short are options for windows that only just tell.
func short(targets ...Target) Options {
	return Options{
		Targets: targets, Batches: []int{1}, Connections: 4, Rounds: 3, Window: 300 * time.Millisecond, Warmup: 50 * time.Millisecond, PoolBytes: 64 << 10,
		Floor: "light", Subject: "heavy", ReadyTimeout: 20 * time.Second,
	}
}

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("CPU time of other processes is only read on Linux")
	}
}

// TestRatioIsFound: of two targets one burns four times the CPU time per request.
func TestRatioIsFound(t *testing.T) {
	needLinux(t)
	before, err := processors()
	if err != nil {
		t.Fatal(err)
	}
	o := short(player(t, "light", "burn 2000"), player(t, "heavy", "burn 8000"))
	o.Window = 800 * time.Millisecond // some 25 requests of the heavy one even when this machine does three other things; CPU time has steps of 10 ms
	var seen []string
	o.Progress = func(p Progress) {
		seen = append(seen, fmt.Sprintf("%d/%d %d%s", p.Done, p.Total, p.Window.Round, p.Window.Target))
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	noChildren(t)
	if want := []string{"1/6 1light", "2/6 1heavy", "3/6 2light", "4/6 2heavy", "5/6 3light", "6/6 3heavy"}; !slices.Equal(seen, want) {
		t.Errorf("windows %q, want %q", seen, want)
	}
	light, heavy := r.Cell(1, "light"), r.Cell(1, "heavy")
	for _, c := range []*Cell{light, heavy} {
		if c == nil || len(c.Invalid) > 0 || c.Windows != 3 || c.Rate.Median <= 0 || c.P99.Median < c.P50.Median || c.Resident == 0 {
			t.Fatalf("cell %+v", c)
		}
	}
	// On top of what is burnt comes what HTTP costs, some 50 µs, ten times as much under the race detector.
	if light.Total.Median < 1900 || light.Total.Median > 4000 || heavy.Total.Median < 7600 || heavy.Total.Median > 12000 {
		t.Errorf("light %+v µs, heavy %+v µs, burnt were 2000 and 8000", light.Total, heavy.Total)
	}
	times, ok := r.Ratio(1, "heavy", "light")
	if !ok || times.Median < 2.7 || times.Median > 4.4 || times.Min > times.Median || times.Max < times.Median {
		t.Errorf("heavy / light = %+v, want about 4", times)
	}
	if inverse, ok := r.Ratio(1, "light", "heavy"); ok {
		t.Errorf("the floor was compared with the subject: %+v", inverse)
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "heavy / light = ") {
		t.Errorf("text %q, %v", text.String(), err)
	}

	// This process is where it was, and what it pinned was pinned.
	after, err := processors()
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("processors %v before, %v after, %v", before, after, err)
	}
	if p := r.Placement; p.Pinned != (len(before) > 1) || p.Pinned == slices.Contains(p.Load, p.Target) && p.Pinned || len(p.Load) == 0 || p.Pinned != (p.Why == "") {
		t.Errorf("placement %+v on processors %v", p, before)
	}
}

// TestBuiltIn runs all of it with small windows: our own server, the two peers and the broker.
func TestBuiltIn(t *testing.T) {
	needLinux(t)
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := t.TempDir()
	server, self := filepath.Join(dir, "server"), filepath.Join(dir, "millrace")
	if out, err := exec.Command("go", "build", "-o", server, "github.com/millrace/millrace/cmd/millrace").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The peers are played by this program, so that they are those of this tree whatever the command knows.
	script := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = bench ]; then exec %q \"$@\"; fi\nexec %q \"$@\"\n", test, server)
	if err := os.WriteFile(self, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MILLRACE_INGEST__LISTEN", "not an address") // must not reach the gateway
	for _, dialect := range []string{"segment", "native"} {
		o := short()
		o.Self, o.Targets, o.Batches, o.Rounds, o.PoolBytes, o.Floor, o.Subject, o.Dialect = self, nil, []int{10}, 1, 1<<20, "", "", dialect
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		noChildren(t)
		for _, name := range []string{Gateway, Null, Naive} {
			c := r.Cell(10, name)
			if c == nil || len(c.Invalid) > 0 {
				t.Errorf("%s: %s: cell %+v", dialect, name, c)
			}
		}
		for _, w := range r.Windows {
			if w.Target == Null {
				if w.Records != nil {
					t.Errorf("%s: null has %d records", dialect, *w.Records)
				}
				continue
			}
			if w.Records == nil || *w.Records != w.Accepted || w.Accepted == 0 || w.Broker == 0 && w.Accepted > 100_000 {
				t.Errorf("%s: %s: window %+v", dialect, w.Target, w)
			}
		}
		if times, ok := r.Ratio(10, Naive, Gateway); !ok || times.Median <= 1 {
			t.Errorf("%s: naive / gateway = %+v, %v", dialect, times, ok)
		}
		gateway := r.Targets[0].Command
		if data := gateway[slices.Index(gateway, "--data")+1]; !filepath.IsAbs(data) {
			t.Errorf("the gateway's directory is %q", data)
		} else if _, err := os.Stat(filepath.Dir(data)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the gateway's directory is left behind: %s, %v", data, err)
		}
	}
}

func TestErrorsMakeACellInvalid(t *testing.T) {
	needLinux(t)
	o := short(player(t, "light", "burn 500"), player(t, "heavy", "fail 5"))
	o.Rounds = 1
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	noChildren(t)
	c := r.Cell(1, "heavy")
	if c == nil || len(c.Invalid) != 1 || !strings.Contains(c.Invalid[0], "requests failed") || !strings.Contains(c.Invalid[0], "503") {
		t.Errorf("cell %+v", c)
	}
	if w := r.Windows[1]; w.Errors < w.Requests/6 || w.Errors > w.Requests/4+1 {
		t.Errorf("%d of %d requests failed, want a fifth", w.Errors, w.Requests)
	}
	if sound := r.Cell(1, "light"); sound == nil || len(sound.Invalid) > 0 {
		t.Errorf("the other cell %+v", sound)
	}
	if x, ok := r.Ratio(1, "heavy", "light"); ok {
		t.Errorf("a ratio of what means nothing: %+v", x)
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "✗ heavy means nothing, round 1: ") {
		t.Errorf("text %q, %v", text.String(), err)
	}
}

func TestNeverReady(t *testing.T) {
	needLinux(t)
	o := short(player(t, "light", "burn 100"), player(t, "heavy", "deaf the moon"))
	o.ReadyTimeout = 2 * time.Second
	_, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "heavy is not ready after 2s") || !strings.Contains(err.Error(), "starting up") || !strings.Contains(err.Error(), "waiting for the moon") {
		t.Errorf("error %v", err)
	}
	noChildren(t)
}

func TestTargetsThatDie(t *testing.T) {
	needLinux(t)
	o := short(player(t, "light", "burn 100"), player(t, "heavy", "die 1000000"))
	o.Targets[1].Env[0] += " " // no number: it dies at once
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "heavy has ended (exit status 1)") || !strings.Contains(err.Error(), "invalid syntax") {
		t.Errorf("died at once: %v", err)
	}
	noChildren(t)
	o = short(player(t, "light", "burn 100"), player(t, "heavy", "die 50"))
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "heavy has ended (exit status 1)") || !strings.Contains(err.Error(), "dying of request 50") {
		t.Errorf("died under load: %v", err)
	}
	noChildren(t)
	o = short(Target{Name: "light", Command: []string{filepath.Join(t.TempDir(), "nothing")}})
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "start light: ") {
		t.Errorf("no such program: %v", err)
	}
}

// TestPartialResult: what was measured before the end is not lost.
func TestPartialResult(t *testing.T) {
	needLinux(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := short(player(t, "light", "burn 500"), player(t, "heavy", "burn 500"))
	o.Progress = func(p Progress) {
		if p.Done == 3 {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) || r == nil || len(r.Windows) != 3 || r.Cell(1, "heavy").Windows != 1 || r.Cell(1, "light").Windows != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	noChildren(t)
}

// TestGroupEnds: what a target leaves behind in its group ends as well.
func TestGroupEnds(t *testing.T) {
	needLinux(t)
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close() //nolint:errcheck // it was only read from
	o := short(player(t, "light", "leave "+path))
	o.Rounds = 1
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	// The end of the pipe comes when nobody holds its other side: neither the target nor its child.
	_ = pipe.SetReadDeadline(time.Now().Add(20 * time.Second))
	if said, err := io.ReadAll(pipe); err != nil || string(said) != "started" {
		t.Errorf("read %q, %v", said, err)
	}
}

// TestRunsAlready: a target that somebody else has started is found by its port, measured, and left alone.
func TestRunsAlready(t *testing.T) {
	needLinux(t)
	other := player(t, "other", "burn 1000")
	p, err := startProcess("other", other.Command, other.Env, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	words, err := p.await(t.Context(), &other, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	o := short(Target{Name: "light", URL: "http://" + words[0]})
	o.Rounds = 1
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Cell(1, "light"); len(c.Invalid) > 0 || c.Total.Median < 950 {
		t.Errorf("cell %+v", c)
	}
	if err := p.check(); err != nil {
		t.Errorf("it did not survive: %v", err)
	}
}
