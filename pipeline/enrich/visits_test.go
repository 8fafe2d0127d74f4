package enrich

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

// person sends events and collects their sessions.
type person struct {
	x     *Enricher
	agent string
	id    string
}

func (p *person) session(at time.Duration) schema.UUID {
	b, e := batch(map[schema.Field]string{schema.FieldDistinctID: p.id})
	b.UserAgent = []byte(p.agent)
	b.ReceivedAt = arrival + 24*3600_000
	e.SetClientTS(arrival + at.Milliseconds())
	r := new(Request)
	r.Use(p.x)
	r.Begin(b, schema.DefaultLimits())
	r.Stamp(b, e)
	r.Clock(e)
	r.Agent(b, e)
	r.Session(b, e)
	r.End()
	return e.SessionID
}

func TestSessionsOfPeople(t *testing.T) {
	x := enricher(t, nil)
	p := &person{x: x, agent: chrome, id: "ada"}
	first := p.session(0)
	if ms, v7 := first.UnixMilli(); !v7 || ms != arrival {
		t.Errorf("session %v of %d", first, ms)
	}
	for _, c := range []struct {
		at   time.Duration
		want bool // the first session
	}{
		{10 * time.Minute, true},
		{40 * time.Minute, true},   // exactly the timeout after the last
		{-20 * time.Minute, true},  // late, just before the beginning
		{5 * time.Minute, true},    // late, inside
		{71 * time.Minute, false},  // a new one
		{30 * time.Minute, true},   // late for the first, while the second goes on
		{100 * time.Minute, false}, // the second
		{-10 * time.Hour, false},   // of long ago
		{101 * time.Minute, false}, // the second again
	} {
		if got := p.session(c.at); (got == first) != c.want || got == (schema.UUID{}) {
			t.Errorf("at %v: session %v, the first is %v", c.at, got, first)
		}
	}
	if p.session(71*time.Minute) != p.session(100*time.Minute) {
		t.Error("the second session is two")
	}
	if other := (&person{x: x, agent: chrome, id: "ben"}).session(0); other == first {
		t.Error("two people share a session")
	}
	// The same wherever it is worked out.
	if again := (&person{x: enricher(t, nil), agent: chrome, id: "ada"}).session(0); again != first {
		t.Errorf("another gateway has %v for %v", again, first)
	}
}

func TestSessionsAreNotForEverybody(t *testing.T) {
	x := enricher(t, nil)
	for agent, want := range map[string]bool{
		chrome: true, "MyShop/412 CFNetwork/1494.0.7 Darwin/23.4.0": true,
		"": false, "curl/8.7.1": false, "analytics-node-next/3.1": false, "who/knows": false,
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": false,
	} {
		if got := (&person{x: x, agent: agent, id: "u"}).session(0); (got != schema.UUID{}) != want {
			t.Errorf("%q: session %v", agent, got)
		}
	}
	if got := (&person{x: x, agent: chrome}).session(0); got != (schema.UUID{}) {
		t.Errorf("nobody has session %v", got)
	}
	off := enricher(t, func(c *Config) { c.SessionTimeout = 0 })
	if got := (&person{x: off, agent: chrome, id: "u"}).session(0); got != (schema.UUID{}) {
		t.Errorf("session %v although they are switched off", got)
	}
}

// TestSessionsEndAfterADay: the day in a session's id must be near all of its events.
func TestSessionsEndAfterADay(t *testing.T) {
	p := &person{x: enricher(t, nil), agent: chrome, id: "ada"}
	seen := map[schema.UUID]time.Duration{}
	for at := time.Duration(0); at < 47*time.Hour; at += 20 * time.Minute {
		id := p.session(at)
		begun, ok := seen[id]
		if !ok {
			seen[id] = at
		} else if at-begun > maxSession {
			t.Fatalf("a session goes on for %v", at-begun)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d sessions", len(seen))
	}
}

// TestSessionMemoryIsBounded: more people than there is room for cost nothing but sessions of those who have been away longest.
func TestSessionMemoryIsBounded(t *testing.T) {
	v := newVisits(30*time.Minute, 64)
	for i := range 10_000 {
		key, now := v.key(1, fmt.Append(nil, i)), arrival+int64(i)
		if _, ok := v.join(key, now, now); ok {
			t.Fatalf("person %d has a session", i)
		}
		id := schema.NewUUIDv7(now)
		if v.begin(key, now, now, id) != id {
			t.Fatalf("person %d has another session", i)
		}
		if got, ok := v.join(key, now, now); !ok || got != id {
			t.Fatalf("person %d is not remembered", i)
		}
	}
	if n, lost := v.entries.Load(), int64(v.evicted.Get()); n > 64 || n+lost != 10_000 {
		t.Errorf("%d people remembered, %d forgotten", n, lost)
	}
	// Who was heard of last in each bucket is there.
	last := v.key(1, fmt.Append(nil, 9_999))
	if _, ok := v.join(last, arrival+9_999, arrival+9_999); !ok {
		t.Error("the last one is forgotten")
	}
}

// TestSessionsAtOnce: of events that arrive together one begins the session.
func TestSessionsAtOnce(t *testing.T) {
	x := enricher(t, nil)
	for i := range 200 {
		var mu sync.Mutex
		ids := map[schema.UUID]bool{}
		var wg sync.WaitGroup
		for j := range 4 {
			wg.Go(func() {
				id := (&person{x: x, agent: chrome, id: fmt.Sprint(i)}).session(time.Duration(j) * time.Second)
				mu.Lock()
				ids[id] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(ids) != 1 {
			t.Fatalf("%d sessions", len(ids))
		}
	}
}

func TestClientsSessionComesFirst(t *testing.T) {
	x := enricher(t, nil)
	given := schema.NewUUIDv7(arrival)
	b, e := batch(map[schema.Field]string{schema.FieldDistinctID: "u"})
	b.UserAgent = []byte(chrome)
	e.ClientSession = b.Append([]byte(given.String()), false)
	r := new(Request)
	r.Use(x)
	r.Begin(b, schema.DefaultLimits())
	r.Stamp(b, e)
	r.Clock(e)
	r.Agent(b, e)
	r.Session(b, e)
	if e.SessionID != given || x.visits.entries.Load() != 0 {
		t.Errorf("session %v, want %v", e.SessionID, given)
	}
}
