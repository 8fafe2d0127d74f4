package profile

import (
	"slices"

	"github.com/millrace/millrace/schema/scan"
)

// Fold works out the properties of one person from the rows of all ids that belong to it, or those of a group. Rows may come in any order. Rows of set, unset and clear that are not the latest of
// their name make no difference; of rows of another Op with one name and slot, which are one event, the latest counts alone. So it does not matter whether the table has merged its rows.
//
// The latest clear takes away what all events before its own have done. Then, for each name, in the order of time: set replaces, unset removes, set_once sets what has no value, add adds numbers, the others change lists. An operation
// on a number or a list that meets a value of another kind does nothing. Items are equal when their texts are, without white space. A list takes items while it has room, each that fits, at either end.
//
// props is a JSON object without white space, its names sorted by their bytes, {} when there are none. first and updated are the times of the earliest and the latest event that it comes
// from: those whose operation has made or changed a value that is there; 0 when there are none. ignored counts operations that do nothing because of a limit, of a value of another kind, or because the row is none that
// Read makes. rows is only read, and not kept.
func Fold(rows []Row) (props []byte, first, updated int64, ignored int) {
	ordered := make([]*Row, 0, len(rows))
	var cleared *Row // by the latest of them
	for i := range rows {
		switch r := &rows[i]; {
		case !r.Op.valid() || !legalName(r.Name) || r.Op == Clear && r.Name != "":
			ignored++
		case r.Op != Clear:
			ordered = append(ordered, r)
		case cleared == nil || cleared.place(r) < 0:
			cleared = r
		}
	}
	if cleared != nil {
		ordered = slices.DeleteFunc(ordered, func(r *Row) bool { return r.place(cleared) < 0 })
	}
	slices.SortFunc(ordered, (*Row).compare)
	f := folder{seen: make(map[slot]struct{})}
	props = append(props, '{')
	names := 0
	for len(ordered) > 0 {
		name, n := ordered[0].Name, 1
		for n < len(ordered) && ordered[n].Name == name {
			n++
		}
		f.property(ordered[:n])
		ordered = ordered[n:]
		ignored += f.ignored
		if !f.value.there() {
			continue
		}
		if names == MaxNames {
			ignored += f.used
			continue
		}
		if names++; names > 1 {
			props = append(props, ',')
			first, updated = min(first, f.first), max(updated, f.updated)
		} else {
			first, updated = f.first, f.updated
		}
		props, _ = scan.AppendEscaped(append(props, '"'), []byte(name))
		props = f.value.appendTo(append(props, `":`...))
	}
	return append(props, '}'), first, updated, ignored
}

// folder folds the operations of one property. It is used for one after another.
type folder struct {
	value          value
	first, updated int64 // times of the operations that value comes from
	used, ignored  int   // operations that value comes from, and that a limit or a value of another kind kept from doing anything
	seen           map[slot]struct{}
}

// slot is an event's operation on the property.
type slot struct {
	op    Op
	event [16]byte
}

// property folds the rows of one name, in order.
func (f *folder) property(rows []*Row) {
	f.value, f.first, f.updated, f.used, f.ignored = value{}, 0, 0, 0, 0
	rows = f.repeats(f.base(rows))
	for _, r := range rows {
		if r != nil {
			f.apply(r)
		}
	}
}

// base begins with the latest row that says what the value is, whatever it was before, and returns those after it.
func (f *folder) base(rows []*Row) []*Row {
	for i, r := range slices.Backward(rows) {
		switch r.Op {
		case Unset:
			return rows[i+1:]
		case Set:
			v, ok := parse(r.Value)
			if !ok {
				f.ignored++
				continue
			}
			f.value = v
			f.counted(r)
			return rows[i+1:]
		}
	}
	return rows
}

// repeats takes the earlier ones of an event's rows out.
func (f *folder) repeats(rows []*Row) []*Row {
	if len(rows) < 2 {
		return rows
	}
	clear(f.seen)
	for i, r := range slices.Backward(rows) {
		if !r.Op.PerEvent() {
			continue
		}
		s := slot{r.Op, r.Slot}
		if _, met := f.seen[s]; met {
			rows[i] = nil
		}
		f.seen[s] = struct{}{}
	}
	return rows
}

// outcome is what has become of an operation.
type outcome uint8

const (
	done    outcome = iota
	idle            // there was nothing to do, as when once more is set once
	refused         // it breaks a limit, or the value is of another kind
)

// apply does what a row says, other than Unset and Clear, of which none is left. Rows of Set that are left hold nothing that can be set, and base has counted them.
func (f *folder) apply(r *Row) {
	if r.Op == Set || r.Op == SetOnce && f.value.there() {
		return
	}
	o := refused
	if v, ok := parse(r.Value); ok {
		switch r.Op {
		case SetOnce:
			f.value, o = v, done
		case Add:
			o = f.add(v)
		default:
			o = f.change(r.Op, v)
		}
	}
	switch o {
	case done:
		f.counted(r)
	case refused:
		f.ignored++
	}
}

func (f *folder) counted(r *Row) {
	if f.used == 0 {
		f.first = r.TS
	}
	f.updated = r.TS
	f.used++
}

func (f *folder) add(v value) outcome {
	base := f.value.text
	switch {
	case v.kind != scan.Number:
		return refused
	case !f.value.there():
		base = []byte("0")
	case f.value.kind != scan.Number:
		return refused
	}
	sum, ok := appendSum(nil, base, v.text)
	if !ok {
		return refused
	}
	f.value = value{text: sum, kind: scan.Number}
	return done
}

// change does an operation on a list. What has no value is the empty list, and stays without one when no item is put into it.
func (f *folder) change(op Op, v value) outcome {
	l := f.value.list
	switch {
	case l != nil:
	case !f.value.there():
		l = new(list)
	case f.value.kind != scan.Array:
		return refused
	default:
		l = newList(split(f.value.text))
		f.value.list = l
	}
	o := idle
	switch op {
	case Append:
		o = l.extend([][]byte{v.text})
	case Concat:
		o = l.extend(v.items())
	case Prepend:
		o = l.prepend(v.items())
	case Union:
		o = l.unite(v.items())
	case Remove:
		o = l.remove(v.items())
	}
	if o == done {
		f.value = value{kind: scan.Array, list: l}
	}
	return o
}
