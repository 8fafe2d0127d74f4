package people

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Config is the section "people".
type Config struct {
	// Topic whose only partition the leader owns. It holds no records. Default "jobs".
	Topic string `yaml:"topic"`
	// Group is the consumer group of the processes that may lead. Default "millrace-jobs".
	Group string `yaml:"group"`
	// SessionTimeout is how long a leader may be silent before another one takes over. Default 6s.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// HeartbeatInterval is the time between signs of life. Default 1s.
	HeartbeatInterval time.Duration `yaml:"heartbeat_interval"`
	// RebalanceTimeout is how long the group waits for a leader to stop before it takes another one. Less than SessionTimeout: some brokers take a member that waits for the others for dead. Default 5s.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// JoinBackoff is the pause after a join that failed. Default 200ms.
	JoinBackoff time.Duration `yaml:"join_backoff"`
	// Interval between two looks for new events. Default 2s.
	Interval time.Duration `yaml:"interval"`
	// MaxIDs is how many ids a person may have. Edges that would make it more are refused, with an alert. Default 1000.
	MaxIDs int `yaml:"max_ids"`
	// RangeOffsets is how many offsets are read at a time, of all partitions together; up to 8 times as many where few of them matter. Default 200000.
	RangeOffsets int64 `yaml:"range_offsets"`
	// ProfileChunk is how many profiles are worked out at a time. Default 5000.
	ProfileChunk int `yaml:"profile_chunk"`
	// StatementTimeout is how long one statement may take. Default 5m.
	StatementTimeout time.Duration `yaml:"statement_timeout"`
	// BackoffMin and BackoffMax bound the pause after a failed attempt; it doubles from one to the other. Default 100ms and 30s.
	BackoffMin time.Duration `yaml:"backoff_min"`
	BackoffMax time.Duration `yaml:"backoff_max"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Topic:             "jobs",
		Group:             "millrace-jobs",
		SessionTimeout:    6 * time.Second,
		HeartbeatInterval: time.Second,
		RebalanceTimeout:  5 * time.Second,
		JoinBackoff:       200 * time.Millisecond,
		Interval:          2 * time.Second,
		MaxIDs:            1000,
		RangeOffsets:      200_000,
		ProfileChunk:      5000,
		StatementTimeout:  5 * time.Minute,
		BackoffMin:        100 * time.Millisecond,
		BackoffMax:        30 * time.Second,
	}
}

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("people.%s: "+format, append([]any{key}, args...)...))
	}
	if c.Topic == "" {
		bad("topic", "is empty; the default is jobs")
	}
	if c.Group == "" {
		bad("group", "is empty; the default is millrace-jobs")
	}
	for _, n := range []struct {
		key             string
		value, min, max int64
	}{
		{"max_ids", int64(c.MaxIDs), 2, 100_000},
		{"range_offsets", c.RangeOffsets, 1, math.MaxInt32},
		{"profile_chunk", int64(c.ProfileChunk), 1, 100_000},
	} {
		if n.value < n.min || n.value > n.max {
			bad(n.key, "%d is not within %d and %d", n.value, n.min, n.max)
		}
	}
	for _, d := range []struct {
		key             string
		value, min, max time.Duration
	}{
		{"session_timeout", c.SessionTimeout, time.Second, 5 * time.Minute},
		{"heartbeat_interval", c.HeartbeatInterval, 50 * time.Millisecond, time.Minute},
		{"rebalance_timeout", c.RebalanceTimeout, time.Second, 10 * time.Minute},
		{"join_backoff", c.JoinBackoff, 10 * time.Millisecond, time.Minute},
		{"interval", c.Interval, time.Millisecond, time.Hour},
		{"statement_timeout", c.StatementTimeout, time.Second, time.Hour},
		{"backoff_min", c.BackoffMin, time.Millisecond, time.Minute},
		{"backoff_max", c.BackoffMax, time.Millisecond, time.Hour},
	} {
		if d.value < d.min || d.value > d.max {
			bad(d.key, "%v is not within %v and %v", d.value, d.min, d.max)
		}
	}
	if c.HeartbeatInterval*3 > c.SessionTimeout {
		bad("heartbeat_interval", "%v is more than a third of people.session_timeout %v: one lost heartbeat would cost the membership", c.HeartbeatInterval, c.SessionTimeout)
	}
	if c.BackoffMax < c.BackoffMin {
		bad("backoff_max", "%v is below people.backoff_min %v", c.BackoffMax, c.BackoffMin)
	}
	return errors.Join(errs...)
}
