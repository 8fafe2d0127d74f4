package erase

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/people"
)

// source is a partition of a life of a topic.
type source struct{ log, partition uint16 }

// number is how statements call it.
func (s source) number() uint64 { return uint64(s.log)<<16 | uint64(s.partition) }

// bounds say which rows of a topic's table may be deleted: those at offsets below next, and all of lives of the topic that are over. A sink that takes a partition over compares what
// is not confirmed with the topic, and would put back what is missing, or stop.
type bounds struct {
	present []uint16
	next    map[source]uint64
	sources map[string][]source // by table
}

// readBounds reads what is settled of topic events and topic quarantine. It must be called before the rows are looked at.
func (r *run) readBounds(ctx context.Context) error {
	events, err := r.leader.Confirmed(ctx)
	if err != nil {
		return fmt.Errorf("ask what of the events is confirmed: %w", err)
	}
	refused, err := r.task.deps.Quarantine(ctx)
	if err != nil {
		return fmt.Errorf("ask what of the quarantine is confirmed: %w", err)
	}
	b := bounds{next: make(map[source]uint64, len(events)+len(refused)), sources: map[string][]source{}}
	for table, all := range map[string][]people.Confirmed{"events": events, "quarantine": refused} {
		for _, c := range all {
			s := source{c.Log, c.Partition}
			b.next[s] = c.Offset
			b.sources[table] = append(b.sources[table], s)
		}
	}
	var log uint16
	err = r.query(ctx, "SELECT max(log) AS present FROM {db}.logs GROUP BY cluster_id, topic", nil, func() { b.present = append(b.present, log) }, &log)
	if err != nil {
		return fmt.Errorf("read the lives of the topics: %w", err)
	}
	r.bounds = b
	return nil
}

// into adds the parameters of stored.
func (b *bounds) into(p parameters) {
	sources, next := []uint64{1 << 40}, []uint64{0} // never empty
	for s, n := range b.next {
		sources, next = append(sources, s.number()), append(next, n)
	}
	p["present"], p["sources"], p["next"] = list(b.present), list(sources), list(next)
}

// back tells that a partition is not as far as it was: somebody has rewound it, and rows may turn up below what was looked at.
func (b *bounds) back(looked map[source]uint64) bool {
	for s, n := range looked {
		if b.next[s] < n {
			return true
		}
	}
	return false
}

// covers tells whether the job that works out identities is as far with every partition as the bounds were.
func covers(progress map[source]uint64, wanted []people.Confirmed) bool {
	for _, c := range wanted {
		if progress[source{c.Log, c.Partition}] < c.Offset {
			return false
		}
	}
	return true
}
