package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func ok(detail string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return detail, nil }
}

func failing(message string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return "", errors.New(message) }
}

func expectReady(t *testing.T, h *Health, verbose bool, status int, body string) {
	t.Helper()
	s, b := h.Ready(verbose)
	if s != status || string(b) != body {
		t.Errorf("verbose %v: got %d\n%swant %d\n%s", verbose, s, b, status, body)
	}
}

func TestReady(t *testing.T) {
	h := NewHealth(Check{Name: "broker", Func: ok("3 brokers")}, Check{Name: "disk", Func: ok("")},
		Check{Name: "clickhouse", Func: failing("refused\n[+] fake ok"), Advisory: true})
	list := "[+] broker ok: 3 brokers\n[+] disk ok\n[!] clickhouse warning: refused [+] fake ok\n"
	expectReady(t, h, false, 503, "not ready: starting\n")
	expectReady(t, h, true, 503, list+"[-] process starting\nnot ready: starting\n")
	h.SetState(Serving)
	expectReady(t, h, false, 200, "ready\n")
	expectReady(t, h, true, 200, list+"[+] process serving\nready\n")
	h.SetState(Draining)
	expectReady(t, h, false, 503, "not ready: draining\n")
	if s, b := h.Live(false); s != http.StatusOK || string(b) != "ok\n" {
		t.Errorf("live: %d %s", s, b)
	}

	h = NewHealth(Check{Name: "a", Func: failing("x")}, Check{Name: "b", Func: failing("y")}, Check{Name: "c", Func: func(context.Context) (string, error) { panic("z") }})
	h.SetState(Serving)
	expectReady(t, h, false, 503, "not ready: a, b, c\n")
	expectReady(t, h, true, 503, "[-] a failed: x\n[-] b failed: y\n[-] c failed: BUG: check panicked: z\n[+] process serving\nnot ready: a, b, c\n")
}

// TestReadyAsksSparingly: a flood of questions runs the checks once per second, and all get the same answer.
func TestReadyAsksSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h := NewHealth(Check{Name: "x", Func: func(context.Context) (string, error) {
			calls++
			<-time.After(100 * time.Millisecond) // in the bubble's clock
			return fmt.Sprint(calls), nil
		}})
		h.SetState(Serving)
		for round := 1; round <= 3; round++ {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() { expectReady(t, h, true, 200, fmt.Sprintf("[+] x ok: %d\n[+] process serving\nready\n", round)) })
			}
			wg.Wait()
			<-time.After(checkTTL)
		}
		if calls != 3 {
			t.Errorf("%d calls", calls)
		}
	})
}

// TestReadyGivesUp: a check that ignores its deadline costs two seconds, is reported, and is not started a second time meanwhile.
func TestReadyGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		h := NewHealth(Check{Name: "stuck", Func: func(context.Context) (string, error) {
			calls++
			<-release
			return "back", nil
		}}, Check{Name: "slow", Func: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		}})
		h.SetState(Serving)
		for range 3 {
			began := time.Now()
			_, body := h.Ready(true)
			if took := time.Since(began); took != checkTimeout {
				t.Errorf("took %v", took)
			}
			if !strings.Contains(string(body), "[-] stuck failed: no answer in 2s\n[-] slow failed: ") {
				t.Errorf("got %s", body)
			}
			// Draining shows at once, while the checks are stuck.
			<-time.After(checkTTL)
			asked := make(chan struct{})
			go func() { defer close(asked); h.Ready(true) }()
			synctest.Wait()
			h.SetState(Draining)
			began = time.Now()
			expectReady(t, h, false, 503, "not ready: draining\n")
			if took := time.Since(began); took != 0 {
				t.Errorf("draining showed after %v", took)
			}
			<-asked
			h.SetState(Serving)
			<-time.After(checkTTL)
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
		close(release)
		synctest.Wait()
		if _, body := h.Ready(true); !strings.Contains(string(body), "[+] stuck ok: back\n") {
			t.Errorf("got %s", body)
		}
	})
}
