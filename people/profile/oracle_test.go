package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// The oracle does it the slow and obvious way: it reads traits with encoding/json, sorts all distinct events by time and changes a map, one operation after another. It knows
// neither rows nor what of them matters.

// event is one copy of an event as it lies on the topic.
type event struct {
	id             byte
	subject        byte // the id it is of
	ts             int64
	log, partition uint16
	offset         uint64
	traits         string
}

func (e event) compare(o event) int {
	return slices.Compare([]int64{e.ts, int64(e.log), int64(e.partition), int64(e.offset)}, []int64{o.ts, int64(o.log), int64(o.partition), int64(o.offset)})
}

// naive are the properties after all events, and what has made each.
type naive struct {
	props map[string]json.RawMessage
	times map[string][]int64
}

var opKeys = []string{"$set", "$set_once", "$add", "$append", "$unset"}

// naiveProfile takes every copy of every event, in any order.
func naiveProfile(copies []event) naive {
	latest := map[byte]event{}
	for _, e := range copies {
		if old, met := latest[e.id]; !met || old.compare(e) < 0 {
			latest[e.id] = e
		}
	}
	var events []event
	for _, e := range latest {
		events = append(events, e)
	}
	slices.SortFunc(events, event.compare)
	n := naive{map[string]json.RawMessage{}, map[string][]int64{}}
	for _, e := range events {
		var traits map[string]json.RawMessage
		must(json.Unmarshal([]byte(e.traits), &traits))
		operations := len(traits) > 0
		for name := range traits {
			operations = operations && slices.Contains(opKeys, name)
		}
		if !operations {
			traits = map[string]json.RawMessage{"$set": json.RawMessage(e.traits)}
		}
		for _, op := range opKeys {
			if part, there := traits[op]; there {
				n.apply(op, part, e.ts)
			}
		}
	}
	return n
}

func (n naive) apply(op string, part json.RawMessage, ts int64) {
	if op == "$unset" {
		var names []string
		if json.Unmarshal(part, &names) != nil {
			var members map[string]json.RawMessage
			must(json.Unmarshal(part, &members))
			for name := range members {
				names = append(names, name)
			}
		}
		for _, name := range names {
			delete(n.props, name)
			delete(n.times, name)
		}
		return
	}
	var members map[string]json.RawMessage
	must(json.Unmarshal(part, &members))
	for name, raw := range members {
		var buf bytes.Buffer
		must(json.Compact(&buf, raw))
		v := json.RawMessage(buf.Bytes())
		old, there := n.props[name]
		switch op {
		case "$set":
			n.props[name], n.times[name] = v, []int64{ts}
			continue
		case "$set_once":
			if there {
				continue
			}
		case "$add":
			if !there {
				old = json.RawMessage("0")
			}
			if v = naiveSum(old, v); v == nil {
				continue
			}
		case "$append":
			var list []json.RawMessage
			if there && (old[0] != '[' || json.Unmarshal(old, &list) != nil) || len(list) >= MaxItems {
				continue
			}
			text, err := json.Marshal(append(list, v))
			must(err)
			v = text
		}
		n.props[name] = v
		n.times[name] = append(n.times[name], ts)
	}
}

// naiveSum adds exactly, with integers of any size, and rounds at the end when it has to. It is nil when there is no sum.
func naiveSum(a, b json.RawMessage) json.RawMessage {
	x, okX := new(big.Int).SetString(string(a), 10)
	y, okY := new(big.Int).SetString(string(b), 10)
	if okX && okY && x.IsInt64() && y.IsInt64() {
		if sum := new(big.Int).Add(x, y); sum.IsInt64() {
			return json.RawMessage(sum.String())
		}
	}
	var f, g float64
	if json.Unmarshal(a, &f) != nil || json.Unmarshal(b, &g) != nil || a[0] == 'n' || b[0] == 'n' || math.IsInf(f+g, 0) {
		return nil
	}
	// The sum of two floats is the nearest to the exact one.
	exact := new(big.Rat).Add(new(big.Rat).SetFloat64(f), new(big.Rat).SetFloat64(g))
	sum, _ := exact.Float64()
	if exact.SetFloat64(sum).IsInt() && exact.Num().IsInt64() {
		return json.RawMessage(exact.Num().String())
	}
	text, err := json.Marshal(sum)
	must(err)
	if strings.Contains(string(text), "e") || math.Abs(sum) >= 1<<63 { // json writes e-9 and, below 1e21, all digits
		text = []byte(strconv.FormatFloat(sum, 'e', -1, 64))
	}
	return text
}

