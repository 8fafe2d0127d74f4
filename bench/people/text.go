package people

import (
	"fmt"
	"io"
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
		fmt.Sprintf("%s users, %s events of %d days until %s, seed %d: each comes as a visitor, identifies with three traits, and goes on as a user", sheet.Thousands(float64(d.Users)), sheet.Thousands(float64(d.Events)), Days,
			d.Until.Format(time.DateOnly), d.Seed),
		fmt.Sprintf("Loaded for %s µs of the server's CPU per event, all rollups included; table events takes %s bytes per event", sheet.Digits(d.CPU), sheet.Digits(float64(d.Disk)/float64(max(1, d.Events)))),
		r.environment(),
	}
}

// environment is one line.
func (r *Result) environment() string {
	e := &r.Environment
	return sheet.Environment(e, r.Started, e.CPU, fmt.Sprintf("%d processors", e.CPUs), fmt.Sprintf("%d GiB", e.Memory>>30), e.OS, e.Kernel, "ClickHouse "+r.Server+" (embedded)")
}

func (r *Result) sheets() []sheet.Sheet {
	return append(r.jobSheets(), r.dictionarySheet(), r.viewSheet(), r.segmentSheet())
}

// jobSheets are none when a server did not do the work.
func (r *Result) jobSheets() []sheet.Sheet {
	j := &r.Job
	if j.Skipped != "" {
		t := sheet.Sheet{Title: "Persons and profiles, written by SQL, because the server did not: " + j.Skipped, Head: []string{"statement", "wall s", "CPU s", "peak MiB"}}
		for i, name := range []string{"identity_overrides", "profiles"} {
			c := &j.Fill[i]
			t.Add(name, sheet.Digits(c.WallMillis/1000), sheet.Digits(c.CPUMillis/1000), mebibytes(float64(c.Memory)))
		}
		return []sheet.Sheet{t}
	}
	users, events := float64(r.Data.Users), float64(r.Data.Events)
	per := func(cpu float64) string { return sheet.Digits(cpu * 1e6 / users) }
	work := sheet.Sheet{Title: "The job, from nothing: a server that starts on the history", Head: []string{"what", "value"}}
	work.Add("overrides, profiles", sheet.Thousands(float64(j.Overrides))+", "+sheet.Thousands(float64(j.Profiles)))
	work.Add("seconds from the start of the server to the end of the history", sheet.Digits(j.Seconds))
	work.Add("of them until it took events, until the first progress", sheet.Digits(j.Ready)+", "+sheet.Digits(j.First))
	work.Add("identify events per second, all events per second", sheet.Thousands(users/j.Seconds)+", "+sheet.Thousands(events/j.Seconds))
	if j.Server.CPU > 0 {
		work.Add("server: CPU s, µs per identify event, peak resident MiB", sheet.Digits(j.Server.CPU)+", "+per(j.Server.CPU)+", "+mebibytes(float64(j.Server.Resident)))
		work.Add("ClickHouse: CPU s, µs per identify event, peak resident MiB", sheet.Digits(j.ClickHouse.CPU)+", "+per(j.ClickHouse.CPU)+", "+mebibytes(float64(j.ClickHouse.Resident)))
	}
	if j.Facts > 0 {
		work.Add("facts in the server's memory, bytes for each", sheet.Thousands(float64(j.Facts))+", "+sheet.Digits(float64(j.FactBytes)/float64(j.Facts)))
	}
	fresh := sheet.Sheet{Title: fmt.Sprintf("Then, one more identify: seconds from the call, of %d visitors", len(j.Fresh)), Head: []string{"until", "median", "[min – max]"}}
	for _, row := range []struct {
		name string
		s    sheet.Spread
	}{
		{"accepted by the door", sheet.By(j.Fresh, func(f *Fresh) float64 { return f.Accepted })},
		{"override in the table", sheet.By(j.Fresh, func(f *Fresh) float64 { return f.Override })},
		{"one person in events_q", sheet.By(j.Fresh, func(f *Fresh) float64 { return f.Joined })},
	} {
		fresh.Add(row.name, sheet.Digits(row.s.Median), brackets(row.s))
	}
	return []sheet.Sheet{work, fresh}
}

