package profile

import (
	"slices"

	"github.com/millrace/millrace/schema/scan"
)

// list is the value of a property while operations change its items. The zero value is the empty list.
type list struct {
	items  [][]byte // JSON without white space; only read
	bytes  int      // of the items
	counts map[string]int
}

func newList(items [][]byte) *list {
	l := &list{items: items}
	for _, item := range items {
		l.bytes += len(item)
	}
	return l
}

// split returns the items of an array without white space, as parts of its text.
func split(text []byte) (items [][]byte) {
	var s scan.Scanner
	s.Reset(text, maxDepth)
	s.Enter()
	for first := true; s.NextElement(first); first = false {
		start := s.Pos()
		if _, ok := s.Read(); !ok {
			break
		}
		items = append(items, text[start:s.Pos():s.Pos()])
	}
	return items
}

// size is how many bytes the list has with n items of so many bytes.
func size(n, bytes int) int { return len("[]") + bytes + max(n-1, 0)*len(",") }

// fits tells whether the list has room for one item more, besides n others of so many bytes.
func (l *list) fits(item []byte, n, bytes int) bool {
	n += len(l.items)
	return n < MaxItems && size(n+1, l.bytes+bytes+len(item)) <= MaxValueBytes
}

// count is how often an item is in the list.
func (l *list) count(item []byte) int {
	if l.counts == nil {
		l.counts = make(map[string]int, len(l.items))
		for _, item := range l.items {
			l.counts[string(item)]++
		}
	}
	return l.counts[string(item)]
}

// noted takes an item that was put into the list into account.
func (l *list) noted(item []byte) {
	l.bytes += len(item)
	if l.counts != nil {
		l.counts[string(item)]++
	}
}

// extend puts the items at the end that fit.
func (l *list) extend(items [][]byte) outcome {
	o := idle
	for _, item := range items {
		o = l.push(item, o)
	}
	return o
}

// unite puts the items at the end that are not there yet and fit.
func (l *list) unite(items [][]byte) outcome {
	o := idle
	for _, item := range items {
		if l.count(item) == 0 {
			o = l.push(item, o)
		}
	}
	return o
}

// push puts an item at the end if it fits, and tells what has become of the operation, of which o is the outcome so far.
func (l *list) push(item []byte, o outcome) outcome {
	if l.fits(item, 0, 0) {
		l.items = append(l.items, item)
		l.noted(item)
		return done
	}
	if o == idle {
		return refused
	}
	return o
}

// prepend puts the items before the others that fit.
func (l *list) prepend(items [][]byte) outcome {
	if len(items) == 0 {
		return idle
	}
	var fitting [][]byte
	bytes := 0
	for _, item := range items {
		if l.fits(item, len(fitting), bytes) {
			fitting = append(fitting, item)
			bytes += len(item)
		}
	}
	if len(fitting) == 0 {
		return refused
	}
	l.items = slices.Insert(l.items, 0, fitting...)
	for _, item := range fitting {
		l.noted(item)
	}
	return done
}

// remove takes all out that are equal to one of the items.
func (l *list) remove(items [][]byte) outcome {
	found := false
	for _, item := range items {
		if n := l.count(item); n > 0 {
			l.counts[string(item)] = 0
			l.bytes -= n * len(item)
			found = true
		}
	}
	if !found {
		return idle
	}
	l.items = slices.DeleteFunc(l.items, func(item []byte) bool { return l.counts[string(item)] == 0 })
	return done
}

// appendTo appends the list as JSON.
func (l *list) appendTo(dst []byte) []byte {
	dst = append(dst, '[')
	for i, item := range l.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, item...)
	}
	return append(dst, ']')
}
