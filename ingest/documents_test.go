package ingest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

var update = flag.Bool("update", false, "write the tables of docs/errors.md")

// Every code is listed once, with its meaning and cure.
func TestErrorList(t *testing.T) {
	d := open(t, nil)
	a := d.do("GET", "/v1/errors", "")
	var list struct {
		Request []struct {
			Code, Title, Meaning, Cure string
			Status                     int
			Retry                      bool
		}
		Event []struct{ Code, Result, Meaning, Cure string }
	}
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != 200 || a.header.Get("Content-Type") != jsonType {
		t.Fatalf("%v: %v", err, a)
	}
	if len(list.Request) != int(numCodes)-1 || len(list.Event) != len(schema.Reasons()) {
		t.Errorf("%d and %d codes, want %d and %d", len(list.Request), len(list.Event), int(numCodes)-1, len(schema.Reasons()))
	}
	for i, c := range list.Request {
		want := code(i + 1)
		if c.Code != want.String() || c.Status != codes[want].status || c.Title == "" || c.Meaning == "" || c.Cure == "" || c.Retry != (want.retryAfter() > 0) {
			t.Errorf("%+v", c)
		}
	}
	for i, c := range list.Event {
		if c.Code != schema.Reasons()[i].String() || c.Meaning == "" || c.Cure == "" {
			t.Errorf("%+v", c)
		}
	}
	if a := d.do("POST", "/v1/errors", "{}"); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%v", a)
	}
}

// The tables of docs/errors.md are those of the program.
func TestErrorsPage(t *testing.T) {
	const path = "../docs/errors.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	replace := func(head, table string) {
		start := strings.Index(text, head)
		if start < 0 {
			t.Fatalf("the page has no table %q", head)
		}
		length := strings.Index(text[start:], "\n\n")
		text = text[:start] + head + table + text[start+length+1:]
	}
	anchored := map[string]bool{}
	anchor := func(code string) string {
		if anchored[code] {
			return "`" + code + "`"
		}
		anchored[code] = true
		return fmt.Sprintf("<a id=%q></a>`%s`", code, code)
	}
	var rows strings.Builder
	for c := codeOK + 1; c < numCodes; c++ {
		fmt.Fprintf(&rows, "| %d | %s | %s | %s |\n", codes[c].status, anchor(c.String()), requestCodes[c].meaning, requestCodes[c].cure)
	}
	replace("| status | code | meaning | cure |\n|---|---|---|---|\n", rows.String())
	rows.Reset()
	for _, reason := range schema.Reasons() {
		e := eventCodes[reason]
		fmt.Fprintf(&rows, "| %s | %s | %s | %s |\n", resultOf(reason), anchor(reason.String()), e.meaning, e.cure)
	}
	replace("| result | code | meaning | cure |\n|---|---|---|---|\n", rows.String())
	if text == string(page) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the program says: go test ./ingest -run TestErrorsPage -update", path)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
