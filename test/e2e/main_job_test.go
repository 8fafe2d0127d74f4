package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func TestFirstEventIsQueryableWithinTwoSeconds(t *testing.T) {
	s := start(t, t.TempDir())
	a := s.post("/v1/track", []byte(`{"event":"Hello","userId":"u1","messageId":"m-1","properties":{"n":1,"s":"é\u00e9\n","big":12345678901234567890.123e-400}}`))
	if a.Status != http.StatusOK || !a.Success || a.Durability != "broker" || a.Accepted != 1 || a.ID == "" || a.RequestID == "" {
		t.Fatalf("answer %d %s", a.Status, a.Raw)
	}
	if took := s.waitRows("events", 1); took > 2*time.Second {
		t.Errorf("queryable after %v", took)
	}
	row := s.sql("SELECT toString(event_id) AS id, toString(request_id) AS request, event, type, distinct_id, user_id, props, dialect FROM millrace.events")[0]
	want := map[string]any{
		"id": a.ID, "request": a.RequestID, "event": "Hello", "type": "track", "distinct_id": "u1", "user_id": "u1",
		"props": `{"n":1,"s":"é\u00e9\n","big":12345678901234567890.123e-400}`, "dialect": "segment",
	}
	compare(t, row, want)
}

// compare reports every column that differs.
func compare(t *testing.T, row, want map[string]any) {
	t.Helper()
	for column, value := range want {
		if row[column] != value {
			t.Errorf("%s = %#v, want %#v", column, row[column], value)
		}
	}
}

// wire is a request of the Segment SDK as it was sent.
type wire struct {
	Batch []struct {
		Type, Event, Name, Category, UserID, AnonymousID, GroupID, PreviousID, MessageID, Timestamp string
		Properties, Traits, Context                                                                 json.RawMessage
	}
}

// segment makes calls, a JSON array, with the real SDK, and returns what it sent.
func (s *server) segment(scenario string) (bodies []wire) {
	s.t.Helper()
	cmd := exec.Command("node", "segment.mjs", "http://"+s.ports["ingest"], devKey)
	cmd.Dir = "sdk"
	cmd.Stdin = strings.NewReader(scenario)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("SDK: %v\n%s\n(make deps installs it)", err, stderr.String())
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var w wire
		if err := json.Unmarshal([]byte(line), &w); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		bodies = append(bodies, w)
	}
	return bodies
}

