package query

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	bad := Config{Listen: "7082", HTTPAddresses: []string{"ok:8123", "clickhouse", "h:0"}, MaxConcurrent: 2, MaxConcurrentPerProject: 3}
	err := bad.Validate()
	v := reflect.TypeFor[Config]()
	for i := range v.NumField() {
		key := "query." + v.Field(i).Tag.Get("yaml")
		switch key {
		case "query.max_concurrent", "query.secret_file":
			continue // good, and any
		case "query.http_addresses":
			key += "[2]"
		}
		if !strings.Contains("\n"+err.Error(), "\n"+key+": ") {
			t.Errorf("no word of %s in\n%v", key, err)
		}
	}
	if strings.Contains(err.Error(), "http_addresses[0]") {
		t.Error(err)
	}
}

func TestNewReportsAll(t *testing.T) {
	_, err := New(Config{}, Deps{ClickHouse: Endpoint{URLs: []string{"tcp://x:9000", "http://u:p@x:1", "http://x:1/path"}}})
	for _, part := range []string{"query.timeout", "tcp://x:9000", "http://x:1/path", "no database", "no accounts", "no operator", "no keyring", "no logger", "no metrics set"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no word of %q in %v", part, err)
		}
	}
}

// codes are all of them.
var codes = []code{
	codeInvalidJSON, codeUnknownField, codeInvalidQuestion, codeInvalidRequest, codeQueryRefused, codeResultTooLarge, codeScanLimit, codeMemoryLimit, codeInvalidKey, codeForbiddenScope,
	codeUnknownRoute, codeUnknownQuery, codeMethodNotAllowed, codeNotAcceptable, codeTimeout, codeQueryCancelled, codeQueryExists, codeTooLarge, codeUnsupportedMediaType,
	codeUnsupportedEncoding, codeTooManyQueries, codeQuotaExceeded, codeInternal, codeOverloaded, codeEngineUnavailable, codeQueryTimeout, codeOK, codeClientGone, codeBrokenOff,
}

// TestCodes: the texts are an API, and each has a place in HTTP.
func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range codes {
		if c.Text == "" || c.Title == "" || c.Status == 0 || seen[c.Text] {
			t.Errorf("code %+v", *c)
		}
		seen[c.Text] = true
		if passes := c.Status == 429 || c.Status == 503; passes != (c.Retry > 0) && c != codeInternal {
			t.Errorf("%s: status %d and Retry-After %v", c, c.Status, c.Retry)
		}
	}
}

func TestAccountHidesItsPassword(t *testing.T) {
	a := Account{"p1_reader", accountPassword}
	for _, text := range []string{fmt.Sprint(a), fmt.Sprintf("%v %+v %#v %s %q", a, a, a, a, a), fmt.Sprint(a.LogValue()), fmt.Sprintf("%v", struct{ A Account }{a})} {
		if strings.Contains(text, accountPassword) || !strings.Contains(text, "p1_reader") {
			t.Error(text)
		}
	}
}

