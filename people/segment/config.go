package segment

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config is the section "segments".
type Config struct {
	// PollInterval is how often the job looks for segments that are due or asked for. Default 2s.
	PollInterval time.Duration `yaml:"poll_interval"`
	// MaxMemoryBytes is what a statement of a build may use of ClickHouse's memory, in bytes; from a third of it on it works on disk. Default 1 GiB.
	MaxMemoryBytes int64 `yaml:"max_memory_bytes"`
	// MaxBuildTime bounds a build. One that takes longer fails, and the members stay as they were. Default 10m.
	MaxBuildTime time.Duration `yaml:"max_build_time"`
	// SendBatch is how many events of entering and leaving go into one request. Default 500.
	SendBatch int `yaml:"send_batch"`
	// RetryInterval is the pause after a request that was not taken; it doubles with each further one. Default 1s.
	RetryInterval time.Duration `yaml:"retry_interval"`
	// MaxRetryInterval is the longest such pause. Default 30s.
	MaxRetryInterval time.Duration `yaml:"max_retry_interval"`
	// ResumeWait is how long a new leader waits for what the one before it has announced to be stored, before it announces the rest; ids that are sent again are recognised
	// as repeats. Default 1m.
	ResumeWait time.Duration `yaml:"resume_wait"`
	// Door that events of entering and leaving are sent to, http://host:port, by processes that have none of their own. Default empty.
	Door string `yaml:"door"`
	// KeysFile has a line for each project with its number and a write key of it, for Door. Default empty.
	KeysFile string `yaml:"keys_file"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		PollInterval:     2 * time.Second,
		MaxMemoryBytes:   1 << 30,
		MaxBuildTime:     10 * time.Minute,
		SendBatch:        500,
		RetryInterval:    time.Second,
		MaxRetryInterval: 30 * time.Second,
		ResumeWait:       time.Minute,
	}
}

// Limits of the section.
const (
	leastMemory = 128 << 20
	mostBatch   = 5000
)

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("segments.%s: "+format, append([]any{key}, args...)...))
		}
	}
	check(c.PollInterval >= 10*time.Millisecond && c.PollInterval <= time.Minute, "poll_interval", "%v is not between 10ms and 1m", c.PollInterval)
	check(c.MaxMemoryBytes >= leastMemory, "max_memory_bytes", "%d is below 128 MiB, which the smallest build needs", c.MaxMemoryBytes)
	check(c.MaxBuildTime >= time.Second && c.MaxBuildTime <= 24*time.Hour, "max_build_time", "%v is not between 1s and 24h", c.MaxBuildTime)
	check(c.SendBatch >= 1 && c.SendBatch <= mostBatch, "send_batch", "%d is not between 1 and %d", c.SendBatch, mostBatch)
	check(c.RetryInterval > 0 && c.RetryInterval <= c.MaxRetryInterval, "retry_interval", "%v must be positive, and no longer than segments.max_retry_interval (%v)", c.RetryInterval, c.MaxRetryInterval)
	u, err := url.Parse(c.Door)
	check(c.Door == "" || err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "door", "%q is not http://host:port or https://host:port", c.Door)
	check((c.Door == "") == (c.KeysFile == ""), "keys_file", "is to be set together with segments.door: it has the keys for it")
	check(c.MaxRetryInterval <= time.Hour, "max_retry_interval", "%v is longer than 1h", c.MaxRetryInterval)
	check(c.ResumeWait >= 0 && c.ResumeWait <= time.Hour, "resume_wait", "%v is not between 0s and 1h", c.ResumeWait)
	return errors.Join(errs...)
}
