package queries

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// JSON writes the result for programs.
func (r *Result) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// sheet is a table of texts; the first column is a name, the others are numbers.
type sheet struct {
	title string
	head  []string
	rows  [][]string
}

// Text writes the result for people.
func (r *Result) Text(w io.Writer) error {
	b := new(bytes.Buffer)
	for _, line := range r.preface() {
		fmt.Fprintln(b, line)
	}
	for _, t := range r.sheets() {
		fmt.Fprintf(b, "\n%s\n", t.title)
		out := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
		// Names stand at the left, which the writer can do for all columns or none: they are made equally wide.
		width := 0
		for _, row := range append([][]string{t.head}, t.rows...) {
			width = max(width, len([]rune(row[0])))
		}
		for _, row := range append([][]string{t.head}, t.rows...) {
			fmt.Fprintf(out, "%-*s\t%s\t\n", width, row[0], strings.Join(row[1:], "\t")) //nolint:errcheck // memory takes all of it
		}
		_ = out.Flush()
	}
	fmt.Fprintln(b)
	for _, line := range r.remarks() {
		fmt.Fprintln(b, "·", line)
	}
	_, err := b.WriteTo(w)
	return err
}

// Markdown writes the same for documents.
func (r *Result) Markdown(w io.Writer) error {
	b := new(bytes.Buffer)
	for _, line := range r.preface() {
		fmt.Fprintf(b, "%s  \n", line)
	}
	for _, t := range r.sheets() {
		fmt.Fprintf(b, "\n**%s**\n\n| %s |\n|---|%s\n", t.title, strings.Join(t.head, " | "), strings.Repeat("---:|", len(t.head)-1))
		for _, row := range t.rows {
			fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		}
	}
	fmt.Fprintln(b)
	for _, line := range r.remarks() {
		fmt.Fprintln(b, "-", line)
	}
	_, err := b.WriteTo(w)
	return err
}

func (r *Result) preface() []string {
	d := &r.Data
	return []string{
		fmt.Sprintf("%s events of %d days until %s, seed %d: %d projects, %s people, %s sessions; %.0f bytes of properties, %.0f of context, %.0f of JSON in the naive table",
			thousands(float64(d.Rows)), Days, d.Until.Format(time.DateOnly), d.Seed, d.Projects, thousands(float64(d.People)), thousands(float64(d.Sessions)), d.Properties, d.Context, d.NaiveData),
		fmt.Sprintf("Both tables hold the same events: %s rows on %d days, checksum %s", thousands(float64(r.Sameness.Rows)), r.Sameness.Days, r.Sameness.Checksum),
		r.environment(),
	}
}

// environment is one line.
func (r *Result) environment() string {
	e := &r.Environment
	server := "ClickHouse " + r.Server
	if r.Embedded {
		server += " (embedded)"
	}
	parts := []string{e.CPU, fmt.Sprintf("%d processors", e.CPUs), fmt.Sprintf("%d GiB", e.Memory>>30), e.OS, e.Kernel, server}
	for _, name := range slices.Sorted(maps.Keys(e.Versions)) {
		parts = append(parts, name+" "+e.Versions[name])
	}
	parts = append(parts, r.Started.Format("2006-01-02 15:04"))
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" }), " · ")
}

func (r *Result) sheets() []sheet {
	return []sheet{
		r.questionSheet(fmt.Sprintf("Warm: medians of %d runs. × is naive ÷ ours, run by run: above 1 ours is better", r.Rounds), func(s *Side) *Summary { return &s.Warm }, func(q *Question) (Spread, Spread) { return q.WarmLatency, q.WarmCPU }, false),
		r.questionSheet(fmt.Sprintf("Cold: medians of %d runs, each after all caches were emptied", r.ColdRounds), func(s *Side) *Summary { return &s.Cold }, func(q *Question) (Spread, Spread) { return q.ColdLatency, q.ColdCPU }, true),
		r.storageSheet(), r.insertSheet(),
	}
}

// questionSheet sets both sides beside each other.
func (r *Result) questionSheet(title string, of func(*Side) *Summary, ratios func(*Question) (latency, cpu Spread), device bool) sheet {
	read := "MB read"
	if device {
		read = "MB from device"
	}
	t := sheet{title: title, head: []string{"question", "ours ms", "naive ms", "×", "[min – max]", "ours CPU ms", "naive", "×", "ours " + read, "naive", "ours rows", "naive"}}
	for i := range r.Questions {
		q := &r.Questions[i]
		ours, naive := of(&q.Ours), of(&q.Naive)
		latency, cpu := ratios(q)
		name := q.Asks
		switch {
		case q.Difference != "":
			name += " ✗"
		case q.Bound > 0:
			name += " ≈"
		}
		bytes := func(side *Side, s *Summary) string {
			if !device {
				return megabytes(s.Bytes)
			}
			if !side.IsCold {
				return megabytes(s.DeviceBytes) + " *"
			}
			return megabytes(s.DeviceBytes)
		}
		t.rows = append(t.rows, []string{
			name, digits(ours.Latency.Median), digits(naive.Latency.Median), times(latency.Median), "[" + digits(latency.Min) + " – " + digits(latency.Max) + "]",
			digits(ours.CPU.Median), digits(naive.CPU.Median), times(cpu.Median), bytes(&q.Ours, ours), bytes(&q.Naive, naive), thousands(ours.Rows), thousands(naive.Rows),
		})
	}
	return t
}

