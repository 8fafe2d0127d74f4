package custom

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the output of the examples into the document")

// root is the folder of the repository.
var root = filepath.Join("..", "..", "..")

func TestExampleFileIsValid(t *testing.T) {
	all, err := Read(filepath.Join(root, "configs", "metrics.yaml"))
	if err != nil || len(all) < 2 {
		t.Errorf("%d metrics: %v", len(all), err)
	}
}

func readDocument(t *testing.T) (path, text string) {
	t.Helper()
	path = filepath.Join(root, "docs", "metrics.md")
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(all)
}

// The document names every field, comparison, type and limit.
func TestDocumentNamesEverything(t *testing.T) {
	_, text := readDocument(t)
	_, fields, _ := strings.Cut(text, "\n## Fields\n")
	dimensions, others, _ := strings.Cut(fields, "\n- `string`")
	var want []string
	for _, name := range groupable() {
		if !strings.Contains(dimensions, "`"+name+"`") {
			t.Errorf("dimension %s is not named", name)
		}
	}
	for _, name := range conditionFields() {
		if !slices.Contains(groupable(), name) && (strings.Contains(dimensions, "`"+name+"`") || !strings.Contains(others, "`"+name+"`")) {
			t.Errorf("field %s is not named as one of conditions only", name)
		}
	}
	for _, ops := range operators {
		want = append(want, ops...)
	}
	want = append(append(want, propertyTypes...), taken...)
	want = append(want, minute, hour, day, attaching, waiting, filling, complete, broken, fmt.Sprintf("%dd", leastKeepDays), fmt.Sprintf("%dd", mostKeepDays))
	for _, word := range want {
		if !strings.Contains(text, "`"+word+"`") {
			t.Errorf("%s is not named", word)
		}
	}
	if all := "```sql grants\n" + strings.Join(grants("millrace", "millrace"), ";\n") + ";\n```\n"; !strings.Contains(text, all) {
		t.Errorf("the rights are not those:\n%s", all)
	}
	for _, limit := range []string{
		fmt.Sprintf("%d characters; %d metrics", mostName, mostMetrics), fmt.Sprintf("names of events that count; without: all | %d |", mostEvents), fmt.Sprintf("which must hold | %d |", mostConditions),
		fmt.Sprintf("1 to %d |", mostValues), fmt.Sprintf("`{field, type, as}` | %d |", mostDimensions), fmt.Sprintf("`{field, as}` | %d |", mostSums), fmt.Sprintf("the first %d characters", textLength),
		thousands(mostBytes) + " bytes, and a view's statement " + thousands(mostStatement), thousands(mostKeys) + " keys", thousands(mostPieces) + " pieces",
	} {
		if !strings.Contains(text, limit) {
			t.Errorf("%q is not there", limit)
		}
	}
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// example is code of the document, and what is shown of its output.
var example = regexp.MustCompile("(?s)```sql\n(.*?)```\n```text\n(.*?)```\n")

// The metric of the document is built, and its examples say what the document shows.
func TestDocumentTellsRealOutput(t *testing.T) {
	path, text := readDocument(t)
	_, after, _ := strings.Cut(text, "```yaml\n")
	source, _, _ := strings.Cut(after, "```")
	all, err := Parse("docs/metrics.md", []byte(source))
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	w := newWorld(t)
	load := func(first, n int) {
		t.Helper()
		if err := w.produce(within(t), 0, n); err != nil {
			t.Fatal(err)
		}
		w.exec(fmt.Sprintf(`INSERT INTO {db}.events (project_id, event, ts, event_id, distinct_id, user_h, country, revenue, props, _log, _partition, _offset)
			SELECT 1, 'Order Completed', e.1, generateUUIDv4(), e.2, cityHash64(e.2), e.3, e.4, e.5, %d, 0, %d + number FROM numbers(%d) ARRAY JOIN [arrayElement([
				(toDateTime64('2026-11-02 09:20:00', 3, 'UTC'), 'ada', 'DE', 49, '{"plan":"pro","quantity":1}'),
				(toDateTime64('2026-11-02 09:45:00', 3, 'UTC'), 'ben', 'DE', 5, '{"plan":"free","quantity":2}'),
				(toDateTime64('2026-11-03 14:10:00', 3, 'UTC'), 'dan', 'FR', 99, '{"plan":"pro","quantity":3}'),
				(toDateTime64('2026-11-03 14:30:00', 3, 'UTC'), 'eve', 'US', 1, '{"plan":"pro","quantity":1,"test":true}'),
				(toDateTime64('2026-11-02 09:50:00', 3, 'UTC'), 'ada', 'DE', 20, '{"plan":"pro","quantity":1}')], %d + number + 1)] AS e`, w.log, first, n, first))
		if err := w.commit(within(t), 0, int64(first+n), int64(first+n)); err != nil {
			t.Fatal(err)
		}
	}
	load(0, 4)
	w.apply(w.metrics(), all[0])
	load(4, 1)
	if n := w.number("SELECT count() FROM {db}.metric_sales WHERE country = 'DE' AND plan = 'pro'"); n != 2 {
		t.Errorf("%d rows of a key that was back-filled and then added to, want 2", n)
	}
	for _, column := range []string{"project_id", "hour", "country", "plan", "n", "revenue", "items", "users"} {
		_, section, _ := strings.Cut(text, "\nView `metric_sales` has the columns ")
		if line, _, _ := strings.Cut(section, "\n"); !strings.Contains(line, "`"+column+"`") || w.number("SELECT count() FROM system.columns WHERE database = '{db}' AND table = 'metric_sales' AND name = '"+column+"'") != 1 {
			t.Errorf("column %s is not there, or not told of", column)
		}
	}
	if n := w.number("SELECT count() FROM system.columns WHERE database = '{db}' AND table = 'metric_sales'"); n != 8 {
		t.Errorf("the view has %d columns, the document tells of 8", n)
	}
	seen := 0
	updated := example.ReplaceAllStringFunc(text, func(whole string) string {
		m := example.FindStringSubmatch(whole)
		seen++
		out := w.pretty(m[1])
		if out != m[2] && !*update {
			t.Errorf("%s\nis shown with\n%s\nand has\n%s", m[1], m[2], out)
		}
		return "```sql\n" + m[1] + "```\n```text\n" + out + "```\n"
	})
	if seen < 1 {
		t.Errorf("%d examples", seen)
	}
	if *update {
		if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pretty is a result as clients show it.
func (w *world) pretty(query string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(within(w.t), time.Minute)
	defer cancel()
	values := url.Values{"database": {w.db.Database()}, "default_format": {"PrettyCompactNoEscapesMonoBlock"}, "output_format_pretty_row_numbers": {"0"}, "output_format_pretty_color": {"0"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.engine.HTTP+"/?"+values.Encode(), strings.NewReader(query))
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	out, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: status %d, %v: %s", query, response.StatusCode, err, out)
	}
	return string(out)
}
