package sink

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/broker"
)

// startOffsets finds where each of the assigned partitions goes on: at the committed offset, or at the start of the log when there is none. It asks
// once; the broker's own idea of a default offset is never used.
func startOffsets(ctx context.Context, s *Sink, gen *broker.Generation) (map[broker.TopicPartition]int64, error) {
	offsets := make(map[broker.TopicPartition]int64)
	for topic, partitions := range gen.Assignments {
		if len(partitions) == 0 {
			continue
		}
		committed, err := s.client.FetchOffsets(ctx, gen.GroupID, topic, partitions)
		if err != nil {
			return nil, err
		}
		ranges, err := s.client.ListOffsets(ctx, topic, partitions)
		if err != nil {
			return nil, err
		}
		for _, id := range partitions {
			tp := broker.TopicPartition{Topic: topic, Partition: id}
			at := committed[id].Offset
			if at < 0 {
				offsets[tp] = ranges[id].Start
				continue
			}
			from, err := startOffset(at, ranges[id])
			if err != nil {
				// The fetch of this offset fails in the same way, alone: the other partitions go on.
				from = at
			}
			reportTrimmed(s.log, s.metrics, tp, at, from)
			offsets[tp] = from
		}
	}
	return offsets, nil
}

// startOffset is where reading goes on when offset is wanted of a partition that holds r. Records below its start are gone. An offset beyond its end was
// committed in another life of the topic: going on at either end would repeat or lose records that nobody can name, so it is an error.
func startOffset(offset int64, r broker.OffsetRange) (int64, error) {
	if offset > r.End {
		return 0, fmt.Errorf("the group has committed offset %d, but the partition ends at %d: the topic was made anew or lost its end; "+
			"check that, then set the group's offset for the partition (for a new topic: delete the group's offsets)", offset, r.End)
	}
	return max(offset, r.Start), nil
}

// reportTrimmed says what retention has taken away unread.
func reportTrimmed(log *slog.Logger, m *sinkMetrics, tp broker.TopicPartition, wanted, from int64) {
	if from <= wanted {
		return
	}
	m.trimmed.Add(int(from - wanted))
	log.Error("records were removed from the topic before they were loaded: raise the topic's retention, or the sinks' capacity",
		"topic", tp.Topic, "partition", tp.Partition, "wanted", wanted, "log_start", from, "records", from-wanted)
}
