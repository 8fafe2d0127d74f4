package pipeline

import (
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	p := idlePipeline(t, "127.0.0.1:1")
	pt := p.events[0]
	now := int64(time.Hour)
	expect := func(what string, want bool, wantAt int64) {
		t.Helper()
		if due, at := pt.due(now); due != want || !want && at != wantAt {
			t.Errorf("%s: due %v at %v, want %v at %v", what, due, at, want, wantAt)
		}
	}
	expect("nothing", false, 0)
	waiting := func(size int) {
		pt.queue = queue{}
		pt.queue.push(&chunk{size: size, req: &request{pushedAt: now - int64(10*time.Millisecond)}})
	}
	waiting(100)
	expect("no linger", true, 0)
	p.cfg.Linger = 15 * time.Millisecond
	expect("lingering", false, now+int64(5*time.Millisecond))
	p.cfg.Linger = 10 * time.Millisecond
	expect("lingered", true, 0)
	p.cfg.Linger = time.Second
	waiting(p.maxChunkBytes())
	expect("a full batch does not linger", true, 0)
	waiting(100)
	pt.halves = []span{{}}
	expect("halves do not linger", true, 0)
	pt.halves = nil
	p.draining.Store(true)
	expect("a drain does not linger", true, 0)
	pt.notBefore = now + 5
	expect("held back", false, now+5)
	pt.batch.inFlight = true
	expect("in flight", false, 0)
}
