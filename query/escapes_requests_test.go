package query

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ownCount is what project 1 sees of all events.
const ownCount = `{"query":"SELECT count(), max(project_id), max(event) FROM events"}`

const ownCounted = `[[3,1,"own2"]]`

// requests tries what surrounds a body: headers, paths, methods, parameters of the URL.
func (s *siege) requests(t *testing.T) {
	const category = "requests"
	ask := func(method, path, key string, headers ...string) reply {
		r := s.do(method, path, key, ownCount, headers...)
		s.judge(t, category, fmt.Sprint(method, path, headers), r)
		if r.status == http.StatusOK && !strings.Contains(string(r.body), "own2") {
			t.Errorf("%s %s %q: %s", method, path, headers, r)
		}
		return r
	}
	// Headers that mean something to ClickHouse or to proxies mean nothing here.
	for _, h := range [][2]string{
		{"X-ClickHouse-User", "default"},
		{"X-ClickHouse-Key", ""},
		{"X-ClickHouse-Database", testDatabase},
		{"X-ClickHouse-Quota", "x"},
		{"X-ClickHouse-Format", "Native"},
		{"X-ClickHouse-SSL-Certificate-Auth", "on"},
		{"X-ClickHouse-JWT-Token", "x"},
		{"X-Forwarded-For", "127.0.0.1"},
		{"X-Forwarded-User", "p2_analyst"},
		{"X-Remote-User", "default"},
		{"X-Original-URL", "/v1/query/timeline"},
		{"X-Rewrite-URL", "/?user=default"},
		{"X-HTTP-Method-Override", "DELETE"},
		{"X-Project-Id", "2"},
		{"X-Millrace-Project", "2"},
		{"X-Request-Id", "2-0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55"},
		{"X-Millrace-Query-Id", "2-0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55"},
		{"X-Write-Key", theirKey},
		{"Cookie", "key=" + theirKey + "; project=2"},
		{"Forwarded", `for="[::1]";host="clickhouse"`},
		{"Origin", "null"},
		{"Range", "bytes=0-1000000"},
		{"If-None-Match", "*"},
		{"Idempotency-Key", "x"},
		{"User-Agent", "' UNION SELECT * FROM system.users --"},
		{"Referer", "http://127.0.0.1:8123/?user=default"},
		{"Accept-Encoding", "identity;q=0, *"},
		{"Te", "trailers"},
	} {
		if r := ask("POST", "/v1/query/sql", ourKey, h[0], h[1]); r.rows(t) != ownCounted {
			t.Errorf("%q: %s", h, r)
		}
	}
	// With another key in the header that decides, the other project is meant, and nobody else.
	for _, h := range []string{
		"Bearer " + theirKey + "x", "Bearer " + theirKey + ", Bearer " + ourKey, "Bearer " + strings.ToUpper(theirKey), "Bearer " + theirKey[:len(theirKey)-1], "Digest " + theirKey, "Bearer", "Basic ====",
		"Basic " + strings.Repeat("A", 3000), "Bearer mr_test_bbbbbbbb_", "Bearer %6dr_test", "Basic Og==",
	} {
		if r := ask("POST", "/v1/query/sql", "", "Authorization", h); r.status != http.StatusUnauthorized {
			t.Errorf("%q: %s", h, r)
		}
	}
	for _, path := range []string{
		"/", "/ping", "/play", "/dashboard", "/metrics", "/?query=SELECT+1&user=default", "/v1/query", "/v1/query/", "/v1/query/sql/x", "/v1/query/../sql", "/v1/query/%2e%2e/%2e%2e/ping", "/v1//query/sql", "//v1/query/sql",
		"/v1/query/SQL", "/v1/query/sql;x=1", "/v1/query/sql%00", "/v1/query/sql%0d%0aX-A:b", "/v1/query/events", "/v1/query/2", "/v1/query/lifecycle", "/v1/query/%73ql/", "/v2/query/sql", "/v1/track",
		"/v1/query/http:%2f%2f127.0.0.1:8123%2f",
	} {
		if r := ask("POST", path, ourKey); path != "/v1/query/%73ql/" && r.status != http.StatusNotFound {
			t.Errorf("%s: %s", path, r)
		}
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "SELECT"} {
		if r := ask(method, "/v1/query/sql", ourKey); r.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, r)
		}
	}
	for _, parameters := range []string{
		"timeout_ms=0", "timeout_ms=-1", "timeout_ms=9", "timeout_ms=30001", "timeout_ms=9223372036854775808", "timeout_ms=1e3", "timeout_ms=0x100", "timeout_ms=", "timeout_ms=NaN", "timeout_ms=20%3B20", "timeout_ms=100&timeout_ms=200",
		"query_id=", "query_id=2-0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", "query_id=x'%20OR%201", "query_id=0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e5", "query_id=*", "query_id=%", "query_id=0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55&query_id=0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e56",
		"query_id=%00", "Query_Id=0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55", "TIMEOUT_MS=100", "timeout_ms=100;database=system", "%", "=", "a=%zz", "limit=1", "format=csv", "id=2",
	} {
		if r := ask("POST", "/v1/query/sql?"+parameters, ourKey); r.status != http.StatusBadRequest {
			t.Errorf("%s: %s", parameters, r)
		}
	}
	for _, accept := range []string{"text/tab-separated-values", "application/json;q=0", "Native", "application/vnd.apache.arrow.stream", "text/csv;q=2", "text/html", "*/*;q=0", "application/x-protobuf; schema=/etc/passwd", "text/csv;format_schema=/etc/passwd"} {
		ask("POST", "/v1/query/sql", ourKey, "Accept", accept)
	}
	for _, media := range []string{"multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/x-ndjson", "text/xml", "application/json; charset=\x27", "image/png", "a/b/c"} {
		ask("POST", "/v1/query/sql", ourKey, "Content-Type", media)
	}
	for _, encoding := range []string{"gzip", "br", "zstd", "deflate, gzip", "x"} {
		if r := ask("POST", "/v1/query/sql", ourKey, "Content-Encoding", encoding); r.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %s", encoding, r)
		}
	}
	s.raw(t, category)
	if r := s.do("POST", "/v1/query/sql", theirKey, ownCount, "X-Project-Id", "1", "X-Write-Key", ourKey); !s.control(category, r, ownCount) {
		t.Errorf("project 2 does not see its own: %s", r)
	}
	s.alive(t)
}

