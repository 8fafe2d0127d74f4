package stack

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func coordinator(t *testing.T) *Coordinator {
	t.Helper()
	dir, err := os.MkdirTemp("", "points-") // short, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCoordinator(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return c
}

// reach comes to a failpoint, as a process does, and delivers the answer.
func reach(t *testing.T, c *Coordinator, line string) <-chan string {
	t.Helper()
	conn, err := net.Dial("unix", c.Path())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		defer conn.Close() //nolint:errcheck // read only
		text, _ := bufio.NewReader(conn).ReadString('\n')
		answer <- text
	}()
	return answer
}

func TestCoordinatorLetsStepsHappenThatNobodyExpects(t *testing.T) {
	c := coordinator(t)
	for range 3 {
		if got := <-reach(t, c, "after-send events/1 42"); got != "go\n" {
			t.Errorf("answer %q", got)
		}
	}
	if n := c.Counts()["after-send"]; n != 3 {
		t.Errorf("%d hits counted, want 3", n)
	}
}

func TestCoordinatorHoldsWhatIsExpected(t *testing.T) {
	c := coordinator(t)
	e := c.Expect("after-send", func(h *Hit) bool { return h.Topic == "events" && h.Partition == 2 })
	if got := <-reach(t, c, "after-send events/1 42"); got != "go\n" {
		t.Errorf("another partition: answer %q", got)
	}
	if got := <-reach(t, c, "mid-send events/2 42"); got != "go\n" {
		t.Errorf("another point: answer %q", got)
	}
	held := reach(t, c, "after-send events/2 43")
	hit := <-e.Hit()
	if hit.PID != 43 || hit.Partition != 2 || hit.Point != "after-send" {
		t.Errorf("hit %+v", hit)
	}
	if got := <-reach(t, c, "after-send events/2 44"); got != "go\n" {
		t.Errorf("an expectation took a second hit: answer %q", got)
	}
	select {
	case got := <-held:
		t.Fatalf("answered %q before anybody said so", got)
	default:
	}
	if c.Cancel(e) {
		t.Error("an expectation that was hit could be cancelled")
	}
	hit.Answer(Die)
	if got := <-held; got != "kill\n" {
		t.Errorf("answer %q, want kill", got)
	}
}

func TestCoordinatorForgetsWhatIsCancelled(t *testing.T) {
	c := coordinator(t)
	e := c.Expect("mid-send", nil)
	if !c.Cancel(e) {
		t.Fatal("it was not hit, yet cannot be cancelled")
	}
	if got := <-reach(t, c, "mid-send events/0 1"); got != "go\n" {
		t.Errorf("answer %q", got)
	}
}

func TestCoordinatorLetsGoAtItsEnd(t *testing.T) {
	dir, err := os.MkdirTemp("", "points-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	c, err := NewCoordinator(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	e := c.Expect("mid-send", nil)
	held := reach(t, c, "mid-send events/0 1")
	<-e.Hit()
	cancel()
	select {
	case got := <-held:
		if got != "go\n" {
			t.Errorf("answer %q, want go", got)
		}
	case <-time.After(patience):
		t.Fatal("it is held for good")
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestHits(t *testing.T) {
	h, err := parseHit("recover-insert my/topic/7 99\n")
	if err != nil || h.Point != "recover-insert" || h.Topic != "my/topic" || h.Partition != 7 || h.PID != 99 {
		t.Errorf("%+v, %v", h, err)
	}
	for _, line := range []string{"", "point", "point events/1", "point events 1", "point events/x 1", "point events/1 x", "a b/1 2 3"} {
		if _, err := parseHit(line); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
}
