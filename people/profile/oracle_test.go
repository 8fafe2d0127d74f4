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

var opKeys = []string{"$clear", "$set", "$set_once", "$add", "$append", "$concat", "$prepend", "$union", "$remove", "$unset"}

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
	if op == "$clear" {
		if string(part) == "true" {
			clear(n.props)
			clear(n.times)
		}
		return
	}
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
		default:
			var list []json.RawMessage
			if there && (old[0] != '[' || json.Unmarshal(old, &list) != nil) {
				continue
			}
			changed, ok := naiveList(op, slices.Clone(list), v)
			if !ok {
				continue
			}
			text, err := json.Marshal(changed)
			must(err)
			v = text
		}
		n.props[name] = v
		n.times[name] = append(n.times[name], ts)
	}
}

// naiveList is the list after an operation, one item after another; ok is false when nothing has changed.
func naiveList(op string, list []json.RawMessage, v json.RawMessage) (_ []json.RawMessage, ok bool) {
	items := []json.RawMessage{v}
	if op != "$append" && v[0] == '[' {
		must(json.Unmarshal(v, &items))
	}
	at := 0 // where the next item of a prepend goes
	for _, item := range items {
		same := func(other json.RawMessage) bool { return string(other) == string(item) }
		if op == "$remove" {
			n := len(list)
			list = slices.DeleteFunc(list, same)
			ok = ok || len(list) < n
			continue
		}
		bytes := len("[]") + len(item)
		for _, other := range list {
			bytes += len(other) + len(",")
		}
		if op == "$union" && slices.ContainsFunc(list, same) || len(list) >= MaxItems || bytes > MaxValueBytes {
			continue
		}
		if op != "$prepend" {
			at = len(list)
		}
		list = slices.Insert(list, at, item)
		at, ok = at+1, true
	}
	return append([]json.RawMessage{}, list...), ok
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
	byArrival, countsCopies bool
	drops                   Op
	arrivals                uint64
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
		if t.drops == op.Op {
			continue
		}
		row := Row{Name: op.Name, Op: op.Op, TS: e.ts, Log: e.log, Partition: e.partition, Offset: e.offset, Value: op.Value}
		if op.Op.PerEvent() {
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
	names := someNames[:1+r.IntN(len(someNames))] // of few, operations meet more often
	for id := range 1 + r.IntN(16) {
		e := event{id: byte(id), subject: byte(r.IntN(3)), traits: traits(r, names)}
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
		`"x"`, `""`, `null`, `true`, `[]`, `[ 1 , 2 ]`, `{"k": [ 1 ]}`, `"\u00e9\n"`, `[2, "x", 2, [1,2], 0.1, null]`, `[{"k":[1]}, 1, 1]`, `["x"]`,
	}
	numbers   = someValues[:18]
	someItems = []string{`1`, `2`, `"x"`, `[1, "x"]`, `[2,1,2]`, `["x" ]`, `[[1,2]]`, `{"k":[1]}`, `[]`, `[1]`, `[ null,0.1]`, `"x"`, `[3,"x"]`, `null`, `0.1`}
	// fillers bring lists to their limits: of items, and of bytes.
	fillers = []string{"[" + strings.Repeat(`"x",`, MaxItems-2) + "1]", "[" + strings.Repeat("1, ", MaxItems) + "2]", `["` + strings.Repeat("y", MaxValueBytes-14) + `", 2]`, `"` + strings.Repeat("z", MaxValueBytes-8) + `"`}
)

func traits(r *rand.Rand, names []string) string {
	object := func(values []string) string {
		var members []string
		for range r.IntN(4) { // the same name twice, now and then
			name, err := json.Marshal(names[r.IntN(len(names))])
			must(err)
			value := values[r.IntN(len(values))]
			if len(values) != len(numbers) && r.IntN(300) == 0 {
				value = fillers[r.IntN(len(fillers))]
			}
			members = append(members, string(name)+": "+value)
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	if r.IntN(5) == 0 {
		return object(someValues)
	}
	var parts []string
	for _, op := range opKeys {
		switch {
		case r.IntN(4) > 0:
		case op == "$clear":
			parts = append(parts, `"$clear":`+[]string{"true", "false", "null", "true"}[r.IntN(4)])
		case op == "$unset" && r.IntN(2) == 0:
			list, err := json.Marshal([]string{names[r.IntN(len(names))], names[r.IntN(len(names))]})
			must(err)
			parts = append(parts, `"$unset":`+string(list))
		case op == "$add":
			parts = append(parts, `"$add":`+object(numbers))
		case op == "$set" || op == "$set_once":
			parts = append(parts, `"`+op+`":`+object(someValues))
		default:
			parts = append(parts, `"`+op+`":`+object(someItems))
		}
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return "{" + strings.Join(parts, " , ") + "}"
}
