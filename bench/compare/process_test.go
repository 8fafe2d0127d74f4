package compare

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestWhere: a child has its processor from the start, and this process goes back to its own.
func TestWhere(t *testing.T) {
	needLinux(t)
	all, err := processors()
	if err != nil {
		t.Fatal(err)
	}
	for _, cpu := range all {
		target := player(t, "where", "where")
		p, err := startProcess("where", target.Command, append(target.Env, "GOMAXPROCS=1"), cpu)
		if err != nil {
			t.Fatal(err)
		}
		words, err := p.await(t.Context(), &target, 20*time.Second)
		p.stop()
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{fmt.Sprint(cpu), "1"}; !slices.Equal(words[1:], want) {
			t.Errorf("processors and GOMAXPROCS %q, want %q", words[1:], want)
		}
		if now, err := processors(); err != nil || !slices.Equal(now, all) {
			t.Errorf("this process has processors %v, %v, want %v", now, err, all)
		}
	}
	placement, restore, err := place()
	if err != nil {
		t.Fatal(err)
	}
	if now, err := processors(); err != nil || !slices.Equal(now, placement.Load) {
		t.Errorf("placed on %v, %v, want %v", now, err, placement.Load)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if now, err := processors(); err != nil || !slices.Equal(now, all) {
		t.Errorf("restored to %v, %v, want %v", now, err, all)
	}
	noChildren(t)
}

// TestReadyURL: a port that accepts is not ready before its ready URL says so.
func TestReadyURL(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	target := player(t, "mute", "mute this")
	target.URL, target.ReadyURL = server.URL, server.URL+"/readyz"
	p, err := startProcess("mute", target.Command, target.Env, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if _, err := p.await(t.Context(), &target, 20*time.Second); err != nil || asked.Load() != 3 {
		t.Errorf("asked %d times, %v, want 3", asked.Load(), err)
	}
	target.ReadyURL = ""
	if _, err := p.await(t.Context(), &target, 20*time.Second); err != nil {
		t.Errorf("by its port: %v", err)
	}
}

func TestTail(t *testing.T) {
	var l tail
	for i := range 20_000 {
		_, _ = l.Write(fmt.Appendf(nil, "line %d\n", i))
	}
	text := l.String()
	if len(text) > maxTail+len("…") || !strings.HasPrefix(text, "…") || !strings.HasSuffix(text, "line 19998\nline 19999") {
		t.Errorf("%d bytes: %.20q … %q", len(text), text, text[len(text)-30:])
	}
}

func TestReadyLine(t *testing.T) {
	for text, want := range map[string][]string{
		"ready 1.2.3.4:5\n":                                {"1.2.3.4:5"},
		"hello\nready a b\nready c\n":                      {"a", "b"},
		"ready\nnot ready x\nready y\r\n":                  {"y"},
		"ready unfinished":                                 nil,
		strings.Repeat("x", 3*maxLine) + "\nready after\n": {"after"},
	} {
		for _, size := range []int{1, 3, len(text)} {
			l := lines{ready: make(chan []string, 1)}
			for piece := range slices.Chunk([]byte(text), size) {
				if n, err := l.Write(piece); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			close(l.ready)
			if got := <-l.ready; !slices.Equal(got, want) {
				t.Errorf("%.40q in pieces of %d: %q, want %q", text, size, got, want)
			}
		}
	}
}
