package compare

import (
	"time"

	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/sheet"
)

// Version is that of Result's JSON.
const Version = 1

// SaturatedAt is the share of the generator's processors beyond which a rate is only a lower bound.
const SaturatedAt = 0.85

// Result is everything that was measured.
type Result struct {
	Version       int                 `json:"version"`
	Started       time.Time           `json:"started"`
	Environment   observe.Environment `json:"environment"`
	Placement     Placement           `json:"placement"`
	Dialect       string              `json:"dialect"`
	EventBytes    int                 `json:"event_bytes"` // mean size as JSON
	Seed          uint64              `json:"seed"`
	Rounds        int                 `json:"rounds"`
	WindowSeconds float64             `json:"window_seconds"`
	Targets       []TargetInfo        `json:"targets"`
	Windows       []Window            `json:"windows"` // in the order of time, warm-up left out
	Cells         []Cell              `json:"cells"`   // by batch size, then target
	Ratios        []Ratio             `json:"ratios"`
	Notes         []string            `json:"notes,omitempty"`
}

// TargetInfo is a target as it ran.
type TargetInfo struct {
	Name    string   `json:"name"`
	Command []string `json:"command,omitempty"`
	URL     string   `json:"url"`
	Topic   string   `json:"topic,omitempty"`
}

// Window is one measurement of one target.
type Window struct {
	Batch       int     `json:"batch"`
	Connections int     `json:"connections"`
	Round       int     `json:"round"` // from 1
	Target      string  `json:"target"`
	Seconds     float64 `json:"seconds"` // between the two readings of CPU time

	Requests   uint64            `json:"requests"`
	Errors     uint64            `json:"errors"` // requests without an answer or with another status than 200
	ErrorKinds map[string]uint64 `json:"error_kinds,omitempty"`
	Accepted   uint64            `json:"accepted"`          // events
	Rejected   uint64            `json:"rejected"`          // events
	Unknown    uint64            `json:"unknown"`           // events without a clear answer
	Records    *uint64           `json:"records,omitempty"` // that the broker counted on the target's topic; nil: nobody looked

	User      float64 `json:"user"`      // CPU seconds of the target's processes
	System    float64 `json:"system"`    // CPU seconds of the target's processes
	Resident  int64   `json:"resident"`  // bytes of the target at the end
	Generator float64 `json:"generator"` // CPU seconds of this process
	Broker    float64 `json:"broker"`    // CPU seconds
	Load      float64 `json:"load"`      // share of the generator's processors that generator and broker used

	Rate float64 `json:"rate"` // accepted events per second
	P50  float64 `json:"p50"`  // milliseconds from send to answer
	P99  float64 `json:"p99"`  // milliseconds from send to answer
}

// Cell is all windows of a target at a batch size. CPU is in microseconds per accepted event.
type Cell struct {
	Batch       int          `json:"batch"`
	Connections int          `json:"connections"`
	Target      string       `json:"target"`
	Windows     int          `json:"windows"`
	User        sheet.Spread `json:"user"`
	System      sheet.Spread `json:"system"`
	Total       sheet.Spread `json:"total"`
	Rate        sheet.Spread `json:"rate"`
	P50         sheet.Spread `json:"p50"`
	P99         sheet.Spread `json:"p99"`
	Load        sheet.Spread `json:"load"`
	Resident    int64        `json:"resident"`          // bytes, the most of all windows
	LowerBound  bool         `json:"lower_bound"`       // the rate: the generator's processors were busy beyond SaturatedAt, or shared with the target
	Invalid     []string     `json:"invalid,omitempty"` // why the figures mean nothing
}

// Ratio is how many times the CPU time per event of Of is that of To, computed round by round.
type Ratio struct {
	Batch int          `json:"batch"`
	Of    string       `json:"of"`
	To    string       `json:"to"`
	Times sheet.Spread `json:"times"`
}

// perEvent is microseconds of CPU time per accepted event, 0 when there is none.
func (w *Window) perEvent(seconds float64) float64 {
	if w.Accepted == 0 {
		return 0
	}
	return seconds * 1e6 / float64(w.Accepted)
}

func (w *Window) total() float64 { return w.perEvent(w.User + w.System) }

// Cell returns that of a target at a batch size, nil when there is none.
func (r *Result) Cell(batch int, target string) *Cell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Batch == batch && c.Target == target {
			return c
		}
	}
	return nil
}

// Ratio returns that of two targets at a batch size; ok is false when there is none.
func (r *Result) Ratio(batch int, of, to string) (times sheet.Spread, ok bool) {
	for _, x := range r.Ratios {
		if x.Batch == batch && x.Of == of && x.To == to {
			return x.Times, true
		}
	}
	return sheet.Spread{}, false
}
