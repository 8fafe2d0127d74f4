package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// Config is what the parent tells the child, as JSON.
type Config struct {
	// Dir holds everything. Created with mode 0700.
	Dir string
	// Port of 127.0.0.1. 0 = any, for tests: the address is advertised, so it must be the same after a restart.
	Port int
	// Partitions of each topic that is created.
	Partitions int
	// Topics to create when they are missing.
	Topics []string
	// MaxBytes is the size of the log that the parent keeps to, in bytes. Segments and what is kept are cut to fit it.
	MaxBytes int64
	// KeepRecords is how many records below the committed offsets are kept per partition, as long as they take less than
	// half of MaxBytes together. At least 1.
	KeepRecords int64
	// MaxMessageBytes is the largest record batch, in bytes.
	MaxMessageBytes int
	// TrimInterval is the distance of two trims. Default 5s.
	TrimInterval time.Duration
	// LockWait is how long to wait for another child to let go of Dir. Default 15s.
	LockWait time.Duration
}

const defaultTrimInterval = 5 * time.Second

func (c Config) withDefaults() Config {
	if c.TrimInterval == 0 {
		c.TrimInterval = defaultTrimInterval
	}
	if c.LockWait == 0 {
		c.LockWait = datadir.DefaultWait
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("no Dir"))
	}
	for _, v := range []struct {
		name         string
		value, least int64
	}{
		{"Port", int64(c.Port), 0},
		{"Partitions", int64(c.Partitions), 1},
		{"Topics", int64(len(c.Topics)), 1},
		{"MaxBytes", c.MaxBytes, 1 << 20},
		{"KeepRecords", c.KeepRecords, 1},
		{"MaxMessageBytes", int64(c.MaxMessageBytes), 1 << 10},
	} {
		if v.value < v.least {
			errs = append(errs, fmt.Errorf("%s: %d is below %d", v.name, v.value, v.least))
		}
	}
	return errors.Join(errs...)
}

// partitions is the number of all partitions.
func (c Config) partitions() int64 { return int64(c.Partitions * len(c.Topics)) }

// segmentBytes is the size of the log's files. Space is given back by whole files, and each partition has one that is being
// written: together those may take an eighth of the limit.
func (c Config) segmentBytes() int64 {
	return min(max(c.MaxBytes/(8*c.partitions()), 256<<10), 32<<20)
}
