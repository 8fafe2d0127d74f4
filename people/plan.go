package people

import (
	"cmp"
	"slices"
)

// span is a range of offsets to read, to exclusive.
type span struct {
	source
	from, to uint64
}

// maxSpans bounds the conditions of one statement.
const maxSpans = 64

// plan chooses what is read next: at most budget offsets, shared out equally among the partitions that have any, those with the most first. lag is how many there are.
func plan(bounds []Confirmed, next map[source]uint64, budget uint64) (spans []span, lag uint64) {
	for _, b := range bounds {
		s := source{b.Log, b.Partition}
		if from := next[s]; from < b.Offset {
			spans = append(spans, span{s, from, b.Offset})
			lag += b.Offset - from
		}
	}
	slices.SortFunc(spans, func(x, y span) int {
		return cmp.Or(cmp.Compare(y.to-y.from, x.to-x.from), cmp.Compare(x.log, y.log), cmp.Compare(x.partition, y.partition))
	})
	if most := int(min(maxSpans, budget)); len(spans) > most {
		spans = spans[:most]
	}
	// From the least to the most, so that what one does not use is for the others.
	for i, s := range slices.Backward(spans) {
		share := budget / uint64(i+1)
		spans[i].to = s.from + min(s.to-s.from, share)
		budget -= spans[i].to - s.from
	}
	return spans, lag
}
