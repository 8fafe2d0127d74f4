package profile

import (
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
)

// hazards are values for which ClickHouse gives up the whole document that they stand in.
var hazards = []string{
	`"\ud800"`, `"\udfffx"`, `["\uDBFF\ud83d\ude00"]`, `{"\ud800":1}`, `18446744073709551616`, `-9223372036854775809`, `[123456789012345678901234567890]`,
	`1e400`, `{"a":-1e999}`, `1.7976931348623159e308`, `1e300000000000000000000`,
}

// readable asks ClickHouse, of each document, whether it finds the property marker = "here".
func readable(t *testing.T, engine *enginetest.Engine, docs []string) (found []bool) {
	t.Helper()
	query := "SELECT JSONExtractString(arrayJoin(splitByChar('\\n', base64Decode('" + base64.StdEncoding.EncodeToString([]byte(strings.Join(docs, "\n"))) + "'))), 'marker') FORMAT TSV"
	reply, err := http.Post("http://"+engine.HTTP+"/?max_query_size=100000000", "text/plain", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: %.500s %v", reply.Status, body, err)
	}
	for line := range strings.Lines(string(body)) {
		found = append(found, line == "here\n")
	}
	if len(found) != len(docs) {
		t.Fatalf("%d answers to %d documents", len(found), len(docs))
	}
	return found
}

// No value can make the rest of a profile unreadable.
func TestClickHouseReadsProfiles(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	sent := make([]string, len(hazards))
	for i, v := range hazards {
		sent[i] = `{"v":` + v + `,"marker":"here"}`
	}
	for i, ok := range readable(t, engine, sent) {
		if ok {
			t.Errorf("%s is no hazard", hazards[i])
		}
	}

	r := rand.New(rand.NewPCG(10, 11))
	var profiles []string
	fold := func(rows []Row, why string) {
		props, _, _, _ := Fold(append(rows, Row{Name: "marker", Op: Set, TS: 1000, Value: `"here"`}))
		if strings.ContainsRune(string(props), '\n') {
			t.Fatalf("%s: %q has a line feed", why, props)
		}
		profiles = append(profiles, string(props))
	}
	for _, v := range append(hazards, someValues...) {
		for _, text := range []string{`{"v":` + v + `}`, `{"$set_once":{"v":` + v + `},"$append":{"w":` + v + `},"$add":{"x":` + v + `}}`, `{"$concat":{"v":[` + v + `]},"$prepend":{"w":` + v + `},"$union":{"x":[1,` + v + `]},"$remove":{"v":1}}`} {
			var tab table
			tab.write(event{traits: text})
			fold(tab.all(), text)
		}
		fold([]Row{{Name: "v", Op: Set, Value: v}, {Name: "w\u0001\"\\\u2028", Op: Append, Value: v}}, v)
		fold([]Row{{Name: "v", Op: Concat, Value: v}, {Name: "v", Op: Prepend, Value: "[" + v + "]"}, {Name: "v", Op: Union, Value: "[0," + v + "]"}, {Name: "v", Op: Remove, Value: v}}, v)
	}
	for range 2000 {
		fold(written(table{}, stream(r)), "a stream")
	}
	for range 2000 {
		f, g := math.Float64frombits(r.Uint64()), math.Float64frombits(r.Uint64())
		fold([]Row{{Name: "v", Op: Set, Value: fmt.Sprint(f)}, {Name: "v", Op: Add, Value: fmt.Sprint(g)}}, fmt.Sprint(f, g))
	}
	for i, ok := range readable(t, engine, profiles) {
		if !ok {
			t.Fatalf("ClickHouse cannot read %s", profiles[i])
		}
	}
}
