package people

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/go-faster/city"
)

// world is what follows from events by the rules, all at once and with no regard to cost. It shares nothing with what it judges.
type world struct {
	events  []*said
	persons map[id]uint64   // of every id that a fact names
	members map[id][]string // by person
}

// id is a text in a project.
type id struct {
	project uint32
	text    string
}

func hash(text string) uint64 { return city.CH64([]byte(text)) }

func earlier(x, y *said) int {
	return cmp.Or(cmp.Compare(x.ts, y.ts), cmp.Compare(x.log, y.log), cmp.Compare(x.partition, y.partition), cmp.Compare(x.offset, y.offset), bytes.Compare(x.id[:], y.id[:]))
}

// claim says that two ids are one person.
type claim struct {
	a, b  id
	kind  int // as in the table
	first *said
}

func order(x, y claim) int {
	return cmp.Or(earlier(x.first, y.first), cmp.Compare(hash(x.a.text), hash(y.a.text)), cmp.Compare(hash(x.b.text), hash(y.b.text)), cmp.Compare(x.kind, y.kind))
}

func judge(events []*said, maxIDs int) *world {
	w := &world{events: slices.SortedFunc(slices.Values(events), earlier), persons: map[id]uint64{}, members: map[id][]string{}}
	type pair struct{ low, high id }
	ordered := func(a, b id) pair {
		if hash(a.text) > hash(b.text) {
			a, b = b, a
		}
		return pair{a, b}
	}
	knownUsers := map[id]bool{}
	named := map[id]bool{}
	lastMerge, lastUnmerge := map[pair]*said{}, map[pair]*said{}
	var merges, edges []claim
	for _, e := range w.events { // the earliest first
		me, previous := id{e.project, e.distinct}, id{e.project, e.previous}
		user := me
		if e.user != "" {
			user.text = e.user
		}
		says := e.typ
		if e.typ == "track" && (e.dialect == "amplitude" || e.dialect == "mixpanel") {
			says = "identify"
		}
		switch says {
		case "identify":
			if e.user == "" && e.distinct == e.anonymous {
				continue
			}
			knownUsers[user], named[user] = true, true
			for _, other := range []string{e.anonymous, e.distinct} {
				if other != "" && other != user.text {
					edges = append(edges, claim{user, id{e.project, other}, 1, e})
				}
			}
		case "alias":
			if user != previous {
				knownUsers[user] = true
				edges = append(edges, claim{user, previous, 2, e})
			}
		case "merge":
			if me != previous {
				p := ordered(me, previous)
				merges = append(merges, claim{p.low, p.high, 3, e})
				lastMerge[p] = e
			}
		case "unmerge":
			if me != previous {
				p := ordered(me, previous)
				named[me], named[previous] = true, true
				lastUnmerge[p] = e
			}
		}
	}
	for _, c := range append(merges, edges...) {
		named[c.a], named[c.b] = true, true
	}
	clusters := map[id]map[id]bool{}
	for one := range named {
		clusters[one] = map[id]bool{one: true}
	}
	undone := func(p pair) bool {
		u := lastUnmerge[p]
		return u != nil && (lastMerge[p] == nil || earlier(u, lastMerge[p]) > 0)
	}
	for p := range lastMerge {
		if !undone(p) {
			knownUsers[p.low], knownUsers[p.high] = true, true
		}
	}
	holds := func(cluster map[id]bool) bool {
		for one := range cluster {
			if knownUsers[one] {
				return true
			}
		}
		return false
	}
	unite := func(c claim, explicit bool) {
		if undone(ordered(c.a, c.b)) {
			return
		}
		a, b := clusters[c.a], clusters[c.b]
		if a[c.b] || len(a)+len(b) > maxIDs || !explicit && holds(a) && holds(b) {
			return
		}
		for one := range b {
			a[one] = true
			clusters[one] = a
		}
	}
	seen := map[[2]any]bool{} // only the first claim of each kind counts; they are in the order of time
	for _, all := range [][]claim{merges, edges} {
		slices.SortStableFunc(all, order)
		for _, c := range all {
			k := [2]any{[2]id{c.a, c.b}, c.kind}
			if !seen[k] {
				seen[k] = true
				unite(c, c.kind == 3)
			}
		}
	}
	for one, cluster := range clusters {
		best := one
		for other := range cluster {
			if knownUsers[other] != knownUsers[best] {
				if knownUsers[other] {
					best = other
				}
			} else if hash(other.text) < hash(best.text) {
				best = other
			}
		}
		w.persons[one] = hash(best.text)
		w.members[best] = append(w.members[best], one.text)
	}
	return w
}