func (r *Result) storageSheet() sheet {
	t := sheet{title: "On disk, bytes per event", head: []string{"table", "all", "data", "marks", "primary index", "skip indexes", "uncompressed", "rows", "parts"}}
	events := float64(r.Data.Rows)
	add := func(name string, table *Table, per float64) {
		of := func(n uint64) string { return digits(float64(n) / max(1, per)) }
		t.rows = append(t.rows, []string{name, of(table.Disk), of(table.Data), of(table.Marks), of(table.Primary), of(table.Skip), of(table.Uncompressed), thousands(float64(table.Rows)), strconv.FormatUint(table.Parts, 10)})
	}
	s := &r.Storage
	add("ours: events", &s.Ours, events)
	var all Table
	for i := range s.Rollups {
		rollup := &s.Rollups[i]
		add("ours: "+rollup.Name, rollup, events)
		all.Disk, all.Data, all.Marks, all.Primary, all.Skip = all.Disk+rollup.Disk, all.Data+rollup.Data, all.Marks+rollup.Marks, all.Primary+rollup.Primary, all.Skip+rollup.Skip
		all.Uncompressed, all.Rows, all.Parts = all.Uncompressed+rollup.Uncompressed, all.Rows+rollup.Rows, all.Parts+rollup.Parts
	}
	add("ours: all rollups", &all, events)
	add("naive", &s.Naive, events)
	add("naive with ZSTD(1), a sample", &s.NaiveZSTD, float64(s.NaiveZSTD.Rows))
	return t
}

func (r *Result) insertSheet() sheet {
	in := &r.Inserts
	t := sheet{
		title: fmt.Sprintf("INSERT of %s rows: server CPU in µs per row, median of %d blocks inserted into each table in turn", thousands(float64(in.BlockRows)), len(in.Pairs)),
		head:  []string{"table", "median", "[min – max]"},
	}
	for _, row := range []struct {
		name string
		s    Spread
	}{{"events without rollups", in.Bare}, {"events with all rollups", in.Full}, {"the rollups: difference in each pair", in.Rollups}, {"naive", in.Naive}} {
		t.rows = append(t.rows, []string{row.name, digits(row.s.Median), "[" + digits(row.s.Min) + " – " + digits(row.s.Max) + "]"})
	}
	return t
}

// remarks say what one must know to read the tables.
func (r *Result) remarks() []string {
	remarks := []string{
		fmt.Sprintf("Questions are about one project with %.0f %% of the events. Latency is the client's, from sending to the last row; CPU, rows and bytes are from system.query_log.", r.Data.AskedShare*100),
		"naive is (ts, project_id, event, distinct_id, data) ORDER BY ts with the server's default codec. It has all that ours has but the place in the topic, the dialect and copies such as user_h. " +
			"Both sides give the same answers: they are compared each time.",
	}
	for i := range r.Questions {
		q := &r.Questions[i]
		switch {
		case q.Difference != "":
			remarks = append(remarks, fmt.Sprintf("✗ %s: the answers differ, so its figures mean nothing: %s", q.Name, q.Difference))
		case q.Bound > 0:
			remarks = append(remarks, fmt.Sprintf("≈ %s: people are an estimate in ours, by design; it was off by at most %.2f %%, up to %.0f %% would pass. Naive counts exactly.", q.Name, q.Deviation*100, q.Bound*100))
		}
	}
	if slices.ContainsFunc(r.Questions, func(q Question) bool { return !q.Ours.IsCold || !q.Naive.IsCold }) {
		remarks = append(remarks, "* not cold: less than half of what the query read came from the device")
	}
	if columns := r.largest(6); columns != "" {
		remarks = append(remarks, "Largest columns of events, bytes per event: "+columns)
	}
	return append(append(remarks, r.Notes...), r.took())
}

// took is how long the run was, and what with.
func (r *Result) took() string {
	var all time.Duration
	var parts []string
	for _, name := range slices.SortedFunc(maps.Keys(r.Seconds), func(a, b string) int { return cmp.Or(cmp.Compare(r.Seconds[b], r.Seconds[a]), cmp.Compare(a, b)) }) {
		length := time.Duration(r.Seconds[name] * float64(time.Second))
		all += length
		parts = append(parts, fmt.Sprintf("%s %v", name, length.Round(time.Second)))
	}
	return fmt.Sprintf("The run took %v: %s", all.Round(time.Second), strings.Join(parts, ", "))
}

// largest names the columns of table events that take most, in bytes per event.
func (r *Result) largest(n int) string {
	var all []string
	for i, c := range r.Storage.Ours.Columns {
		if i == n {
			break
		}
		all = append(all, c.Name+" "+digits(float64(c.Data)/float64(max(1, r.Data.Rows))))
	}
	return strings.Join(all, ", ")
}

// digits writes a value with about three that mean something.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// times writes a ratio.
func times(v float64) string { return digits(v) + "×" }

func megabytes(v float64) string { return digits(v / 1e6) }

// thousands writes a count with commas.
func thousands(v float64) string {
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
