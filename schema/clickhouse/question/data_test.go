package question_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-faster/city"

	"github.com/millrace/millrace/schema/clickhouse"
)

// seedsVariable names the environment variable that says with how many data sets questions are compared.
const seedsVariable = "MILLRACE_TEST_SEEDS"

const (
	usualSeeds = 12
	mostSeeds  = 10_000
	// controlSeeds are those that controls of the comparison itself may look at, and the least that are loaded: with fewer, some mistakes would show by chance only.
	controlSeeds = 52
)

// seeds is how many data sets questions are compared with. Each is a project of its own, so that all lie in one table, and none may see another.
func seeds(t *testing.T) uint32 {
	t.Helper()
	text, ok := os.LookupEnv(seedsVariable)
	if !ok {
		return usualSeeds
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < 1 || n > mostSeeds {
		t.Fatalf("environment variable %s is %q: it must be a number from 1 to %d, or not be set, which means %d", seedsVariable, text, mostSeeds, usualSeeds)
	}
	return uint32(n)
}

// event is one as far as questions look at it.
type event struct {
	project        uint32
	user, name     string // user: the person, by one of its ids
	sender         string // the id that the event was sent under; empty: user
	ts             int64  // Unix milliseconds
	log, partition uint16
	offset         uint64
	country        string
	device         string
	revenue        int64 // of 1/10000
	prop           property
	session        string // empty: none
	id             string
}

// property is a value of property "p" in JSON, and what questions take it for.
type property struct {
	json   string // empty: the event has no such property
	text   string
	number float64
	isNum  bool
}

var properties = []property{
	{},
	{json: `"x"`, text: "x"},
	{json: `"X"`, text: "X"},
	{json: `""`},
	{json: `null`},
	{json: `5`, text: "5", number: 5, isNum: true},
	{json: `"5"`, text: "5", number: 5, isNum: true},
	{json: `5.50`, text: "5.5", number: 5.5, isNum: true},
	{json: `-1e3`, text: "-1000", number: -1000, isNum: true},
	{json: `true`, text: "true", number: 1, isNum: true},
	{json: `false`, text: "false", number: 0, isNum: true},
	{json: `[1, "x"]`, text: `[1,"x"]`},
	{json: `{"q": 1}`, text: `{"q":1}`},
	{json: `"1e2"`, text: "1e2", number: 100, isNum: true},
	{json: `" 7"`, text: " 7"},
	{json: `"7 "`, text: "7 "},
	{json: `"it's \"\\ \n{x:String}"`, text: "it's \"\\ \n{x:String}"},
	{json: `"$other"`, text: "$other"},
	{json: `9007199254740993`, text: "9007199254740993", number: 9007199254740992, isNum: true},
	{json: `"\u00fc\ud83d\ude00"`, text: "ü😀"},
	{json: `"first", "p": "second"`, text: "first"},
	// With these no property of the event can be read.
	{json: `"x", "q": 1e400`},
	{json: `123456789012345678901234567890`},
	{json: `"x", "q": "\ud800"`},
}

const (
	minuteMS = int64(60_000)
	hourMS   = 60 * minuteMS
	dayMS    = 24 * hourMS
)

// base is the middle of most times: a Sunday evening, with the ends of a day, a week and a month not far.
var base = time.Date(2026, 11, 1, 22, 30, 0, 0, time.UTC).UnixMilli()

// oddTimes are the ends of the types that a time may be squeezed into.
var oddTimes = []int64{
	-2208988800000, -2208988799999, -dayMS - 1, -dayMS, -1, 0, 1, dayMS, 4294967295999, 4294967296000, 65536*dayMS - 1, 65536 * dayMS, 65537 * dayMS, 10413791999999,
}

// before is the total order of a person's events.
func before(a, b event) int {
	return cmp.Or(cmp.Compare(a.ts, b.ts), cmp.Compare(a.log, b.log), cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
}

// generate makes the events of a seed: few users and names, many ties, times that lie apart by what windows and gaps are measured in.
func generate(seed uint32) []event {
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	users := 1 + r.IntN(7)
	names := []string{"A", "B", "C", "$pageview", ""}[:2+r.IntN(4)]
	countries := []string{"", "DE", "FR", "$other"}
	steps := [][]int64{{0, 0, 1}, {0, 1, 2, 1000}, {0, 1000, minuteMS, 10 * minuteMS}, {hourMS, 6 * hourMS, dayMS}, {0, dayMS, 3 * dayMS, 11 * dayMS}}[r.IntN(5)]
	var all []event
	for u := range users {
		ts := base + int64(r.IntN(5)-2)*dayMS
		for range r.IntN(24) {
			ts += steps[r.IntN(len(steps))]
			e := event{
				project: seed, user: fmt.Sprint("u", u), name: names[r.IntN(len(names))], ts: ts,
				log: uint16(1 + r.IntN(2)*65534), partition: uint16(r.IntN(2) * 65535), offset: uint64(r.IntN(1000)), country: countries[r.IntN(len(countries))], device: []string{"", "phone"}[r.IntN(2)],
				revenue: int64(r.IntN(4)) * 12345, prop: properties[r.IntN(len(properties))],
			}
			if r.IntN(8) == 0 {
				e.offset = 1<<64 - 1 - uint64(r.IntN(1000))
			}
			if r.IntN(10) == 0 {
				e.revenue = -e.revenue
			}
			if r.IntN(3) > 0 { // the id of a session begins with a time not far from that of the event
				e.session = fmt.Sprintf("%08x-%04x-7000-8000-00000000000%d", uint64(ts/dayMS*dayMS)>>16, uint64(ts/dayMS*dayMS)&0xffff, r.IntN(3))
			}
			all = append(all, e)
		}
	}
	if seed%3 == 0 {
		for range 12 {
			at := oddTimes[r.IntN(len(oddTimes))]
			all = append(all, event{project: seed, user: fmt.Sprint("u", r.IntN(users)), name: names[r.IntN(len(names))], ts: at, partition: 7, offset: uint64(r.IntN(1000)), prop: properties[0]})
		}
	}
	// No two records have the same place.
	seen := map[[3]uint64]bool{}
	all = slices.DeleteFunc(all, func(e event) bool {
		key := [3]uint64{uint64(e.log), uint64(e.partition), e.offset}
		again := seen[key]
		seen[key] = true
		return again
	})
	for i := range all {
		all[i].id = fmt.Sprintf("00000000-0000-4000-8000-%06x%06x", seed, i)
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	scatter(seed, all)
	return all
}

// otherIDs are what a person has beside the first of its ids.
var otherIDs = []string{"@phone", "@web", "@"}

// merged tells whether the ids of each person of a seed belong together. In the other seeds the same ids are persons of their own.
func merged(seed uint32) bool { return seed%4 != 0 }

// scatter has events sent under other ids of their persons.
func scatter(seed uint32, all []event) {
	r := rand.New(rand.NewPCG(uint64(seed), 13))
	for i := range all {
		if r.IntN(2) == 0 {
			all[i].sender = all[i].user + otherIDs[r.IntN(len(otherIDs))]
			if !merged(seed) {
				all[i].user = all[i].sender
			}
		}
	}
}

func (e event) distinctID() string { return cmp.Or(e.sender, e.user) }

func hashOf(id string) uint64 { return city.CH64([]byte(id)) }

// unite says of all ids that events were sent under which persons they belong to, as the job does that works it out: among rows that no longer hold.
func unite(t *testing.T, s server, events []event) {
	t.Helper()
	rows := map[string]bool{}
	for _, e := range events {
		rows[fmt.Sprintf("(%d, %d, %d, 1)", e.project, hashOf(e.distinctID()), hashOf(e.distinctID())+1)] = true
		rows[fmt.Sprintf("(%d, %d, %d, 2)", e.project, hashOf(e.distinctID()), hashOf(e.user))] = true
	}
	if len(rows) == 0 {
		return
	}
	s.exec(t, "INSERT INTO "+database+".identity_overrides (project_id, user_h, person_h, version) VALUES "+strings.Join(slices.Collect(maps.Keys(rows)), ", "))
	s.exec(t, "SYSTEM RELOAD DICTIONARY "+database+".identity")
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000") }

// load inserts events as the sink does, one INSERT for each month under a token, and each of them twice.
func load(t *testing.T, s server, events []event) {
	t.Helper()
	months := map[string][]event{}
	for _, e := range events {
		months[stamp(e.ts)[:7]] = append(months[stamp(e.ts)[:7]], e)
	}
	for month, rows := range months {
		var body strings.Builder
		body.WriteString("INSERT INTO " + database + ".events (project_id, event, type, ts, event_id, session_id, distinct_id, user_h, country, device, revenue, props, lag_ms, _log, _partition, _offset) FORMAT JSONEachRow\n")
		for _, e := range rows {
			row := map[string]any{
				"project_id": e.project, "event": e.name, "type": "track", "ts": stamp(e.ts), "event_id": e.id, "distinct_id": e.distinctID(), "user_h": hashOf(e.distinctID()), "country": e.country,
				"device": e.device, "revenue": money(e.revenue), "lag_ms": 0, "_log": e.log, "_partition": e.partition, "_offset": e.offset,
			}
			if e.session != "" {
				row["session_id"] = e.session
			}
			if e.prop.json != "" {
				row["props"] = `{"other": 1, "p": ` + e.prop.json + `}`
			}
			text, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			body.Write(text)
			body.WriteByte('\n')
		}
		for range 2 {
			values := url.Values{}
			for _, setting := range clickhouse.InsertSettings(month) {
				values.Set(setting.Name, setting.Value)
			}
			if _, err := s.post(values, body.String()); err != nil {
				t.Fatal(err)
			}
		}
	}
	unite(t, s, events)
	if a := s.must(t, "SELECT count() FROM "+database+".events", nil); a.rows[0][0] != fmt.Sprint(len(events)) {
		t.Fatalf("%s rows of %d: repeats were not dropped, or others were", a.rows[0][0], len(events))
	}
}

// persons groups the events that keep holds for by person, each in order.
func persons(events []event, keep func(event) bool) map[string][]event {
	all := map[string][]event{}
	for _, e := range events {
		if keep(e) {
			all[e.user] = append(all[e.user], e)
		}
	}
	for _, list := range all {
		slices.SortFunc(list, before)
	}
	return all
}

// named tells whether the event is one of the name; empty: any.
func named(e event, name string) bool { return name == "" || e.name == name }
