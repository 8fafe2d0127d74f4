package queries

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/schema/clickhouse"
)

var until = time.Date(2025, 10, 20, 0, 0, 0, 0, time.UTC)

func small(rows int) Options {
	return Options{Rows: rows, Until: until}.withDefaults(time.Now())
}

// fingerprint hashes everything that a stream makes.
func fingerprint(o Options) uint64 {
	h := fnv.New64a()
	s := newStream(&o)
	for e := new(event); s.next(e); {
		_, _ = fmt.Fprintln(h, e.ts, e.id, e.visit.session, e.request, e.person.distinct(), e.kind.name, e.cents, e.partition, e.offset)
		_, _ = h.Write(e.appendData(nil))
	}
	return h.Sum64()
}

func TestSameSeedSameEvents(t *testing.T) {
	a := small(3000)
	other, longer := a, a
	other.Seed = 2
	longer.Rows = 3001
	one, again := fingerprint(a), fingerprint(a)
	if one != again {
		t.Error("two streams of one seed differ")
	}
	if one == fingerprint(other) || one == fingerprint(longer) {
		t.Error("streams of different seeds or lengths are the same")
	}
}

func TestStream(t *testing.T) {
	o := small(40_000)
	s := newStream(&o)
	last := map[string]int64{}           // by person
	began := map[uuid.UUID]bool{}        // sessions
	ids := map[uuid.UUID]bool{}          // events
	names := map[string]int{}            // events
	projects := map[uint32]float64{}     // share
	country := map[string]string{}       // by person
	offsets := [partitions]uint64{}      // next
	perDay := map[int64]int{}            // events
	var latest, properties, orders int64 // ts; bytes; count
	n := 0
	for e := new(event); s.next(e); n++ {
		who := fmt.Sprint(e.person.project, e.person.distinct())
		if e.ts <= last[who] {
			t.Fatalf("event %d: %s has two events at %d", n, who, e.ts)
		}
		if e.ts < latest-10 {
			t.Fatalf("event %d: its time lies %d ms before that of an earlier event", n, latest-e.ts)
		}
		last[who], latest = e.ts, max(latest, e.ts)
		if !began[e.visit.session] {
			began[e.visit.session] = true
			if sec, nsec := e.visit.session.Time().UnixTime(); time.Unix(sec, nsec).UnixMilli() != e.ts {
				t.Fatalf("event %d: the session's id says %v, it began at %d", n, time.Unix(sec, nsec), e.ts)
			}
			if e.kind.name != pageView {
				t.Fatalf("event %d: a session begins with %s", n, e.kind.name)
			}
		}
		if ids[e.id] {
			t.Fatalf("event %d: its id has been there", n)
		}
		ids[e.id] = true
		if c := country[who]; c != "" && c != e.person.place.country {
			t.Fatalf("event %d: %s has moved", n, who)
		}
		country[who] = e.person.place.country
		if e.offset != offsets[e.partition] {
			t.Fatalf("event %d: offset %d, want %d", n, e.offset, offsets[e.partition])
		}
		offsets[e.partition]++
		names[e.kind.name]++
		projects[e.person.project] += 1 / float64(o.Rows)
		perDay[e.ts/dayMillis]++
		properties += int64(len(e.props))
		if e.cents > 0 {
			orders++
		}

		var data struct {
			EventID    string          `json:"event_id"`
			Context    json.RawMessage `json:"context"`
			Properties json.RawMessage `json:"properties"`
		}
		if err := json.Unmarshal(e.appendData(nil), &data); err != nil || data.EventID != e.id.String() || !bytes.Equal(data.Context, e.context) || !bytes.Equal(data.Properties, e.props) {
			t.Fatalf("event %d: %v: %s", n, err, e.appendData(nil))
		}
		var props struct {
			Plan    string      `json:"plan"`
			Revenue json.Number `json:"revenue"`
		}
		if err := json.Unmarshal(e.props, &props); err != nil || props.Plan != e.person.plan {
			t.Fatalf("event %d: %v: %s", n, err, e.props)
		}
		if revenue, _ := props.Revenue.Float64(); int64(revenue*100+0.5) != e.cents {
			t.Fatalf("event %d: revenue is %d cents, the properties say %s", n, e.cents, props.Revenue)
		}
	}
	if n != o.Rows {
		t.Errorf("%d events, want %d", n, o.Rows)
	}
	if first, end := o.from().UnixMilli()/dayMillis, until.UnixMilli()/dayMillis; len(perDay) < Days || perDay[first] == 0 || perDay[end-1] == 0 {
		t.Errorf("events on %d days, %d on the first and %d on the last", len(perDay), perDay[first], perDay[end-1])
	}
	for project, want := range projectShares {
		if got := projects[uint32(project)+1]; got < want*0.7 || got > want*1.3 {
			t.Errorf("project %d has %.3f of all events, want about %.2f", project+1, got, want)
		}
	}
	if mean := float64(properties) / float64(n); mean < 200 || mean > 400 {
		t.Errorf("%.0f bytes of properties in an event, want about 300", mean)
	}
	if mean := float64(n) / float64(s.sessions); mean < 6 || mean > 10 {
		t.Errorf("%.2f events in a session, want about %.2f", mean, meanLength)
	}
	if names[orderCompleted] == 0 || int64(names[orderCompleted]) != orders || names[productAdded] <= names[orderCompleted] || names[productViewed] <= names[productAdded] || len(names) < 30 {
		t.Errorf("%d names of events, %d with revenue: %v", len(names), orders, names)
	}
	if !ids[uuid.MustParse(s.example.id)] || s.example.user == "" {
		t.Errorf("the example is %+v", s.example)
	}
}

func TestColumnsAreThoseOfTheSink(t *testing.T) {
	input := newOurs().input
	if len(input) != len(clickhouse.EventColumns) {
		t.Fatalf("%d columns, want %d", len(input), len(clickhouse.EventColumns))
	}
	for i, want := range clickhouse.EventColumns {
		got := input[i]
		if got.Name != want.Name || string(got.Data.Type()) != want.Type && got.Data.Type().String() != want.Type {
			t.Errorf("column %d is %s %s, want %s %s", i, got.Name, got.Data.Type(), want.Name, want.Type)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	o := small(DefaultRows)
	s := newStream(&o)
	ours, naive := newOurs(), newNaive()
	e := new(event)
	b.ReportAllocs()
	for i := range b.N {
		s.next(e)
		ours.append(e)
		naive.append(e)
		if i%10_000 == 0 {
			ours.input.Reset()
			naive.input.Reset()
		}
	}
}
