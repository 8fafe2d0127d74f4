package custom

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := Parse("metrics.yaml", []byte(`
# A comment.
metrics:
  - name: sales
    project: 7
    events: [Order Completed, "it's", 404]
    where:
      - {field: country, op: is, values: [DE, AT]}
      - {field: properties.a.b, op: set}
      - {field: traits.plan, op: contains, values: [pro]}
      - {field: revenue, op: gte, values: [-0.5]}
    by:
      - event
      - {field: country, as: land}
      - {field: properties.plan, type: string}
      - {field: properties.Seats, type: integer, as: seats}
    sums:
      - revenue
      - properties.tax
      - {field: properties.$shipping, as: shipping}
    uniques: [user]
    interval: minute
    keep: 90d
  - name: all_events
    interval: day
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Definition{
		{
			Name: "sales", Project: 7, Events: []string{"Order Completed", "it's", "404"},
			Where: []Condition{
				{"country", "is", []string{"DE", "AT"}},
				{"properties.a.b", "set", nil},
				{"traits.plan", "contains", []string{"pro"}},
				{"revenue", "gte", []string{"-0.5"}},
			},
			By:      []Dimension{{"event", "", "event"}, {"country", "", "land"}, {"properties.plan", "string", "plan"}, {"properties.Seats", "integer", "seats"}},
			Sums:    []Sum{{"revenue", "revenue"}, {"properties.tax", "tax"}, {"properties.$shipping", "shipping"}},
			Uniques: []string{"user"}, Interval: "minute", KeepDays: 90,
		},
		{Name: "all_events", Interval: "day"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err := Parse("f", []byte("metrics: []")); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// Every problem is found in one go, with its place.
func TestParseFindsAllProblems(t *testing.T) {
	_, err := Parse("m.yaml", []byte(`metrics:
  - name: Sales
    projekt: 7
    events: []
    interval: hours
  - name: two__underscores
    project: 0
    keep: 1d
    interval: hour
  - events: [a, a, {}]
    by: [country, country, user_id, properties.plan, {field: properties.x, type: text}]
    sums: [country, {field: properties.Big}, {field: properties., as: z}]
    uniques: [session]
    interval: day
  - name: ok
    where:
      - {field: country, op: gt, values: [a]}
      - {field: countri, op: is, values: [a]}
      - {field: revenue, op: gt, values: [1e5]}
      - {field: properties.n, op: gt, values: [1, 2]}
      - {field: properties.n, op: set, values: [1]}
      - {field: properties.n, op: is}
      - {op: is}
      - {field: properties.n, op: lt, values: [much]}
      - {field: properties.n, op: is, values: ["a\tb"]}
    by: [{field: country, as: events}, {field: city, as: n}, {field: os, type: string}]
    interval: &x day
    keep:
  - name: twice
    interval: day
  - name: twice
    interval: day
`))
	var p *ParseError
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	want := []string{
		`m.yaml:2:11: name "Sales" must begin`,
		`m.yaml:3:5: a metric has no key "projekt", did you mean "project"?`,
		`m.yaml:4:13: events has 0 items: 1 to 100`,
		`m.yaml:5:15: interval "hours" is unknown, did you mean "hour"?`,
		`m.yaml:6:11: name "two__underscores" must begin`,
		`m.yaml:7:14: project "0" must be`,
		`m.yaml:8:11: keep "1d" must be a number of days from 3d to 36500d`,
		`m.yaml:10:17: event "a" occurs twice`,
		`m.yaml:10:20: event must be a text`,
		`m.yaml:11:19: column "country" is there already, of country`,
		`m.yaml:11:28: field "user_id" cannot stand here`,
		`m.yaml:11:37: field "properties.plan" cannot stand here`,
		`m.yaml:11:82: type "text" is unknown`,
		`m.yaml:12:12: field "country" cannot stand here; there are revenue, or properties.KEY`,
		`column "Big" must begin with a lower-case letter`,
		`field "properties." names no key`,
		`m.yaml:13:15: unique "session" is unknown`,
		`a metric lacks the key name`,
		`m.yaml:17:30: op "gt" is none of field country`,
		`m.yaml:18:17: field "countri" cannot stand here, did you mean "country"?`,
		`m.yaml:19:43: value "1e5" must be a number with up to 14 digits`,
		`values has 2 items: 1 to 1`,
		`op set takes no values`,
		`op is of field properties.n needs the key values`,
		`a condition lacks the key field`,
		`m.yaml:24:48: value "much" must be a number with up to 18 digits`,
		`holds a control character`,
		`column "events" is there already, of every table`,
		`column "n" is there already, of every table`,
		`dimension os is a column, which has a type`,
		`m.yaml:27:15: anchors, aliases and tags are not supported`,
		`m.yaml:28:5: keep is empty`,
		`metric "twice" occurs twice, first in line 29`,
	}
	for i, w := range want {
		if i >= len(p.Problems) {
			t.Errorf("missing: %s", w)
		} else if got := p.Problems[i].String(); !strings.Contains(got, w) || !strings.HasPrefix(got, "m.yaml:") {
			t.Errorf("problem %d is\n%s, want\n%s", i, got, w)
		}
	}
	if len(p.Problems) != len(want) {
		t.Errorf("%d problems, want %d:\n%v", len(p.Problems), len(want), err)
	}
}

func TestParseRefusesOtherFiles(t *testing.T) {
	for source, want := range map[string]string{
		"":                               "is empty",
		"# nothing":                      "is empty",
		"metrics":                        "f:1:1: the file must be a section",
		"- a":                            "must be a section",
		"metrics: 5":                     "f:1:10: metrics must be a list",
		"metrics: [5]":                   "f:1:11: a metric must be a section",
		"metric: []":                     `did you mean "metrics"?`,
		"metrics: []\n---\nmetrics: []":  "a second document",
		"metrics: [":                     "f:1:",
		"metrics: []\nmetrics: []":       "f:2:1",
		"metrics:\n  - <<: {name: a}\n":  "not supported",
		"metrics:\n  - name: \"\xff\"\n": "UTF-8",
		"metrics:\n  - {name: [], interval: day}": "name must be a text",
	} {
		_, err := Parse("f", []byte(source))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f") {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
	if _, err := Read(t.TempDir() + "/none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"contry": `, did you mean "country"?`, "zzz": "", "os_versio": `, did you mean "os_version"?`} {
		if got := nearest(word, conditionFields()); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if !slices.Equal(groupable(), slices.Sorted(slices.Values(groupable()))) || slices.Contains(groupable(), "user_id") {
		t.Error(groupable())
	}
}
