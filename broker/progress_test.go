package broker

import "testing"

func TestUnread(t *testing.T) {
	for _, c := range []struct{ start, end, committed, want int64 }{
		{0, 0, -1, 0}, {0, 10, -1, 10}, {4, 10, -1, 6}, {4, 10, 2, 6}, {4, 10, 7, 3}, {4, 10, 10, 0}, {4, 10, 12, 0},
	} {
		p := PartitionProgress{OffsetRange: OffsetRange{Start: c.start, End: c.end}, Committed: c.committed}
		if got := p.Unread(); got != c.want {
			t.Errorf("%+v: %d unread, want %d", p, got, c.want)
		}
	}
}
