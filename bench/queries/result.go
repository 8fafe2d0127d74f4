package queries

import (
	"slices"
	"time"

	"github.com/millrace/millrace/bench/observe"
	"github.com/millrace/millrace/bench/sheet"
)

// Version is that of Result's JSON.
const Version = 1

// Result is everything that was measured.
type Result struct {
	Version     int                 `json:"version"`
	Started     time.Time           `json:"started"`
	Seconds     map[string]float64  `json:"seconds"` // of each phase
	Environment observe.Environment `json:"environment"`
	Server      string              `json:"server"`   // its version
	Embedded    bool                `json:"embedded"` // started by the run
	Data        Data                `json:"data"`
	Sameness    Sameness            `json:"sameness"`
	Settled     bool                `json:"settled"` // nothing was left to merge when sizes were taken and questions asked
	Storage     Storage             `json:"storage"`
	Inserts     Inserts             `json:"inserts"`
	Rounds      int                 `json:"rounds"`
	ColdRounds  int                 `json:"cold_rounds"`
	Questions   []Question          `json:"questions"`
	Notes       []string            `json:"notes,omitempty"`
}

// Data is what was loaded. Sizes are in bytes per event.
type Data struct {
	Rows       int       `json:"rows"`
	Seed       uint64    `json:"seed"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
	Projects   int       `json:"projects"`
	AskedShare float64   `json:"asked_share"` // of the events, of the project that the questions are about
	People     int       `json:"people"`
	Sessions   int       `json:"sessions"`
	Properties float64   `json:"properties_bytes"`
	Context    float64   `json:"context_bytes"`
	NaiveData  float64   `json:"naive_data_bytes"`
}

// Inserts is the server's CPU time of INSERTs, in microseconds per row. The pairs are of the same block, one INSERT after the other, each first in turn.
type Inserts struct {
	BlockRows int          `json:"block_rows"`
	Pairs     []InsertPair `json:"pairs"`
	Bare      sheet.Spread `json:"without_rollups"`
	Full      sheet.Spread `json:"with_rollups"`
	Rollups   sheet.Spread `json:"rollups"` // the difference
	Naive     sheet.Spread `json:"naive"`
}

// InsertPair is one block.
type InsertPair struct {
	Bare  float64 `json:"without_rollups"`
	Full  float64 `json:"with_rollups"`
	Naive float64 `json:"naive"`
}

// Question is what one question cost on both sides.
type Question struct {
	Name  string `json:"name"`
	Asks  string `json:"asks"`
	Rows  int    `json:"rows"` // of the answer
	Ours  Side   `json:"ours"`
	Naive Side   `json:"naive"`
	// The ratios are naive to ours, round by round.
	WarmLatency sheet.Spread `json:"warm_latency_ratio"`
	WarmCPU     sheet.Spread `json:"warm_cpu_ratio"`
	ColdLatency sheet.Spread `json:"cold_latency_ratio"`
	ColdCPU     sheet.Spread `json:"cold_cpu_ratio"`
	// Difference is where the answers differ first; empty: nowhere.
	Difference string `json:"difference,omitempty"`
	// Bound is how far an estimate in ours may lie off, as a share; 0: nothing is estimated. Deviation is how far it was off at most.
	Bound     float64 `json:"bound,omitempty"`
	Deviation float64 `json:"deviation,omitempty"`
}

// Side is one side of a question.
type Side struct {
	SQL  string  `json:"sql"`
	Warm Summary `json:"warm"`
	Cold Summary `json:"cold"`
	// IsCold is false when at least one cold run found files in memory.
	IsCold   bool   `json:"is_cold"`
	WarmRuns []Cost `json:"warm_runs"`
	ColdRuns []Cost `json:"cold_runs"`
}

// Summary is what several runs of one query cost.
type Summary struct {
	Latency sheet.Spread `json:"latency_ms"`
	CPU     sheet.Spread `json:"cpu_ms"`
	Wait    sheet.Spread `json:"cpu_wait_ms"`
	// The following are medians.
	Rows        float64 `json:"rows"`
	Bytes       float64 `json:"bytes"`
	DeviceBytes float64 `json:"device_bytes"`
	Memory      float64 `json:"memory_bytes"`
}

func summarize(runs []Cost) Summary {
	return Summary{
		Latency:     sheet.By(runs, func(c *Cost) float64 { return c.LatencyMillis }),
		CPU:         sheet.By(runs, func(c *Cost) float64 { return c.CPUMillis }),
		Wait:        sheet.By(runs, func(c *Cost) float64 { return c.WaitMillis }),
		Rows:        sheet.By(runs, func(c *Cost) float64 { return float64(c.Rows) }).Median,
		Bytes:       sheet.By(runs, func(c *Cost) float64 { return float64(c.Bytes) }).Median,
		DeviceBytes: sheet.By(runs, func(c *Cost) float64 { return float64(c.DeviceBytes) }).Median,
		Memory:      sheet.By(runs, func(c *Cost) float64 { return float64(c.Memory) }).Median,
	}
}

// finish computes what follows from the runs.
func (q *Question) finish() {
	for _, side := range []*Side{&q.Ours, &q.Naive} {
		side.Warm, side.Cold = summarize(side.WarmRuns), summarize(side.ColdRuns)
		side.IsCold = len(side.ColdRuns) > 0 && !slices.ContainsFunc(side.ColdRuns, func(c Cost) bool { return !c.cold() })
	}
	latency, cpu := func(c *Cost) float64 { return c.LatencyMillis }, func(c *Cost) float64 { return c.CPUMillis }
	q.WarmLatency, q.WarmCPU = ratios(q.Naive.WarmRuns, q.Ours.WarmRuns, latency), ratios(q.Naive.WarmRuns, q.Ours.WarmRuns, cpu)
	q.ColdLatency, q.ColdCPU = ratios(q.Naive.ColdRuns, q.Ours.ColdRuns, latency), ratios(q.Naive.ColdRuns, q.Ours.ColdRuns, cpu)
}

// ratios are a to b, run by run. Runs of b that cost nothing make none.
func ratios(a, b []Cost, value func(*Cost) float64) sheet.Spread {
	var all []float64
	for i := range min(len(a), len(b)) {
		if v := value(&b[i]); v > 0 {
			all = append(all, value(&a[i])/v)
		}
	}
	return sheet.Of(all)
}

// Differing are the names of the questions that were not answered alike.
func (r *Result) Differing() (names []string) {
	for i := range r.Questions {
		if r.Questions[i].Difference != "" {
			names = append(names, r.Questions[i].Name)
		}
	}
	return names
}