// TestSegmentSDK sends with the real SDK and compares each row, field by field, with the bytes that went over the wire.
func TestSegmentSDK(t *testing.T) {
	s := start(t, t.TempDir())
	scenario := `[
		{"call":"track","with":{"userId":"u-1","event":"Order Completed \"é\" 漢字 🎉","properties":{"n":1,"f":-0.25,"e":1e+21,"big":9007199254740993,"t":true,"z":null,"s":"tab\t nl\n nul\u0000 q\" b\\ 😀","nested":{"a":[1,[2,{"b":[]}],"x"],"":{}},"revenue":19.99}}},
		{"call":"track","with":{"anonymousId":"anon-1","event":"Anonymous","messageId":"my-own-id-1","timestamp":"2026-01-02T03:04:05.678Z"}},
		{"call":"track","with":{"userId":"u-1","anonymousId":"anon-1","event":"Context","context":{"ip":"203.0.113.7","locale":"de-DE","page":{"url":"https://shop.example:8443/a/b?x=1","path":"/a/b","referrer":"https://search.example/q"},"campaign":{"source":"nl","medium":"email","name":"nov"},"os":{"name":"iOS","version":"17.1"},"screen":{"width":390,"height":844}}}},
		{"call":"identify","with":{"userId":"u-1","traits":{"email":"a@b.c","plan":"pro","Ünïcode":"✓"}}},
		{"call":"page","with":{"userId":"u-1","category":"Docs","name":"Home ✓","properties":{"path":"/home"}}},
		{"call":"screen","with":{"userId":"u-1","name":"Main","properties":{"a":1}}},
		{"call":"group","with":{"userId":"u-1","groupId":"g-1","traits":{"name":"ACME"}}},
		{"call":"alias","with":{"userId":"u-1","previousId":"anon-1"}}
	]`
	names := map[string]string{"identify": "$identify", "page": "$pageview", "screen": "$screen", "group": "$group", "alias": "$alias"}
	bodies := s.segment(scenario)
	sent := 0
	for _, w := range bodies {
		sent += len(w.Batch)
	}
	if sent != 8 {
		t.Fatalf("the SDK sent %d events", sent)
	}
	s.waitRows("events", sent)
	for _, w := range bodies {
		for _, e := range w.Batch {
			name := e.Event
			if name == "" {
				name = names[e.Type]
			}
			distinct := e.UserID
			if distinct == "" {
				distinct = e.AnonymousID
			}
			// The client's time identifies the row together with its type and event.
			rows := s.sql("SELECT type, event, name, distinct_id, user_id, anonymous_id, group_id, previous_id, props, traits, context, lib, lib_version, dialect, ts_source," +
				" replaceOne(toString(ts), ' ', 'T') || 'Z' AS t, replaceOne(toString(client_ts), ' ', 'T') || 'Z' AS ct" +
				" FROM millrace.events WHERE type = '" + e.Type + "' AND event = '" + strings.ReplaceAll(name, `'`, `\'`) + "'")
			if len(rows) != 1 {
				t.Errorf("%s %s: %d rows", e.Type, name, len(rows))
				continue
			}
			context := string(e.Context)
			if e.Category != "" {
				context = strings.TrimSuffix(context, "}") + `,"$other":{"category":"` + e.Category + `"}}` // it has no field of its own
			}
			compare(t, rows[0], map[string]any{
				"type": e.Type, "event": name, "name": e.Name, "distinct_id": distinct, "user_id": e.UserID, "anonymous_id": e.AnonymousID, "group_id": e.GroupID,
				"previous_id": e.PreviousID, "props": string(e.Properties), "traits": string(e.Traits), "context": context,
				"lib": "@segment/analytics-node", "lib_version": "3.1.0", "dialect": "segment", "ts_source": "client", "t": e.Timestamp, "ct": e.Timestamp,
			})
		}
	}
	compare(t, s.sql("SELECT locale, url_host, url_path, referrer_host, utm_source, utm_medium, utm_campaign, os, os_version, screen_w, screen_h, toString(ip) AS ip FROM millrace.events WHERE event = 'Context'")[0],
		map[string]any{
			"locale": "de-DE", "url_host": "shop.example", "url_path": "/a/b", "referrer_host": "search.example", "utm_source": "nl", "utm_medium": "email",
			"utm_campaign": "nov", "os": "iOS", "os_version": "17.1", "screen_w": 390.0, "screen_h": 844.0, "ip": "::ffff:203.0.113.7",
		})
	if n := s.count("SELECT toInt64(revenue * 100) FROM millrace.events WHERE event LIKE 'Order%'"); n != 1999 {
		t.Errorf("revenue in cents: %d", n)
	}
}

