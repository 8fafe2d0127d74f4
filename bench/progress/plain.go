package progress

import (
	"fmt"
	"math"
	"strings"

	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// plainTick is an interval in one line. Numbers have no commas: such lines are also read by programs.
func plainTick(i *load.Interval, used []use, after *observe.Sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6.1fs  asked %.0f/s  accepted %.0f/s", i.At, perSecond(i.Counts.Scheduled, i.Seconds), perSecond(i.Counts.Accepted, i.Seconds))
	if i.Latency.Count > 0 {
		fmt.Fprintf(&b, "  p50 %s  p99 %s", milliseconds(i.Latency.P50), milliseconds(i.Latency.P99))
	} else {
		b.WriteString("  p50 -  p99 -")
	}
	fmt.Fprintf(&b, "  errors %d  late %d  dropped %d", i.Counts.Errors, i.Counts.Late, i.Counts.Dropped)
	if after != nil {
		if lag, known := after.Gauges[observe.LagRecords]; known && !math.IsNaN(lag) {
			fmt.Fprintf(&b, "  lag %.0f", lag)
		}
	}
	for n, u := range used {
		if n == 0 {
			b.WriteString("  cpu")
		}
		fmt.Fprintf(&b, " %s %.2f", u.name, u.cores)
	}
	if i.Warmup {
		b.WriteString("  warm-up")
	}
	return b.String()
}

// plainPhase is a phase in one line.
func plainPhase(name string, done, total uint64) string {
	if total == 0 {
		return fmt.Sprintf("%s  %d", name, done)
	}
	return fmt.Sprintf("%s  %d of %d  %.0f%%", name, done, total, math.Floor(100*min(float64(done)/float64(total), 1)))
}
