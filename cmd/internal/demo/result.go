package demo

import (
	"fmt"
	"strings"
	"time"
)

// Result is what came of Send.
type Result struct {
	Total   int64 // events of the story
	Skipped int64 // of them, left out at the beginning because they were asked to be
	Sent    int64 // accepted in this run
	Refused int64 // refused for good in this run
	Reason  string
	// In is how many events at the beginning of the story have an answer, those that were skipped counted as well. Behind them nothing is, or some requests that overtook others.
	In int64
	// Until is the time of the last of them; End is the story's.
	Until, End  time.Time
	Requests    int64
	Repeated    int64  // requests that were sent again
	Durability  string // what the server promised last
	Interrupted bool   // ended before the end
	Took        time.Duration
}

// String says it for people, without a newline at the end.
func (r *Result) String() string {
	var b strings.Builder
	rate := 0.0
	if r.Took > 0 {
		rate = float64(r.Sent) / r.Took.Seconds()
	}
	fmt.Fprintf(&b, "%s events accepted in %v (%s/s), durability %q", commas(r.Sent), r.Took.Round(100*time.Millisecond), commas(int64(rate)), r.Durability)
	if r.Repeated > 0 {
		fmt.Fprintf(&b, ", %s requests sent again", commas(r.Repeated))
	}
	if r.Refused > 0 {
		fmt.Fprintf(&b, "\n%s events were refused, the first because of %s", commas(r.Refused), r.Reason)
	}
	if r.In == r.Total {
		b.WriteString("\nThe story is in: `millrace connect TOOL` opens the tables, docs/queries.md has questions. Another --seed tells another story; this one must not be told again after an hour," +
			" when the server has forgotten its ids.")
		return b.String()
	}
	fmt.Fprintf(&b, "\n%s of %s events are in, all until %s UTC; --skip %d goes on behind them, with the same --seed, --days, --users and --until %s",
		commas(r.In), commas(r.Total), r.Until.Format("2006-01-02 15:04"), r.In, r.End.Format(time.DateOnly))
	if beyond := r.Skipped + r.Sent + r.Refused - r.In; beyond > 0 {
		fmt.Fprintf(&b, " (%s further on are in too, and are known by their ids for an hour)", commas(beyond))
	}
	return b.String()
}
