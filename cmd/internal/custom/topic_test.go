package custom

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/sink/exact"
)

// topicAt is a topic whose partitions begin and end at these offsets.
func topicAt(log uint16, at time.Duration, held ...broker.OffsetRange) ends {
	e := ends{at: time.Unix(0, 0).Add(at), log: log, held: map[int32]broker.OffsetRange{}, group: map[int32]broker.PartitionOffset{}}
	for p, r := range held {
		e.held[int32(p)] = r
		e.group[int32(p)] = broker.PartitionOffset{Partition: int32(p), Offset: -1}
	}
	return e
}

func TestBoundaryLeavesRoomForGrowth(t *testing.T) {
	type r = broker.OffsetRange
	first := topicAt(3, 0, r{End: 100}, r{End: 100}, r{End: 0})
	now := topicAt(3, 2*time.Second, r{End: 300}, r{End: 100}, r{End: 1}, r{End: 7})
	if b := ahead(first, now, 5*time.Second); b.log != 3 || fmt.Sprint(b.offsets) != "[801 100 4 25]" {
		t.Errorf("%+v, want 100 events a second for 5 s, none, half of one, and a partition that is new", b)
	}
	if b := ahead(topicAt(0, 0, r{End: 5}), topicAt(0, time.Second, r{End: 9}), time.Second); b.log != 0 || b.offsets != nil || b.view() != "events._log >= 0" {
		t.Errorf("nothing was ever loaded: %+v", b)
	}
}

func TestWhetherATopicIsWithinABoundary(t *testing.T) {
	type r = broker.OffsetRange
	b := boundary{log: 3, offsets: []uint64{10, 20}}
	for _, c := range []struct {
		now  ends
		want bool
	}{
		{topicAt(3, 0, r{End: 10}, r{End: 20}), true},
		{topicAt(3, 0, r{End: 11}, r{End: 20}), false},
		{topicAt(4, 0, r{End: 10}, r{End: 20}), false},
		{topicAt(3, 0, r{End: 10}, r{End: 20}, r{End: 0}), true},  // a new partition, all of which comes by the view
		{topicAt(3, 0, r{End: 10}, r{End: 20}, r{End: 1}), false}, // a new partition that had an event before the view
	} {
		if why, ok := b.within(c.now); ok != c.want || ok != (why == "") {
			t.Errorf("%+v: %v, %q", c.now, ok, why)
		}
	}
	if _, ok := (boundary{}).within(topicAt(0, 0, r{End: 10})); !ok {
		t.Error("before the first life no offset is too high")
	}
}

// What is below the boundary counts as stored only if the group says so, or no sink can ever store it.
func TestWhoIsBehindABoundary(t *testing.T) {
	b := boundary{log: 3, offsets: []uint64{100}}
	intent := func(first, next int64) string {
		return exact.Intent{Log: 3, First: first, Next: next, Last: first - 1, Codec: 1}.String()
	}
	for _, c := range []struct {
		name     string
		start    int64
		offset   int64
		metadata string
		want     bool
	}{
		{"nothing was committed", 0, -1, "", true},
		{"below", 0, 99, intent(99, 99), true},
		{"at the boundary", 0, 100, intent(100, 100), false},
		{"at the boundary, the next block announced", 0, 100, intent(100, 150), false},
		{"a block across the boundary announced", 0, 90, intent(90, 110), true},
		{"removed from the topic, unread", 100, 50, intent(50, 50), false},
		{"removed from the topic, but announced before", 100, 50, intent(50, 60), true},
		{"removed from the topic, never committed", 100, -1, "", false},
		{"removed in part", 99, 50, intent(50, 50), true},
		{"committed by a tool", 0, 100, "by hand", false},
	} {
		now := topicAt(3, 0, broker.OffsetRange{Start: c.start, End: 200})
		now.group[0] = broker.PartitionOffset{Offset: c.offset, Metadata: c.metadata}
		if behind, err := b.behind(now); err != nil || slices.Equal(behind, []int{0}) != c.want {
			t.Errorf("%s: %v, %v", c.name, behind, err)
		}
	}
	now := topicAt(3, 0, broker.OffsetRange{End: 200})
	now.group[0] = broker.PartitionOffset{Offset: 10, Metadata: "2|something new"}
	if _, err := b.behind(now); !errors.Is(err, exact.ErrNewer) {
		t.Errorf("sinks of a newer build: %v", err)
	}
}