// raw sends what no client library would. Whatever comes is as if one request of project 1 had been sent, or none.
func (s *siege) raw(t *testing.T, category string) {
	t.Helper()
	host := strings.TrimPrefix(s.front.URL, "http://")
	key := "Authorization: Bearer " + ourKey + "\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(ownCount))
	second := "POST /v1/query/sql HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + ownCount // without a key
	for _, text := range []string{
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\n" + key + "Authorization: Bearer " + theirKey + "x\r\n" + length + "\r\n" + ownCount,
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\n" + key + "X-Write-Key: a\r\nX-Write-Key: b\r\n" + length + "\r\n" + ownCount,
		"POST http://127.0.0.1:8123/?user=default HTTP/1.1\r\nHost: " + host + "\r\n" + key + length + "\r\n" + ownCount,
		"POST /v1/query/sql HTTP/1.1\r\nHost: a\r\nHost: b\r\n" + key + length + "\r\n" + ownCount,
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + theirKey + "\x00\r\n" + length + "\r\n" + ownCount,
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer\r\n " + theirKey + "x\r\n" + length + "\r\n" + ownCount,
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\n" + key + "Content-Length: 4\r\n" + length + "\r\n" + ownCount,
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\n" + key + "Content-Length: -1\r\n\r\n" + ownCount,
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\n" + key + "Transfer-Encoding: chunked, identity\r\n\r\n" + ownCount,
		// What a proxy would take for the body of the first is a request of its own to others.
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\n" + key + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 5+len(second)) + second,
		"POST /v1/query/sql HTTP/1.1\r\nHost: " + host + "\r\n" + key + length + "\r\n" + ownCount + second,
		"DELETE /v1/query/2-0198f3c2-5d3e-7c61-9b0e-2f6a1d4c8e55 HTTP/1.0\r\n" + key + "\r\n",
		"GET /?query=SELECT%201&user=default\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"\x00\x03foo\x01",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"CONNECT 127.0.0.1:8123 HTTP/1.1\r\nHost: 127.0.0.1:8123\r\n" + key + "\r\n",
	} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patienceInTests)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		for {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				break // no more, or none at all
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close() // read to its end
			if err != nil {
				break
			}
			r := reply{resp.StatusCode, resp.Header, body}
			if resp.Header.Get("X-Request-Id") == "" {
				// The answer of net/http, which has read no request.
				r.status, r.body = http.StatusOK, append(body, "own2"...)
				if resp.StatusCode < 400 {
					t.Errorf("%q: %s", text, r)
				}
			}
			s.judge(t, category, text, r)
			if r.status == http.StatusOK && !strings.Contains(string(r.body), "own2") {
				t.Errorf("%q: %s", text, r)
			}
		}
		_ = conn.Close() // read to its end
	}
}
