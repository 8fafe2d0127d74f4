package promote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

// event is a row as far as the catalogue looks at it.
type event struct {
	project uint32
	name    string
	ts      time.Time
	user    uint64
	props   string
}

func insert(t testing.TB, db *schema.DB, events []event) {
	t.Helper()
	batch, err := db.Conn().PrepareBatch(within(t), "INSERT INTO "+db.Database()+".events (project_id, event, ts, user_h, props)")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := batch.Append(e.project, e.name, e.ts, e.user, e.props); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

func surveyor(t testing.TB, db *schema.DB, change func(*Config)) *Surveyor {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	s, err := NewSurveyor(cfg, Deps{DB: db, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lookAt looks as if it were the time now, and wants so many names to be sampled.
func lookAt(t testing.TB, s *Surveyor, now time.Time, sampled int) Look {
	t.Helper()
	look, err := s.look(within(t), now)
	if err != nil {
		t.Fatal(err)
	}
	if look.Sampled != sampled {
		t.Errorf("%d names were sampled, want %d", look.Sampled, sampled)
	}
	return look
}

// entry is a row of properties_q.
type entry struct {
	share               float64
	events, cardinality uint64
	value               string
	sampled             uint64
	first, last         time.Time
}

// catalogue reads properties_q, by project, event, key and type.
func catalogue(t testing.TB, db *schema.DB) map[string]entry {
	t.Helper()
	rows, err := db.Conn().Query(within(t), "SELECT project_id, event, key, type, share, events, cardinality, value, sampled, first_seen, last_seen FROM "+db.Database()+".properties_q")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]entry{}
	for rows.Next() {
		var project uint32
		var name, key, typ string
		var e entry
		if err := rows.Scan(&project, &name, &key, &typ, &e.share, &e.events, &e.cardinality, &e.value, &e.sampled, &e.first, &e.last); err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("%d/%s/%s/%s", project, name, key, typ)] = e
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

var whole = regexp.MustCompile(`^-?[0-9]+$`)

// typeOfValue is what the catalogue must call a value.
func typeOfValue(raw string) string {
	switch {
	case raw[0] == '"':
		for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
			if _, err := time.Parse(`"`+layout+`"`, raw); err == nil {
				return "time"
			}
		}
		return "string"
	case raw[0] == '{':
		return "object"
	case raw[0] == '[':
		return "array"
	case raw == "null":
		return "null"
	case raw == "true" || raw == "false":
		return "bool"
	case whole.MatchString(raw):
		return "integer"
	}
	return "number"
}

// counted is what the catalogue must hold of events that are all in the sample.
func counted(t testing.TB, events []event) map[string]entry {
	t.Helper()
	all, values, totals := map[string]entry{}, map[string]map[string]bool{}, map[string]uint64{}
	for _, e := range events {
		id := fmt.Sprintf("%d/%s/", e.project, e.name)
		totals[id]++
		members := map[string]json.RawMessage{}
		if e.props != "" {
			if err := json.Unmarshal([]byte(e.props), &members); err != nil {
				t.Fatal(err)
			}
		}
		for key, raw := range members {
			id := id + key + "/" + typeOfValue(string(raw))
			p, ok := all[id]
			if !ok {
				p.first, p.last, values[id] = e.ts, e.ts, map[string]bool{}
			}
			p.events++
			if e.ts.Before(p.first) {
				p.first = e.ts
			}
			if !e.ts.Before(p.last) {
				p.last, p.value = e.ts, string(raw)
			}
			values[id][string(raw)] = true
			p.cardinality = uint64(len(values[id]))
			all[id] = p
		}
	}
	for id, p := range all {
		p.sampled = totals[id[:strings.Index(id, "/")+1]+strings.SplitN(id, "/", 3)[1]+"/"]
		p.share = float64(p.events) / float64(p.sampled)
		all[id] = p
	}
	return all
}

func TestCatalogueOfAFewEventsIsExact(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "s1")
	s := surveyor(t, db, nil)
	now := time.Now().UTC().Truncate(time.Second)
	lookAt(t, s, now, 0) // there is nothing

	r := rand.New(rand.NewPCG(1, 2))
	values := []string{`"a"`, `"b"`, `"\n\"\\ü"`, `1`, `2`, `-7`, `1.5`, `true`, `false`, `null`, `{"x":1}`, `[1,2]`, `"2026-01-02"`, `"2026-01-02T03:04:05Z"`, `"2026-13-02"`, `""`}
	names := []string{"order", "", "it's", `back\slash`, "tab\tand\nline", "größe", "{e0:String}"}
	made := func(n int) (events []event) {
		for range n {
			var b bytes.Buffer
			for _, key := range []string{"plan", "Plan", "", "a b", "'", `back\\slash`, "ключ"} {
				if r.IntN(3) > 0 {
					continue
				}
				if b.Len() > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `"%s":%s`, key, values[r.IntN(len(values))])
			}
			props := "{" + b.String() + "}"
			if r.IntN(10) == 0 {
				props = ""
			}
			events = append(events, event{uint32(1 + r.IntN(2)), names[r.IntN(len(names))], now.Add(-time.Duration(r.Int64N(int64(20*24*time.Hour/time.Millisecond))) * time.Millisecond), r.Uint64(), props})
		}
		return events
	}
	all := made(400)
	insert(t, db, all)
	check := func() {
		t.Helper()
		got, want := catalogue(t, db), counted(t, all)
		for id, w := range want {
			g, ok := got[id]
			switch {
			case !ok:
				t.Errorf("%q is missing", id)
			case g.share != w.share || g.events != w.events || g.sampled != w.sampled || !g.first.Equal(w.first) || !g.last.Equal(w.last) || g.value != w.value:
				t.Errorf("%q is %+v, want %+v", id, g, w)
			case g.cardinality != w.cardinality:
				t.Errorf("%q has %d values, want %d", id, g.cardinality, w.cardinality)
			}
			delete(got, id)
		}
		for id := range got {
			t.Errorf("%q is there", id)
		}
	}
	lookAt(t, s, now, 14)
	check()
	if t.Failed() {
		t.FailNow()
	}

	// What has hardly grown is not looked at again before a day has passed; what has, is.
	lookAt(t, s, now.Add(time.Minute), 0)
	insert(t, db, []event{{1, "order", now, 1, `{"late":1}`}})
	lookAt(t, s, now.Add(2*time.Minute), 0)
	more := made(2)
	for len(more) < 60 {
		more = append(more, event{2, "it's", now, 1, `{"more":1}`})
	}
	insert(t, db, more[2:])
	lookAt(t, s, now.Add(3*time.Minute), 1)
	lookAt(t, s, now.Add(25*time.Hour), 1) // the late one
	all = append(append(all, more[2:]...), event{1, "order", now, 1, `{"late":1}`})
	check()
}

func TestFrequentEventIsSampled(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "s2")
	s := surveyor(t, db, func(c *Config) { c.Sample = 400 })
	now := time.Date(2100, 1, 2, 12, 0, 0, 0, time.UTC) // which users are looked at depends on the time, and TTLs on the server's
	r := rand.New(rand.NewPCG(3, 4))
	var events []event
	for i := range 24_000 {
		user := r.Uint64()
		props := fmt.Sprintf(`{"all":%d,"few":"x","id":"%x"}`, i, r.Uint64())
		if i%5 != 0 {
			props = fmt.Sprintf(`{"all":%d}`, i)
		}
		// A property that only users of a narrow range have: a sample of the same users each time would never see it, or always.
		if user>>60 == 5 {
			props = props[:len(props)-1] + `,"narrow":true}`
		}
		events = append(events, event{1, "view", now.Add(-time.Duration(r.IntN(3600)) * time.Second), user, props})
	}
	for i := range 8_000 {
		events = append(events, event{1, "cron", now.Add(-time.Duration(i) * time.Second / 10), 4711, `{"job":"x"}`})
	}
	for i := range 390 {
		events = append(events, event{1, "rare", now.Add(-time.Duration(i) * 24 * time.Hour / 40), uint64(i), `{"job":"x"}`})
	}
	insert(t, db, events)
	narrow := 0
	const looks = 6
	for i := range looks {
		at := now.Add(time.Duration(i) * 25 * time.Hour)
		if i > 0 { // something must have changed
			insert(t, db, []event{{1, "view", now, uint64(i) << 60, "{}"}, {1, "cron", now, 4711, fmt.Sprintf(`{"job":"x","n":%d}`, i)}})
		}
		if look, err := s.look(within(t), at); err != nil || look.Sampled < 2 {
			t.Fatalf("%+v, %v", look, err)
		}
		got := catalogue(t, db)
		for id, share := range map[string]float64{"1/view/all/integer": 1, "1/view/few/string": .2, "1/view/id/string": .2, "1/cron/job/string": 1, "1/rare/job/string": 1} {
			e, ok := got[id]
			if !ok || math.Abs(e.share-share) > .07 || e.sampled > 800 || e.sampled < 100 {
				t.Errorf("look %d: %s is %+v, want a share of %.3f", i, id, e, share)
			}
		}
		if e := got["1/view/id/string"]; e.cardinality < 3_000 || e.cardinality > 7_000 {
			t.Errorf("look %d: ids are estimated at %d, there are 4800", i, e.cardinality)
		}
		if e := got["1/view/all/integer"]; e.events < 23_900 || e.events > 24_010 {
			t.Errorf("look %d: %d events are estimated to have it, there are 24000", i, e.events)
		}
		if e := got["1/view/few/string"]; e.cardinality != 1 || e.value != `"x"` {
			t.Errorf("look %d: %+v", i, e)
		}
		if got["1/view/narrow/bool"].share > 0 {
			narrow++
		}
	}
	if narrow == 0 || narrow == looks {
		t.Errorf("%d of %d looks have met users of a narrow range: they look at the same ones", narrow, looks)
	}
}

