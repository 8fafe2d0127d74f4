package sink

import (
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/internal/retry"
)

// A source is one partition as the fetch loops see it. It goes round:
//
//	idle ──claim──▶ fetching ──deliver──▶ decoding ──resume──▶ idle
//
// Where to fetch next is known only when the set has been decoded, so a partition has one set under way, in the fetch, in the channel or in the worker; a
// worker that holds two blocks does not finish its set, and that is all it takes to pause the partition.
type source struct {
	tp    broker.TopicPartition
	out   chan recordSet // room for one, so that deliver never blocks; closed when fetching is over
	stats *partitionStats

	// Guarded by the fetcher's mutex.
	state     sourceState
	leader    int32 // noLeader: not known
	offset    int64 // of the next fetch
	moved     bool  // offset was set while a fetch was under way, which is for nothing
	maxBytes  int32
	delivered time.Time     // when the last set was
	notBefore time.Time     // a pause after a failure
	pause     retry.Backoff // of fetches
	repair    retry.Backoff // of sets that cannot be read
	said      retry.Reminder
}

type sourceState uint8

const (
	idle sourceState = iota
	fetching
	decoding
)

const noLeader int32 = -1

const (
	// minPartitionBytes is the least a partition is asked for: one batch of a broker's default size.
	minPartitionBytes = 1 << 20
	// maxPartitionBytes is the most, for a batch that did not fit before.
	maxPartitionBytes = 256 << 20
)

// ready tells whether the source may be fetched by the loop of a leader, and how long it must still wait if only a pause stands against it.
func (s *source) ready(leader int32, now time.Time) (ok bool, wait time.Duration) {
	if s.state != idle || s.leader != leader {
		return false, 0
	}
	if d := s.notBefore.Sub(now); d > 0 {
		return false, d
	}
	return true, 0
}
