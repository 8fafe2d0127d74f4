package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// started is a process under test, whose supervisor ends with the test.
func started(t *testing.T, spec Spec) *Process {
	t.Helper()
	p := prepared(t, spec)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func prepared(t *testing.T, spec Spec) *Process {
	t.Helper()
	var err error
	if spec.Path, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.Log = "child", filepath.Join(t.TempDir(), "log")
	p, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

func server(t *testing.T) (Spec, string) {
	t.Helper()
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", ports[0])
	return Spec{Env: []string{childEnv + "=server " + addr}, ReadyURL: "http://" + addr + "/", ReadyTimeout: patience}, "http://" + addr
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-limit.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestProcessOverItsLives(t *testing.T) {
	spec, _ := server(t)
	p := started(t, spec)
	first := p.PID()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if p.PID() != 0 {
		t.Error("it has a process id after Kill")
	}
	if err := p.Kill(); !errors.Is(err, ErrDown) {
		t.Errorf("a second Kill: %v, want ErrDown", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.PID() == first || p.PID() == 0 {
		t.Errorf("process id %d after %d", p.PID(), first)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if n := p.Starts(); n != 2 {
		t.Errorf("%d starts, want 2", n)
	}
	if deaths := p.Unasked(); len(deaths) > 0 {
		t.Errorf("deaths that were ordered count as others: %v", deaths)
	}
}

func TestProcessThatDiesByItselfIsStartedAgain(t *testing.T) {
	spec, url := server(t)
	p := started(t, spec)
	first := p.PID()
	if resp, err := Once.Get(url + "/exit"); err == nil {
		t.Fatalf("it answered %s instead of ending: %v", resp.Status, resp.Body.Close())
	}
	eventually(t, "another process", func() bool { pid := p.PID(); return pid != 0 && pid != first })
	eventually(t, "an answer", func() bool { return answers(t.Context(), url) })
	if deaths := p.Unasked(); len(deaths) != 1 || deaths[0] != "exit status 7" {
		t.Errorf("deaths %q, want one of exit status 7", deaths)
	}
}

func TestProcessExpectedToDieStaysDown(t *testing.T) {
	spec, url := server(t)
	p := started(t, spec)
	p.Expect()
	if resp, err := Once.Get(url + "/exit"); err == nil {
		t.Fatalf("it answered %s instead of ending: %v", resp.Status, resp.Body.Close())
	}
	if err := p.Gone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.PID() != 0 || len(p.Unasked()) > 0 {
		t.Errorf("process id %d, deaths %v", p.PID(), p.Unasked())
	}
}

func TestProcessFrozenAnswersNobodyUntilItIsThawed(t *testing.T) {
	spec, url := server(t)
	p := started(t, spec)
	if err := p.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	short := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 50 * time.Millisecond}
	if resp, err := short.Get(url); err == nil {
		t.Errorf("a frozen process answered %s: %v", resp.Status, resp.Body.Close())
	}
	p.Thaw()
	if !answers(t.Context(), url) {
		t.Error("a thawed process does not answer")
	}
	if err := p.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil { // a frozen one must be able to hear the order
		t.Errorf("Stop of a frozen process: %v", err)
	}
}

func TestEngineLivesByItsPipe(t *testing.T) {
	p := started(t, Spec{Env: []string{childEnv + "=engine"}, Engine: true, ReadyTimeout: patience})
	if err := p.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
}

func TestStartOfABrokenProgramSaysSo(t *testing.T) {
	p := prepared(t, Spec{Env: []string{childEnv + "=broken"}, Engine: true, ReadyTimeout: 300 * time.Millisecond})
	err := p.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ended before it was ready") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Start: %v", err)
	}
	if p.Starts() < 2 {
		t.Errorf("%d starts: it must be tried again", p.Starts())
	}
}

func TestSpecsThatCannotWork(t *testing.T) {
	good := Spec{Name: "n", Path: "p", Log: "l", ReadyURL: "u"}
	for name, spoil := range map[string]func(*Spec){
		"name": func(s *Spec) { s.Name = "" }, "program": func(s *Spec) { s.Path = "" }, "log": func(s *Spec) { s.Log = "" }, "ready": func(s *Spec) { s.ReadyURL = "" },
	} {
		s := good
		spoil(&s)
		if _, err := New(s); err == nil {
			t.Errorf("without %s: no error", name)
		}
	}
}

func TestFreePortsDiffer(t *testing.T) {
	ports, err := FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] || p < firstPort || p > lastPort {
			t.Errorf("port %d among %v", p, ports)
		}
		seen[p] = true
	}
}
