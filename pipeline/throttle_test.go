package pipeline

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := new(syncBuffer)
		log := newThrottle(slog.New(slog.NewTextHandler(out, nil)))
		lines := func() int { return strings.Count(out.String(), "\n") }
		for range 100 {
			log.warn("one", "n", 1)
		}
		log.warn("other")
		if lines() != 2 {
			t.Fatalf("%d lines at first, want one of each kind:\n%s", lines(), out)
		}
		<-time.After(logEvery) // the bubble's clock: no real time passes
		log.warn("one", "n", 2)
		log.warn("one", "n", 3)
		if lines() != 3 || !strings.Contains(out.String(), "n=2 suppressed=99") {
			t.Errorf("log after a while:\n%s", out)
		}
	})
}
