package queries

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/sheet"
)

// JSON writes the result for programs.
func (r *Result) JSON(w io.Writer) error { return sheet.JSON(w, r) }

// Text writes the result for people.
func (r *Result) Text(w io.Writer) error { return r.page().Text(w) }

// Markdown writes the same for documents.
func (r *Result) Markdown(w io.Writer) error { return r.page().Markdown(w) }

func (r *Result) page() *sheet.Page {
	return &sheet.Page{Preface: r.preface(), Sheets: r.sheets(), Remarks: r.remarks()}
}

func (r *Result) preface() []string {
	d := &r.Data
	return []string{
		fmt.Sprintf("%s events of %d days until %s, seed %d: %d projects, %s people, %s sessions; %.0f bytes of properties, %.0f of context, %.0f of JSON in the naive table",
			sheet.Thousands(float64(d.Rows)), Days, d.Until.Format(time.DateOnly), d.Seed, d.Projects, sheet.Thousands(float64(d.People)), sheet.Thousands(float64(d.Sessions)), d.Properties, d.Context, d.NaiveData),
		fmt.Sprintf("Both tables hold the same events: %s rows on %d days, checksum %s", sheet.Thousands(float64(r.Sameness.Rows)), r.Sameness.Days, r.Sameness.Checksum),
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
	return sheet.Environment(e, r.Started, e.CPU, fmt.Sprintf("%d processors", e.CPUs), fmt.Sprintf("%d GiB", e.Memory>>30), e.OS, e.Kernel, server)
}

func (r *Result) sheets() []sheet.Sheet {
	return []sheet.Sheet{
		r.questionSheet(fmt.Sprintf("Warm: medians of %d runs. × is naive ÷ ours, run by run: above 1 ours is better", r.Rounds), func(s *Side) *Summary { return &s.Warm }, func(q *Question) (sheet.Spread, sheet.Spread) { return q.WarmLatency, q.WarmCPU }, false),
		r.questionSheet(fmt.Sprintf("Cold: medians of %d runs, each after all caches were emptied", r.ColdRounds), func(s *Side) *Summary { return &s.Cold }, func(q *Question) (sheet.Spread, sheet.Spread) { return q.ColdLatency, q.ColdCPU }, true),
		r.storageSheet(), r.insertSheet(),
	}
}

// questionSheet sets both sides beside each other.
func (r *Result) questionSheet(title string, of func(*Side) *Summary, ratios func(*Question) (latency, cpu sheet.Spread), device bool) sheet.Sheet {
	read := "MB read"
	if device {
		read = "MB from device"
	}
	t := sheet.Sheet{Title: title, Head: []string{"question", "ours ms", "naive ms", "×", "[min – max]", "ours CPU ms", "naive", "×", "ours " + read, "naive", "ours rows", "naive"}}
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
		t.Rows = append(t.Rows, []string{
			name, sheet.Digits(ours.Latency.Median), sheet.Digits(naive.Latency.Median), times(latency.Median), "[" + sheet.Digits(latency.Min) + " – " + sheet.Digits(latency.Max) + "]",
			sheet.Digits(ours.CPU.Median), sheet.Digits(naive.CPU.Median), times(cpu.Median), bytes(&q.Ours, ours), bytes(&q.Naive, naive), sheet.Thousands(ours.Rows), sheet.Thousands(naive.Rows),
		})
	}
	return t
}

func (r *Result) storageSheet() sheet.Sheet {
	t := sheet.Sheet{Title: "On disk, bytes per event", Head: []string{"table", "all", "data", "marks", "primary index", "skip indexes", "uncompressed", "rows", "parts"}}
	events := float64(r.Data.Rows)
	add := func(name string, table *Table, per float64) {
		of := func(n uint64) string { return sheet.Digits(float64(n) / max(1, per)) }
		t.Rows = append(t.Rows, []string{name, of(table.Disk), of(table.Data), of(table.Marks), of(table.Primary), of(table.Skip), of(table.Uncompressed), sheet.Thousands(float64(table.Rows)), strconv.FormatUint(table.Parts, 10)})
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

func (r *Result) insertSheet() sheet.Sheet {
	in := &r.Inserts
	t := sheet.Sheet{
		Title: fmt.Sprintf("INSERT of %s rows: server CPU in µs per row, median of %d blocks inserted into each table in turn", sheet.Thousands(float64(in.BlockRows)), len(in.Pairs)),
		Head:  []string{"table", "median", "[min – max]"},
	}
	for _, row := range []struct {
		name string
		s    sheet.Spread
	}{{"events without rollups", in.Bare}, {"events with all rollups", in.Full}, {"the rollups: difference in each pair", in.Rollups}, {"naive", in.Naive}} {
		t.Rows = append(t.Rows, []string{row.name, sheet.Digits(row.s.Median), "[" + sheet.Digits(row.s.Min) + " – " + sheet.Digits(row.s.Max) + "]"})
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
	return append(append(remarks, r.Notes...), sheet.Took(r.Seconds))
}

// largest names the columns of table events that take most, in bytes per event.
func (r *Result) largest(n int) string {
	var all []string
	for i, c := range r.Storage.Ours.Columns {
		if i == n {
			break
		}
		all = append(all, c.Name+" "+sheet.Digits(float64(c.Data)/float64(max(1, r.Data.Rows))))
	}
	return strings.Join(all, ", ")
}

// times writes a ratio.
func times(v float64) string { return sheet.Digits(v) + "×" }

func megabytes(v float64) string { return sheet.Digits(v / 1e6) }