// Keys that hold data must not fill the catalogue, nor hide the others.
func TestFloodOfKeysIsBounded(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "s3")
	s := surveyor(t, db, nil)
	now := time.Now().UTC().Truncate(time.Second)
	r := rand.New(rand.NewPCG(5, 6))
	flood := func(n, repeats int, at time.Time) (events []event) {
		for range n {
			user := r.Uint64()
			key := fmt.Sprintf("k%016x", user)
			for range repeats {
				events = append(events, event{1, "flood", at, user, fmt.Sprintf(`{"plan":"a","%s":1,"%s%s":2,"rare":null}`, key, key, strings.Repeat("x", 300))})
			}
		}
		return events
	}
	keys := func() (n int, plan bool) {
		for id := range catalogue(t, db) {
			n++
			plan = plan || id == "1/flood/plan/string"
		}
		return n, plan
	}
	insert(t, db, flood(1500, 1, now))
	lookAt(t, s, now, 1)
	if n, plan := keys(); n != 2 || !plan {
		t.Errorf("%d keys, plan %v: keys that occur once must be left out", n, plan)
	}
	for i := range 8 {
		// Each on a day of its own, which is then all that is looked at.
		at := now.Add(time.Duration(i+1) * 25 * time.Hour)
		insert(t, db, flood(1500, 2, at))
		lookAt(t, s, at, 1)
		if n, plan := keys(); n > maxKeys+maxNewKeys || !plan {
			t.Fatalf("look %d: %d keys, plan %v", i, n, plan)
		}
	}
	n, _ := keys()
	if n < maxKeys {
		t.Errorf("%d keys only: the bound was not reached", n)
	}
	// What is known is still counted when there is no room for more.
	at := now.Add(300 * time.Hour)
	insert(t, db, flood(1500, 2, at))
	lookAt(t, s, at, 1)
	if e := catalogue(t, db)["1/flood/plan/string"]; e.share != 1 {
		t.Errorf("plan is %+v", e)
	}
	if after, _ := keys(); after != n {
		t.Errorf("%d keys, before there were %d", after, n)
	}
}

