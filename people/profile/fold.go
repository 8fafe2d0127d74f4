package profile

import (
	"slices"

	"github.com/millrace/millrace/schema/scan"
)

// Fold works out the properties of one person from the rows of all ids that belong to it, or those of a group. Rows may come in any order. Rows of set and unset that are not the latest of
// their name make no difference; of rows of another Op with one name and slot, which are one event, the latest counts alone. So it does not matter whether the table has merged its rows.
//
// For each name, in the order of time: set replaces, unset removes, set_once sets what has no value, add adds numbers, append lengthens a list. An add or append that meets
// a value of another kind does nothing.
//
// props is a JSON object without white space, its names sorted by their bytes, {} when there are none. first and updated are the times of the earliest and the latest event that it comes
// from: those whose operation is in a value that is there; 0 when there are none. ignored counts operations that do nothing because of a limit, of a value of another kind, or because the row is none that
// Read makes. rows is only read, and not kept.
func Fold(rows []Row) (props []byte, first, updated int64, ignored int) {
	ordered := make([]*Row, 0, len(rows))
	for i := range rows {
		if r := &rows[i]; r.Op.valid() && legalName(r.Name) {
			ordered = append(ordered, r)
		} else {
			ignored++
		}
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
		props = append(append(props, `":`...), f.value.text...)
	}
	return append(props, '}'), first, updated, ignored
}

// folder folds the operations of one property. It is used for one after another.
type folder struct {
	value          value
	first, updated int64 // times of the operations that value comes from
	used, ignored  int   // operations that value comes from, and that could do nothing
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
		if !r.Op.once() {
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

// apply does what a row of SetOnce, Add or Append says. Those of Set that are left hold nothing that can be set, and base has counted them.
func (f *folder) apply(r *Row) {
	if r.Op == Set || r.Op == SetOnce && f.value.there() {
		return
	}
	v, ok := parse(r.Value)
	switch {
	case !ok:
	case r.Op == SetOnce:
		f.value = v
	case r.Op == Add:
		ok = f.add(v)
	default:
		ok = f.append(v)
	}
	if !ok {
		f.ignored++
		return
	}
	f.counted(r)
}

func (f *folder) counted(r *Row) {
	if f.used == 0 {
		f.first = r.TS
	}
	f.updated = r.TS
	f.used++
}

func (f *folder) add(v value) (ok bool) {
	base := f.value.text
	switch {
	case v.kind != scan.Number:
		return false
	case !f.value.there():
		base = []byte("0")
	case f.value.kind != scan.Number:
		return false
	}
	sum, ok := appendSum(nil, base, v.text)
	if ok {
		f.value = value{text: sum, kind: scan.Number}
	}
	return ok
}

func (f *folder) append(v value) (ok bool) {
	if !f.value.there() {
		if len("[]")+len(v.text) > MaxValueBytes {
			return false
		}
		f.value = value{text: append(append([]byte{'['}, v.text...), ']'), kind: scan.Array, items: 1}
		return true
	}
	list := &f.value
	if list.kind != scan.Array || list.items >= MaxItems || len(list.text)+len(",")+len(v.text) > MaxValueBytes {
		return false
	}
	list.text = list.text[:len(list.text)-1]
	if list.items > 0 {
		list.text = append(list.text, ',')
	}
	list.text = append(append(list.text, v.text...), ']')
	list.items++
	return true
}
