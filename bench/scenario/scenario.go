package scenario

import "time"

// Scenario is what a run sends: how much, how, and what the events look like. A file that leaves keys out gets those of Default.
type Scenario struct {
	Name        string     `yaml:"name" json:"name"`
	Description string     `yaml:"description" json:"description,omitempty"`
	Seed        uint64     `yaml:"seed" json:"seed"` // of everything random: the same seed makes the same events. Default 1.
	Load        Load       `yaml:"load" json:"load"`
	Events      Events     `yaml:"events" json:"events"`
	Thresholds  Thresholds `yaml:"thresholds" json:"thresholds"`
}

// Mode says what sets the pace.
type Mode string

// The modes.
const (
	Rate     Mode = "rate"     // open loop: requests leave on a schedule that answers cannot delay
	Saturate Mode = "saturate" // closed loop: each connection sends its next request as soon as the one before is answered
)

// Load says how much is sent and how.
type Load struct {
	Mode        Mode          `yaml:"mode" json:"mode"`               // rate or saturate. Default rate.
	Stages      []Stage       `yaml:"stages" json:"stages"`           // one after another. Default one of 30 s at 10,000 events/s.
	Warmup      time.Duration `yaml:"warmup" json:"warmup"`           // how much of the beginning counts for the ledger but not for rates and latencies. Default 0.
	Connections int           `yaml:"connections" json:"connections"` // each with one request in flight. Default 32, at most 4,000.
	Batch       int           `yaml:"batch" json:"batch"`             // events per request. Default 100, at most 10,000.
	Dialect     string        `yaml:"dialect" json:"dialect"`         // segment or native. Default segment.
	Compression string        `yaml:"compression" json:"compression"` // none, gzip or zstd: compressed when sent, at the generator's cost. Default none.
	Timeout     time.Duration `yaml:"timeout" json:"timeout"`         // of one request. Default 30 s.
	LateAfter   time.Duration `yaml:"late_after" json:"late_after"`   // a send that leaves later than this after its time is counted as late. Default 10 ms.
	DropAfter   time.Duration `yaml:"drop_after" json:"drop_after"`   // a send that no connection was free for so long is dropped and counted. Default 10 s.
}

// Stage is a part of the run. In mode saturate only its duration counts.
type Stage struct {
	Duration time.Duration `yaml:"duration" json:"duration"`
	Rate     float64       `yaml:"rate" json:"rate"` // events per second at the end of the stage
	Ramp     bool          `yaml:"ramp" json:"ramp"` // the rate moves there in a line from that of the stage before (from 0 at the beginning); false: it jumps
}

// Events say what the events look like.
type Events struct {
	Bytes      int     `yaml:"bytes" json:"bytes"`           // mean size of one event as JSON. Default 880.
	Names      int     `yaml:"names" json:"names"`           // how many event names there are, chosen by Zipf's law beside those of the funnel. Default 40.
	Users      int     `yaml:"users" json:"users"`           // users per connection. Default 200.
	Unicode    float64 `yaml:"unicode" json:"unicode"`       // share of events with other than ASCII text. Default 0.1.
	Escapes    float64 `yaml:"escapes" json:"escapes"`       // share of events with JSON escapes in names, ids or values. Default 0.05.
	Late       float64 `yaml:"late" json:"late"`             // share of events that happened minutes to days before they are sent. Default 0.01.
	Duplicates float64 `yaml:"duplicates" json:"duplicates"` // share of events that the client sends twice, with the same id. Default 0.001.
	Invalid    float64 `yaml:"invalid" json:"invalid"`       // share of events that must be refused. Default 0.001.
	PoolBytes  int64   `yaml:"pool_bytes" json:"pool_bytes"` // how much is rendered before the run; then the bodies come round again with new ids and times. Default 64 MiB.
}

// Thresholds decide whether a run passes. Durations of 0 and rates below 0 are not checked.
type Thresholds struct {
	P50       time.Duration `yaml:"p50" json:"p50"`             // of latency, from the intended send time
	P99       time.Duration `yaml:"p99" json:"p99"`             //
	P999      time.Duration `yaml:"p999" json:"p999"`           //
	Queryable time.Duration `yaml:"queryable" json:"queryable"` // p99 of accepted → queryable
	Errors    float64       `yaml:"errors" json:"errors"`       // share of requests that failed or were refused as a whole. Default 0.001.
	Dropped   float64       `yaml:"dropped" json:"dropped"`     // share of sends dropped. Default 0.
	MinRate   float64       `yaml:"min_rate" json:"min_rate"`   // accepted events per second, mean. Default 0: not checked.
	Ledger    bool          `yaml:"ledger" json:"ledger"`       // the ledger must balance: nothing lost, duplicated, invented, corrupted, out of order. Default true.
}