func (r *Result) dictionarySheet() sheet.Sheet {
	d := &r.Dictionary
	t := sheet.Sheet{Title: fmt.Sprintf("Dictionary identity: %d times SYSTEM RELOAD DICTIONARY", len(d.Reloads)), Head: []string{"what", "median", "[min – max]"}}
	t.Add("rows", sheet.Thousands(float64(d.Rows)), "")
	t.Add("MiB allocated, bytes for each row", mebibytes(float64(d.Bytes))+", "+sheet.Digits(float64(d.Bytes)/float64(max(1, d.Rows))), "")
	for _, row := range []struct {
		name string
		s    sheet.Spread
	}{
		{"loading, s", sheet.By(d.Reloads, func(l *Load) float64 { return l.Seconds })},
		{"CPU of the statement, s", sheet.By(d.Reloads, func(l *Load) float64 { return l.Cost.CPUMillis / 1000 })},
		{"CPU of the process meanwhile, s", sheet.By(d.Reloads, func(l *Load) float64 { return l.CPU })},
	} {
		t.Add(row.name, sheet.Digits(row.s.Median), brackets(row.s))
	}
	return t
}

func (r *Result) viewSheet() sheet.Sheet {
	t := sheet.Sheet{
		Title: fmt.Sprintf("events_q beside table events: medians of %d runs in turn", r.Rounds),
		Head:  []string{"question", "events_q CPU ms", "events", "×", "[min – max]", "events_q wall ms", "events", "events_q peak MiB", "events", "rows", "ns per event"},
	}
	for i := range r.View {
		p := &r.View[i]
		of := func(all []Cost, value func(*Cost) float64) float64 { return sheet.By(all, value).Median }
		t.Add(p.Asks, sheet.Digits(of(p.Ours, cpuOf)), sheet.Digits(of(p.Raw, cpuOf)), sheet.Digits(p.Ratio.Median)+"×", brackets(p.Ratio), sheet.Digits(of(p.Ours, wallOf)), sheet.Digits(of(p.Raw, wallOf)),
			mebibytes(of(p.Ours, memoryOf)), mebibytes(of(p.Raw, memoryOf)), sheet.Thousands(of(p.Ours, rowsOf)), sheet.Digits(p.PerEvent.Median))
	}
	return t
}

func (r *Result) segmentSheet() sheet.Sheet {
	t := sheet.Sheet{
		Title: fmt.Sprintf("Builds of segments with %d MiB, and with %d", usualMemory>>20, tightMemory>>20),
		Head:  []string{"segment", "members", "wall s", "CPU s", "peak MiB", "spilled MiB", "rows read", "tight: wall s", "CPU s", "peak MiB", "spilled MiB"},
	}
	for i := range r.Segments {
		s := &r.Segments[i]
		of := func(value func(*Cost) float64) float64 { return sheet.By(s.Builds, value).Median }
		row := []string{
			s.Asks, sheet.Thousands(float64(s.Members)), sheet.Digits(of(wallOf) / 1000), sheet.Digits(of(cpuOf) / 1000), mebibytes(of(memoryOf)), mebibytes(of(spilledOf)), sheet.Thousands(of(rowsOf)),
		}
		if s.Refused != "" {
			row = append(row, "✗", "", "", "")
		} else {
			c := &s.Tight
			row = append(row, sheet.Digits(c.WallMillis/1000), sheet.Digits(c.CPUMillis/1000), mebibytes(float64(c.Memory)), mebibytes(float64(c.Spilled)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// remarks say what one must know to read the tables.
func (r *Result) remarks() []string {
	var remarks []string
	if r.Job.Skipped == "" {
		remarks = append(remarks, "The job's figures are those of whole processes, from the start of the server on; it had nothing else to do. Peaks were looked for five times a second. An identify "+
			"waits for the sink's batch, for the job's next look, and for the dictionary to be loaded anew, one after the other.")
	}
	remarks = append(remarks,
		"The other side of each question is the same text on table events with user_h in the place of person_h. Its answer is another one: each user is two ids there. So the difference is not the lookup alone, except where it says so: "+
			"there are fewer persons than ids, and more events to each. A repeated lookup of one id costs less than one of an id that is no longer in the processor's caches; rows are in the order of day, event and id.",
		fmt.Sprintf("The funnel has %s persons at its steps, and %s ids.", counts(r.Funnel[0]), counts(r.Funnel[1])),
		"Segments had the same members in every build. Spilled is what groups and sorts wrote to disk, uncompressed.",
	)
	for i := range r.Segments {
		if s := &r.Segments[i]; s.Refused != "" {
			remarks = append(remarks, fmt.Sprintf("✗ %s: %d MiB were not enough: %.200s", s.Asks, tightMemory>>20, s.Refused))
		}
	}
	return append(append(remarks, r.Notes...), sheet.Took(r.Seconds))
}

func counts(all []uint64) string {
	var texts []string
	for _, n := range all {
		texts = append(texts, sheet.Thousands(float64(n)))
	}
	return strings.Join(texts, " / ")
}

func brackets(s sheet.Spread) string {
	return "[" + sheet.Digits(s.Min) + " – " + sheet.Digits(s.Max) + "]"
}

func mebibytes(v float64) string { return sheet.Digits(v / (1 << 20)) }
