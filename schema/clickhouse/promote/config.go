package promote

import (
	"errors"
	"fmt"
	"time"
)

// Config is the section "properties": how the catalogue of properties is kept.
type Config struct {
	// Interval between two looks at what has come in. Default 15m.
	Interval time.Duration `yaml:"interval"`
	// Sample is how many events of one name a look reads; of a name with fewer, all of them. Default 2000.
	Sample int `yaml:"sample"`
	// MaxEvents is how many names of events are looked at per project: those with most events. Default 500.
	MaxEvents int `yaml:"max_events"`
	// MaxPerLook is how many names of events one look samples; the others wait for the next. Default 1000.
	MaxPerLook int `yaml:"max_per_look"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Interval: 15 * time.Minute, Sample: 2000, MaxEvents: 500, MaxPerLook: 1000}
}

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("properties."+format, args...))
		}
	}
	check(c.Interval >= time.Minute && c.Interval <= 24*time.Hour, "interval: %v is not within 1m and 24h; the default is 15m", c.Interval)
	check(c.Sample >= 100 && c.Sample <= 100_000, "sample: %d is not within 100 and 100000; the default is 2000", c.Sample)
	check(c.MaxEvents >= 1 && c.MaxEvents <= 100_000, "max_events: %d is not within 1 and 100000; the default is 500", c.MaxEvents)
	check(c.MaxPerLook >= 1 && c.MaxPerLook <= 100_000, "max_per_look: %d is not within 1 and 100000; the default is 1000", c.MaxPerLook)
	return errors.Join(errs...)
}

// What bounds the catalogue and the work for it, whatever is sent.
const (
	// window is how far back events are looked at, and counted.
	window = 30 * 24 * time.Hour
	// again is when an event that has changed is looked at again even if it has grown little. The view properties_q knows it, too.
	again = 24 * time.Hour
	// growth is by how much more events of a name make it worth another look.
	growth = 1.1
	// maxPropsBytes is the longest props that are looked into; longer ones count as events without properties.
	maxPropsBytes = 64 << 10
	// maxMembers is how many members of one event are looked at.
	maxMembers = 200
	// maxNewKeys is how many keys one look adds per name of events, the most frequent. While there are more, a key must have been found twice: keys that hold data occur once.
	maxNewKeys = 300
	// maxKeys is how many keys a name of events may have in the catalogue before new ones are left out. One look may go beyond it by maxNewKeys.
	maxKeys = 1000
	// maxShownChars is how much of a value is kept.
	maxShownChars = 80
)
