package question_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// block is code of the document: its language with what stands behind it, and its text.
var block = regexp.MustCompile("(?s)```(sql|json \\w+)\n(.*?)```\n(```text\n(.*?)```\n)?")

// What the document says is what the server says.
func TestDocumentTellsRealOutput(t *testing.T) {
	s := start(t)
	story, err := os.ReadFile(filepath.Join("testdata", "story.sql"))
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, strings.ReplaceAll(string(story), "{database}", database))
	path := filepath.Join("..", "..", "..", "docs", "questions.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	updated := block.ReplaceAllStringFunc(string(text), func(whole string) string {
		m := block.FindStringSubmatch(whole)
		language, code, shown := m[1], m[2], m[4]
		seen[language]++
		var out string
		switch kind := strings.TrimPrefix(language, "json "); {
		case kind == "conditions":
			var where []question.Condition
			if err := json.Unmarshal([]byte(code), &where); err != nil {
				t.Fatalf("%v\n%s", err, code)
			}
			q := everything()
			q.Series, q.Where = []question.Step{{}}, where
			s.ask(t, &q, 1)
			return whole
		case language == "sql":
			out = s.pretty(t, code, nil)
		default:
			statement, err := decode(t, kind, code).Build(database, 1)
			if err != nil {
				t.Fatalf("%v\n%s", err, code)
			}
			out = s.pretty(t, statement.Text, statement.Params)
		}
		if !strings.Contains(out, "│") {
			t.Errorf("no rows for\n%s", code)
		}
		if m[3] == "" {
			return whole
		}
		if out != shown && !*update {
			t.Errorf("%s\nis shown with\n%s\nand has\n%s", code, shown, out)
		}
		return "```" + language + "\n" + code + "```\n```text\n" + out + "```\n"
	})
	for language, least := range map[string]int{"sql": 12, "json conditions": 1, "json trends": 1, "json funnel": 1, "json retention": 1, "json paths": 1, "json timeline": 1} {
		if seen[language] < least {
			t.Errorf("%d examples in %s, want %d at least", seen[language], language, least)
		}
	}
	for _, v := range question.Views(database) {
		if len(v.Parameters) > 0 && !strings.Contains(string(text), "FROM "+v.Name+"(") {
			t.Errorf("no example of view %s", v.Name)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pretty is a result as clients show it.
func (s server) pretty(t *testing.T, query string, params map[string]string) string {
	t.Helper()
	values := url.Values{"default_format": {"PrettyCompactNoEscapesMonoBlock"}, "output_format_pretty_row_numbers": {"0"}, "output_format_pretty_color": {"0"}, "output_format_pretty_single_large_number_tip_threshold": {"0"}}
	for name, value := range params {
		values.Set("param_"+name, clickhouse.EscapeParameter(value))
	}
	out, err := s.post(values, query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return out
}
