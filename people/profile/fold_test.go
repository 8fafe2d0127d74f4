package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const streams = 10_000

func folded(rows []Row) string {
	props, first, updated, _ := Fold(rows)
	return fmt.Sprintf("%s %d %d", props, first, updated)
}

// Whatever the order and however often events arrive, the profile is what all of them make in the order of time.
func TestFoldAgreesWithOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	empty, repeated, ties := 0, 0, 0
	for i := range streams {
		copies := stream(r)
		want := naiveProfile(copies).String()
		var tab table
		for _, e := range copies {
			tab.write(e)
		}
		if got := folded(tab.all()); got != want {
			t.Fatalf("stream %d: %s, want %s, of %+v", i, got, want, copies)
		}
		// Once more from the beginning, in another order.
		for _, j := range r.Perm(len(copies)) {
			tab.write(copies[j])
		}
		if got := folded(tab.all()); got != want {
			t.Fatalf("stream %d, replayed: %s, want %s, of %+v", i, got, want, copies)
		}
		// Rows that no merge has touched yet: those of each copy.
		var unmerged []Row
		for _, e := range copies {
			var one table
			one.write(e)
			unmerged = append(unmerged, one.all()...)
		}
		if got := folded(unmerged); got != want {
			t.Fatalf("stream %d, not merged: %s, want %s, of %+v", i, got, want, copies)
		}
		if strings.HasPrefix(want, "{}") {
			empty++
		}
		ids, times := map[byte]bool{}, map[int64]byte{}
		tie := false
		for _, e := range copies {
			if other, met := times[e.ts]; met && other != e.id {
				tie = true
			}
			ids[e.id], times[e.ts] = true, e.id
		}
		if len(ids) < len(copies) {
			repeated++
		}
		if tie {
			ties++
		}
	}
	if empty > streams/3 || repeated < streams/3 || ties < streams/3 {
		t.Errorf("of %d streams %d make no profile, %d have repeats and %d ties: the test looks at one side only", streams, empty, repeated, ties)
	}
}

// The comparison notices what could be done wrong.
func TestOracleCatchesMistakes(t *testing.T) {
	const trials = 2000
	for name, mistake := range map[string]func(copies []event) []Row{
		"order of arrival": func(copies []event) []Row { return written(table{byArrival: true}, copies) },
		"repeats counted":  func(copies []event) []Row { return written(table{countsCopies: true}, copies) },
		"unset ignored":    func(copies []event) []Row { return written(table{drops: Unset}, copies) },
		"remove ignored":   func(copies []event) []Row { return written(table{drops: Remove}, copies) },
		"clear ignored":    func(copies []event) []Row { return written(table{drops: Clear}, copies) },
		"clear of an id only": func(copies []event) (rows []Row) { // what is left of each id, as rows that set it
			for subject := range byte(3) {
				var some []event
				for _, e := range copies {
					if e.subject == subject {
						some = append(some, e)
					}
				}
				all := written(table{}, some)
				last := slices.IndexFunc(all, func(r Row) bool { return r.Op == Clear })
				for _, r := range all {
					if last < 0 || r.Op != Clear && r.place(&all[last]) >= 0 {
						rows = append(rows, r)
					}
				}
			}
			return rows
		},
		"clear once for all": as(func(r *Row) {
			if r.Op == Clear {
				r.TS = math.MaxInt64
			}
		}),
		"clear after the others of its event":  as(func(r *Row) { r.Offset = 2*r.Offset + b2u(r.Op == Clear) }),
		"unset before the others of its event": as(func(r *Row) { r.Offset = 2*r.Offset + b2u(r.Op != Unset) }),
		"concat as one item":                   as(func(r *Row) { r.Op = swapped(r.Op, Concat, Append) }),
		"prepend at the end":                   as(func(r *Row) { r.Op = swapped(r.Op, Prepend, Concat) }),
		"concat at the beginning":              as(func(r *Row) { r.Op = swapped(r.Op, Concat, Prepend) }),
		"union of what is there":               as(func(r *Row) { r.Op = swapped(r.Op, Union, Concat) }),
		"of union only the latest counts": as(func(r *Row) {
			if r.Op == Union {
				r.Slot = [16]byte{}
			}
		}),
		"a list is removed as one item": as(func(r *Row) {
			if r.Op == Remove {
				r.Value = "[" + r.Value + "]"
			}
		}),
		"prepended in the opposite order": as(func(r *Row) {
			if v, _ := parse(r.Value); r.Op == Prepend && v.there() {
				items := v.items()
				slices.Reverse(items)
				r.Value = string(newList(items).appendTo(nil))
			}
		}),
		"ties left open": func(copies []event) []Row {
			rows := written(table{}, copies)
			for i := range rows {
				rows[i].Log, rows[i].Partition, rows[i].Offset = 0, 0, 0
			}
			return rows
		},
		"one id only": func(copies []event) []Row {
			var some []event
			for _, e := range copies {
				if e.subject != 2 {
					some = append(some, e)
				}
			}
			return written(table{}, some)
		},
		"first set wins": func(copies []event) []Row {
			rows := written(table{}, copies)
			for i := range rows {
				if rows[i].Op == Set {
					rows[i].TS = -rows[i].TS
				}
			}
			return rows
		},
	} {
		r := rand.New(rand.NewPCG(3, 4))
		caught := 0
		for range trials {
			copies := stream(r)
			got, want := folded(mistake(copies)), naiveProfile(copies).String()
			if got[:strings.LastIndex(got, "}")] != want[:strings.LastIndex(want, "}")] { // not by its times, which some change
				caught++
			}
		}
		if caught < 20 {
			t.Errorf("%s: noticed in %d of %d streams only", name, caught, trials)
		}
		t.Logf("%s: noticed in %d of %d streams", name, caught, trials)
	}
}

