package generate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/schema"
)

const testRun = ledger.RunID(0x6a1b2c3d4e5f)

// testScenario is small enough for a test and has plenty of everything that is rare.
func testScenario(dialect string) scenario.Scenario {
	s := scenario.Default()
	s.Load.Dialect, s.Load.Connections = dialect, 4
	s.Events.PoolBytes = 3 << 20
	s.Events.Invalid, s.Events.Duplicates, s.Events.Late = 0.02, 0.02, 0.05
	return s
}

func newPool(t testing.TB, s scenario.Scenario) *Pool {
	t.Helper()
	p, err := New(&s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func eachDialect(t *testing.T, test func(t *testing.T, dialect string)) {
	for _, dialect := range []string{"segment", "native"} {
		t.Run(dialect, func(t *testing.T) { test(t, dialect) })
	}
}

// census is what was seen in a pool.
type census struct {
	codes, types, names map[string]int
	events              int
}

// checkPool decodes every body and compares what must come of it with what the slots say. Bodies are stamped as in a second round.
func checkPool(t testing.TB, s *scenario.Scenario, p *Pool) census {
	t.Helper()
	seen := census{map[string]int{}, map[string]int{}, map[string]int{}, 0}
	actors := map[string]uint16{} // distinct id → producer
	const now = 1_795_000_000_123
	for _, producer := range append(p.Producers[:len(p.Producers):len(p.Producers)], p.Probe) {
		users := map[uint32]string{}
		round := uint64(len(producer.Slots))
		slot := 0
		for i := range producer.Bodies {
			b := &producer.Bodies[i]
			size := len(b.JSON)
			b.Stamp(testRun, producer.Number, round+uint64(b.First), now)
			events := decodeBody(t, s.Load.Dialect, b.JSON)
			if b.First != slot || len(events) != b.Events || len(b.JSON) != size {
				t.Fatalf("body %d has %d events from %d, says %d from %d; it has %d bytes and had %d", i, len(events), slot, b.Events, b.First, len(b.JSON), size)
			}
			for _, raw := range events {
				sl := &producer.Slots[slot]
				w := derive(t, s.Load.Dialect, raw)
				seen.events++
				seen.codes[w.code]++
				seen.types[w.typ]++
				seen.names[w.event]++
				if err := twice(raw); err != nil {
					t.Fatalf("%v in %s", err, raw)
				}
				if (w.code != "") != (sl.Kind == ledger.Invalid) {
					t.Fatalf("slot %+v, code %q: %s", *sl, w.code, raw)
				}
				id, _ := schema.ParseUUID([]byte(w.id))
				run, number, seq, ok := ledger.SplitID(id)
				if want := round + uint64(slot) - uint64(sl.Back); !ok || run != testRun || number != producer.Number || seq != want {
					t.Fatalf("id %s is of run %v, producer %d, seq %d; want %v, %d, %d", w.id, run, number, seq, testRun, producer.Number, want)
				}
				slot++
				if sl.Kind == ledger.Invalid {
					if sl.Hash != 0 {
						t.Fatalf("an invalid event has a hash: %+v", *sl)
					}
					continue
				}
				if w.hash() != sl.Hash {
					t.Fatalf("hash of %+v is not %x: %s", w, sl.Hash, raw)
				}
				if want := string(schema.AppendTime(nil, now-sl.Late)); w.time != want {
					t.Fatalf("time %s, want %s", w.time, want)
				}
				if other, ok := users[sl.User]; ok && other != w.distinctID {
					t.Fatalf("user %d of producer %d is %q and %q", sl.User, producer.Number, other, w.distinctID)
				}
				users[sl.User] = w.distinctID
				if owner, ok := actors[w.distinctID]; ok && owner != producer.Number {
					t.Fatalf("%q is a user of producers %d and %d", w.distinctID, owner, producer.Number)
				}
				actors[w.distinctID] = producer.Number
			}
		}
		if slot != len(producer.Slots) {
			t.Fatalf("%d slots, %d events", len(producer.Slots), slot)
		}
		distinct := map[string]bool{}
		for _, id := range users {
			distinct[id] = true
		}
		if len(distinct) != len(users) {
			t.Fatalf("producer %d has %d numbers for %d users", producer.Number, len(users), len(distinct))
		}
	}
	return seen
}

func TestEventsGiveTheExpectedColumns(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		s := testScenario(dialect)
		seen := checkPool(t, &s, newPool(t, s))
		for _, code := range []string{
			"missing_user", "missing_event", "invalid_timestamp", "name_too_long", "illegal_id", "invalid_type", "too_deep", "id_too_long", "invalid_utf8",
		} {
			if seen.codes[code] == 0 {
				t.Errorf("no event must be refused with %s", code)
			}
		}
		for typ, share := range map[string][2]float64{
			"track": {0.6, 0.85}, "page": {0.06, 0.25}, "screen": {0.02, 0.12}, "identify": {0.01, 0.08}, "group": {0.002, 0.03}, "alias": {0.0003, 0.02},
		} {
			if got := float64(seen.types[typ]) / float64(seen.events); got < share[0] || got > share[1] {
				t.Errorf("%.4f of the events are of type %s, want %v", got, typ, share)
			}
		}
		if seen.names[ProbeEvent] != 1 {
			t.Errorf("%d events have the probe's name", seen.names[ProbeEvent])
		}
	})
}

