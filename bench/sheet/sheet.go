package sheet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/millrace/millrace/bench/observe"
)

// Page is a whole result.
type Page struct {
	Preface []string
	Sheets  []Sheet
	Remarks []string
}

// Sheet is a table of texts; the first column is a name, the others are numbers.
type Sheet struct {
	Title string
	Head  []string
	Rows  [][]string
}

// Add adds a row.
func (s *Sheet) Add(cells ...string) { s.Rows = append(s.Rows, cells) }

// Text writes the page for people.
func (p *Page) Text(w io.Writer) error {
	b := new(bytes.Buffer)
	for _, line := range p.Preface {
		fmt.Fprintln(b, line)
	}
	for _, s := range p.Sheets {
		fmt.Fprintf(b, "\n%s\n", s.Title)
		out := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
		// Names stand at the left, which the writer can do for all columns or none: they are made equally wide.
		width := 0
		all := append([][]string{s.Head}, s.Rows...)
		for _, row := range all {
			width = max(width, len([]rune(row[0])))
		}
		for _, row := range all {
			fmt.Fprintf(out, "%-*s\t%s\t\n", width, row[0], strings.Join(row[1:], "\t")) //nolint:errcheck // memory takes all of it
		}
		_ = out.Flush()
	}
	fmt.Fprintln(b)
	for _, line := range p.Remarks {
		fmt.Fprintln(b, "·", line)
	}
	_, err := b.WriteTo(w)
	return err
}

// Markdown writes the same for documents.
func (p *Page) Markdown(w io.Writer) error {
	b := new(bytes.Buffer)
	for _, line := range p.Preface {
		fmt.Fprintf(b, "%s  \n", line)
	}
	for _, s := range p.Sheets {
		fmt.Fprintf(b, "\n**%s**\n\n| %s |\n|---|%s\n", s.Title, strings.Join(s.Head, " | "), strings.Repeat("---:|", len(s.Head)-1))
		for _, row := range s.Rows {
			fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		}
	}
	fmt.Fprintln(b)
	for _, line := range p.Remarks {
		fmt.Fprintln(b, "-", line)
	}
	_, err := b.WriteTo(w)
	return err
}

// JSON writes a result for programs.
func JSON(w io.Writer, result any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(result)
}

// Environment is one line: parts, such as the processor, then the versions and the start of the run. Empty parts are left out.
func Environment(e *observe.Environment, started time.Time, parts ...string) string {
	for _, name := range slices.Sorted(maps.Keys(e.Versions)) {
		parts = append(parts, name+" "+e.Versions[name])
	}
	parts = append(parts, started.Format("2006-01-02 15:04"))
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" }), " · ")
}

// Took is how long a run was, and what with: the seconds of its phases by name, the longest first.
func Took(seconds map[string]float64) string {
	var all time.Duration
	var parts []string
	for _, name := range slices.SortedFunc(maps.Keys(seconds), func(a, b string) int { return cmp.Or(cmp.Compare(seconds[b], seconds[a]), cmp.Compare(a, b)) }) {
		length := time.Duration(seconds[name] * float64(time.Second))
		all += length
		parts = append(parts, fmt.Sprintf("%s %v", name, length.Round(time.Second)))
	}
	return fmt.Sprintf("The run took %v: %s", all.Round(time.Second), strings.Join(parts, ", "))
}
