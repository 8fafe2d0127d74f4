package sink

import (
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/broker"
)

// startOffset is where reading goes on when offset is wanted of a partition that holds r. Records below its start are gone. An offset beyond its end was
// committed in another life of the topic: going on at either end would repeat or lose records that nobody can name, so it is an error.
func startOffset(offset int64, r broker.OffsetRange) (int64, error) {
	if offset > r.End {
		return 0, fmt.Errorf("offset %d is wanted, but the partition ends at %d: the topic was made anew or lost its end; "+
			"check the broker. If the topic was made anew: `millrace sink adopt`; else restart the sink, which then says what to do", offset, r.End)
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