// TestAnyScenario goes over the corners of what a scenario may ask for.
func TestAnyScenario(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := scenario.Default()
		s.Seed = rapid.Uint64().Draw(rt, "seed")
		s.Load.Dialect = rapid.SampledFrom([]string{"segment", "native"}).Draw(rt, "dialect")
		s.Load.Connections = rapid.IntRange(1, 5).Draw(rt, "connections")
		s.Load.Batch = rapid.SampledFrom([]int{1, 2, 7, 30}).Draw(rt, "batch")
		s.Events.Bytes = rapid.SampledFrom([]int{500, 700, 880, 3000}).Draw(rt, "bytes")
		s.Events.Names = rapid.SampledFrom([]int{1, 9, 10, 100, 3000}).Draw(rt, "names")
		s.Events.Users = rapid.SampledFrom([]int{1, 2, 3, 50, 300}).Draw(rt, "users")
		share := rapid.SampledFrom([]float64{0, 0.01, 0.5})
		s.Events.Unicode, s.Events.Escapes, s.Events.Late = share.Draw(rt, "unicode"), share.Draw(rt, "escapes"), share.Draw(rt, "late")
		s.Events.Duplicates, s.Events.Invalid = share.Draw(rt, "duplicates"), share.Draw(rt, "invalid")
		s.Events.PoolBytes = rapid.Int64Range(1<<10, 64<<10).Draw(rt, "pool")
		checkPool(t, &s, newPool(t, s))
	})
}

func TestTheSeedDecides(t *testing.T) {
	s := testScenario("segment")
	a, b := newPool(t, s), newPool(t, s)
	s.Seed = 2
	c := newPool(t, s)
	for i, p := range a.Producers {
		for k := range p.Bodies {
			if !bytes.Equal(p.Bodies[k].JSON, b.Producers[i].Bodies[k].JSON) {
				t.Fatalf("body %d of producer %d differs under the same seed", k, i)
			}
		}
		if bytes.Equal(p.Bodies[0].JSON, c.Producers[i].Bodies[0].JSON) {
			t.Errorf("producer %d begins alike under two seeds", i)
		}
		if i > 0 && bytes.Equal(p.Bodies[0].JSON, a.Producers[0].Bodies[0].JSON) {
			t.Errorf("producers 0 and %d begin alike", i)
		}
	}
}