func (w *world) overrides() (rows []string) {
	for one, person := range w.persons {
		if hash(one.text) != person {
			rows = append(rows, fmt.Sprint(one.project, " ", hash(one.text), " ", person))
		}
	}
	return rows
}

// properties applies the deeds of events, which are in the order of time, in turn. Empty: it has none.
func properties(events []*said, whose func(*said) bool) string {
	state := map[string]any{}
	for _, e := range events {
		if !whose(e) {
			continue
		}
		for _, d := range e.does { // in the order of operators
			var v any
			if err := json.Unmarshal([]byte(d.value), &v); err != nil {
				panic(err)
			}
			old, there := state[d.name]
			switch d.op {
			case "$set":
				state[d.name] = v
			case "$set_once":
				if !there {
					state[d.name] = v
				}
			case "$add":
				n, isNumber := old.(float64)
				if !there || isNumber {
					state[d.name] = n + v.(float64)
				}
			case "$append":
				list, isList := old.([]any)
				if !there || isList {
					state[d.name] = append(slices.Clone(list), v)
				}
			case "$concat", "$prepend", "$union", "$remove":
				if list, isList := old.([]any); !there || isList {
					if changed := relisted(d.op, list, v); there || len(changed) > 0 {
						state[d.name] = changed
					}
				}
			case "$unset":
				delete(state, d.name)
			case "$clear":
				clear(state)
			}
		}
	}
	if len(state) == 0 {
		return ""
	}
	text, err := json.Marshal(state)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// relisted is a new list, as an operation makes it of another.
func relisted(op string, list []any, v any) []any {
	same := func(x any) func(any) bool { return func(y any) bool { return reflect.DeepEqual(x, y) } }
	items, several := v.([]any)
	if !several {
		items = []any{v}
	}
	if op == "$prepend" {
		return append(append([]any{}, items...), list...)
	}
	list = append([]any{}, list...)
	for _, item := range items {
		switch {
		case op == "$remove":
			list = slices.DeleteFunc(list, same(item))
		case op == "$concat" || !slices.ContainsFunc(list, same(item)):
			list = append(list, item)
		}
	}
	return list
}

func (w *world) profiles() (rows []string) {
	subjects := map[id][]string{}
	for _, e := range w.events {
		one := id{e.project, e.distinct}
		if _, named := w.persons[one]; !named {
			subjects[one] = []string{e.distinct}
		}
	}
	for person, members := range w.members {
		subjects[person] = members
	}
	for person, members := range subjects {
		if text := properties(w.events, func(e *said) bool {
			return e.project == person.project && e.typ != "group" && slices.Contains(members, e.distinct)
		}); text != "" {
			rows = append(rows, fmt.Sprint(person.project, " ", hash(person.text), " ", person.text, " ", len(members), " ", text))
		}
	}
	return rows
}

func (w *world) groups() (rows []string) {
	all := map[id]bool{}
	for _, e := range w.events {
		if e.typ == "group" {
			all[id{e.project, e.group}] = true
		}
	}
	for one := range all {
		if text := properties(w.events, func(e *said) bool { return e.project == one.project && e.typ == "group" && e.group == one.text }); text != "" {
			rows = append(rows, fmt.Sprint(one.project, " ", hash(one.text), " ", one.text, " ", text))
		}
	}
	return rows
}
