package schema

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound what one event may be. They are checked at the edge, so that nothing is accepted that a later stage would refuse.
type Limits struct {
	// MaxEventBytes is the largest event as sent, after decompression. The broker's message limit less 64 KiB bounds it too. Default 960 KiB.
	MaxEventBytes int64 `yaml:"max_event_bytes"`
	// MaxNameBytes is the longest event name. Default 200 bytes.
	MaxNameBytes int64 `yaml:"max_name_bytes"`
	// MaxIDBytes is the longest id of any kind: event, user, group, session, correlation. Default 512 bytes.
	MaxIDBytes int64 `yaml:"max_id_bytes"`
	// MaxProperties is the number of properties (or traits) at the top level of one event. Default 1000.
	MaxProperties int `yaml:"max_properties"`
	// MaxDepth is how deep objects and arrays may nest, the event itself counted. Default 32.
	MaxDepth int `yaml:"max_depth"`
	// MaxAge is how far back an event's time may lie; an older one keeps its time in client_ts and takes the time of arrival. Default 5 years.
	MaxAge time.Duration `yaml:"max_age"`
	// MaxAhead is how far in the future an event's time may lie; beyond that it takes the time of arrival. Default 24 h.
	MaxAhead time.Duration `yaml:"max_ahead"`
}

// DefaultLimits returns the documented defaults.
func DefaultLimits() Limits {
	return Limits{
		MaxEventBytes: 960 << 10,
		MaxNameBytes:  200,
		MaxIDBytes:    512,
		MaxProperties: 1000,
		MaxDepth:      32,
		MaxAge:        5 * 365 * 24 * time.Hour,
		MaxAhead:      24 * time.Hour,
	}
}

// hardDepth bounds MaxDepth: readers of the topic in other languages give up not far above it.
const hardDepth = 512

// Validate reports every value that cannot work.
func (l Limits) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(l.MaxEventBytes >= 1<<10, "limits.max_event_bytes: %d is below 1 KiB: set 960KiB or what your largest event needs", l.MaxEventBytes)
	check(l.MaxEventBytes <= 64<<20, "limits.max_event_bytes: %d is above 64 MiB: larger documents belong in object storage, with an event that names them", l.MaxEventBytes)
	check(l.MaxNameBytes >= 1 && l.MaxNameBytes <= 64<<10, "limits.max_name_bytes: %d is not between 1 and 65536", l.MaxNameBytes)
	check(l.MaxIDBytes >= 36 && l.MaxIDBytes <= 16<<10, "limits.max_id_bytes: %d is not between 36 (the text of a UUID) and 16384", l.MaxIDBytes)
	check(l.MaxProperties >= 1, "limits.max_properties: %d: at least 1", l.MaxProperties)
	check(l.MaxDepth >= 3 && l.MaxDepth <= hardDepth, "limits.max_depth: %d is not between 3 and %d", l.MaxDepth, hardDepth)
	check(l.MaxAge > 0, "limits.max_age: %v: must be positive", l.MaxAge)
	check(l.MaxAhead >= 0, "limits.max_ahead: %v: must not be negative", l.MaxAhead)
	return errors.Join(errs...)
}
