package sdk

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestComparisonSeesDamage shows that the comparison of rows fails for each thing that can be wrong with one.
func TestComparisonSeesDamage(t *testing.T) {
	w := want{
		mark: "track A", id: "01a1f3a5-0000-7000-9c1f-000000000001", ts: 1795169472345, session: true, props: object{"n": json.Number("1"), "s": "é"}, traits: object{"a": true}, context: object{"ip": "203.0.113.7"},
		columns: map[string]any{"event": "A", "user_id": "u", "lib": "x"}, sent: object{"userId": "u", "properties": object{"s": "é"}, "context": object{"ip": "203.0.113.7"}},
	}
	good := map[string]any{
		"id": w.id, "event": "A", "user_id": "u", "lib": "x", "ts_ms": json.Number("1795169472345"), "received_ms": json.Number("1795169473000"), "props": `{"s":"\u00e9","n":1.0}`, "traits": `{"a":true}`,
		"context": `{"ip":"203.0.113.7"}`, "session": session,
	}
	if d := w.differences(good); len(d) > 0 {
		t.Fatalf("a row that is as it should be differs: %q", d)
	}
	for column, value := range map[string]any{
		"id": "01a1f3a5-0000-7000-9c1f-000000000002", "event": "B", "user_id": "", "lib": "y", "ts_ms": json.Number("1795169472346"), "props": `{"s":"é"}`, "traits": `{"a":"true"}`, "context": `{}`, "session": noSession,
	} {
		row := maps.Clone(good)
		row[column] = value
		if d := w.differences(row); len(d) == 0 {
			t.Errorf("%s = %v: no difference", column, value)
		}
	}
	for text, wanted := range map[string]string{`{"ip":"203.0.113.7","odd":"y"}`: `context/odd = "y" is nowhere in the event`, `{"ip":`: "context is no JSON"} {
		row := maps.Clone(good)
		row["context"] = text
		if d := strings.Join((&want{sent: w.sent}).invented(row), "\n"); !strings.Contains(d, wanted) {
			t.Errorf("context %s: %q, want %q", text, d, wanted)
		}
	}
	if d := (&want{sent: object{"properties": object{"gone": "nowhere"}}}).lost(good); len(d) != 1 {
		t.Errorf("a value that is in no column is not missed: %q", d)
	}
	for _, props := range []string{`{"n":1,"s":"é","more":1}`, `{"n":"1","s":"é"}`, `{"n":1,"s":"e\u0301"}`, ``, `{`, `[]`} {
		row := maps.Clone(good)
		row["props"] = props
		if len(w.differences(row)) == 0 {
			t.Errorf("props %s are taken for %s", props, show(w.props))
		}
	}
	c := call{"identify", object{"user": "u", "traits": object{"plan": "pro"}}}
	row := map[string]any{"type": "identify", "distinct_id": "u", "traits": `{"$set":{"plan":"pro"}}`}
	if !c.toldBy(&kit{}, row) {
		t.Error("a row does not tell what its call said")
	}
	for column, value := range map[string]any{"type": "track", "distinct_id": "v", "traits": `{"$set":{"plan":"free"}}`} {
		damaged := maps.Clone(row)
		damaged[column] = value
		if c.toldBy(&kit{}, damaged) {
			t.Errorf("%s = %v is taken for what the call said", column, value)
		}
	}
}

// TestProxyForwardsBytesAndRefuses looks at what comes out behind the proxy: the bytes that went in, but for the requests that the fault hits.
func TestProxyForwardsBytesAndRefuses(t *testing.T) {
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close() //nolint:errcheck // ends the goroutine
	arrived := make(chan string, 10)
	go func() {
		for {
			c, err := upstream.Accept()
			if err != nil {
				return
			}
			var seen strings.Builder
			req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &seen)))
			if err == nil {
				_, _ = io.Copy(io.Discard, req.Body) // the copy is in seen
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nx-odd:  Case \r\nContent-Length: 2\r\n\r\nok")
			}
			c.Close() //nolint:errcheck // the answer is written
			arrived <- seen.String()
		}
	}()
	request := "POST /v1/b HTTP/1.1\r\nhost: x\r\nx-ODD:  Case\r\nContent-Length: 9\r\n\r\n{\"a\":\"\x00\"}"
	send := func(p *proxy) string {
		c, err := net.Dial("tcp", p.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // only a test's
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		status, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			return ""
		}
		return strings.TrimSpace(status)
	}
	for name, c := range map[string]struct {
		fault fault
		first string
	}{
		"answers itself": {retryLater(503, problem), "HTTP/1.1 503 Service Unavailable"},
		"cuts":           {fault{drop: true}, ""},
	} {
		c.fault.times = 1
		p := newProxy(t, upstream.Addr().String(), false, c.fault)
		if got := send(p); got != c.first {
			t.Errorf("%s: %q", name, got)
		}
		if p.hits() != 1 || len(arrived) != 0 {
			t.Errorf("%s: the fault has hit %d requests, and %d came through", name, p.hits(), len(arrived))
		}
		if got := send(p); got != "HTTP/1.1 200 OK" || <-arrived != request {
			t.Errorf("%s: %q, or other bytes than those sent", name, got)
		}
		if e := p.exchanges(); len(e) != 2 || !e[0].faulted || e[1].faulted || e[1].status != 200 || string(e[1].raw) != "{\"a\":\"\x00\"}" || p.hits() != 1 {
			t.Errorf("%s: recorded %v", name, e)
		}
	}
}
