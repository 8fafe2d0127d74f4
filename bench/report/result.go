package report

import (
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/scenario"
)

// Version is the format that Write writes and Read reads.
const Version = 1

// Result is everything that is known of a run; result.json is its JSON.
type Result struct {
	Version     int                 `json:"version"` // of this format, see Version; Write fills it in
	Run         string              `json:"run"`
	Target      string              `json:"target"` // URL
	Started     time.Time           `json:"started"`
	Scenario    scenario.Scenario   `json:"scenario"`
	Environment observe.Environment `json:"environment"`
	Notes       []string            `json:"notes,omitempty"` // what could not be watched or seen, in words
	Durability  string              `json:"durability"`      // what a 200 of the target means, in words: acks, fsync, codec, copies
	Load        load.Summary        `json:"load"`
	Intervals   []load.Interval     `json:"intervals"`
	Samples     []observe.Sample    `json:"samples"` // the first is taken before the load begins, then one per interval, then one per second of draining
	// Queryable is the time from the answer to the first query that shows the event, of events that a prober sends beside the load; nil when the run could not ask ClickHouse.
	Queryable       *load.Percentiles `json:"queryable,omitempty"`
	QueryableEvery  float64           `json:"queryable_every,omitempty"` // seconds between two looks: what the times are rounded up to
	QueryableSeries []Point           `json:"queryable_series,omitempty"`
	DrainSeconds    float64           `json:"drain_seconds"`    // from the last answer until everything accepted was in ClickHouse
	Ledger          *ledger.Verdict   `json:"ledger,omitempty"` // nil: not compared
	Checks          []Check           `json:"checks"`
	Pass            bool              `json:"pass"`
	Aborted         bool              `json:"aborted,omitempty"`
}

// Point is one value at a time.
type Point struct {
	At    float64 `json:"at"`    // seconds from the start
	Value float64 `json:"value"` // milliseconds
}

// Check is one threshold.
type Check struct {
	Name  string `json:"name"`  // as in the scenario: p99, errors, lost, …
	Limit string `json:"limit"` // for people
	Value string `json:"value"` // for people
	Pass  bool   `json:"pass"`
}
