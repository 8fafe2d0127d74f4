package broker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// trimmer deletes what every group has read.
type trimmer struct {
	cfg     Config
	cluster *kfake.Cluster
	client  *kgo.Client // for the names of the groups, which kfake tells by request only
	trimmed *trimmed
	log     *slog.Logger
	warned  time.Time
}

// run trims until ctx ends.
func (t *trimmer) run(ctx context.Context) {
	tick := time.NewTicker(t.cfg.TrimInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := t.trim(ctx); err != nil && ctx.Err() == nil {
				t.log.Warn("trim the broker's log", "error", err)
			}
		}
	}
}

// trim goes over all partitions once.
func (t *trimmer) trim(ctx context.Context) error {
	groups, err := t.groups(ctx)
	if err != nil {
		return err
	}
	var total int64
	var held []string
	for _, topic := range t.cfg.Topics {
		for _, p := range t.cluster.PartitionInfos(topic) {
			total += p.NumBytes
			committed, by, ok := lowest(groups, topic, p)
			if !ok {
				if p.NumBytes == 0 {
					continue
				}
				held = append(held, fmt.Sprintf("%s/%d: no group has committed", topic, p.Partition))
				continue
			}
			if lag := p.HighWatermark - committed; lag > 0 {
				held = append(held, fmt.Sprintf("%s/%d: group %s is %d records behind", topic, p.Partition, by, lag))
			}
			if err := t.trimPartition(topic, p, committed); err != nil {
				return err
			}
		}
	}
	t.warn(total, held)
	return nil
}

// trimPartition trims one partition if there is something to trim.
func (t *trimmer) trimPartition(topic string, p *kfake.PartitionInfo, committed int64) error {
	// The batch with the last record always stays.
	to := min(committed-t.keep(p), p.HighWatermark-1)
	if to <= p.LogStartOffset {
		return nil
	}
	if err := t.trimmed.raise(topic, p.Partition, to); err != nil {
		return err
	}
	if err := t.cluster.DeleteRecords(topic, p.Partition, to); err != nil {
		return fmt.Errorf("delete records of %s partition %d up to %d: %w", topic, p.Partition, to, err)
	}
	return nil
}

// keep is KeepRecords, or less when these records are so large that all partitions together would hold half of MaxBytes
// with what nobody needs any more.
func (t *trimmer) keep(p *kfake.PartitionInfo) int64 {
	records := p.HighWatermark - p.LogStartOffset
	if records <= 0 || p.NumBytes <= 0 {
		return t.cfg.KeepRecords
	}
	share := t.cfg.MaxBytes / 2 / t.cfg.partitions()
	fit := int64(float64(share) / float64(p.NumBytes) * float64(records))
	return max(min(t.cfg.KeepRecords, fit), 1)
}

// lowest returns the lowest offset that a group may still read of a partition, and the group. ok is false if no group has
// committed anything and none reads.
func lowest(groups []*kfake.GroupInfo, topic string, p *kfake.PartitionInfo) (offset int64, group string, ok bool) {
	offset = p.HighWatermark
	for _, g := range groups {
		at := p.LogStartOffset
		commit, committed := g.Commits[topic][p.Partition]
		switch {
		case committed:
			at = commit.Offset
		case !reads(g, topic):
			continue
		}
		// A group that reads but has not committed yet may begin anywhere.
		if ok = true; at <= offset {
			offset, group = at, g.Group
		}
	}
	return offset, group, ok
}

// reads tells whether a group has members that read the topic. kafka-go's members name their topics in a form that kfake
// cannot read: a member of which neither topics nor assignment are known may read anything.
func reads(g *kfake.GroupInfo, topic string) bool {
	return slices.ContainsFunc(g.Members, func(m kfake.GroupMember) bool {
		_, assigned := m.Assignment[topic]
		return assigned || slices.Contains(m.SubscribedTopics, topic) || len(m.SubscribedTopics) == 0 && len(m.Assignment) == 0
	})
}

// groups asks for all groups.
func (t *trimmer) groups(ctx context.Context) ([]*kfake.GroupInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.TrimInterval+time.Second)
	defer cancel()
	res, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, t.client)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	var groups []*kfake.GroupInfo
	for _, g := range res.Groups {
		if info := t.cluster.GroupInfo(g.Group); info != nil {
			groups = append(groups, info)
		}
	}
	return groups, nil
}

// warnInterval is the least distance of two warnings.
const warnInterval = time.Minute

// warn says who holds the log when it is half full: at the limit new events are refused.
func (t *trimmer) warn(total int64, held []string) {
	if total < t.cfg.MaxBytes/2 || len(held) == 0 || time.Since(t.warned) < warnInterval {
		return
	}
	t.warned = time.Now()
	t.log.Warn("the broker's log is more than half full with records that are not read yet; at the limit new events are refused until they are",
		"bytes", total, "max_bytes", t.cfg.MaxBytes, "setting", "broker.embedded_max_bytes", "held_by", held)
}
