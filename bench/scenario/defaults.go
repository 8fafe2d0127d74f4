package scenario

import "time"

// Default is the scenario of an empty file: 30 s at 10,000 events per second.
func Default() Scenario {
	return Scenario{
		Name: "default",
		Seed: 1,
		Load: Load{
			Mode:        Rate,
			Stages:      []Stage{{Duration: 30 * time.Second, Rate: 10_000}},
			Connections: 32,
			Batch:       100,
			Dialect:     "segment",
			Compression: "none",
			Timeout:     30 * time.Second,
			LateAfter:   10 * time.Millisecond,
			DropAfter:   10 * time.Second,
		},
		Events: Events{
			Bytes:      880,
			Names:      40,
			Users:      200,
			Unicode:    0.1,
			Escapes:    0.05,
			Late:       0.01,
			Duplicates: 0.001,
			Invalid:    0.001,
			PoolBytes:  64 << 20,
		},
		Thresholds: Thresholds{Errors: 0.001, Ledger: true},
	}
}

// Duration is how long all stages take together.
func (s *Scenario) Duration() time.Duration {
	var sum time.Duration
	for _, st := range s.Load.Stages {
		sum += st.Duration
	}
	return sum
}
