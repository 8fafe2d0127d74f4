package access

import (
	"errors"
	"fmt"
	"time"
)

// Limits are those of one user of a project, except where they say otherwise. A query may set a lower one of those with a setting's name, never a higher.
type Limits struct {
	// DefaultTime is what a query may take that does not say how long. Default 30s.
	DefaultTime time.Duration `json:"default_time"`
	// MaxTime is the most that a query may ask for by max_execution_time. Default 5m.
	MaxTime time.Duration `json:"max_time"`
	// MaxMemoryBytes of one query (max_memory_usage); more is an error. All queries of a user have twice as much. Default 1 GiB.
	MaxMemoryBytes int64 `json:"max_memory_bytes"`
	// MaxRowsToRead of one query (max_rows_to_read); more is an error. A subquery's own SETTINGS can lift it, so it is against accidents. Default 10,000,000,000.
	MaxRowsToRead int64 `json:"max_rows_to_read"`
	// MaxResultRows of one query (max_result_rows); more is an error, unless the query sets result_overflow_mode to break. Default 1,000,000.
	MaxResultRows int64 `json:"max_result_rows"`
	// MaxResultBytes of one query (max_result_bytes), before compression; as MaxResultRows. Default 256 MiB.
	MaxResultBytes int64 `json:"max_result_bytes"`
	// MaxQueries that run at once; one more is an error. Default 8.
	MaxQueries int `json:"max_queries"`
	// SpillBytes is what groups and sorts of one query keep in memory before they go to disk. Default 256 MiB.
	SpillBytes int64 `json:"spill_bytes"`
	// MaxDiskBytes that all queries of the user may have on disk in this way. Default 10 GiB.
	MaxDiskBytes int64 `json:"max_disk_bytes"`
	// QuotaQueries per hour and project, both users together; those that read system tables alone do not count. Default 20,000.
	QuotaQueries int64 `json:"quota_queries"`
	// QuotaTime is the time that the queries of a project may take in an hour, added up. Default 4h.
	QuotaTime time.Duration `json:"quota_time"`
}

// DefaultLimits returns the defaults.
func DefaultLimits() Limits {
	return Limits{
		DefaultTime:    30 * time.Second,
		MaxTime:        5 * time.Minute,
		MaxMemoryBytes: 1 << 30,
		MaxRowsToRead:  10_000_000_000,
		MaxResultRows:  1_000_000,
		MaxResultBytes: 256 << 20,
		MaxQueries:     8,
		SpillBytes:     256 << 20,
		MaxDiskBytes:   10 << 30,
		QuotaQueries:   20_000,
		QuotaTime:      4 * time.Hour,
	}
}

// Validate reports every problem at once. Zero would mean "no limit" to ClickHouse and is refused.
func (l Limits) Validate() error {
	var errs []error
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"default_time", l.DefaultTime}, {"max_time", l.MaxTime}, {"quota_time", l.QuotaTime}} {
		if d.value < time.Second {
			errs = append(errs, fmt.Errorf("access.limits.%s: %v, want 1s at least", d.key, d.value))
		}
	}
	if l.DefaultTime > l.MaxTime {
		errs = append(errs, fmt.Errorf("access.limits.default_time: %v is above max_time %v", l.DefaultTime, l.MaxTime))
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"max_memory_bytes", l.MaxMemoryBytes},
		{"max_rows_to_read", l.MaxRowsToRead},
		{"max_result_rows", l.MaxResultRows},
		{"max_result_bytes", l.MaxResultBytes},
		{"max_queries", int64(l.MaxQueries)},
		{"spill_bytes", l.SpillBytes},
		{"max_disk_bytes", l.MaxDiskBytes},
		{"quota_queries", l.QuotaQueries},
	} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("access.limits.%s: %d, want 1 at least", n.key, n.value))
		}
	}
	return errors.Join(errs...)
}

// seconds is how ClickHouse takes durations.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }
