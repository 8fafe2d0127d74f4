package question_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

func problems(err error) string {
	var all []string
	for _, p := range question.Problems(err) {
		all = append(all, p.Pointer+" "+p.Code)
	}
	return strings.Join(all, ", ")
}

func TestParseSegmentReportsEveryProblem(t *testing.T) {
	long := strings.Repeat("x", 4097)
	list := func(n int, one string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]"
	}
	nested := func(n int) string {
		return strings.Repeat(`{"not":`, n-1) + `{"segment":"s"}` + strings.Repeat("}", n-1)
	}
	rule := func(text string) string { return `{"name":"a","where":` + text + `}` }
	did := func(rest string) string { return rule(`{"did":{"event":"a"` + rest + `}}`) }
	for _, c := range []struct{ text, want string }{
		{`{"name":"power_users_2","description":"x","every":"15m","announce":false,"where":{"did":{"event":"purchase","at_least":3,"within":"30d"}}}`, ""},
		{`{"name":"a","every":"","announce":null,"where":{"segment":"b"}}`, ""},
		{`{}`, "/name required, /where required"},
		{`{"name":"A b","description":"` + long + `","every":"1 day","where":{}}`, "/name invalid_value, /description too_long, /every invalid_value, /where required"},
		{`{"name":"` + strings.Repeat("a", 65) + `","every":"59s","where":{"segment":"b"}}`, "/name invalid_value, /every invalid_number"},
		{`{"name":"a","every":"367d","where":{"segment":"a"}}`, "/every invalid_number, /where invalid_value"},

		// What is no definition at all.
		{``, " invalid_json"},
		{`{"name":"a"`, " invalid_json"},
		{`null`, " invalid_type"},
		{`[]`, " invalid_type"},
		{`{"name":"a"} {}`, " invalid_json"},
		{`{"name":"a",}`, " invalid_json"},
		{"{\"name\":\"\xff\"}", " invalid_json"},
		{strings.Repeat(" ", 256<<10) + `{}`, " too_long"},
		{rule(nested(5000)), " invalid_json"},
		{`{"name":"a","where":{"did":{"event":"a","where":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}}`, "/where/did/where/0 invalid_type"},
		{
			`{"Name":"a","name":1,"name":"b","every":15,"announce":"yes","where":{"all":{"did":1}},"a/b~c":[{"x":[]}]}`,
			"/Name unknown_field, /name invalid_type, /name invalid_json, /every invalid_type, /announce invalid_type, /where/all invalid_type, /a~1b~0c unknown_field",
		},
		{
			rule(`{"any":[{"did":{"event":["a"],"at_least":1.5,"at_most":"3","exactly":99999999999999999999,"where":[{"field":7,"values":[1]},"x"]}},{"sequence":{"steps":"x","windowms":1}}]}`),
			"/where/any/0/did/event invalid_type, /where/any/0/did/at_least invalid_number, /where/any/0/did/at_most invalid_type, /where/any/0/did/exactly invalid_number, /where/any/0/did/where/0/field invalid_type, " +
				"/where/any/0/did/where/0/values/0 invalid_type, /where/any/0/did/where/1 invalid_type, /where/any/1/sequence/steps invalid_type, /where/any/1/sequence/windowms unknown_field",
		},

		// Rules.
		{rule(`{"all":[],"any":[]}`), "/where invalid_choice"},
		{rule(`{"all":[]}`), "/where/all required"},
		{rule(`{"all":[{},{"not":{}},{"any":[{"segment":"b"},{"not":{"segment":""}}]}]}`), "/where/all/0 required, /where/all/1/not required, /where/all/2/any/1/not required"},
		{rule(`{"did":{"event":"a"},"segment":"b"}`), "/where invalid_choice"},
		{rule(nested(10)), ""},
		{rule(nested(11)), "/where" + strings.Repeat("/not", 10) + " too_many"},
		{rule(`{"all":` + list(64, `{"segment":"b"}`) + `}`), ""},
		{rule(`{"all":` + list(65, `{"segment":"b"}`) + `}`), "/where too_many"},
		{rule(`{"segment":"B"}`), "/where/segment invalid_value"},

		// Events.
		{did(`,"at_least":0`), "/where/did/at_least invalid_number"},
		{did(`,"at_most":0`), ""},
		{did(`,"exactly":0`), ""},
		{did(`,"at_most":-1`), "/where/did/at_most invalid_number"},
		{did(`,"exactly":1000000001`), "/where/did/exactly invalid_number"},
		{did(`,"at_least":1,"at_most":2`), "/where/did invalid_choice"},
		{did(`,"where":[{"field":"nope","op":"is","values":["x"]},{"field":"segment","op":"contains","values":["x"]},{"field":"segment","op":"is","values":["X"]},{"field":"segment","op":"is"}]`), "/where/did/where/0/field invalid_field, /where/did/where/1/op invalid_op, /where/did/where/2/values/0 invalid_value, /where/did/where/3/values required"},
		{did(`,"where":[{"field":"segment","op":"is_not","values":["b","a"]}]`), "/where invalid_value"},
		{did(`,"within":"30d","to":"2026-11-01"`), "/where/did/within invalid_choice"},
		{did(`,"within":"0d"`), "/where/did/within invalid_value"},
		{did(`,"within":"3654d"`), "/where/did/within invalid_number"},
		{did(`,"within":"99999999999w"`), "/where/did/within invalid_number"},
		{did(`,"within":"999999999999w"`), "/where/did/within invalid_value"},
		{did(`,"from":"2026-11-02","to":"2026-11-01"`), "/where/did/to invalid_range"},
		{did(`,"from":"then","to":[1]`), "/where/did/from invalid_time, /where/did/to invalid_time"},
		{did(`,"from":"2026-11-02"`), ""},
		{rule(`{"did_not":{"event":"a","at_least":1}}`), "/where/did_not/at_least unknown_field"},
		{rule(`{"did_not":{"event":"` + long + `","within":"1y"}}`), "/where/did_not/event too_long, /where/did_not/within invalid_value"},
		{rule(`{"sequence":{"steps":[{"event":"a"}]}}`), "/where/sequence/steps required"},
		{rule(`{"sequence":{}}`), "/where/sequence/steps required"},
		{rule(`{"any":` + list(16, `{"sequence":{"steps":[{"event":"a"},{"event":"b"}]}}`) + `}`), ""},
		{rule(`{"any":` + list(17, `{"sequence":{"steps":[{"event":"a"},{"event":"b"}]}}`) + `}`), "/where too_many"},
		{rule(`{"sequence":{"steps":` + list(11, `{"event":"a"}`) + `,"window_ms":-1,"within":"x"}}`), "/where/sequence/steps too_many, /where/sequence/window_ms invalid_number, /where/sequence/within invalid_value"},
		{rule(`{"sequence":{"steps":[{"event":"a"},{"where":[{}]}]}}`), "/where/sequence/steps/1/where/0/field required, /where/sequence/steps/1/where/0/op required"},

		// Profiles.
		{rule(`{"profile":{"field":"a.b","op":"is","values":["x"]}}`), ""},
		{rule(`{"profile":{"op":"is","values":["x"]}}`), "/where/profile/field required"},
		{rule(`{"profile":{"field":"plan"}}`), "/where/profile/op required"},
		{rule(`{"profile":{"field":"plan","op":"gt","values":["x"]}}`), "/where/profile/values/0 invalid_value"},
		{rule(`{"profile":{"field":"plan","op":"is","values":` + list(101, `"x"`) + `}}`), "/where/profile/values too_many"},
		{rule(`{"all":` + list(5, `{"profile":{"field":"plan","op":"is","values":`+list(100, `"x"`)+`}}`) + `}`), " too_many"},
	} {
		s, err := question.ParseSegment([]byte(c.text))
		if got := problems(err); got != c.want || (err == nil) != (c.want == "") || (s == nil) != (err != nil) {
			t.Errorf("%.300s:\n%s, want\n%s\n%v", c.text, got, c.want, err)
		}
		if err != nil {
			for _, p := range question.Problems(err) {
				if p.Detail == "" || !strings.Contains(err.Error(), p.Detail) {
					t.Errorf("%.200s: problem %+v is not in the error %v", c.text, p, err)
				}
			}
			continue
		}
		if _, err := s.Build("d", 1, time.Unix(0, 0)); err != nil {
			t.Errorf("%.200s: Build: %v", c.text, err)
		}
	}
}

