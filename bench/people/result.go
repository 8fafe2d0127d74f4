package people

import (
	"time"

	"github.com/millrace/millrace/bench/observe"
)

// Version is that of Result's JSON.
const Version = 1

// Result is everything that was measured.
type Result struct {
	Version     int                 `json:"version"`
	Started     time.Time           `json:"started"`
	Seconds     map[string]float64  `json:"seconds"` // of each phase
	Environment observe.Environment `json:"environment"`
	Server      string              `json:"server"` // version of ClickHouse
	Data        Data                `json:"data"`
	Job         Job                 `json:"job"`
	Dictionary  Dictionary          `json:"dictionary"`
	Rounds      int                 `json:"rounds"`
	View        []Pair              `json:"view"`
	// Funnel is how many came to each step of the funnel, as persons and as ids.
	Funnel   [2][]uint64 `json:"funnel"`
	Segments []Segment   `json:"segments"`
	Notes    []string    `json:"notes,omitempty"`
}

// What is told of costs.
var (
	wallOf    = func(c *Cost) float64 { return c.WallMillis }
	cpuOf     = func(c *Cost) float64 { return c.CPUMillis }
	memoryOf  = func(c *Cost) float64 { return float64(c.Memory) }
	rowsOf    = func(c *Cost) float64 { return float64(c.Rows) }
	spilledOf = func(c *Cost) float64 { return float64(c.Spilled) }
)
