package custom

import (
	"fmt"
	"strings"
)

// boundary divides the events of a build: of log, those at offsets below the partition's entry are back-filled; the others, and those of later logs, come by the view. Rows of
// earlier logs are back-filled. A partition without an entry is newer than the boundary: all of it comes by the view.
type boundary struct {
	log     uint16
	offsets []uint64
}

// view is the condition for rows that the view takes.
func (b boundary) view() string {
	if len(b.offsets) == 0 {
		return fmt.Sprintf("events._log >= %d", b.log)
	}
	offsets := make([]string, len(b.offsets))
	for i, o := range b.offsets {
		offsets[i] = fmt.Sprintf("toUInt64(%d)", o)
	}
	return fmt.Sprintf("events._log > %d OR events._log = %[1]d AND events._offset >= [%[2]s][events._partition + 1]", b.log, strings.Join(offsets, ", "))
}

// fill is the condition for the others.
func (b boundary) fill() string { return "NOT (" + b.view() + ")" }

// of is the boundary of a partition.
func (b boundary) of(partition int) int64 {
	if partition >= len(b.offsets) {
		return 0
	}
	return int64(b.offsets[partition])
}