func TestWireParameters(t *testing.T) {
	text := "SELECT {s:String}, { a : Array(String)}, {m:Map(String, UInt8)}, {n:Nullable(String)} /* {s:Array(String)x */"
	got := wireParameters(text, map[string]string{"a": `['\'']`, "m": `{'\\':1}`, "n": `a\b`, "other": "x\ty"})
	want := map[string]string{"a": `['\'']`, "m": `{'\\':1}`, "n": `a\\b`, "other": `x\ty`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParseException(t *testing.T) {
	for _, c := range []struct {
		text, header  string
		code          int
		name, message string
	}{
		{"Code: 62. DB::Exception: Syntax error: failed at position 1 (x): x. . (SYNTAX_ERROR) (version 26.7.2.1)\n", "62", 62, "SYNTAX_ERROR", "Syntax error: failed at position 1 (x): x. ."},
		{"Code: 62. DB::Exception: two\nlines (of them) (SYNTAX_ERROR) (version 26.7.2.1 (official build))\n", "", 62, "SYNTAX_ERROR", "two\nlines (of them)"},
		{"Poco::Exception. Code: 1000, e.code() = 0, HTML Form Exception: Field value too long (version 26.7.2.1)", "1000", 1000, "", "HTML Form Exception: Field value too long"},
		{"Code: 60. DB::Exception: Received from ch-1.internal:9000. DB::Exception: no table. Stack trace:\n\n0. x @ 0x1\n (UNKNOWN_TABLE)", "", 60, "", "Received from ch-1.internal:9000. DB::Exception: no table."},
		{"anything", "241", 241, "", "anything"},
	} {
		x := parseException(c.text, c.header)
		if x == nil || x.code != c.code || x.name != c.name || x.message != c.message {
			t.Errorf("%q:\n%+v", c.text, x)
		}
	}
	for _, text := range []string{"", "<html>502 Bad Gateway</html>", "Code: x. DB::Exception"} {
		if x := parseException(text, ""); x != nil {
			t.Errorf("%q: %+v", text, x)
		}
	}
	if x := parseException("x", "y"); x != nil {
		t.Errorf("%+v", x)
	}
}

func TestTold(t *testing.T) {
	analyst := Account{User: "p7_analyst"}
	for _, c := range []struct {
		code          int
		name, message string
		rows          int64
		want          string
	}{
		{47, "UNKNOWN_IDENTIFIER", "Unknown expression identifier `evnt` in scope SELECT evnt FROM events. Maybe you meant: ['event']", 0, "Unknown expression identifier `evnt` in scope SELECT evnt FROM events. Maybe you meant: ['event']"},
		{60, "UNKNOWN_TABLE", "Unknown table expression identifier 'metric_x' in scope SELECT 1. Maybe you meant: 'metric_of_others'?", 0, "Unknown table expression identifier 'metric_x' in scope SELECT 1"},
		{81, "UNKNOWN_DATABASE", "Database t does not exist. Maybe you meant theirs?.", 0, "Database t does not exist"},
		{497, "ACCESS_DENIED", "p7_analyst: Not enough privileges. To execute this query, it's necessary to have the grant SELECT(secret_a, secret_b) ON d.t.", 0, "Not enough privileges. To execute this query, it's necessary to have the grant SELECT ON d.t"},
		{6, "CANNOT_PARSE_TEXT", "Cannot parse string 'somebody' as UInt8: while executing 'FUNCTION toUInt8(__table1.s)'", 65536, "it failed while it ran"},
		{6, "CANNOT_PARSE_TEXT", `Cannot parse string 'a\'somebody' as UInt8: while executing 'FUNCTION x'`, 0, "Cannot parse string '…' as UInt8"},
		{407, "DECIMAL_OVERFLOW", "DateTime64 convert overflow while multiplying 9577476000000 by scale -8869268073709551616", 0, "DateTime64 convert overflow while multiplying … by scale -…"},
		{321, "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", "Value 1.5e+30 or 2093-07-01 10:00:00.000 is out of bounds of type Date32", 0, "Value …+… or … … is out of bounds of type Date32"},
		{130, "CANNOT_READ_ARRAY_FROM_TEXT", "Cannot read array from text: value [x cannot be parsed as Array(String) for query parameter 'l'", 0, "Cannot read array from text: value [x cannot be parsed as Array(String) for query parameter 'l'"},
		{62, "SYNTAX_ERROR", "Received from ch-1.internal:9000. DB::Exception: p7_analyst said:\n\tno", 0, "DB::Exception: the user said: no"},
		{62, "SYNTAX_ERROR", strings.Repeat("é", 600), 0, strings.Repeat("é", 500) + "…"},
		{62, "SYNTAX_ERROR", "x" + strings.Repeat("é", 600), 0, "x" + strings.Repeat("é", 499) + "…"},
		{62, "SYNTAX_ERROR", "bad \xff byte", 0, "bad � byte"},
		{1, "ANY", "", 0, "it failed while it ran"},
	} {
		x := &exception{code: c.code, name: c.name, message: c.message, stats: stats{rowsRead: c.rows}}
		if got := x.told(analyst); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.message, got, c.want)
		}
		if strings.Contains(x.Error(), "somebody") || !strings.Contains(x.Error(), c.name) {
			t.Errorf("Error: %v", x)
		}
	}
}

func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		code    int
		message string
		want    code
	}{
		{159, "Timeout exceeded", codeQueryTimeout},
		{160, "Estimated query execution time (90 seconds) is too long", codeQueryTimeout},
		{160, "The maximum sleep time is 3000000 microseconds", codeOK},
		{241, "Query memory limit exceeded: would use 1 GiB", codeMemoryLimit},
		{241, "(total) memory limit exceeded: would use 1 GiB", codeOverloaded},
		{241, "User memory limit exceeded: would use 1 GiB", codeOverloaded},
		{241, "Memory limit (for query) exceeded: would use 1 GiB", codeMemoryLimit},
		{202, "Too many simultaneous queries for user p1_reader. Current: 8, maximum: 8", codeTooManyQueries},
		{201, "Quota for user", codeQuotaExceeded},
		{202, "Too many simultaneous queries", codeOverloaded},
		{516, "Authentication failed", codeEngineUnavailable},
		{62, "Syntax error", codeOK},
	} {
		if got := (&exception{code: c.code, message: c.message}).meaning(); got != c.want {
			t.Errorf("%d %s: %v, want %v", c.code, c.message, got, c.want)
		}
	}
}

