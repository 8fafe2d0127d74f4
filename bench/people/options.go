package people

import (
	"errors"
	"fmt"
	"time"
)

// Options say what is measured and where.
type Options struct {
	// Users is how many persons the history is of. Default 2,000,000.
	Users int
	// Seed of the history. Default 1.
	Seed uint64
	// Until is when the history ends, a midnight UTC; it begins Days before. Default the last midnight.
	Until time.Time
	// Rounds is how often each question is asked, on both sides, after one time that is not counted. Default 5.
	Rounds int
	// Builds is how often each segment is built with the usual memory. Default 3.
	Builds int
	// Fresh is how many visitors are sent who identify while the server runs. Default 5.
	Fresh int
	// Pause is the time from one of them to the next, so that each meets the job and the dictionary in another state. Default 3 s.
	Pause time.Duration
	// Patience is how long the job may show no sign of life. Default 60 s.
	Patience time.Duration
	// JobTimeout bounds the whole of its work on the history. Default a minute and 300 µs for each user.
	JobTimeout time.Duration
	// SettleTimeout bounds each wait for merges. Default 20 s and 30 µs for each user.
	SettleTimeout time.Duration

	// Binary is the program that plays the server; it must understand "serve" and "migrate up".
	Binary string
	// Engine returns the arguments that make Binary run an embedded engine, "broker" or "clickhouse", in a process of its own. The account default of that ClickHouse must be allowed to make
	// dictionaries.
	Engine func(name string, e Engine) ([]string, error)
	// Dir is where the run's folder is made. Default the system's folder for temporary files.
	Dir string
	// Keep leaves the folder as it is at the end.
	Keep bool

	// Versions go into the result's environment: millrace, commit.
	Versions map[string]string
	// Progress is told of each step: done of total, of which 0 is unknown. It is called from the goroutine of Run. Nil: nobody is.
	Progress func(phase string, done, total uint64)
}

// Engine is what an embedded engine needs to know.
type Engine struct {
	Dir        string // absolute path of its folder
	Port       int    // of the native protocol
	HTTPPort   int    // of ClickHouse
	Partitions int    // of the broker's topics
}

// Defaults of Options.
const (
	DefaultUsers    = 2_000_000
	DefaultRounds   = 5
	DefaultBuilds   = 3
	DefaultFresh    = 5
	DefaultPause    = 3 * time.Second
	DefaultPatience = time.Minute

	// Days is how much time the history covers.
	Days = 60

	leastUsers = 100
	mostUsers  = 50_000_000
	mostFresh  = 100
)

// withDefaults fills in what is zero.
func (o Options) withDefaults(now time.Time) Options {
	if o.Users == 0 {
		o.Users = DefaultUsers
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Until.IsZero() {
		o.Until = now.UTC().Truncate(24 * time.Hour)
	}
	if o.Rounds == 0 {
		o.Rounds = DefaultRounds
	}
	if o.Builds == 0 {
		o.Builds = DefaultBuilds
	}
	if o.Fresh == 0 {
		o.Fresh = DefaultFresh
	}
	if o.Pause == 0 {
		o.Pause = DefaultPause
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.JobTimeout == 0 {
		o.JobTimeout = time.Minute + time.Duration(o.Users)*300*time.Microsecond
	}
	if o.SettleTimeout == 0 {
		o.SettleTimeout = 20*time.Second + time.Duration(o.Users)*30*time.Microsecond
	}
	if o.Progress == nil {
		o.Progress = func(string, uint64, uint64) {}
	}
	return o
}

// Validate reports every problem at once. Zero values are the defaults.
func (o Options) Validate() error {
	o = o.withDefaults(time.Now())
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Users >= leastUsers && o.Users <= mostUsers, "%d users: choose %d to %d, the default is %d", o.Users, leastUsers, mostUsers, DefaultUsers)
	check(o.Rounds > 0, "%d rounds: choose 1 or more, 5 for a median that means something", o.Rounds)
	check(o.Builds > 0, "%d builds of each segment: choose 1 or more", o.Builds)
	check(o.Fresh > 0 && o.Fresh <= mostFresh, "%d fresh visitors: choose 1 to %d", o.Fresh, mostFresh)
	check(o.Pause > 0, "a pause of %v between visitors: it must be positive", o.Pause)
	check(o.Patience > 0 && o.JobTimeout > 0 && o.SettleTimeout > 0, "waits of %v for a sign of the job, %v for its end, %v for merges: all must be positive", o.Patience, o.JobTimeout, o.SettleTimeout)
	check(o.Until.UTC().Equal(o.Until.UTC().Truncate(24*time.Hour)), "until %v: it must be a midnight UTC", o.Until)
	check(o.Binary != "" && o.Engine != nil, "no program that plays server and engines")
	return errors.Join(problems...)
}

// from is when the history begins.
func (o *Options) from() time.Time { return o.Until.AddDate(0, 0, -Days) }
