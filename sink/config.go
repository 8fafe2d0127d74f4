package sink

import (
	"errors"
	"fmt"
	"time"
)

// Config is the section "sink".
type Config struct {
	// Group is the consumer group. Sinks of one group share the partitions. Default "millrace-sink".
	Group string `yaml:"group"`
	// BlockRows is the most rows of one block. Below 25,000 ClickHouse's cost per row rises. Default 100000.
	BlockRows int `yaml:"block_rows"`
	// BlockBytes is the most record bytes of one block. Each partition holds two blocks at most. Default 64 MiB.
	BlockBytes int64 `yaml:"block_bytes"`
	// BlockAge is how long the first record of a block waits for others. Default 1s.
	BlockAge time.Duration `yaml:"block_age"`

	// SessionTimeout is how long the group waits for a silent member. Default 6s.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// HeartbeatInterval is the time between signs of life. Default 1s.
	HeartbeatInterval time.Duration `yaml:"heartbeat_interval"`
	// RebalanceTimeout is how long the group waits for members to give their partitions back. Default 30s.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// JoinBackoff is the pause after a join that failed. Default 200ms.
	JoinBackoff time.Duration `yaml:"join_backoff"`

	// FetchMaxWait is how long the broker may hold a fetch while there is nothing new. Default 500ms.
	FetchMaxWait time.Duration `yaml:"fetch_max_wait"`
	// FetchMaxBytes is what one fetch, of all partitions of one broker, may bring. Default 8 MiB.
	FetchMaxBytes int64 `yaml:"fetch_max_bytes"`
	// InsertTimeout is how long one attempt of an INSERT may take, connecting included. Default 30s.
	InsertTimeout time.Duration `yaml:"insert_timeout"`
	// DrainTimeout is how long a stop may spend on inserting and committing what is held. Default 5s.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
	// BackoffMin and BackoffMax bound the pause after a failed attempt; it doubles from one to the other. Default 100ms and 30s.
	BackoffMin time.Duration `yaml:"backoff_min"`
	BackoffMax time.Duration `yaml:"backoff_max"`
	// DedupIDs is how many ids of stored events are remembered per partition, to leave out what clients send again. About 32 bytes each. Default 2000000.
	DedupIDs int `yaml:"dedup_ids"`
	// DedupWindow is how long an id is remembered: an event that arrives later than this after the newest of its partition is looked up in the table. Default 1h.
	DedupWindow time.Duration `yaml:"dedup_window"`
	// AuditInterval is the pause between two looks at which rollups are to be compared with the events. Default 30s.
	AuditInterval time.Duration `yaml:"audit_interval"`
	// DecodeWorkers is how many partitions are decoded at the same time. Default 0 = half of the processors, at least 1.
	DecodeWorkers int `yaml:"decode_workers"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Group:             "millrace-sink",
		BlockRows:         100_000,
		BlockBytes:        64 << 20,
		BlockAge:          time.Second,
		SessionTimeout:    6 * time.Second,
		HeartbeatInterval: time.Second,
		RebalanceTimeout:  30 * time.Second,
		JoinBackoff:       200 * time.Millisecond,
		FetchMaxWait:      500 * time.Millisecond,
		FetchMaxBytes:     8 << 20,
		InsertTimeout:     30 * time.Second,
		DrainTimeout:      5 * time.Second,
		BackoffMin:        100 * time.Millisecond,
		BackoffMax:        30 * time.Second,
		DedupIDs:          2_000_000,
		DedupWindow:       time.Hour,
		AuditInterval:     30 * time.Second,
	}
}

// maxDedupIDs keeps what is remembered of a partition below 4 GiB.
const maxDedupIDs = 100_000_000

// revokeMargin is what a revoked worker leaves of the session timeout, see Sink.grace.
const revokeMargin = 2 * time.Second

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("sink.%s: "+format, append([]any{key}, args...)...))
	}
	if c.Group == "" {
		bad("group", "is empty; the default is millrace-sink")
	}
	// The ceiling is the server's: its pinned settings keep a block of this size in one piece.
	if c.BlockRows < 1 || c.BlockRows > maxBlockRows {
		bad("block_rows", "%d is not within 1 and %d", c.BlockRows, maxBlockRows)
	}
	if c.BlockBytes < 64<<10 || c.BlockBytes > maxBlockBytes {
		bad("block_bytes", "%d is not within 64 KiB and %d MiB", c.BlockBytes, maxBlockBytes>>20)
	}
	if c.FetchMaxBytes < 64<<10 || c.FetchMaxBytes > 256<<20 {
		bad("fetch_max_bytes", "%d is not within 64 KiB and 256 MiB", c.FetchMaxBytes)
	}
	if c.DecodeWorkers < 0 || c.DecodeWorkers > 1024 {
		bad("decode_workers", "%d is not within 0 (half of the processors) and 1024", c.DecodeWorkers)
	}
	if least := 3 * c.BlockRows; c.DedupIDs < least || c.DedupIDs > maxDedupIDs {
		bad("dedup_ids", "%d is not within %d (three blocks of sink.block_rows) and %d", c.DedupIDs, least, maxDedupIDs)
	}
	for _, d := range []struct {
		key             string
		value, min, max time.Duration
	}{
		{"block_age", c.BlockAge, time.Millisecond, 10 * time.Minute},
		{"session_timeout", c.SessionTimeout, revokeMargin + time.Second, 5 * time.Minute},
		{"heartbeat_interval", c.HeartbeatInterval, 50 * time.Millisecond, time.Minute},
		{"rebalance_timeout", c.RebalanceTimeout, time.Second, 10 * time.Minute},
		{"join_backoff", c.JoinBackoff, 10 * time.Millisecond, time.Minute},
		{"fetch_max_wait", c.FetchMaxWait, 10 * time.Millisecond, time.Minute},
		{"insert_timeout", c.InsertTimeout, time.Second, 30 * time.Minute},
		{"drain_timeout", c.DrainTimeout, 100 * time.Millisecond, 10 * time.Minute},
		{"backoff_min", c.BackoffMin, time.Millisecond, time.Minute},
		{"backoff_max", c.BackoffMax, time.Millisecond, time.Hour},
		{"dedup_window", c.DedupWindow, time.Second, 30 * 24 * time.Hour},
		{"audit_interval", c.AuditInterval, 100 * time.Millisecond, 24 * time.Hour},
	} {
		if d.value < d.min || d.value > d.max {
			bad(d.key, "%v is not within %v and %v", d.value, d.min, d.max)
		}
	}
	if c.HeartbeatInterval*3 > c.SessionTimeout {
		bad("heartbeat_interval", "%v is more than a third of sink.session_timeout %v: one lost heartbeat would cost the membership", c.HeartbeatInterval, c.SessionTimeout)
	}
	if c.BackoffMax < c.BackoffMin {
		bad("backoff_max", "%v is below sink.backoff_min %v", c.BackoffMax, c.BackoffMin)
	}
	return errors.Join(errs...)
}
