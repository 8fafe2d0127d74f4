package custom

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/sink/exact"
)

// topic is topic events and the group of sinks that loads it.
type topic struct {
	broker *broker.Client
	db     *clickhouse.DB
	name   string
	group  string
}

// ends is how far a topic is at a moment.
type ends struct {
	at    time.Time
	log   uint16                           // number of its present life; 0: none was allotted, so nothing was ever loaded
	held  map[int32]broker.OffsetRange     // by partition
	group map[int32]broker.PartitionOffset // what the group has committed; nil: not asked
}

// partitions is how many there are. They are numbered from 0 up.
func (e ends) partitions() int { return len(e.held) }

// read reads the ends of all partitions, and with committed what the group has committed.
func (t topic) read(ctx context.Context, committed bool) (ends, error) {
	fail := func(err error) (ends, error) {
		return ends{}, fmt.Errorf("ask the broker for topic %s: %w", t.name, err)
	}
	md, err := t.broker.Metadata(ctx, t.name)
	if err != nil {
		return fail(err)
	}
	if err := md.Topics[t.name].Err; err != nil {
		return fail(err)
	}
	e := ends{at: time.Now()}
	var ids []int32
	for i, p := range md.Topics[t.name].Partitions {
		if p.ID != int32(i) {
			return fail(fmt.Errorf("its partitions are not numbered 0 to %d", len(md.Topics[t.name].Partitions)-1))
		}
		ids = append(ids, p.ID)
	}
	if e.log, err = t.log(ctx, md.ClusterID); err != nil {
		return ends{}, err
	}
	// What is committed before where the partition begins: a block that was announced after this lies above what was committed.
	if committed {
		if e.group, err = t.broker.FetchOffsets(ctx, t.group, t.name, ids); err != nil {
			return fail(err)
		}
	}
	if e.held, err = t.broker.ListOffsets(ctx, t.name, ids); err != nil {
		return fail(err)
	}
	return e, nil
}

// log is the number of the topic's present life.
func (t topic) log(ctx context.Context, clusterID string) (n uint16, err error) {
	err = server{t.db}.query(ctx, "SELECT max(log) FROM "+t.db.Database()+".logs WHERE cluster_id = {cluster:String} AND topic = {topic:String}",
		names{"cluster": clusterID, "topic": t.name}, nil, func() {}, &n)
	if err != nil {
		return 0, fmt.Errorf("read the log number of topic %s: %w", t.name, err)
	}
	return n, nil
}

// ahead returns the boundary that the topic, which grew as from first to now, does not reach before lead is over.
func ahead(first, now ends, lead time.Duration) boundary {
	b := boundary{log: now.log}
	if now.log == 0 {
		return b // the first life, 1, is later: all comes by the view
	}
	for p := range now.partitions() {
		end := now.held[int32(p)].End
		grown := max(0, end-first.held[int32(p)].End)
		margin := int64(0)
		if grown > 0 {
			margin = int64(float64(grown)*lead.Seconds()/now.at.Sub(first.at).Seconds()) + 1
		}
		b.offsets = append(b.offsets, uint64(end+margin))
	}
	return b
}

// within tells whether the topic, as it is now, has not passed the boundary; else why it has.
func (b boundary) within(now ends) (why string, ok bool) {
	if now.log != b.log {
		return fmt.Sprintf("the topic became log %d", now.log), false
	}
	if b.log == 0 {
		return "", true
	}
	for p := range now.partitions() {
		if end := now.held[int32(p)].End; end > b.of(p) {
			return fmt.Sprintf("partition %d has grown to offset %d, beyond %d", p, end, b.of(p)), false
		}
	}
	return "", true
}

// behind returns the partitions of which rows below the boundary may be missing from table events, as far as the group has told: an event there is neither confirmed to be stored,
// nor has it been removed from the topic before a sink announced it.
func (b boundary) behind(now ends) (partitions []int, err error) {
	for p := range b.offsets {
		committed, held := now.group[int32(p)], now.held[int32(p)]
		in, parseErr := exact.ParseIntent(committed.Metadata)
		switch {
		case errors.Is(parseErr, exact.ErrNewer):
			return nil, fmt.Errorf("partition %d: %w: run the millrace that the sinks run", p, parseErr)
		case committed.Offset >= b.of(p):
		case held.Start >= b.of(p) && (parseErr != nil || !in.Pending()):
		default:
			partitions = append(partitions, p)
		}
	}
	return partitions, nil
}

// shown is a partition for people.
func (b boundary) shown(p int, now ends) string {
	committed := "nothing"
	if o := now.group[int32(p)].Offset; o >= 0 {
		committed = "offset " + strconv.FormatInt(o, 10)
	}
	return fmt.Sprintf("partition %d: the sinks have confirmed %s, %d is waited for, the topic ends at %d", p, committed, b.of(p), now.held[int32(p)].End)
}