// as is a mistake in each row.
func as(mistake func(*Row)) func([]event) []Row {
	return func(copies []event) []Row {
		rows := written(table{}, copies)
		for i := range rows {
			mistake(&rows[i])
		}
		return rows
	}
}

func swapped(op, from, to Op) Op {
	if op == from {
		return to
	}
	return op
}

func b2u(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

func written(t table, copies []event) []Row {
	for _, e := range copies {
		t.write(e)
	}
	return t.all()
}

func TestFold(t *testing.T) {
	at := func(ts int64, op Op, name, value string) Row {
		return Row{Name: name, Op: op, Slot: [16]byte{byte(ts)}, TS: ts, Value: value}
	}
	for _, c := range []struct {
		name    string
		rows    []Row
		want    string
		ignored int
	}{
		{"nothing", nil, `{} 0 0`, 0},
		{"sorted by bytes", []Row{at(5, Set, "é", "1"), at(3, Set, "b", "2"), at(4, Set, "", "3"), at(9, Set, "B", "4")}, `{"":3,"B":4,"b":2,"é":1} 3 9`, 0},
		{"names are escaped", []Row{at(1, Set, "a\"\\\n\x00<", `"<"`)}, `{"a\"\\\u000a\u0000<":"<"} 1 1`, 0},
		{"null is a value", []Row{at(1, Set, "a", "null"), at(2, SetOnce, "a", "1"), at(3, Add, "a", "1"), at(4, Append, "a", "1")}, `{"a":null} 1 1`, 2},
		{"unset, and then once", []Row{at(1, Set, "a", "1"), at(2, Unset, "a", ""), at(3, SetOnce, "a", "2"), at(4, SetOnce, "a", "3")}, `{"a":2} 3 3`, 0},
		{"unset is no event that something comes from", []Row{at(1, Set, "a", "1"), at(2, Set, "b", "1"), at(9, Unset, "b", "")}, `{"a":1} 1 1`, 0},
		{"a late set beneath additions", []Row{at(5, Add, "a", "2"), at(1, Add, "a", "100"), at(3, Set, "a", "10")}, `{"a":12} 3 5`, 0},
		{"all in one record", []Row{{Name: "a", Op: Unset}, {Name: "b", Op: Set, Value: "1"}, {Name: "b", Op: Add, Value: "1"}, {Name: "a", Op: Set, Value: "1"}, {Name: "b", Op: SetOnce, Value: "9"}}, `{"b":2} 0 0`, 0},
		{"adding to a text", []Row{at(1, Set, "a", `"1"`), at(2, Add, "a", "1")}, `{"a":"1"} 1 1`, 1},
		{"adding a text", []Row{at(1, Set, "a", `1`), at(2, Add, "a", `"1"`)}, `{"a":1} 1 1`, 1},
		{"appending to a number", []Row{at(1, Set, "a", `1`), at(2, Append, "a", `"1"`)}, `{"a":1} 1 1`, 1},
		{"lists", []Row{at(1, Append, "a", `[1]`), at(2, Append, "a", `{"b":2}`), at(1, Set, "b", "[]"), at(2, Append, "b", "null")}, `{"a":[[1],{"b":2}],"b":[null]} 1 2`, 0},
		{"the sum is out of range", []Row{at(1, Set, "a", "1.7e308"), at(2, Add, "a", "1.7e308"), at(3, Add, "a", "-1.7e308")}, `{"a":0} 1 3`, 1},
		{"a row that is no JSON", []Row{at(1, Set, "a", "1"), at(2, Set, "a", "{"), at(3, Add, "a", "1"), at(4, Add, "a", "x")}, `{"a":2} 1 3`, 2},
		{"items at both ends", []Row{at(1, Append, "a", "[1]"), at(2, Concat, "a", "[2,[3]]"), at(3, Prepend, "a", "[4,5]"), at(4, Prepend, "a", "6"), at(5, Concat, "a", `{"b":7}`)}, `{"a":[6,4,5,[1],2,[3],{"b":7}]} 1 5`, 0},
		{
			"union and remove",
			[]Row{at(1, Set, "a", `[1, 1.0, "x", {"k": [ 1 ]}, 1]`), at(2, Union, "a", `[2, 1, 2, {"k":[1]}]`), at(3, Remove, "a", `[1,"y"]`), at(4, Union, "a", `"x"`), at(5, Remove, "a", "[]"), at(6, Union, "a", "1")},
			`{"a":[1.0,"x",{"k":[1]},2,1]} 1 6`, 0,
		},
		{"a list that is emptied stays", []Row{at(1, Union, "a", "1"), at(2, Remove, "a", "1"), at(3, Remove, "a", "1"), at(4, SetOnce, "a", "5")}, `{"a":[]} 1 2`, 0},
		{"nothing put into nothing", []Row{at(1, Concat, "a", "[]"), at(2, Prepend, "a", "[]"), at(3, Union, "a", "[]"), at(4, Remove, "a", "1")}, `{} 0 0`, 0},
		{"lists that are none", []Row{at(1, Set, "a", "1"), at(2, Concat, "a", "1"), at(3, Prepend, "a", "1"), at(4, Union, "a", "1"), at(5, Remove, "a", "1")}, `{"a":1} 1 1`, 4},
		{"clear", []Row{at(1, Set, "a", "1"), at(2, Append, "b", "1"), at(3, Clear, "", ""), at(2, Clear, "", ""), at(4, Add, "a", "2"), at(5, SetOnce, "b", "3")}, `{"a":2,"b":3} 4 5`, 0},
		{"clear takes the property without a name, too", []Row{at(1, Set, "", "1"), at(2, Clear, "", "")}, `{} 0 0`, 0},
		{"clear and the operations of its record", []Row{{Name: "a", Op: Set, Value: "1"}, {Op: Clear}, {Name: "a", Op: Append, Value: "2"}, {Name: "b", Op: Append, Value: "2"}}, `{"a":1,"b":[2]} 0 0`, 1},
		{
			"all on a list in one record",
			[]Row{{Name: "a", Op: Unset}, {Name: "b", Op: Remove, Value: "1"}, {Name: "b", Op: Union, Value: "[1,4]"}, {Name: "b", Op: Prepend, Value: "3"}, {Name: "b", Op: Concat, Value: "[2]"}, {Name: "b", Op: Append, Value: "1"}, {Name: "a", Op: Union, Value: "1"}},
			`{"b":[3,2,4]} 0 0`, 0,
		},
		{"no operation", []Row{at(1, 0, "a", "1"), at(1, 11, "a", "1"), at(1, Clear, "a", ""), at(1, Set, "\xff", "1"), at(1, Set, strings.Repeat("n", MaxNameBytes+1), "1")}, `{} 0 0`, 5},
		{"one event under two ids", []Row{at(1, Add, "a", "1"), at(2, Add, "a", "5"), {Name: "a", Op: Add, Slot: [16]byte{1}, TS: 7, Value: "1"}}, `{"a":6} 2 7`, 0},
	} {
		props, first, updated, ignored := Fold(c.rows)
		if got := fmt.Sprintf("%s %d %d", props, first, updated); got != c.want || ignored != c.ignored {
			t.Errorf("%s: %s, %d ignored; want %s, %d", c.name, got, ignored, c.want, c.ignored)
		}
	}
}

func TestLimitsOfFold(t *testing.T) {
	var rows []Row
	for i := range MaxNames + 5 {
		rows = append(rows, Row{Name: fmt.Sprintf("n%04d", i), Op: Set, TS: int64(10_000 - i), Value: "1"})
	}
	rows = append(rows, Row{Name: "n0000", Op: Unset, TS: 20_000})
	props, first, updated, ignored := Fold(rows)
	if n := strings.Count(string(props), ":"); n != MaxNames || strings.Contains(string(props), "n0000") || !strings.Contains(string(props), `"n1000"`) || strings.Contains(string(props), "n1001") || ignored != 4 ||
		first != 10_000-1000 || updated != 10_000-1 {
		t.Errorf("%d names from %d to %d, %d ignored", n, first, updated, ignored)
	}

	rows = nil
	for i := range MaxItems + 3 {
		rows = append(rows, Row{Name: "list", Op: Append, Slot: [16]byte{byte(i), byte(i >> 8)}, TS: int64(i), Value: fmt.Sprint(i)})
	}
	props, _, updated, ignored = Fold(rows)
	if !strings.HasPrefix(string(props), `{"list":[0,1,`) || !strings.HasSuffix(string(props), `,999]}`) || updated != MaxItems-1 || ignored != 3 {
		t.Errorf("list %.40s… at %d, %d ignored", props, updated, ignored)
	}

	many := "[" + strings.Repeat(`"x",`, MaxItems-3) + "1]"
	for _, c := range []struct {
		op                  Op
		value, begins, ends string
		ignored             int
	}{
		{Concat, "[2,3,4,5]", `["x",`, `"x",1,2,3]}`, 0},
		{Prepend, "[2,3,4,5]", `[2,3,"x",`, `"x",1]}`, 0},
		{Union, `["x",2,1,3,2,4]`, `["x",`, `"x",1,2,3]}`, 0},
	} {
		all := []Row{{Name: "list", Op: Set, Value: many}, {Name: "list", Op: c.op, TS: 1, Value: c.value}}
		for ts := range int64(3) {
			props, _, updated, ignored = Fold(all)
			if !strings.HasPrefix(string(props), `{"list":`+c.begins) || !strings.HasSuffix(string(props), c.ends) || updated != 1 || ignored != int(ts) {
				t.Errorf("%v: %.40s…%s at %d, %d ignored", c.op, props, props[len(props)-20:], updated, ignored)
			}
			all = append(all, Row{Name: "list", Op: []Op{Concat, Prepend}[ts%2], Slot: [16]byte{byte(ts + 1)}, TS: ts + 2, Value: "[9]"})
		}
	}

	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	half := MaxValueBytes / 2
	for _, c := range []struct {
		rows    []Row
		size    int
		ignored int
	}{
		{[]Row{{Op: Set, Value: text(MaxValueBytes)}}, MaxValueBytes, 0},
		{[]Row{{Op: Set, Value: text(MaxValueBytes + 1)}}, 0, 1},
		{[]Row{{Op: Append, Value: text(MaxValueBytes - 2)}}, MaxValueBytes, 0},
		{[]Row{{Op: Append, Value: text(MaxValueBytes - 1)}}, 0, 1},
		{[]Row{{Op: Append, Value: text(half)}, {Op: Append, TS: 1, Slot: [16]byte{1}, Value: text(half - 3)}}, MaxValueBytes, 0},
		{[]Row{{Op: Append, Value: text(half)}, {Op: Append, TS: 1, Slot: [16]byte{1}, Value: text(half - 2)}, {Op: Append, TS: 2, Slot: [16]byte{2}, Value: "1"}}, half + 4, 1},
		{[]Row{{Op: Concat, Value: "[" + text(half) + "," + text(half-3) + "]"}}, MaxValueBytes, 0},
		{[]Row{{Op: Append, Value: text(half)}, {Op: Prepend, TS: 1, Value: "[" + text(half-2) + "," + text(half-4) + "]"}}, MaxValueBytes - 1, 0}, // the first does not fit
		{[]Row{{Op: Append, Value: text(half)}, {Op: Union, TS: 1, Value: text(half - 2)}}, half + 2, 1},
		{[]Row{{Op: Append, Value: text(half)}, {Op: Append, TS: 1, Slot: [16]byte{1}, Value: text(half - 3)}, {Op: Remove, TS: 2, Value: text(half)}, {Op: Union, TS: 3, Value: text(half)}}, MaxValueBytes, 0},
		{[]Row{{Op: Set, Value: "[" + text(half/2) + "," + text(half/2) + ",1]"}, {Op: Remove, TS: 1, Value: text(half / 2)}, {Op: Prepend, TS: 2, Value: text(MaxValueBytes - 4)}}, MaxValueBytes, 0},
		{[]Row{{Op: Append, Value: "1"}, {Op: Prepend, TS: 1, Value: "[" + text(half) + "," + text(half-5) + "]"}}, MaxValueBytes, 0},
		{[]Row{{Op: Append, Value: "1"}, {Op: Prepend, TS: 1, Value: "[" + text(half) + "," + text(half-4) + "]"}}, half + 4, 0},
	} {
		props, _, _, ignored := Fold(c.rows)
		size := max(len(props)-len(`{"":}`), 0)
		if size != c.size || ignored != c.ignored {
			t.Errorf("value of %d bytes, %d ignored; want %d, %d", size, ignored, c.size, c.ignored)
		}
	}
}

// A fold of what a folded profile sets is that profile.
func TestFoldIsCanonical(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		props, _, _, _ := Fold(written(table{}, stream(r)))
		var tab table
		tab.write(event{traits: `{"$set":` + string(props) + `}`})
		again, _, _, ignored := Fold(tab.all())
		if string(again) != string(props) || ignored != 0 {
			t.Fatalf("%s became %s, %d ignored", props, again, ignored)
		}
	}
}

func BenchmarkFold(b *testing.B) {
	for _, c := range []struct{ names, adds int }{{20, 0}, {5, 1000}} {
		b.Run(fmt.Sprintf("names=%d/adds=%d", c.names, c.adds), func(b *testing.B) {
			var rows []Row
			for i := range c.names {
				rows = append(rows, Row{Name: fmt.Sprintf("property %d", i), Op: Set, TS: int64(i * 7919 % 101), Value: `"some text"`})
			}
			for i := range c.adds {
				rows = append(rows, Row{Name: "count", Op: Add, Slot: [16]byte{byte(i), byte(i >> 8)}, TS: int64(i * 7919 % 1009), Value: "1"})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, ignored := Fold(rows); ignored != 0 {
					b.Fatal("ignored")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/row")
		})
	}
}
