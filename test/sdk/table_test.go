package sdk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// results is what the table says, in the order of the kits.
var results = table{cells: map[string]map[string]string{}, versions: map[string]string{}}

type table struct {
	mu       sync.Mutex
	kits     []*kit
	versions map[string]string
	cells    map[string]map[string]string
}

func (r *table) add(k *kit, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kits = append(r.kits, k)
	r.versions[k.name] = version
	r.cells[k.name] = map[string]string{}
}

func (r *table) set(k *kit, scenario, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cells[k.name][scenario] = text
}

// text is the table in Markdown. A cell of a scenario that was not chosen is empty.
func (r *table) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kits) == 0 {
		return ""
	}
	rows := [][]string{{"SDK", "version", "all calls", "three 503", "too much", "connection cut", "gzip", "unicode", "a bad event among good", "exit without flush"}}
	for _, k := range r.kits {
		if !r.tried(k) {
			continue
		}
		language := "npm"
		if k.python() {
			language = "PyPI"
		}
		name := language + " `" + k.pkg + "`"
		if k.mode != "" {
			name += " (" + k.mode + ")"
		}
		row := []string{name, r.versions[k.name]}
		for _, s := range scenarios {
			row = append(row, r.cells[k.name][s.name])
		}
		rows = append(rows, row)
	}
	return render(rows)
}

// tried tells whether the SDK was chosen to run.
func (r *table) tried(k *kit) bool {
	for _, cell := range r.cells[k.name] {
		if cell != "" {
			return true
		}
	}
	return false
}

// render aligns the columns.
func render(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)), 3)
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-len([]rune(cell))))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

const (
	tableBegins = "<!-- table: make test-sdk -->"
	tableEnds   = "<!-- end of table -->"
)

// write puts the table between its marks in a document, which is made when it is not there.
func (r *table) write(path string) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw = []byte("# SDKs\n\n" + tableBegins + "\n" + tableEnds + "\n")
	} else if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(raw), tableBegins)
	_, after, closed := strings.Cut(rest, tableEnds)
	if !ok || !closed {
		return fmt.Errorf("%s has no %s … %s for the table", path, tableBegins, tableEnds)
	}
	return os.WriteFile(path, []byte(before+tableBegins+"\n"+r.text()+tableEnds+after), 0o644)
}