// Whatever stands in props, a look ends well and sees the others.
func TestLookSurvivesHostileProps(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "s4")
	s := surveyor(t, db, nil)
	now := time.Now().UTC().Truncate(time.Second)
	hostile := append([]string{
		strings.Repeat("[", 100_000), `{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, `{"a":"` + strings.Repeat("x", 900_000) + `"}`, `{"` + strings.Repeat("k", 50_000) + `":1}`,
		"{\"a\x00b\":1}", `{"a\u0000b":1}`, `{"":"","":1}`,
	}, broken...)
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, `,"m%d":%d`, i, i)
	}
	hostile = append(hostile, `{"a":1`+many.String()+`}`)
	for _, v := range hazards {
		hostile = append(hostile, `{"a":`+v+`}`)
	}
	var events []event
	for i, props := range hostile {
		events = append(events, event{1, "hostile", now.Add(time.Duration(i) * time.Second), uint64(i), props}, event{1, "hostile", now, uint64(i), `{"good":true}`})
	}
	// Times beyond what others hold.
	events = append(events, event{1, "hostile", time.Date(2140, 12, 31, 0, 0, 0, 0, time.UTC), 1, `{"good":true}`}, event{1, "hostile", time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), 1, `{"good":true}`})
	insert(t, db, events)
	lookAt(t, s, now, 1)
	if e := catalogue(t, db)["1/hostile/good/bool"]; e.sampled != uint64(len(events)-1) || e.events != uint64(len(hostile)+1) {
		t.Errorf("of %d events, half of them good: %+v", len(events), e)
	}
	if got := text(t, db, "SELECT toString((max(length(key)) <= 200, max(lengthUTF8(latest.value)) <= 80, uniqExact(key) > 100)) FROM {db}.properties"); got != "(1,1,1)" {
		t.Errorf("keys, values and how many there are keep to their bounds: %s", got)
	}
}

func TestLooksAreBoundedAndShared(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "s5")
	s := surveyor(t, db, func(c *Config) { c.MaxPerLook, c.MaxEvents = 10, 30 })
	now := time.Now().UTC().Truncate(time.Second)
	var events []event
	for i := range 40 {
		for range 1 + i {
			events = append(events, event{1, fmt.Sprintf("e%02d", i), now, 1, `{"a":1}`})
		}
	}
	insert(t, db, events)
	for i, want := range []struct{ sampled, waiting int }{{10, 20}, {10, 10}, {10, 0}, {0, 0}} {
		// Each by another process, so to speak.
		look, err := surveyor(t, db, func(c *Config) { *c = s.cfg }).look(within(t), now)
		if err != nil || look.Sampled != want.sampled || look.Waiting != want.waiting {
			t.Errorf("look %d: %+v, %v; want %+v", i, look, err, want)
		}
	}
	got := catalogue(t, db)
	if _, ok := got["1/e39/a/integer"]; len(got) != 30 || !ok {
		t.Errorf("%d names are in the catalogue, want the 30 with most events", len(got))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "s6")
	insert(t, db, []event{{1, "e", time.Now(), 1, `{"a":1}`}})
	s := surveyor(t, db, nil)
	ctx, cancel := context.WithCancel(within(t))
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	for len(catalogue(t, db)) == 0 { // the first look is not put off
		if ctx.Err() != nil {
			t.Fatal("Run has not looked")
		}
	}
	cancel()
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-within(t).Done():
		t.Error("Run goes on")
	}
}

func TestConfigNamesEveryProblem(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	mustContain(t, Config{}.Validate(), "properties.interval: 0s", "properties.sample: 0", "properties.max_events: 0", "properties.max_per_look: 0")
}
