package people

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/millrace/millrace/broker"
)

// ErrFenced says that another process leads, or is about to.
var ErrFenced = errors.New("no longer the leader")

// errRenew ends a leadership that needs a new epoch.
var errRenew = errors.New("the versions of this epoch are used up")

const epochPrefix = "epoch="

// parseEpoch reads what a leader has committed; 0: nothing that one of ours has.
func parseEpoch(metadata string) uint64 {
	digits, ok := strings.CutPrefix(metadata, epochPrefix)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// elect takes an epoch above every other. The commit that was read may be that of an attempt of our own that was not answered: then the epoch is one higher, and nobody has the one between.
func (l *Leader) elect(ctx context.Context) error {
	cfg := &l.job.cfg
	offsets, err := l.job.deps.Broker.FetchOffsets(ctx, cfg.Group, cfg.Topic, []int32{0})
	if err != nil {
		return fmt.Errorf("read the last epoch: %w", err)
	}
	version, err := l.store.highestVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the highest version: %w", err)
	}
	metadata := offsets[0].Metadata
	if metadata != "" && parseEpoch(metadata) == 0 {
		l.log.Warn("the commit in the group is not one of ours; the tables alone say which epoch was last", "group", cfg.Group, "metadata", metadata)
	}
	l.epoch = max(uint64(max(l.gen.ID, 0)), parseEpoch(metadata)+1, version>>32+1)
	if l.epoch > math.MaxUint32 {
		return fmt.Errorf("BUG: epoch %d is above %d", l.epoch, uint32(math.MaxUint32))
	}
	return l.commitEpoch(ctx)
}

// commitEpoch commits the epoch in our generation. ErrFenced: the group is past it.
func (l *Leader) commitEpoch(ctx context.Context) error {
	cfg := &l.job.cfg
	outcome, err := l.job.deps.Broker.CommitOffsets(ctx, broker.OffsetCommit{
		Group: cfg.Group, Generation: l.gen.ID, Member: l.gen.MemberID,
		Offsets: []broker.PartitionOffset{{Topic: cfg.Topic, Partition: 0, Metadata: epochPrefix + strconv.FormatUint(l.epoch, 10)}},
	})
	if err == nil {
		err = outcome[broker.TopicPartition{Topic: cfg.Topic, Partition: 0}]
	}
	switch {
	case broker.Classify(err) == broker.ClassFenced:
		return fmt.Errorf("commit epoch %d: %w: %w", l.epoch, ErrFenced, err)
	case err != nil:
		return fmt.Errorf("commit epoch %d: %w", l.epoch, err)
	}
	return nil
}
