package promote

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestListSaysWhatWouldGain(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "l1")
	now := time.Now().UTC().Truncate(time.Second)
	var events []event
	for i := range 1000 {
		props := fmt.Sprintf(`{"plan":"%s","price":%d,"id":"%016x","mixed":%s}`, []string{"free", "pro"}[i%2], i, i, []string{`"a"`, `1`, `true`, `{}`}[i%4])
		if i%4 == 0 {
			props = fmt.Sprintf(`{"plan":null,"price":%d.5,"it's":true,"at":"2026-01-02T03:04:05Z"}`, i)
		}
		events = append(events, event{uint32(1 + i%2), "order", now, uint64(i), props})
	}
	insert(t, db, append(events, event{3, "other", now, 1, `{"lonely":1}`}))
	if _, err := Promote(within(t), db, Column{Key: "unseen", Type: String}); err != nil {
		t.Fatal(err)
	}
	lookAt(t, surveyor(t, db, nil), now, 3)

	// What people ask: each as the log will have it.
	for _, q := range []string{
		"SELECT JSONExtractString(props, 'plan') AS p, count() FROM {db}.events GROUP BY p",
		"select count() from {db}.events as e where JSONHas( e.props , 'plan' ) and simpleJSONExtractRaw(e.props,'it\\'s') != ''",
		"SELECT max(JSONExtract(`props`,\n'plan', 'String')), max(visitParamExtractRaw(props, 'it''s')) FROM {db}.events",
		"SELECT sum(JSONExtractFloat(props, 'price')) FROM {db}.events_q",
		"SELECT JSONExtractString(traits, 'email'), 'JSONExtractString(props' FROM {db}.events LIMIT 1",
	} {
		exec(t, db, q)
	}
	exec(t, db, "SELECT count() FROM {db}.events WHERE JSONExtractString(props, 'plan') = 'no such thing' OR 'properties.price' = ''")
	if err := db.Conn().Exec(with(within(t), parameters{"key": `it's`}), inDatabase("SELECT count() FROM {db}.events WHERE JSONExtractBool(props, {key:String})", db)); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "SYSTEM FLUSH LOGS")

	l, err := List(within(t), db, 0, 100, now.Add(-time.Hour))
	if err != nil || !l.UsageKnown || l.Events != 1001 {
		t.Fatalf("%+v, %v", l, err)
	}
	byKey := map[string]Property{}
	for _, p := range l.Properties {
		byKey[p.Key] = p
	}
	for _, want := range []struct {
		key       string
		events    uint64
		names     uint64
		queries   uint64
		suggested Type
		types     string
	}{
		{"plan", 1000, 2, 4, String, "[string 0.75 null 0.25]"},
		{"price", 1000, 2, 2, Number, "[integer 0.75 number 0.25]"},
		{"it's", 250, 1, 3, Bool, "[bool 1.00]"},
		{"at", 250, 1, 0, Time, "[time 1.00]"},
		{"id", 750, 2, 0, String, "[string 1.00]"},
		{"mixed", 750, 2, 0, "", "[bool 0.33 integer 0.33 object 0.33]"},
		{"lonely", 1, 1, 0, Integer, "[integer 1.00]"},
		{"unseen", 0, 0, 0, "", "[]"},
	} {
		p, ok := byKey[want.key]
		types := "["
		for i, s := range p.Types {
			if i > 0 {
				types += " "
			}
			types += fmt.Sprintf("%s %.2f", s.Type, s.Share)
		}
		types += "]"
		if !ok || p.Events != want.events || p.Names != want.names || p.Usage.Queries != want.queries || p.Suggested != want.suggested || types != want.types {
			t.Errorf("%s: %+v (%s), want %+v", want.key, p, types, want)
		}
		if (p.Column != nil) != (want.key == "unseen") {
			t.Errorf("%s: column %v", want.key, p.Column)
		}
		if want.queries > 0 && (p.Usage.CPU <= 0 || p.Usage.Rows < 1001 || p.Spared <= 0 || p.Spared > p.Usage.CPU) {
			t.Errorf("%s: %+v, spared %v", want.key, p.Usage, p.Spared)
		}
	}
	if len(byKey) != 8 || l.Properties[0].Usage.Queries == 0 || l.Properties[len(l.Properties)-1].Usage.Queries != 0 {
		t.Errorf("the order is not that of the gain: %+v", l.Properties)
	}
	if l, err = List(within(t), db, 3, 100, now.Add(-time.Hour)); err != nil || len(l.Properties) != 2 || l.Events != 1 || l.Properties[0].Share != 1 {
		t.Errorf("project 3: %+v, %v", l, err)
	}
	if l, err = List(within(t), db, 0, 3, now.Add(-time.Hour)); err != nil || len(l.Properties) != 4 {
		t.Errorf("three, and the promoted one: %+v, %v", l, err)
	}
	if l, err = List(within(t), db, 0, 100, now.Add(time.Hour)); err != nil || l.Properties[0].Usage != (Usage{}) {
		t.Errorf("of the future: %+v, %v", l, err)
	}
}

// A server without a query log, or one that this user may not read, has a list all the same.
func TestQueryLogMayBeMissing(t *testing.T) {
	for code, known := range map[int32]bool{60: false, 497: false, 241: true, 62: true} {
		byKey, ok, err := notLogged(fmt.Errorf("query: %w", &clickhouse.Exception{Code: code}))
		if byKey != nil || ok || (err != nil) != known {
			t.Errorf("code %d: %v, %v, %v", code, byKey, ok, err)
		}
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct {
		types       []TypeShare
		cardinality uint64
		want        Type
	}{
		{nil, 0, ""},
		{[]TypeShare{{"null", 1}}, 1, ""},
		{[]TypeShare{{"string", 1}}, 9_999, String},
		{[]TypeShare{{"string", 1}}, 10_000, Text},
		{[]TypeShare{{"string", .6}, {"time", .4}}, 5, String},
		{[]TypeShare{{"time", .96}, {"string", .04}}, 5, Time},
		{[]TypeShare{{"integer", .94}, {"number", .06}}, 5, Number},
		{[]TypeShare{{"integer", .96}, {"number", .04}}, 5, Integer},
		{[]TypeShare{{"integer", .5}, {"string", .5}}, 5, ""},
		{[]TypeShare{{"object", 1}}, 5, ""},
		{[]TypeShare{{"null", .9}, {"bool", .1}}, 5, Bool},
	} {
		if got, share := suggest(c.types, c.cardinality); got != c.want || (share > 0) != (c.want != "") {
			t.Errorf("%v: %q %v, want %q", c.types, got, share, c.want)
		}
	}
}

func TestUnquote(t *testing.T) {
	for literal, want := range map[string]string{`plan`: "plan", `it\'s`: "it's", `it''s`: "it's", `a\\b`: `a\b`, `a\nb`: "a\nb", `\\n`: `\n`, `x\`: `x\`} {
		if got := unquote(literal); got != want {
			t.Errorf("%s is %q, want %q", literal, got, want)
		}
	}
}
