package custom

import (
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the events of the tests are made of: that at an offset of a partition is always the same.
var (
	projects  = []uint32{1, 1, 2}
	eventsOf  = []string{"Buy", "Look", "Refund", "Größe's \\ {x:String}"}
	countries = []string{"DE", "AT", "", "'); DROP TABLE x", "FR"}
	revenues  = []int64{0, 15000, -29999, 123456789012345678} // of 0.0001
)

// object is properties, and what they mean by the documentation of the metrics.
type object struct {
	props  string
	plan   string
	seats  int64
	trial  int
	amount string
}

var objects = []object{
	{`{"plan":"pro","seats":3,"trial":true,"amount":0.29}`, "pro", 3, 1, "0.29"},
	{`{"plan":"free","seats":"3","trial":"true","amount":"7"}`, "free", 0, 0, "0"},
	{``, "", 0, 0, "0"},
	{`{"plan":17,"seats":-9223372036854775808,"trial":1,"amount":-5.9999999}`, "17", -9223372036854775808, 0, "-5.999999"},
	{`{"plan":null,"seats":1.5,"trial":false,"amount":999999999999999999}`, "", 0, 0, "999999999999999999"},
	{`{"plan":"ü","plan":"second","seats":9223372036854775808,"amount":1000000000000000000}`, "ü", 0, 0, "0"},
	{`{"plan":"unreadable","amount":1e400}`, "", 0, 0, "0"},
	{`{"plan":true,"seats":1e3,"trial":null,"amount":1e3}`, "true", 1000, 0, "1000"},
	{`{"plan":"` + strings.Repeat("ü", 300) + `","amount":{"x":1}}`, strings.Repeat("ü", 200), 0, 0, "0"},
	{`{"plan":"pro","amount":0.0000019}`, "pro", 0, 0, "0.000001"},
	{`{"plan":"pro","seats":3,"amount":-0.1}`, "pro", 3, 0, "-0.1"},
}

const users = 90 // few enough for uniqCombined64(12) to count them exactly

// event is one of the tests' events.
type event struct {
	project uint32
	name    string
	country string
	object  object
	revenue int64
	user    uint64
	at      time.Time
}

// days of a partition's events lie in a month of its own, so that a block is of one.
const daysOfPart = 3

func eventAt(partition int, offset int64) event {
	o := uint64(offset) + uint64(partition)*7
	return event{
		project: projects[o%uint64(len(projects))], name: eventsOf[o%uint64(len(eventsOf))], country: countries[o/2%uint64(len(countries))],
		object: objects[o%uint64(len(objects))], revenue: revenues[o/3%uint64(len(revenues))], user: o % users,
		at: time.Date(2026, time.Month(8+partition), 10, 0, 0, 0, 0, time.UTC).Add(time.Duration(o%daysOfPart)*24*time.Hour + time.Duration(o%7)*time.Hour + time.Duration(o%3)*time.Minute + time.Duration(o%1000)*time.Millisecond),
	}
}

// parseOne reads a definition.
func parseOne(t testing.TB, source string) Definition {
	t.Helper()
	all, err := Parse("metrics.yaml", []byte("metrics:\n"+source))
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	return all[0]
}

// truth is what a metric must hold: computed here, from the events and from what its definition says in words. counts tells which events count, group what they are grouped by
// beside project and time.
type truth struct {
	counts func(event) bool
	group  func(event) string
	period time.Duration
	sums   []func(event) *big.Rat
}

func amountOf(e event) *big.Rat {
	r, ok := new(big.Rat).SetString(e.object.amount)
	if !ok {
		panic(e.object.amount)
	}
	return r
}

func revenueOf(e event) *big.Rat { return big.NewRat(e.revenue, 10_000) }

// lines are all keys with their values. Keys whose count is 0 are none.
func (w *world) lines(want truth) []string {
	type sum struct {
		n     int
		sums  []*big.Rat
		users map[uint64]bool
	}
	all := map[string]*sum{}
	for p := range partitions {
		for o := range w.storedOf(p) {
			e := eventAt(p, o)
			if !want.counts(e) {
				continue
			}
			k := fmt.Sprintf("%d|%d|%s", e.project, e.at.Truncate(want.period).Unix(), want.group(e))
			s := all[k]
			if s == nil {
				s = &sum{users: map[uint64]bool{}}
				for range want.sums {
					s.sums = append(s.sums, new(big.Rat))
				}
				all[k] = s
			}
			s.n++
			s.users[e.user] = true
			for i, f := range want.sums {
				s.sums[i].Add(s.sums[i], f(e))
			}
		}
	}
	var lines []string
	for k, s := range all {
		line := k + "|" + strconv.Itoa(s.n)
		for _, x := range s.sums {
			line += "|" + strings.TrimSuffix(strings.TrimRight(x.FloatString(6), "0"), ".")
		}
		lines = append(lines, line+"|"+strconv.Itoa(len(s.users)))
	}
	sort.Strings(lines)
	return lines
}

// read reads a metric by its view for people. columns are the dimensions as texts, then the sums.
func (w *world) read(metric, at string, dimensions, sums []string) []string {
	w.t.Helper()
	columns := []string{"toString(project_id)", "toString(toUnixTimestamp64Second(toDateTime64(" + at + ", 0, 'UTC')))"}
	for _, d := range dimensions {
		columns = append(columns, "toString("+d+")")
	}
	columns = append(columns, "toString(sum(n))")
	for _, s := range sums {
		columns = append(columns, "toString(sum("+s+"))")
	}
	columns = append(columns, "toString(uniqCombined64Merge(12)(users))")
	group := append([]string{"project_id", at}, dimensions...)
	var line string
	var lines []string
	err := server{w.db}.query(within(w.t), fmt.Sprintf("SELECT concatWithSeparator('|', %s) FROM %s.metric_%s GROUP BY %s HAVING sum(n) != 0", strings.Join(columns, ", "), w.db.Database(), metric, strings.Join(group, ", ")),
		nil, nil, func() { lines = append(lines, line) }, &line)
	if err != nil {
		w.t.Fatal(err)
	}
	sort.Strings(lines)
	return lines
}

// mustEqual compares a metric with the truth.
func (w *world) mustEqual(metric, at string, dimensions, sums []string, want truth) {
	w.t.Helper()
	got, lines := w.read(metric, at, dimensions, sums), w.lines(want)
	if len(lines) == 0 {
		w.t.Fatal("BUG: the truth is empty")
	}
	if slices.Equal(got, lines) {
		return
	}
	shown := 0
	for _, l := range got {
		if _, ok := slices.BinarySearch(lines, l); !ok && shown < 5 {
			shown++
			w.t.Errorf("metric %s has     %.300s", metric, l)
		}
	}
	for _, l := range lines {
		if _, ok := slices.BinarySearch(got, l); !ok && shown < 10 {
			shown++
			w.t.Errorf("metric %s must have %.300s", metric, l)
		}
	}
	w.t.Fatalf("metric %s has %d keys, want %d", metric, len(got), len(lines))
}

// sales is the metric that most tests are about.
const salesYAML = `
  - name: sales
    events: [Buy, Refund]
    where:
      - {field: properties.plan, op: is_not, values: [free]}
      - {field: revenue, op: lt, values: [100]}
    by:
      - country
      - {field: properties.plan, type: string}
      - {field: properties.seats, type: integer, as: seat_count}
      - {field: properties.trial, type: bool}
    sums: [revenue, {field: properties.amount, as: money}]
    uniques: [user]
    interval: hour
`

var salesTruth = truth{
	counts: func(e event) bool {
		return (e.name == "Buy" || e.name == "Refund") && e.object.plan != "free" && e.revenue < 1_000_000
	},
	group: func(e event) string {
		return fmt.Sprintf("%s|%s|%d|%d", e.country, e.object.plan, e.object.seats, e.object.trial)
	},
	period: time.Hour,
	sums:   []func(event) *big.Rat{revenueOf, amountOf},
}

func (w *world) mustHaveSales() {
	w.t.Helper()
	w.mustEqual("sales", "hour", []string{"country", "plan", "seat_count", "trial"}, []string{"revenue", "money"}, salesTruth)
}