func TestQuotaPause(t *testing.T) {
	now := time.Date(2026, 3, 1, 10, 59, 30, 0, time.UTC)
	for message, want := range map[string]time.Duration{
		"Quota for user `x` for 3600s has been exceeded: queries = 3/2. Interval will end at 2026-03-01 11:00:00. Name of quota template: `q`": 30 * time.Second,
		"Interval will end at 2026-03-01 10:00:00.": 0,
		"Interval will end at 2036-03-01 10:00:00.": 0,
		"Quota": 0,
	} {
		if got := (&exception{message: message}).quotaPause(now); got != want {
			t.Errorf("%s: %v", message, got)
		}
	}
}

func TestPatience(t *testing.T) {
	start := time.Now()
	p := &patient{timeout: 10 * time.Second, start: start}
	for _, c := range []struct {
		sent       int64
		after, end time.Duration
	}{
		{0, 0, 10 * time.Second},
		{0, 9 * time.Second, 10 * time.Second},               // a byte a second is not enough
		{100 * leastRate, 9 * time.Second, 19 * time.Second}, // and what went fast buys no long pause
		{5 * leastRate, 14 * time.Second, 15 * time.Second},
	} {
		p.sent = c.sent
		if got := p.deadline(start.Add(c.after)).Sub(start); got != c.end {
			t.Errorf("%d bytes after %v: until %v, want %v", c.sent, c.after, got, c.end)
		}
	}
}

// split takes an object apart with members, handing it chunks of any size.
func split(text []byte, chunk int) (map[string]string, map[string]int, error) {
	m := members{in: bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(text)), 16)}
	if chunk > 1 {
		m.in = bufio.NewReaderSize(bytes.NewReader(text), chunk)
	}
	values, elements := map[string]string{}, map[string]int{}
	for {
		name, err := m.next()
		if errors.Is(err, io.EOF) {
			return values, elements, m.end()
		}
		if err != nil {
			return nil, nil, err
		}
		var b bytes.Buffer
		if elements[name], err = m.copy(&b); err != nil {
			return nil, nil, err
		}
		values[name] = b.String()
	}
}

// FuzzMembers compares members with encoding/json on whatever that calls an object.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1 ,"b" : [ ] }`, `{"meta":[{"name":"a","type":"b"}],"data":[[1,"x"],[2,"]}\\\""]],"rows":2}`,
		"{\n\t\"data\":\n\t[\n\n\t],\n\n\t\"rows\": 0\n}\n", `{"a":"","b":"é\u0000","c":null,"d":-1.5e3,"e":[[],{},""],"f":{"g":[1,2]}}`, `{"a":[1`, `{"a"}`, `{"a":}`, `[]`, `{,}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want map[string]json.RawMessage
		known := json.Unmarshal(text, &want) == nil && want != nil
		for _, chunk := range []int{1, 16, 64} {
			values, elements, err := split(text, chunk)
			if !known {
				continue // it may be refused or not: ClickHouse writes JSON
			}
			if err != nil || len(values) != len(want) {
				t.Fatalf("%q by %d: %v, %q", text, chunk, err, values)
			}
			for name, raw := range want {
				if values[name] != string(raw) {
					t.Errorf("%q by %d: %s is %q, want %q", text, chunk, name, values[name], raw)
				}
				var list []json.RawMessage
				if json.Unmarshal(raw, &list) == nil && len(list) != elements[name] {
					t.Errorf("%q by %d: %s has %d elements, want %d", text, chunk, name, elements[name], len(list))
				}
			}
		}
	})
}

func TestMembersNeverEndEarly(t *testing.T) {
	whole := []byte(`{"meta":[{"name":"a"}],"data":[["x\"]"],[1]],"rows":2}`)
	if _, elements, err := split(whole, 64); err != nil || elements["data"] != 2 {
		t.Fatal(elements, err)
	}
	if _, _, err := split(append(whole, " \n"...), 16); err != nil {
		t.Error(err)
	}
	if _, _, err := split(append(whole, "Code: 241"...), 16); !errors.Is(err, errMembers) {
		t.Errorf("something behind the object: %v", err)
	}
	for n := range whole {
		if _, _, err := split(whole[:n], 16); !errors.Is(err, errEnd) {
			t.Errorf("%s: %v", whole[:n], err)
		}
	}
}

func BenchmarkMembers(b *testing.B) {
	row := []byte(`["2026-03-01 10:00:00.000", "Signed up", 12345, 0.25, "https:\/\/example.org\/a\/b"],`)
	text := append(append([]byte(`{"data":[`), bytes.Repeat(row, 20_000)...), `[]],"rows":20001}`...)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		m := members{in: bufio.NewReaderSize(bytes.NewReader(text), copyBytes)}
		if _, err := m.next(); err != nil {
			b.Fatal(err)
		}
		if n, err := m.copy(io.Discard); err != nil || n != 20_001 {
			b.Fatal(n, err)
		}
	}
}