// TestMeanSize: the mean is what was asked for, and the sizes spread.
func TestMeanSize(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		for _, c := range []struct {
			bytes int
			pool  int64
		}{{500, 4 << 20}, {600, 4 << 20}, {880, 1 << 20}, {880, 16 << 20}, {3000, 8 << 20}, {20_000, 24 << 20}} {
			s := testScenario(dialect)
			s.Load.Batch = 20
			s.Events.Bytes, s.Events.PoolBytes = c.bytes, c.pool
			var sum, events, large float64
			for _, p := range newPool(t, s).Producers {
				for i := range p.Bodies {
					for _, raw := range splitBody(t, p.Bodies[i].JSON) {
						sum += float64(len(raw))
						events++
						if len(raw) > 2*c.bytes {
							large++
						}
					}
				}
			}
			if mean := sum / events; math.Abs(mean/float64(c.bytes)-1) > 0.05 {
				t.Errorf("events of %d bytes have %.0f on average (of %.0f)", c.bytes, mean, events)
			}
			if share := large / events; share < 0.01 || share > 0.15 {
				t.Errorf("%.4f of the events of %d bytes are twice as large", share, c.bytes)
			}
		}
	})
}

// TestShares holds the shares against what can be seen in the JSON.
func TestShares(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		s := scenario.Default()
		s.Load.Dialect = dialect
		s.Events.PoolBytes, s.Load.Connections = 16<<20, 8
		var events, unicode, escapes, late, duplicates, invalid float64
		escapedNames, escapedIDs := 0, 0
		for _, p := range newPool(t, s).Producers {
			for i := range p.Bodies {
				for k, raw := range splitBody(t, p.Bodies[i].JSON) {
					events++
					slot := &p.Slots[p.Bodies[i].First+k]
					switch slot.Kind {
					case ledger.Invalid:
						invalid++
						continue
					case ledger.Duplicate:
						duplicates++
					}
					if slot.Late > 0 {
						late++
					}
					if bytes.ContainsFunc(raw, func(r rune) bool { return r > 127 }) {
						unicode++
					}
					if bytes.IndexByte(raw, '\\') < 0 {
						continue
					}
					escapes++
					var m map[string]json.RawMessage
					if err := json.Unmarshal(raw, &m); err != nil {
						t.Fatal(err)
					}
					if bytes.IndexByte(m["event"], '\\') >= 0 {
						escapedNames++
					}
					for _, id := range []string{"userId", "user_id", "distinct_id"} {
						if bytes.IndexByte(m[id], '\\') >= 0 {
							escapedIDs++
						}
					}
				}
			}
		}
		for _, c := range []struct {
			what      string
			got, want float64
		}{
			{"unicode", unicode, s.Events.Unicode},
			{"escapes", escapes, s.Events.Escapes},
			{"late", late, s.Events.Late},
			{"duplicates", duplicates, s.Events.Duplicates},
			{"invalid", invalid, s.Events.Invalid},
		} {
			// Five standard deviations of single draws.
			if bound := 5 * math.Sqrt(c.want*events); math.Abs(c.got-c.want*events) > bound {
				t.Errorf("%s: %.0f of %.0f events, want %.0f ± %.0f", c.what, c.got, events, c.want*events, bound)
			}
		}
		if escapedNames < 20 || escapedIDs < 20 {
			t.Errorf("%d names and %d ids are escaped", escapedNames, escapedIDs)
		}
	})
}

// TestDuplicates: a duplicate is the original again, byte for byte but for what Stamp wrote, in every round.
func TestDuplicates(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		s := testScenario(dialect)
		s.Load.Batch = 10
		p := newPool(t, s)
		found, far := 0, 0
		for _, producer := range p.Producers {
			for _, round := range []uint64{0, 1, 5} {
				var texts [][]byte
				for i := range producer.Bodies {
					b := &producer.Bodies[i]
					b.Stamp(testRun, producer.Number, round*uint64(len(producer.Slots))+uint64(b.First), 1_795_000_000_000)
					texts = append(texts, splitBody(t, bytes.Clone(b.JSON))...)
				}
				for at, slot := range producer.Slots {
					if slot.Kind != ledger.Duplicate {
						if slot.Back != 0 {
							t.Fatalf("slot %d: %+v", at, slot)
						}
						continue
					}
					found++
					original := at - int(slot.Back)
					if slot.Back == 0 || original < 0 {
						t.Fatalf("slot %d goes back %d", at, slot.Back)
					}
					if original/s.Load.Batch != at/s.Load.Batch {
						far++
					}
					o := producer.Slots[original]
					if o.Kind != ledger.Valid || o.Hash != slot.Hash || o.User != slot.User || o.Late != slot.Late {
						t.Fatalf("slot %d %+v repeats slot %d %+v", at, slot, original, o)
					}
					if !bytes.Equal(texts[at], texts[original]) {
						t.Fatalf("the duplicate differs:\n%s\n%s", texts[at], texts[original])
					}
				}
			}
		}
		if found < 100 || far < 50 {
			t.Errorf("%d duplicates, %d of them in another request than the original", found, far)
		}
	})
}

