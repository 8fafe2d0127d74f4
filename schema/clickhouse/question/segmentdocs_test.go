package question_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

// definitionBlock is code of the document with its kind, and what is shown for it.
var definitionBlock = regexp.MustCompile("(?s)```json (segment|rule|problems)\n(.*?)```\n```text\n(.*?)```\n")

// What the document says of segments is what comes out.
func TestSegmentsDocumentTellsRealOutput(t *testing.T) {
	s := start(t)
	story, err := os.ReadFile(filepath.Join("testdata", "story.sql"))
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, strings.ReplaceAll(string(story), "{database}", database))
	var rows peopleRows
	for id, props := range map[string]string{
		"ada": `{"logins":12,"mail":"ada@example.com","plan":"pro"}`, "ben": `{"plan":"free"}`, "dan": `{"logins":3,"plan":"pro"}`, "fay": `{"mail":"fay@example.com"}`,
	} {
		rows.profiles = append(rows.profiles, fmt.Sprintf("(1, %d, '%s', '%s', 1, now64(3), now64(3), 1, 0)", hashOf(id), id, props))
	}
	const build = "00000000-0000-4000-9000-000000000001"
	rows.segments = []string{"(1, 'buyers', '{}', 1, 0)"}
	rows.builds = []string{"(1, 'buyers', '" + build + "', 1, now64(3), 'announced', 1)"}
	for _, id := range []string{"ada", "cleo", "dan"} {
		rows.members = append(rows.members, fmt.Sprintf("(1, 'buyers', '%s', %d, now64(3))", build, hashOf(id)))
	}
	rows.load(t, s)

	path := filepath.Join("..", "..", "..", "docs", "segments.md")
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"ada", "ben", "dan", "fay"} {
		if !regexp.MustCompile(`(?m)^\| ` + id + `.*\{`).Match(document) {
			t.Errorf("no profile of %s is shown", id)
		}
	}
	seen := map[string]int{}
	updated := definitionBlock.ReplaceAllStringFunc(string(document), func(whole string) string {
		m := definitionBlock.FindStringSubmatch(whole)
		kind, code, shown := m[1], m[2], m[3]
		seen[kind]++
		definition := code
		if kind == "rule" {
			definition = `{"name":"example","where":` + code + `}`
		}
		var out strings.Builder
		segment, err := question.ParseSegment([]byte(definition))
		if kind == "problems" {
			for _, p := range question.Problems(err) {
				fmt.Fprintf(&out, "%s  %s  %s\n", p.Pointer, p.Code, p.Detail)
			}
		} else {
			if err != nil {
				t.Fatalf("%v\n%s", err, code)
			}
			out.WriteString(s.namesOf(t, segment))
		}
		if strings.TrimSpace(out.String()) == "" {
			t.Errorf("nothing comes out of\n%s", code)
		}
		if out.String() != shown && !*update {
			t.Errorf("%s\nis shown with\n%s\nand has\n%s", code, shown, out.String())
		}
		return "```json " + kind + "\n" + code + "```\n```text\n" + out.String() + "```\n"
	})
	for kind, least := range map[string]int{"segment": 1, "rule": 12, "problems": 1} {
		if seen[kind] < least {
			t.Errorf("%d examples of kind %s, want %d at least", seen[kind], kind, least)
		}
	}
	if n, told := strings.Count(string(document), "```json "), seen["segment"]+seen["rule"]+seen["problems"]; n != told {
		t.Errorf("%d examples, of which %d tell what comes out", n, told)
	}
	if *update {
		if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// namesOf are the ids of a segment's members on midnight of 12 November 2026.
func (s server) namesOf(t *testing.T, segment *question.Segment) string {
	t.Helper()
	statement, err := segment.Build(database, 1, time.Date(2026, 11, 12, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range s.must(t, "SELECT DISTINCT distinct_id FROM (SELECT distinct_id, person_h FROM "+database+".events_q WHERE project_id = 1 UNION ALL SELECT distinct_id, person_h FROM "+database+
		".profiles_q WHERE project_id = 1) WHERE person_h IN ("+statement.Text+") ORDER BY distinct_id", statement.Params).rows {
		names = append(names, row[0])
	}
	return strings.Join(names, ", ") + "\n"
}
