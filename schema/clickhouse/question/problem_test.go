package question_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

var kinds = map[string]func() builder{
	"trends":    func() builder { return &question.Trends{} },
	"funnel":    func() builder { return &question.Funnel{} },
	"retention": func() builder { return &question.Retention{} },
	"paths":     func() builder { return &question.Paths{} },
	"timeline":  func() builder { return &question.Timeline{} },
}

func decode(t *testing.T, kind, body string) builder {
	t.Helper()
	q := kinds[kind]()
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(q); err != nil {
		t.Fatalf("%s %s: %v", kind, body, err)
	}
	return q
}

const november = `"from":"2026-11-01","to":"2026-12-01T00:00:00Z"`

func TestValidateReportsEveryProblem(t *testing.T) {
	long := strings.Repeat("x", 4097)
	conditions := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"field":"city","op":"set"},`, n), ",") + "]"
	}
	steps := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`{"event":"a"},`, n), ",") + "]" }
	values := func(n int, v string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`"`+v+`",`, n), ",") + "]"
	}
	for _, c := range []struct {
		kind, body string
		want       string // pointers and codes
	}{
		{"trends", `{}`, "/from required, /to required, /series required"},
		{"trends", `{` + november + `,"series":[{"event":"a"}]}`, ""},
		{"trends", `{` + november + `,"series":[{"event":""}],"interval":"minute"}`, "/to invalid_range"},
		{"trends", `{` + november + `,"series":[{}],"interval":"minut","measure":"x","source":"y","limit":201,"breakdown":"props"}`, "/interval invalid_choice, /breakdown invalid_field, /limit invalid_number, /measure invalid_choice, /source invalid_choice"},
		{"trends", `{"from":"yesterday","to":17,"series":[{}],"limit":-1}`, "/from invalid_time, /to invalid_time, /limit invalid_number"},
		{"trends", `{"from":"1899-12-31","to":"2300-01-01","series":[{}]}`, "/from invalid_time, /to invalid_time"},
		{"trends", `{"from":"2026-12-01","to":"2026-11-01","series":[{}]}`, "/to invalid_range"},
		{"trends", `{"from":"2026-12-01","to":"2026-12-01","series":[{}]}`, "/to invalid_range"},
		{"trends", `{"from":"","to":null,"series":[{}]}`, "/from invalid_time, /to required"},
		{"trends", `{` + november + `,"series":` + steps(11) + `}`, "/series too_many"},
		{"trends", `{` + november + `,"series":[{"event":"` + long + `"}]}`, "/series/0/event too_long"},
		{"trends", `{` + november + `,"series":[{}],"breakdown":"properties."}`, "/breakdown invalid_field"},
		{"trends", `{` + november + `,"series":[{}],"breakdown":"person_h"}`, "/breakdown invalid_field"},
		{"trends", `{` + november + `,"series":[{}],"breakdown":"project_id"}`, "/breakdown invalid_field"},
		{"trends", `{` + november + `,"series":[{}],"where":` + conditions(21) + `}`, "/where too_many"},
		{
			"trends", `{` + november + `,"series":[{"where":[{"field":"city","op":"is"},{"field":"nope","op":"is","values":["a"]},{"field":"city","op":"matches","values":["a"]},{"field":"city","op":"gt","values":["1"]},{}]}]}`,
			"/series/0/where/0/values required, /series/0/where/1/field invalid_field, /series/0/where/2/op invalid_op, /series/0/where/3/op invalid_op, /series/0/where/4/field required, /series/0/where/4/op required",
		},
		{
			"trends", `{` + november + `,"series":[{}],"where":[{"field":"city","op":"is","values":` + values(101, "a") + `},{"field":"city","op":"set","values":["a"]},{"field":"city","op":"contains","values":["a","b"]},{"field":"city","op":"contains","values":[""]}]}`,
			"/where/0/values too_many, /where/1/values too_many, /where/2/values too_many, /where/3/values/0 invalid_value",
		},
		{
			"trends", `{` + november + `,"series":[{}],"where":[{"field":"revenue","op":"gt","values":["1e3"]},{"field":"screen_w","op":"is","values":["65536"]},{"field":"bot","op":"is","values":["yes"]},{"field":"event_id","op":"is","values":["x"]},{"field":"properties.a","op":"gt","values":["0x10"]},{"field":"properties.a","op":"gt","values":["1e999"]},{"field":"properties.a","op":"gt","values":["nan"]}]}`,
			"/where/0/values/0 invalid_value, /where/1/values/0 invalid_value, /where/2/values/0 invalid_value, /where/3/values/0 invalid_value, /where/4/values/0 invalid_value, /where/5/values/0 invalid_value, /where/6/values/0 invalid_value",
		},
		{"trends", `{` + november + `,"series":[{}],"where":[{"field":"city","op":"is","values":` + values(70, long[:4000]) + `}]}`, " too_long"},
		{"funnel", `{` + november + `,"steps":[` + strings.Repeat(`{"where":[{"field":"city","op":"is","values":`+values(100, "a")+`}]},`, 4) + `{"where":[{"field":"city","op":"is","values":` + values(96, "a") + `}]}]}`, " too_many"},
		{"funnel", `{` + november + `}`, "/steps required"},
		{"funnel", `{` + november + `,"steps":` + steps(11) + `,"window_ms":-1,"order":"x","limit":300}`, "/steps too_many, /window_ms invalid_number, /order invalid_choice, /limit invalid_number"},
		{"funnel", `{` + november + `,"steps":[{"event":"a"}],"window_ms":400000000000}`, "/window_ms invalid_number"},
		{"retention", `{` + november + `}`, ""},
		{"retention", `{` + november + `,"period":"month","mode":"x","periods":401,"birth":{"where":[{"op":"is"}]}}`, "/period invalid_choice, /periods invalid_number, /mode invalid_choice, /birth/where/0/field required, /birth/where/0/values required"},
		{"retention", `{"from":"2020-01-01","to":"2026-01-01","periods":400}`, "/to invalid_range"},
		{"paths", `{` + november + `}`, ""},
		{"paths", `{` + november + `,"depth":21,"gap_ms":-5,"limit":1001,"start":"` + long + `"}`, "/start too_long, /depth invalid_number, /gap_ms invalid_number, /limit invalid_number"},
		{"timeline", `{"user":"u"}`, ""},
		{"timeline", `{"user":"u","before":"1.2.3.4"}`, ""},
		{"timeline", `{"limit":1001,"before":"1.2.3"}`, "/user required, /limit invalid_number, /before invalid_value"},
		{"timeline", `{"user":"u","before":"1.2.3.-4","from":"2026-12-01","to":"2026-11-01"}`, "/to invalid_range, /before invalid_value"},
		{"timeline", `{"user":"u","from":[],"to":"x"}`, "/from invalid_time, /to invalid_time"},
	} {
		q := decode(t, c.kind, c.body)
		err := q.Validate()
		var got []string
		for _, p := range question.Problems(err) {
			got = append(got, p.Pointer+" "+p.Code)
			if p.Detail == "" || !strings.Contains(err.Error(), p.Detail) {
				t.Errorf("%s %.200s: problem %+v is not in the error %v", c.kind, c.body, p, err)
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s %.300s:\n%s, want\n%s", c.kind, c.body, strings.Join(got, ", "), c.want)
		}
		if s, buildErr := q.Build("d", 1); (buildErr == nil) != (c.want == "") || c.want != "" && s.Text != "" {
			t.Errorf("%s %.200s: Build: %v", c.kind, c.body, buildErr)
		}
	}
}

func TestBuildRefusesDatabases(t *testing.T) {
	q := decode(t, "timeline", `{"user":"u"}`)
	for _, name := range []string{"", "a b", "a;", "a.b", "1a", "`a`", strings.Repeat("a", 64)} {
		if s, err := q.Build(name, 1); err == nil {
			t.Errorf("database %q: %s", name, s.Text)
		}
	}
}

func TestInstants(t *testing.T) {
	for text, want := range map[string]string{
		`"2026-11-01"`:                     "2026-11-01 00:00:00.000",
		`"2026-11-01T01:00:00+01:00"`:      "2026-11-01 00:00:00.000",
		`"2026-11-01T00:00:00.1234Z"`:      "2026-11-01 00:00:00.124", // no event is between the two
		`"2026-11-01T00:00:00.123Z"`:       "2026-11-01 00:00:00.123",
		`"1969-12-31T23:59:59.999000001Z"`: "1970-01-01 00:00:00.000",
	} {
		q := decode(t, "timeline", `{"user":"u","from":`+text+`}`)
		s, err := q.Build("d", 1)
		if err != nil || s.Params["from"] != want {
			t.Errorf("%s: %q, %v, want %q", text, s.Params["from"], err, want)
		}
	}
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, q := range []question.Timeline{{User: "u", From: question.At(at)}, {User: "u"}} {
		text, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		back := decode(t, "timeline", string(text)).(*question.Timeline)
		if !back.From.Time().Equal(q.From.Time()) || back.From.IsZero() != q.From.IsZero() {
			t.Errorf("%s is read as %v", text, back.From.Time())
		}
	}
}

// The longest statements that Validate lets through are not too long for the server.
func TestLargestQuestionsRun(t *testing.T) {
	s := start(t)
	load(t, s, generate(1))
	c := newSpan(base-dayMS, base+dayMS)
	conditions := func(n int) (all []question.Condition) {
		for i := range n {
			all = append(all, question.Condition{Field: []string{"traits.some_key", "properties.some_key"}[i%2], Op: []string{"gt", "lte"}[i/2%2], Values: []string{"-1.5"}})
		}
		return all
	}
	var steps []question.Step
	for i := range 10 {
		steps = append(steps, question.Step{Event: strings.Repeat("x", i), Where: conditions(20)})
	}
	where := conditions(20)
	where[0] = question.Condition{Field: "traits.some_key", Op: "is", Values: slices.Repeat([]string{"value"}, 61)}
	for name, q := range map[string]builder{
		"trends":    &question.Trends{From: c.From, To: c.To, Series: steps, Where: where, Breakdown: "traits.other_key", Measure: "all", Limit: 200},
		"ordered":   &question.Funnel{From: c.From, To: c.To, Steps: steps, Where: where, Breakdown: "traits.other_key", Limit: 200},
		"any":       &question.Funnel{From: c.From, To: c.To, Steps: steps, Where: where, Breakdown: "traits.other_key", Limit: 200, Order: "any"},
		"all same":  &question.Funnel{From: c.From, To: c.To, Steps: slices.Repeat(steps[:1], 10), Where: where, Order: "any"},
		"retention": &question.Retention{From: c.From, To: c.To, Birth: steps[0], Return: steps[1], Where: where, Mode: "rolling"},
		"paths":     &question.Paths{From: c.From, To: c.To, Start: "A", Where: where, Depth: 20, Limit: 1000},
	} {
		if _, err := q.Build(database, 1); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s.ask(t, q, 1)
	}
}

// hostile are texts that end a statement, a literal or a parameter where values are formatted into SQL.
var hostile = []string{
	"'", `"`, "`", `\`, `\'`, "\x00", "\xff", "{x:String}", "{project:UInt32}", "'; DROP TABLE events --", "') OR 1=1 --", "*/", "/*", "--", "#", "\n", "\t", "\\N", "$other", "FORMAT Null", "SETTINGS readonly = 0",
	"' UNION ALL SELECT * FROM system.users --", "%00", "🎉", "NULL", "\u2028", "0x41", "#{x}", "#from",
}

