package pipeline

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/pipeline/ring"
)

// Config is the section "pipeline".
type Config struct {
	// Shards is the number of goroutines that form batches, each with its own ring and partitions. Default 0 = one per processor, at most the partitions.
	Shards int `yaml:"shards"`
	// RingBytes bounds what one shard holds, waiting or in flight, in bytes; beyond it requests are told to retry. It must hold the largest request. Default 64 MiB.
	RingBytes int64 `yaml:"ring_bytes"`
	// RingEntries bounds the requests that wait for one shard's goroutine. Rounded up to a power of two. Default 8192.
	RingEntries int `yaml:"ring_entries"`
	// Linger is how long a batch waits for company when its partition is idle. Batches form anyway while the one before is in flight. Default 0.
	Linger time.Duration `yaml:"linger"`
	// MaxBatchBytes is the size at which a record batch is sent, in bytes; the topic's max.message.bytes must be at least this. A larger event is sent alone. Default 1 MiB.
	MaxBatchBytes int64 `yaml:"max_batch_bytes"`
	// QuarantineBytesPerSecond is how much of refused events is kept per key, in bytes per second; beyond it they are only counted. Default 1 MiB.
	QuarantineBytesPerSecond int64 `yaml:"quarantine_bytes_per_second"`
	// QuarantineBurstBytes is how much of refused events is kept per key at once, in bytes. Default 8 MiB.
	QuarantineBurstBytes int64 `yaml:"quarantine_burst_bytes"`
	// DrainTimeout bounds the wait for the broker when the program stops. Default 5s.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		RingBytes:                64 << 20,
		RingEntries:              8192,
		MaxBatchBytes:            1 << 20,
		QuarantineBytesPerSecond: 1 << 20,
		QuarantineBurstBytes:     8 << 20,
		DrainTimeout:             5 * time.Second,
	}
}

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("pipeline."+format, args...))
		}
	}
	check(c.Shards >= 0 && c.Shards <= 1024, "shards: %d is not within 0 (one per processor) and 1024", c.Shards)
	check(c.RingBytes >= 1<<20 && c.RingBytes <= ring.MaxBytes, "ring_bytes: %d is not within 1 MiB and 1 TiB; the default is 64MiB", c.RingBytes)
	check(c.RingEntries >= 16 && c.RingEntries <= ring.MaxEntries, "ring_entries: %d is not within 16 and %d; the default is 8192", c.RingEntries, ring.MaxEntries)
	check(c.Linger >= 0 && c.Linger <= time.Second, "linger: %v is not within 0 and 1s; every request waits this long", c.Linger)
	check(c.MaxBatchBytes >= 16<<10 && c.MaxBatchBytes <= 64<<20, "max_batch_bytes: %d is not within 16 KiB and 64 MiB; the default is 1MiB", c.MaxBatchBytes)
	check(c.MaxBatchBytes <= c.RingBytes, "max_batch_bytes: %d is above pipeline.ring_bytes (%d), so no full batch could ever wait", c.MaxBatchBytes, c.RingBytes)
	check(c.QuarantineBytesPerSecond >= 0, "quarantine_bytes_per_second: %d is negative; 0 keeps no refused events beyond the burst", c.QuarantineBytesPerSecond)
	check(c.QuarantineBurstBytes >= 0, "quarantine_burst_bytes: %d is negative; 0 keeps no refused events", c.QuarantineBurstBytes)
	check(c.DrainTimeout > 0 && c.DrainTimeout <= 10*time.Minute, "drain_timeout: %v is not within 0 and 10m; the default is 5s", c.DrainTimeout)
	return errors.Join(errs...)
}
