package people

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		var bounds []Confirmed
		next := map[source]uint64{}
		want := uint64(0)
		for p := range r.IntN(100) {
			b := Confirmed{Log: 1, Partition: uint16(p), Offset: r.Uint64N(50)}
			if r.IntN(2) == 0 {
				next[source{1, b.Partition}] = r.Uint64N(60)
			}
			bounds = append(bounds, b)
			if from := next[source{1, b.Partition}]; from < b.Offset {
				want += b.Offset - from
			}
		}
		budget := 1 + r.Uint64N(3000)
		spans, lag := plan(bounds, next, budget)
		if lag != want {
			t.Fatalf("lag %d, want %d", lag, want)
		}
		total := uint64(0)
		for _, s := range spans {
			if s.from != next[s.source] || s.to <= s.from || s.to > bounds[s.partition].Offset {
				t.Fatalf("span %+v of %+v", s, bounds[s.partition])
			}
			total += s.to - s.from
		}
		if len(spans) > maxSpans || total > budget || total < min(budget, want) && len(spans) < maxSpans {
			t.Fatalf("%d spans with %d offsets of %d, at most %d", len(spans), total, want, budget)
		}
		if lag > 0 && total == 0 {
			t.Fatalf("nothing is planned of %d", lag)
		}
	}
}

func TestEpochIsRead(t *testing.T) {
	for text, want := range map[string]uint64{"epoch=7": 7, "epoch=4294967295": 1<<32 - 1, "": 0, "epoch=": 0, "epoch=-1": 0, "epoch=4294967296": 0, "1|2|3": 0} {
		if got := parseEpoch(text); got != want {
			t.Errorf("%q is epoch %d, want %d", text, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{HeartbeatInterval: time.Second, BackoffMin: time.Second}.Validate()
	for _, key := range []string{
		"topic", "group", "max_ids", "range_offsets", "profile_chunk", "session_timeout", "heartbeat_interval", "rebalance_timeout", "join_backoff", "interval",
		"statement_timeout", "backoff_max",
	} {
		if !strings.Contains(err.Error(), "people."+key+": ") {
			t.Errorf("nothing is said of %s", key)
		}
	}
}
