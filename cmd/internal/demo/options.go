package demo

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/schema"
)

// Options say which story is told. Those of DefaultOptions are good ones.
type Options struct {
	// Days is how many whole days (UTC) are told. Default 30.
	Days int
	// Users is how many people come for the first time in those days. Default 50,000.
	Users int
	// Seed is that of everything random: the same seed, days, users and end make the same events. Default 1.
	Seed uint64
	// Until is the day (UTC) before which the story ends, whatever the time of the day. Default zero: today, so that yesterday is the last day told.
	Until time.Time
}

// The limits of a story. Below the least there is no room for what is in it.
const (
	MinDays, MaxDays   = 7, 366
	MinUsers, MaxUsers = 100, 5_000_000
)

// DefaultOptions returns the documented defaults.
func DefaultOptions() Options { return Options{Days: 30, Users: 50_000, Seed: 1} }

// Validate reports every value that cannot work, by the name of its flag.
func (o Options) Validate() error { return o.validate(time.Now()) }

// validate is Validate at a moment: a server gives events from the future, or from long ago, the time of their arrival.
func (o Options) validate(now time.Time) error {
	var errs []error
	if o.Days < MinDays || o.Days > MaxDays {
		errs = append(errs, fmt.Errorf("--days %d is not between %d (what happens needs a week) and %d", o.Days, MinDays, MaxDays))
	}
	if o.Users < MinUsers || o.Users > MaxUsers {
		errs = append(errs, fmt.Errorf("--users %d is not between %d (fewer show nothing) and %d", o.Users, MinUsers, MaxUsers))
	}
	oldest := schema.DefaultLimits().MaxAge
	switch {
	case o.Until.IsZero():
	case o.Until.After(now):
		errs = append(errs, fmt.Errorf("--until %s is in the future: nothing has happened there yet", o.Until.Format(time.DateOnly)))
	case o.Until.AddDate(0, 0, -o.Days-1).Before(now.Add(-oldest)):
		errs = append(errs, fmt.Errorf("--until %s: the story would begin more than %d days ago, and a server takes such events as of the moment of their arrival (limits.max_age)",
			o.Until.Format(time.DateOnly), int(oldest.Hours()/24)))
	}
	return errors.Join(errs...)
}
