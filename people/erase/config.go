package erase

import (
	"errors"
	"fmt"
	"time"
)

// Config is section erase.
type Config struct {
	// Interval is how often the tables are looked at for rows of erased people, in as far as that is cheap. Default 30s.
	Interval time.Duration `yaml:"interval"`
	// FullInterval is how often they are looked at as a whole. Default 6h.
	FullInterval time.Duration `yaml:"full_interval"`
	// MaxMemoryBytes bounds the memory of one look in ClickHouse. Default 1 GiB.
	MaxMemoryBytes int64 `yaml:"max_memory_bytes"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Interval: 30 * time.Second, FullInterval: 6 * time.Hour, MaxMemoryBytes: 1 << 30}
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	if c.Interval < time.Second || c.Interval > time.Hour {
		errs = append(errs, fmt.Errorf("erase.interval: is %v, must be 1s to 1h", c.Interval))
	}
	if c.FullInterval < c.Interval {
		errs = append(errs, fmt.Errorf("erase.full_interval: is %v, must be erase.interval (%v) or more", c.FullInterval, c.Interval))
	}
	if c.MaxMemoryBytes < 64<<20 {
		errs = append(errs, fmt.Errorf("erase.max_memory_bytes: is %d, must be 64MiB or more", c.MaxMemoryBytes))
	}
	return errors.Join(errs...)
}