func TestPoolIsBounded(t *testing.T) {
	for _, c := range []struct {
		connections, batch int
		pool               int64
		bodies             int // per producer, at least
	}{{8, 100, 8 << 20, 8}, {3, 1, 64 << 10, 15}, {4, 5000, 1 << 20, 1}, {100, 1, 1 << 10, 1}} {
		s := scenario.Default()
		s.Load.Connections, s.Load.Batch, s.Events.PoolBytes = c.connections, c.batch, c.pool
		p := newPool(t, s)
		if len(p.Producers) != c.connections {
			t.Errorf("%+v: %d producers", c, len(p.Producers))
		}
		if c.bodies > 1 && (p.Bytes() > c.pool || p.Bytes() < c.pool*3/4) {
			t.Errorf("%+v: the pool has %d bytes", c, p.Bytes())
		}
		for i, producer := range p.Producers {
			if int(producer.Number) != i || len(producer.Bodies) < c.bodies || c.bodies == 1 && len(producer.Bodies) != 1 {
				t.Errorf("%+v: producer %d of number %d has %d bodies", c, i, producer.Number, len(producer.Bodies))
			}
			if len(producer.Slots) != c.batch*len(producer.Bodies) {
				t.Errorf("%+v: %d slots in %d bodies", c, len(producer.Slots), len(producer.Bodies))
			}
		}
		if p.Probe.Number != uint16(c.connections) || len(p.Probe.Bodies) != 1 || p.Probe.Bodies[0].Events != 1 {
			t.Errorf("%+v: probe %+v", c, p.Probe)
		}
	}
}

func TestNewRefusesABrokenScenario(t *testing.T) {
	s := scenario.Default()
	s.Load.Connections = 0
	if _, err := New(&s); err == nil || !strings.Contains(err.Error(), "load.connections") {
		t.Errorf("%v", err)
	}
}

func TestLate(t *testing.T) {
	p := newPool(t, testScenario("native"))
	most, least, n := int64(0), int64(math.MaxInt64), 0
	for _, producer := range p.Producers {
		for _, slot := range producer.Slots {
			if slot.Late > 0 {
				most, least, n = max(most, slot.Late), min(least, slot.Late), n+1
			}
		}
	}
	const minute, day = 60_000, 24 * 60 * 60_000
	if least < minute || least > 10*minute || most < 3*day || most > 7*day {
		t.Errorf("%d late events, by %d to %d ms", n, least, most)
	}
}

func TestPath(t *testing.T) {
	if Path("segment") != "/v1/batch" || Path("native") != "/v1/events" {
		t.Error(Path("segment"), Path("native"))
	}
}

func BenchmarkNew(b *testing.B) {
	for _, dialect := range []string{"segment", "native"} {
		b.Run(dialect, func(b *testing.B) {
			s := scenario.Default()
			s.Load.Dialect = dialect
			var bytes int64
			for b.Loop() {
				bytes = newPool(b, s).Bytes()
			}
			b.SetBytes(bytes)
		})
	}
}

func TestNewContextEnds(t *testing.T) {
	s := scenario.Default()
	s.Name, s.Load.Connections, s.Events.PoolBytes = "large", 2, scenario.MaxPoolBytes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pool, err := NewContext(ctx, &s); pool != nil || !errors.Is(err, context.Canceled) {
		t.Fatalf("pool %v, error %v", pool != nil, err)
	}
}
