package faultlab

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/verify"
)

// Result is one run of a kind.
type Result struct {
	Kind     string    `json:"kind"`
	Describe string    `json:"describe"`
	Seed     uint64    `json:"seed"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`

	Planned  int       `json:"planned"`
	Outcomes []Outcome `json:"outcomes"`
	Recovery Recovery  `json:"recovery"`

	Load       load.Counts         `json:"load"`
	ErrorKinds map[string]uint64   `json:"error_kinds,omitempty"` // of requests, as clients saw them in the end
	Proof      map[string]float64  `json:"proof"`                 // counters that show that the fault bit
	Points     map[string]uint64   `json:"points,omitempty"`      // failpoints that were passed
	Starts     map[string]int      `json:"starts"`                // of processes
	Unasked    map[string][]string `json:"unasked,omitempty"`     // deaths that nobody had ordered

	Verdict    *ledger.Verdict `json:"verdict,omitempty"`
	Duplicates uint64          `json:"duplicates"` // rows of a record beyond its first
	// Drift of the rollups, as found and after the auditor was asked to repair it, where it was.
	Drift      []verify.RollupDrift `json:"drift,omitempty"`
	DriftAfter []verify.RollupDrift `json:"drift_after,omitempty"`
	Reconciled bool                 `json:"reconciled,omitempty"`
	Fresh      float64              `json:"fresh"` // seconds until an event sent after all faults could be queried

	Problems []string `json:"problems,omitempty"` // everything that was not as it must be
	Aborted  bool     `json:"aborted,omitempty"`
	Pass     bool     `json:"pass"`
	Dir      string   `json:"dir"`
}

// Recovery is how long the system took, from injections until everything was confirmed again, in seconds.
type Recovery struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	Max   float64 `json:"max"`
}

// Bit is how many injections took effect.
func (r *Result) Bit() int {
	n := 0
	for i := range r.Outcomes {
		if r.Outcomes[i].Bit {
			n++
		}
	}
	return n
}

// recovery sums up the outcomes.
func recovery(outcomes []Outcome) Recovery {
	var times []float64
	for i := range outcomes {
		if s := outcomes[i].Seconds; s > 0 {
			times = append(times, s)
		}
	}
	if len(times) == 0 {
		return Recovery{}
	}
	slices.Sort(times)
	return Recovery{Count: len(times), P50: times[(len(times)-1)/2], Max: times[len(times)-1]}
}

// Names of the files of a run.
const (
	resultFile   = "result.json"
	scheduleFile = "schedule.json"
	ledgerFile   = "ledger.bin"
)

// write writes the result beside the logs.
func (r *Result) write(dir string) error { return writeJSON(filepath.Join(dir, resultFile), r) }

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