// bodies are questions with a text of a caller's in every place that takes one.
func bodies(text string) map[string]builder {
	c := newSpan(base-dayMS, base+dayMS)
	where := []question.Condition{
		{Field: "city", Op: "is", Values: []string{text, "a"}},
		{Field: "city", Op: "starts_with", Values: []string{text}},
		{Field: "properties." + text, Op: "contains", Values: []string{text}},
		{Field: "traits." + text, Op: "set"},
		{Field: "properties." + text, Op: "lt", Values: []string{"1"}},
		{Field: "user_id", Op: "not_contains", Values: []string{text}},
	}
	step := question.Step{Event: text, Where: where}
	return map[string]builder{
		"trends":    &question.Trends{From: c.From, To: c.To, Series: []question.Step{step, step}, Where: where, Breakdown: "properties." + text, Measure: "all"},
		"funnel":    &question.Funnel{From: c.From, To: c.To, Steps: []question.Step{step, {Event: text}, step}, Where: where, Breakdown: "traits." + text},
		"any":       &question.Funnel{From: c.From, To: c.To, Steps: []question.Step{step, {Event: text}, step}, Order: "any"},
		"retention": &question.Retention{From: c.From, To: c.To, Birth: step, Return: step, Where: where},
		"paths":     &question.Paths{From: c.From, To: c.To, Start: text, Where: where},
		"timeline":  &question.Timeline{User: text},
	}
}

// The text of a statement does not depend on what callers write, and the server takes all of it.
func TestNoValueStandsInText(t *testing.T) {
	plain := bodies("plain")
	s := start(t)
	together := strings.ReplaceAll(strings.Join(hostile, " "), "\xff", "")
	for i, text := range append(hostile, together) {
		for j, name := range slices.Sorted(maps.Keys(plain)) {
			q := bodies(text)[name]
			got, err := q.Build(database, 1)
			if err != nil {
				t.Errorf("%s with %q: %v", name, text, err)
				continue
			}
			want, err := plain[name].Build(database, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got.Text != want.Text {
				t.Errorf("%s with %q has another text:\n%s", name, text, got.Text)
			}
			if !slices.Contains(slices.Collect(maps.Values(got.Params)), text) {
				t.Errorf("%s with %q: no parameter has it: %q", name, text, got.Params)
			}
			// No text of JSON is like that one byte. The others take turns at the server, and all together are in every question.
			if text == together || text != "\xff" && i%len(plain) == j {
				s.ask(t, q, 1)
			}
		}
	}
}