func TestSegmentDefaults(t *testing.T) {
	for text, want := range map[string]time.Duration{``: 15 * time.Minute, `,"every":null`: 15 * time.Minute, `,"every":""`: 0, `,"every":"60s"`: time.Minute, `,"every":"2w"`: 14 * 24 * time.Hour, `,"every":"12h"`: 12 * time.Hour} {
		s, err := question.ParseSegment([]byte(`{"name":"a"` + text + `,"where":{"segment":"b"}}`))
		if err != nil || s.Interval() != want || !s.Announces() {
			t.Errorf("%s: %v, every %v, announces %v; want every %v", text, err, s.Interval(), s.Announces(), want)
		}
	}
	s, err := question.ParseSegment([]byte(`{"name":"a","announce":false,"where":{"segment":"b"}}`))
	if err != nil || s.Announces() {
		t.Errorf("announces, %v", err)
	}
}

func TestSegmentsThatARuleNames(t *testing.T) {
	s, err := question.ParseSegment([]byte(`{"name":"a","where":{"all":[
		{"segment":"d"}, {"not":{"any":[{"segment":"b"},{"segment":"d"}]}}, {"profile":{"field":"segment","op":"is","values":["no"]}},
		{"did":{"event":"x","where":[{"field":"segment","op":"is_not","values":["e","c"]},{"field":"city","op":"is","values":["no"]}]}},
		{"did_not":{"event":"x","where":[{"field":"segment","op":"is","values":["f"]}]}},
		{"sequence":{"steps":[{"event":"x"},{"event":"y","where":[{"field":"segment","op":"is","values":["g"]}]}]}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Segments(), []string{"b", "c", "d", "e", "f", "g"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSegmentBuildRefuses(t *testing.T) {
	s := question.Segment{Name: "a", Where: question.Rule{Segment: "b"}}
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"", "a b", "a.b", "`a`"} {
		if _, err := s.Build(name, 1, at); err == nil {
			t.Errorf("database %q is taken", name)
		}
	}
	for _, at := range []time.Time{{}, time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if _, err := s.Build("d", 1, at); err == nil {
			t.Errorf("moment %v is taken", at)
		}
	}
	s.Name = "no name"
	if _, err := s.Build("d", 1, at); problems(err) != "/name invalid_value" {
		t.Errorf("an invalid segment: %v", err)
	}
}

// Everyone is looked at only when the rule can hold for somebody of whom its leaves know nothing.
func TestSegmentsReadNoMoreThanTheyMust(t *testing.T) {
	for rule, want := range map[string]int{
		`{"did":{"event":"a"}}`:                                                                                  1,
		`{"did_not":{"event":"a"}}`:                                                                              3,
		`{"did":{"event":"a","exactly":0}}`:                                                                      3,
		`{"did":{"event":"a","at_most":3}}`:                                                                      3,
		`{"did":{"event":"a","exactly":3}}`:                                                                      1,
		`{"all":[{"did":{"event":"a"}},{"did_not":{"event":"b"}}]}`:                                              2,
		`{"any":[{"did":{"event":"a"}},{"did_not":{"event":"b"}}]}`:                                              4,
		`{"not":{"any":[{"did_not":{"event":"a"}},{"did":{"event":"b"}}]}}`:                                      2,
		`{"not":{"all":[{"did_not":{"event":"a"}},{"did":{"event":"b"}}]}}`:                                      4,
		`{"profile":{"field":"plan","op":"is","values":["pro"]}}`:                                                1,
		`{"profile":{"field":"plan","op":"is","values":["pro",""]}}`:                                             3,
		`{"profile":{"field":"plan","op":"is_not","values":["pro"]}}`:                                            3,
		`{"profile":{"field":"plan","op":"is_not","values":["pro",""]}}`:                                         1,
		`{"not":{"profile":{"field":"plan","op":"not_set"}}}`:                                                    1,
		`{"all":[{"not":{"segment":"b"}},{"sequence":{"steps":[{"event":"a"},{"event":"b"}]}},{"segment":"c"}]}`: 3,
	} {
		s, err := question.ParseSegment([]byte(`{"name":"a","where":` + rule + `}`))
		if err != nil {
			t.Fatal(err)
		}
		statement, err := s.Build("d", 1, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(statement.Text, "FROM d."); got != want {
			t.Errorf("%s reads %d times, want %d:\n%s", rule, got, want, statement.Text)
		}
	}
}

// segmentWith is a segment with a text of a caller's in every place that takes one.
func segmentWith(text string) question.Segment {
	where := bodies(text)["retention"].(*question.Retention).Where
	step := question.Step{Event: text, Where: where}
	one := int64(1)
	return question.Segment{Name: "a", Description: text, Where: question.Rule{Any: []question.Rule{
		{Did: &question.Did{Step: step, AtMost: &one, Window: question.Window{Within: "10d"}}},
		{DidNot: &question.DidNot{Step: step}},
		{Sequence: &question.Sequence{Steps: []question.Step{step, step, {Event: text}}}},
		{Profile: &question.Profile{Field: text, Op: "is", Values: []string{text, "x"}}},
		{Profile: &question.Profile{Field: text, Op: "not_contains", Values: []string{text}}},
		{Profile: &question.Profile{Field: text, Op: "gt", Values: []string{"1"}}},
	}}}
}

// The text of a segment's statement does not depend on what callers write, and the server takes all of it.
func TestNoValueStandsInSegments(t *testing.T) {
	s := start(t)
	at := time.UnixMilli(base)
	plain := segmentWith("plain")
	want, err := plain.Build(database, 1, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(hostile, strings.ReplaceAll(strings.Join(hostile, " "), "\xff", "")) {
		q := segmentWith(text)
		got, err := q.Build(database, 1, at)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got.Text != want.Text {
			t.Errorf("%q has another text:\n%s", text, got.Text)
		}
		if !slices.Contains(slices.Collect(maps.Values(got.Params)), text) {
			t.Errorf("%q: no parameter has it: %q", text, got.Params)
		}
		written, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := question.ParseSegment(written); text != "\xff" && (err != nil || !reflect.DeepEqual(*read, q)) {
			t.Errorf("%q: %v, %+v", text, err, read)
		}
		s.ask(t, moment{&q, at}, 1)
		if question.IsSegmentName(text) {
			continue
		}
		for _, named := range []question.Segment{{Name: text, Where: q.Where}, {Name: "a", Where: question.Rule{Segment: text}}, {Name: "a", Where: question.Rule{Did: &question.Did{Step: question.Step{
			Where: []question.Condition{{Field: "segment", Op: "is", Values: []string{text}}},
		}}}}} {
			if st, err := named.Build(database, 1, at); err == nil {
				t.Errorf("segment %q is named in\n%s", text, st.Text)
			}
		}
	}
}

// The longest statements that Validate lets through are not too long for the server.
func TestLargestSegmentsRun(t *testing.T) {
	s := start(t)
	load(t, s, generate(1))
	leaves := func(n int, leaf func(i int) question.Rule) question.Rule {
		var all []question.Rule
		for i := range n {
			all = append(all, leaf(i))
		}
		return question.Rule{Any: all}
	}
	condition := func(i int) question.Condition {
		return question.Condition{Field: []string{"traits.some_key", "properties.some_key"}[i%2], Op: []string{"gt", "lte"}[i/2%2], Values: []string{"-1.5"}}
	}
	sequence := func(steps, conditions int) question.Rule {
		var q question.Sequence
		for i := range steps {
			step := question.Step{Event: strings.Repeat("x", i)}
			for j := range conditions {
				step.Where = append(step.Where, condition(j))
			}
			q.Steps = append(q.Steps, step)
		}
		return question.Rule{Sequence: &q}
	}
	deep := question.Rule{DidNot: &question.DidNot{Step: question.Step{Event: "A"}}}
	for range 4 {
		inner := deep
		deep = question.Rule{All: []question.Rule{{Not: &inner}, inner}}
	}
	for name, rule := range map[string]question.Rule{
		"deep": deep,
		"counts": leaves(64, func(i int) question.Rule {
			d := question.Did{Window: question.Window{Within: "30d"}}
			for j := range 3 {
				d.Where = append(d.Where, condition(j))
			}
			return question.Rule{Did: &d}
		}),
		"conditions": leaves(1, func(int) question.Rule { return sequence(10, 20) }),
		"sequences": leaves(64, func(i int) question.Rule {
			if i < 16 {
				return sequence(10, 1)
			}
			return question.Rule{DidNot: &question.DidNot{Step: question.Step{Where: []question.Condition{condition(i)}}}}
		}),
		"profiles": leaves(64, func(i int) question.Rule {
			return question.Rule{Profile: &question.Profile{Field: "some_key", Op: "is_not", Values: slices.Repeat([]string{"value"}, 6)}}
		}),
	} {
		q := moment{&question.Segment{Name: "a", Where: rule}, time.UnixMilli(base)}
		statement, err := q.Build(database, 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		began := time.Now()
		s.ask(t, q, 1)
		t.Logf("%s: %d bytes, %v", name, len(statement.Text), time.Since(began).Round(time.Millisecond))
	}
}