func (n naive) String() string {
	var names []string
	for name := range n.props {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteByte('{')
	var first, updated int64
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		must(err)
		fmt.Fprintf(&b, "%s:%s", key, n.props[name])
		lo, hi := slices.Min(n.times[name]), slices.Max(n.times[name])
		if i == 0 {
			first, updated = lo, hi
		}
		first, updated = min(first, lo), max(updated, hi)
	}
	return fmt.Sprintf("%s} %d %d", b.String(), first, updated)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// table is profile_ops after all merges. The zero value is one that does it right.
type table struct {
	rows map[key]Row
	// Mistakes that a test must notice.
	byArrival, countsCopies, dropsUnset bool
	arrivals                            uint64
}

type key struct {
	subject byte
	name    string
	op      Op
	slot    [16]byte
}

func (t *table) write(e event) {
	if t.rows == nil {
		t.rows = map[key]Row{}
	}
	t.arrivals++
	ops, _ := Read([]byte(e.traits))
	for _, op := range ops {
		if t.dropsUnset && op.Op == Unset {
			continue
		}
		row := Row{Name: op.Name, Op: op.Op, TS: e.ts, Log: e.log, Partition: e.partition, Offset: e.offset, Value: op.Value}
		if op.Op.once() {
			row.Slot[0] = e.id
			if t.countsCopies {
				row.Slot[1], row.Slot[2] = byte(t.arrivals), byte(t.arrivals>>8)
			}
		}
		if t.byArrival {
			row.TS, row.Log, row.Partition, row.Offset = 0, 0, 0, t.arrivals
		}
		k := key{e.subject, op.Name, op.Op, row.Slot}
		if old, met := t.rows[k]; !met || old.compare(&row) < 0 {
			t.rows[k] = row
		}
	}
}

// all are the rows of all ids, in an order of no meaning.
func (t *table) all() (rows []Row) {
	for _, r := range t.rows {
		rows = append(rows, r)
	}
	return rows
}

// stream makes the copies of some events as they may arrive: at few different times, of three ids, many of them twice, in any order.
func stream(r *rand.Rand) (copies []event) {
	place := func(e *event, n int) {
		e.ts, e.log, e.partition, e.offset = int64(r.IntN(12)), uint16(r.IntN(2)), uint16(r.IntN(2)), uint64(n)
	}
	n := 0
	for id := range 1 + r.IntN(16) {
		e := event{id: byte(id), subject: byte(r.IntN(3)), traits: traits(r)}
		for range 1 + r.IntN(3)*r.IntN(2) {
			n++
			if r.IntN(2) == 0 || n == 1 {
				place(&e, n) // else at the very place of before: one record, read twice
			} else if len(copies) == 0 || copies[len(copies)-1].id != e.id {
				place(&e, n)
			}
			copies = append(copies, e)
		}
	}
	r.Shuffle(len(copies), func(i, j int) { copies[i], copies[j] = copies[j], copies[i] })
	return copies
}

var (
	someNames  = []string{"a", "b", "c", `é"\`}
	someValues = []string{
		`1`, `2`, `-7`, `0`, `-0`, `0.1`, `0.2`, `1.50`, `1e2`, `-1E-3`, `9223372036854775807`, `-9223372036854775808`, `9007199254740993`, `18446744073709551615`, `1e300`, `1.7e308`, `-0.0`, `5e-324`,
		`"x"`, `""`, `null`, `true`, `[]`, `[ 1 , 2 ]`, `{"k": [ 1 ]}`, `"\u00e9\n"`,
	}
)

func traits(r *rand.Rand) string {
	object := func(values []string) string {
		var members []string
		for range r.IntN(4) { // the same name twice, now and then
			name, err := json.Marshal(someNames[r.IntN(len(someNames))])
			must(err)
			members = append(members, string(name)+": "+values[r.IntN(len(values))])
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	if r.IntN(5) == 0 {
		return object(someValues)
	}
	var parts []string
	for _, op := range opKeys {
		switch {
		case r.IntN(3) > 0:
		case op == "$unset" && r.IntN(2) == 0:
			names, err := json.Marshal([]string{someNames[r.IntN(len(someNames))], someNames[r.IntN(len(someNames))]})
			must(err)
			parts = append(parts, `"$unset":`+string(names))
		case op == "$add":
			parts = append(parts, `"$add":`+object(someValues[:18]))
		default:
			parts = append(parts, `"`+op+`":`+object(someValues))
		}
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return "{" + strings.Join(parts, " , ") + "}"
}
