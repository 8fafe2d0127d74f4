package ledger

import (
	"fmt"
	"strconv"
	"strings"
)

// Add counts n events (or rows) under one sequence number. Calls must come in order of producer and sequence number, so that neighbours become one
// range; the same number may come again.
func (f *Finding) Add(producer uint16, seq, n uint64) {
	f.Count += n
	last := &f.last
	known := f.Count > n
	if known && last.Producer == producer && (last.To == seq || last.To+1 == seq) {
		last.To = seq
		if f.More == 0 {
			f.Ranges[len(f.Ranges)-1].To = seq
		}
		return
	}
	*last = Range{producer, seq, seq}
	if len(f.Ranges) < MaxRanges {
		f.Ranges = append(f.Ranges, *last)
	} else {
		f.More++
	}
}

// shownRanges is how many ranges String prints.
const shownRanges = 20

// String lists the ranges: "producer 3: 1200–1299, 1305; producer 4: 7". Of many only the first are shown, and how many there are besides.
func (f *Finding) String() string {
	var b strings.Builder
	for i, r := range f.Ranges[:min(len(f.Ranges), shownRanges)] {
		switch {
		case i == 0:
			fmt.Fprintf(&b, "producer %d: ", r.Producer)
		case r.Producer != f.Ranges[i-1].Producer:
			fmt.Fprintf(&b, "; producer %d: ", r.Producer)
		default:
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatUint(r.From, 10))
		if r.To > r.From {
			fmt.Fprintf(&b, "–%d", r.To)
		}
	}
	if more := uint64(max(len(f.Ranges)-shownRanges, 0)) + f.More; more > 0 {
		fmt.Fprintf(&b, " and %s more ranges", Grouped(more))
	}
	return b.String()
}

// Grouped writes a number for people: 1,234,567.
func Grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
