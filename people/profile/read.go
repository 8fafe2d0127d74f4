package profile

import "github.com/millrace/millrace/schema/scan"

// opOf finds the operation that a member of traits names, 0 for any other member.
func opOf(name []byte) Op {
	switch string(name) {
	case "$set":
		return Set
	case "$set_once":
		return SetOnce
	case "$add":
		return Add
	case "$append":
		return Append
	case "$concat":
		return Concat
	case "$prepend":
		return Prepend
	case "$union":
		return Union
	case "$remove":
		return Remove
	case "$unset":
		return Unset
	case "$clear":
		return Clear
	}
	return 0
}

// Read finds the operations of an event in its traits. Traits whose members are all operations ({"$set":{…},"$add":{…}}) say what to do; all others
// are what is to be set. $clear is true, and false is none; $unset is a list of names, or an object of which only the names count; the other operations are objects; null is none.
// Of a name that occurs twice in an object the last counts, so there is one Operation at most for each name and Op.
//
// Operations are in the order in which they apply, and those of one Op as their names stand. ignored counts what breaks a limit or is of the wrong kind, such as adding a text. Traits that are no
// JSON object, are not UTF-8 or nest too deep have no operations. Nothing of traits is kept.
func Read(traits []byte) (ops []Operation, ignored int) {
	r := reader{text: traits}
	parts, ok := r.split()
	if !ok {
		return nil, 0
	}
	for _, op := range order {
		part := parts[op]
		switch {
		case part.Kind == scan.Invalid || part.Kind == scan.Null:
			continue
		case op == Clear && part.Kind == scan.Bool:
			if traits[part.Start] == 't' {
				r.ops = append(r.ops, Operation{Op: Clear})
			}
			continue
		case op == Clear:
			r.ignored++
			continue
		case part.Kind == scan.Object:
			r.object(part)
		case part.Kind == scan.Array && op == Unset:
			r.list(part)
		default:
			r.ignored++
			continue
		}
		r.take(op)
	}
	return r.ops, r.ignored
}

// reader is the state of one Read.
type reader struct {
	s       scan.Scanner
	text    []byte
	members []named
	index   map[string]int // into members
	scratch []byte
	ops     []Operation
	ignored int
}

// named is a member of an operation, with its value's place in the text; of a list of names, the name alone.
type named struct {
	name       string
	start, end int
	kind       scan.Kind
}

// split walks over all of the traits and returns the place of each operation.
func (r *reader) split() (parts [Clear + 1]scan.Value, ok bool) {
	r.s.Reset(r.text, maxDepth)
	if r.s.Peek() != scan.Object {
		return parts, false
	}
	whole := scan.Value{Start: r.s.Pos(), Kind: scan.Object}
	count, all := 0, true
	r.s.Enter()
	for first := true; ; first = false {
		key, more := r.s.NextMember(first)
		if !more {
			break
		}
		op := opOf(r.name(key))
		v, read := r.s.Read()
		if !read {
			return parts, false
		}
		count++
		all = all && op != 0
		parts[op] = v
	}
	whole.End = r.s.Pos()
	if r.s.Err() != nil || r.s.More() || r.s.TakeFlags() != 0 || count == 0 {
		return parts, false
	}
	if !all {
		parts = [Clear + 1]scan.Value{Set: whole}
	}
	return parts, true
}

// name is the text of a string without its escapes, valid until the next call.
func (r *reader) name(v scan.Value) []byte {
	text := r.text[v.Start:v.End]
	if !v.Escaped() {
		return text
	}
	r.scratch = scan.AppendUnescaped(r.scratch[:0], text)
	return r.scratch
}

// object collects the members of an object, which has been walked over before.
func (r *reader) object(v scan.Value) {
	r.begin(v)
	for first := true; ; first = false {
		key, more := r.s.NextMember(first)
		if !more {
			return
		}
		name := r.name(key)
		if value, ok := r.s.Read(); ok {
			r.member(name, value)
		}
	}
}

// list collects the names in an array, which has been walked over before.
func (r *reader) list(v scan.Value) {
	r.begin(v)
	for first := true; r.s.NextElement(first); first = false {
		item, ok := r.s.Read()
		switch {
		case !ok:
			return
		case item.Kind != scan.String:
			r.ignored++
		default:
			r.member(r.name(item), item)
		}
	}
}

func (r *reader) begin(v scan.Value) {
	r.members = r.members[:0]
	if r.index == nil {
		r.index = make(map[string]int)
	}
	clear(r.index)
	r.s.Seek(v.Start)
	r.s.Enter()
}

func (r *reader) member(name []byte, v scan.Value) {
	if len(name) > MaxNameBytes {
		r.ignored++
		return
	}
	i, met := r.index[string(name)]
	switch {
	case met:
	case len(r.members) == MaxNames:
		r.ignored++
		return
	default:
		i = len(r.members)
		r.members = append(r.members, named{name: string(name)})
		r.index[r.members[i].name] = i
	}
	m := &r.members[i]
	m.start, m.end, m.kind = v.Start, v.End, v.Kind
	if v.Kind == scan.String {
		m.start, m.end = v.Start-1, v.End+1
	}
}

// take makes operations of the members that were collected.
func (r *reader) take(op Op) {
	for _, m := range r.members {
		value, ok := []byte(nil), true
		if op != Unset {
			value, ok = appendValue(r.scratch[:0], r.text[m.start:m.end])
			r.scratch = value
		}
		if !ok || len(value) > MaxValueBytes || op == Add && m.kind != scan.Number {
			r.ignored++
			continue
		}
		r.ops = append(r.ops, Operation{Name: m.name, Op: op, Value: string(value)})
	}
}
