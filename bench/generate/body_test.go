package generate

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/millrace/millrace/bench/scenario"
)

func TestStampAllocatesNothing(t *testing.T) {
	s := testScenario("segment")
	b := &newPool(t, s).Producers[0].Bodies[0]
	seq := uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		b.Stamp(testRun, 7, seq, 1_795_000_000_000+int64(seq))
		seq += uint64(b.Events)
	}); n != 0 {
		t.Errorf("%v allocations per body", n)
	}
}

// TestStampLeavesTheRest: whatever ids and times are written, the other bytes stay, and the body is JSON at all times.
func TestStampLeavesTheRest(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		for _, p := range newPool(t, testScenario(dialect)).Producers {
			for i := range p.Bodies {
				b := &p.Bodies[i]
				before := append([]byte(nil), b.JSON...)
				if !json.Valid(before) {
					t.Fatalf("body %d is no JSON before it is stamped", i)
				}
				b.Stamp(testRun, p.Number, uint64(b.First), 1_795_000_000_000)
				written := 0
				for k := range b.JSON {
					if b.JSON[k] != before[k] {
						written++
					}
				}
				if most := b.Events * (len(blankID) + len(blankTime)); written == 0 || written > most {
					t.Fatalf("body %d: %d bytes were written, at most %d may be", i, written, most)
				}
				b.Stamp(0, 0, 0, 946_684_800_000) // 2000-01-01: the blank time
				for _, at := range b.patches {
					copy(b.JSON[at.id:], blankID)
					if at.time != noTime {
						copy(b.JSON[at.time:], blankTime)
					}
				}
				if string(before) != string(b.JSON) {
					t.Fatalf("body %d has changed beside its ids and times", i)
				}
			}
		}
	})
}

// BenchmarkStamp goes over a pool that is larger than caches, as a run does, and over one body again and again.
func BenchmarkStamp(b *testing.B) {
	for _, c := range []struct {
		batch  int
		bodies string
	}{{1, "pool"}, {100, "pool"}, {100, "one"}, {1000, "pool"}} {
		b.Run(fmt.Sprintf("batch=%d/bodies=%s", c.batch, c.bodies), func(b *testing.B) {
			s := scenario.Default()
			s.Load.Batch, s.Load.Connections = c.batch, 1
			p := newPool(b, s).Producers[0]
			bodies := p.Bodies
			if c.bodies == "one" {
				bodies = bodies[:1]
			}
			b.ReportAllocs()
			seq, i := uint64(0), 0
			for b.Loop() {
				bodies[i].Stamp(testRun, p.Number, seq, 1_795_000_000_000+int64(seq))
				seq += uint64(c.batch)
				if i++; i == len(bodies) {
					i = 0
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(seq), "ns/event")
		})
	}
}