func TestCompressedBodies(t *testing.T) {
	s := start(t, t.TempDir())
	body := []byte(`{"batch":[{"type":"track","event":"Zipped","userId":"u1","properties":{"text":"` + strings.Repeat("Grüße ", 200) + `"}}]}`)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close() //nolint:errcheck // encodes into memory
	for name, send := range map[string]struct {
		body   []byte
		header string
	}{
		"gzip":                {gz.Bytes(), "Content-Encoding: gzip"},
		"zstd":                {enc.EncodeAll(body, nil), "Content-Encoding: zstd"},
		"gzip without header": {gz.Bytes(), "Content-Type: text/plain"},
	} {
		if a := s.post("/v1/batch", send.body, send.header); a.Status != http.StatusOK || a.Accepted != 1 {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
	s.waitRows("events", 3)
	if n := s.count("SELECT countIf(JSONExtractString(props, 'text') = repeat('Grüße ', 200)) FROM millrace.events"); n != 3 {
		t.Errorf("%d of 3 texts are whole", n)
	}
	if a := s.post("/v1/batch", gz.Bytes()[:gz.Len()/2], "Content-Encoding: gzip"); a.Status != http.StatusBadRequest || a.Code != "invalid_encoding" {
		t.Errorf("truncated gzip: %d %s", a.Status, a.Raw)
	}
}

func TestOneBadEventNeverHurtsItsSiblings(t *testing.T) {
	s := start(t, t.TempDir())
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	bad := []struct{ event, code, field string }{
		{`{"type":"track","userId":"u"}`, "missing_event", "/event"},
		{`{"type":"track","event":"x"}`, "missing_user", "/userId"},
		{`{"type":"track","event":7,"userId":"u"}`, "invalid_type", "/event"},
		{`{"type":"walk","event":"x","userId":"u"}`, "invalid_type", "/type"},
		{`"just text"`, "invalid_type", ""},
		{`{"type":"track","event":"x","userId":"u","properties":[1]}`, "invalid_type", "/properties"},
		{`{"type":"track","event":"x","userId":"undefined"}`, "illegal_id", "/userId"},
		{`{"type":"track","event":"` + strings.Repeat("n", 201) + `","userId":"u"}`, "name_too_long", "/event"},
		{`{"type":"track","event":"x","userId":"` + strings.Repeat("u", 513) + `"}`, "id_too_long", "/userId"},
		{`{"type":"track","event":"x","userId":"u","timestamp":"yesterday"}`, "invalid_timestamp", "/timestamp"},
		{`{"type":"track","event":"x","userId":"u","properties":` + deep + `}`, "too_deep", "/properties"},
		{"{\"type\":\"track\",\"event\":\"x\xff\",\"userId\":\"u\"}", "invalid_utf8", "/event"},
		{`{"type":"track","event":"x","userId":"u","properties":{"big":"` + strings.Repeat("b", 1<<20) + `"}}`, "event_too_large", ""},
	}
	var events []string
	for i, b := range bad {
		events = append(events, `{"type":"track","event":"good","userId":"u`+string(rune('a'+i))+`"}`, b.event)
	}
	a := s.post("/v1/batch", []byte(`{"batch":[`+strings.Join(events, ",")+`]}`))
	if a.Status != http.StatusOK || a.Accepted != len(bad) || a.Rejected != len(bad) || len(a.Results) != len(bad) {
		t.Fatalf("answer %d: accepted %d, rejected %d, %d results: %.2000s", a.Status, a.Accepted, a.Rejected, len(a.Results), a.Raw)
	}
	for i, b := range bad {
		r := a.Results[i]
		if r.Index != 2*i+1 || r.Result != "drop" || r.Code != b.code || (b.field != "" && r.Field != b.field) || r.Detail == "" || !r.Quarantined {
			t.Errorf("%.80s: %+v", b.event, r)
		}
	}
	s.waitRows("events", len(bad))
	s.waitRows("quarantine", len(bad))
	if n := s.count("SELECT count() FROM millrace.events WHERE event != 'good'"); n != 0 {
		t.Errorf("%d bad events are stored", n)
	}
	for _, row := range s.sql("SELECT event_index, reason, field, payload, toString(request_id) AS request, truncated, size FROM millrace.quarantine ORDER BY event_index") {
		i := (int(row["event_index"].(float64)) - 1) / 2
		b := bad[i]
		if row["reason"] != b.code || row["request"] != a.RequestID || int(row["size"].(float64)) != len(b.event) {
			t.Errorf("quarantine row of %.60s: %.300v", b.event, row)
		}
		// A byte that is not UTF-8 cannot be shown in JSON; every other payload is compared to the letter.
		if kept := row["payload"].(string); b.code != "invalid_utf8" && !strings.HasPrefix(b.event, kept) {
			t.Errorf("payload %.80q of %.80q", kept, b.event)
		} else if (len(kept) < len(b.event)) != (row["truncated"] != 0.0 && row["truncated"] != false) && b.code != "invalid_utf8" {
			t.Errorf("%d of %d bytes kept, truncated = %v", len(kept), len(b.event), row["truncated"])
		}
	}
}

func TestBadRequestsHaveStableCodes(t *testing.T) {
	s := start(t, t.TempDir())
	good := []byte(`{"event":"x","userId":"u"}`)
	for _, c := range []struct {
		name, path string
		body       []byte
		status     int
		code       string
		header     []string
	}{
		{"cut JSON", "/v1/track", []byte(`{"event":`), 400, "invalid_json", nil},
		{"not JSON", "/v1/batch", []byte(`hello`), 400, "invalid_json", nil},
		{"no body", "/v1/track", nil, 400, "empty_batch", nil},
		{"two values", "/v1/track", []byte(`{"event":"x","userId":"u"} trailing`), 400, "invalid_json", nil},
		{"empty batch", "/v1/batch", []byte(`{"batch":[]}`), 400, "empty_batch", nil},
		{"wrong key", "/v1/track", good, 401, "invalid_key", []string{"Authorization: Bearer wrong"}},
		{"wrong type", "/v1/track", good, 415, "unsupported_media_type", []string{"Content-Type: image/png"}},
		{"wrong encoding", "/v1/track", good, 415, "unsupported_encoding", []string{"Content-Encoding: lzma"}},
		{"not gzip", "/v1/track", good, 400, "invalid_encoding", []string{"Content-Encoding: gzip"}},
		{"unknown path", "/v2/track", good, 404, "unknown_route", nil},
		{"every event refused", "/v1/batch", []byte(`{"batch":[{"type":"track"}]}`), 400, "missing_event", nil},
	} {
		a := s.post(c.path, c.body, c.header...)
		if a.Status != c.status || a.Code != c.code || a.Message == "" || a.Error != c.code || a.RequestID == "" || a.Header.Get("X-Request-Id") != a.RequestID {
			t.Errorf("%s: %d %s", c.name, a.Status, a.Raw)
		}
	}
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 200 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if a := s.post("/v1/batch", bomb.Bytes(), "Content-Encoding: gzip"); a.Status != http.StatusRequestEntityTooLarge || a.Code != "decompressed_too_large" {
		t.Errorf("bomb: %d %s", a.Status, a.Raw)
	}
	if a := s.post("/v1/track", good); a.Status != http.StatusOK {
		t.Errorf("after all that: %d %s", a.Status, a.Raw)
	}
	s.waitRows("events", 1)
}

func TestNativeForms(t *testing.T) {
	s := start(t, t.TempDir())
	id := "0192b6c1-7d2e-7a3b-9c1f-0123456789ab"
	for name, c := range map[string]struct {
		body, contentType string
		n                 int
	}{
		"object":   {`{"id":"` + id + `","event":"one","distinct_id":"d1","anonymous_id":"a1","correlation_id":"c-9","causation_id":"k-1","hops":2,"properties":{"x":1},"set":{"plan":"pro"},"set_once":{"first":1}}`, "application/json", 1},
		"array":    {`[{"event":"two","distinct_id":"d2"},{"event":"three","distinct_id":"d3"}]`, "application/json", 2},
		"envelope": {`{"sent_at":"2026-11-01T00:00:00Z","events":[{"event":"four","distinct_id":"d4"}]}`, "application/json", 1},
		"ndjson":   {"{\"event\":\"five\",\"distinct_id\":\"d5\"}\n\n{\"event\":\"six\",\"distinct_id\":\"d6\"}\r\n", "application/x-ndjson", 2},
	} {
		a := s.post("/v1/events?results=all", []byte(c.body), "Content-Type: "+c.contentType, "Authorization: Bearer "+devKey, "X-Correlation-Id: req-7",
			"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		if a.Status != http.StatusOK || a.Accepted != c.n || len(a.Results) != c.n || a.Header.Get("X-Correlation-Id") != "req-7" {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
	s.waitRows("events", 6)
	compare(t, s.sql("SELECT toString(event_id) AS id, distinct_id, anonymous_id, correlation_id, causation_id, hops, props, traits FROM millrace.events WHERE event = 'one'")[0], map[string]any{
		"id": id, "distinct_id": "d1", "anonymous_id": "a1", "correlation_id": "c-9", "causation_id": "k-1", "hops": 2.0, "props": `{"x":1}`,
		"traits": `{"$set":{"plan":"pro"},"$set_once":{"first":1}}`,
	})
	if n := s.count("SELECT countIf(correlation_id = 'req-7') FROM millrace.events"); n != 5 {
		t.Errorf("%d of 5 rows carry the request's correlation id", n)
	}
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	run := func(args ...string) (string, error) {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "MILLRACE_DEV_KEY="+devKey)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			out = append(out, stderr.Bytes()...)
		}
		return string(out), err
	}
	out, err := run("send", "--data", dir, "Signed Up", "plan=pro", "seats=3")
	if err != nil || !strings.Contains(out, `"durability":"broker"`) {
		t.Fatalf("send: %v %s", err, out)
	}
	if out, err := run("send", "--data", dir, "Bad", "--distinct-id", "undefined"); err == nil || !strings.Contains(out, "illegal_id") {
		t.Errorf("send of a bad event: %v %s", err, out)
	}
	if out, err := run("tail", "--data", dir, "--from-start", "--limit", "1"); err != nil || !strings.Contains(out, "Signed Up") || !strings.Contains(out, `"seats":3`) {
		t.Errorf("tail: %v %s", err, out)
	}
	if out, err := run("tail", "--data", dir, "--rejected", "--from-start", "--limit", "1"); err != nil || !strings.Contains(out, "illegal_id") {
		t.Errorf("tail --rejected: %v %s", err, out)
	}
	if out, err := run("version", "--json"); err != nil || !json.Valid([]byte(out)) {
		t.Errorf("version: %v %s", err, out)
	}
	if out, err := run("migrate", "status", "--data", dir); err != nil || !strings.Contains(out, "applied") {
		t.Errorf("migrate status: %v %s", err, out)
	}
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("ingest:\n  listen: nowhere\nsink:\n  block_age: fast\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = run("config", "validate", "--config", bad)
	var exit *exec.ExitError
	if !asExit(err, &exit) || exit.ExitCode() != 78 || !strings.Contains(out, "bad.yaml:2") || !strings.Contains(out, "listen") || !strings.Contains(out, "block_age") {
		t.Errorf("config validate: %v %s", err, out)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
