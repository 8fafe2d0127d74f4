package queries

import (
	"errors"
	"fmt"
	"time"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// Options say what is measured and where.
type Options struct {
	// Rows is the number of events. Default 5,000,000.
	Rows int
	// Seed of the events. Default 1.
	Seed uint64
	// Until is when the events end, a midnight UTC; they begin Days before. The same Seed, Rows and Until make the same events. Default the last midnight: rollup_1m keeps 60 days.
	Until time.Time
	// Rounds is how often each question is asked warm, after one time that is not counted. Default 5.
	Rounds int
	// ColdRounds is how often it is asked with empty caches. Default 3.
	ColdRounds int
	// Pairs is how many blocks are inserted with and without rollups. Default 20.
	Pairs int
	// BlockRows is the number of rows of an INSERT. Default 50,000, less when there would not be 4 blocks for each pair.
	BlockRows int
	// SettleTimeout bounds the wait for merges. Default 20 µs for each row, at least 20 s.
	SettleTimeout time.Duration

	// ClickHouse is the server to use, whose caches will be emptied. Its Database does not count: the run makes one and drops it. Without addresses the run starts an engine of its own.
	ClickHouse schema.Config
	// Binary is the program that plays the engine.
	Binary string
	// Engine returns the arguments that make Binary run an embedded ClickHouse in a process of its own.
	Engine func(Engine) ([]string, error)
	// Dir is where the folder of the engine is made. Default the system's folder for temporary files.
	Dir string
	// Keep leaves the engine's folder, or the database, as it is at the end.
	Keep bool

	// Versions go into the result's environment: millrace, commit.
	Versions map[string]string
	// Progress is told of each step: done of total, of which 0 is unknown. It is called from the goroutine of Run. Nil: nobody is.
	Progress func(phase string, done, total uint64)
}

// Engine is what an embedded ClickHouse needs to know.
type Engine struct {
	Dir      string // absolute path of its folder
	Port     int    // of the native protocol
	HTTPPort int
}

// Defaults of Options.
const (
	DefaultRows       = 5_000_000
	DefaultRounds     = 5
	DefaultColdRounds = 3
	DefaultPairs      = 20

	// Days is how much time the events cover.
	Days = 60

	defaultBlockRows = 50_000
	blocksPerPair    = 4
	leastRows        = 1000
	mostRows         = 200_000_000
)

// withDefaults fills in what is zero.
func (o Options) withDefaults(now time.Time) Options {
	if o.Rows == 0 {
		o.Rows = DefaultRows
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
	if o.ColdRounds == 0 {
		o.ColdRounds = DefaultColdRounds
	}
	if o.Pairs == 0 {
		o.Pairs = DefaultPairs
	}
	if o.BlockRows == 0 {
		o.BlockRows = min(defaultBlockRows, max(1, o.Rows/(blocksPerPair*max(1, o.Pairs))))
	}
	if o.SettleTimeout == 0 {
		o.SettleTimeout = max(20*time.Second, time.Duration(o.Rows)*20*time.Microsecond)
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
	check(o.Rows >= leastRows && o.Rows <= mostRows, "%d rows: choose %d to %d, the default is %d", o.Rows, leastRows, mostRows, DefaultRows)
	check(o.Rounds > 0 && o.ColdRounds > 0, "%d warm and %d cold rounds: choose 1 or more of each, 5 for a median that means something", o.Rounds, o.ColdRounds)
	check(o.Pairs > 0, "%d pairs of inserts: choose 1 or more", o.Pairs)
	check(o.BlockRows > 0, "%d rows in a block: choose 1 or more", o.BlockRows)
	if o.BlockRows > 0 && o.Pairs > 0 {
		sure := o.Rows/o.BlockRows - partitions // blocks that will be full
		check(sure > o.Pairs, "%d pairs of inserts of %d rows: %d rows make only %d such blocks for sure", o.Pairs, o.BlockRows, o.Rows, sure)
	}
	check(o.SettleTimeout > 0, "a wait of %v for merges: it must be positive", o.SettleTimeout)
	check(o.Until.UTC().Equal(o.Until.UTC().Truncate(24*time.Hour)), "until %v: it must be a midnight UTC", o.Until)
	if len(o.ClickHouse.Addresses) == 0 {
		check(o.Binary != "" && o.Engine != nil, "neither the address of a ClickHouse nor a program that plays one")
	} else {
		check(len(o.ClickHouse.Addresses) == 1, "%d addresses of a ClickHouse: name one, caches and the query log are each server's own", len(o.ClickHouse.Addresses))
		cfg := o.ClickHouse
		cfg.Database = schema.DefaultConfig().Database // the run names its own
		problems = append(problems, cfg.Validate())
	}
	return errors.Join(problems...)
}

// from is when the events begin.
func (o *Options) from() time.Time { return o.Until.AddDate(0, 0, -Days) }
