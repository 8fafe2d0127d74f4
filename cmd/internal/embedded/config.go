package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Config says which child to run, and how patiently. It is made by the program, never read from a user's file.
type Config struct {
	Name         string        // the engine: "component" in log lines, label "child" in metrics
	Executable   string        // program to start; default the running program
	Args         []string      // its arguments without the program's name, see SelfArgs; the same at each restart
	Env          []string      // its environment; nil means the parent's
	ReadyTimeout time.Duration // a child not ready for this long is killed; default 60s (a broker's log is read back whole)
	BackoffMin   time.Duration // pause before the first restart; default 200ms, doubled up to BackoffMax
	BackoffMax   time.Duration // longest pause before a restart; default 10s
	KillGrace    time.Duration // beyond StopTimeout, before a stopping child is killed from outside; default 1s
}

// DefaultConfig returns the defaults; Name and Args are the caller's.
func DefaultConfig() Config {
	return Config{
		ReadyTimeout: time.Minute,
		BackoffMin:   200 * time.Millisecond,
		BackoffMax:   10 * time.Second,
		KillGrace:    time.Second,
	}
}

// Validate reports every problem at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("child.name: is empty"))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"ready_timeout", c.ReadyTimeout}, {"backoff_min", c.BackoffMin}, {"backoff_max", c.BackoffMax}, {"kill_grace", c.KillGrace}} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("child.%s: %v, want more than 0s", d.key, d.value))
		}
	}
	if c.BackoffMax < c.BackoffMin {
		errs = append(errs, fmt.Errorf("child.backoff_max: %v is below backoff_min %v", c.BackoffMax, c.BackoffMin))
	}
	return errors.Join(errs...)
}

// SelfArgs returns the arguments by which the program runs itself as the engine name: its hidden subcommand
// `embedded NAME --config-json=…` with config as JSON.
func SelfArgs(name string, config any) ([]string, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode config of %s: %w", name, err)
	}
	return []string{"embedded", name, "--config-json=" + string(text)}, nil
}

func (c *Config) executable() (string, error) {
	if c.Executable != "" {
		return c.Executable, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own program: %w", err)
	}
	return path, nil
}
