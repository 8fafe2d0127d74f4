package ingest

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

const inner = "POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: " + testKey + "\r\nContent-Length: 21\r\n\r\n{\"event\":\"smuggled!\"}"

// Messages that two HTTP parsers may read differently are refused, the connection ends, and nothing behind them is ever taken for a request.
func TestSmuggling(t *testing.T) {
	d := open(t, nil)
	head := "POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: " + testKey + "\r\n"
	chunked := "0\r\n\r\n"
	for _, c := range []struct{ name, text string }{
		{"length and chunked", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked},
		{"chunked and length", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunked},
		{"chunked twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked},
		{"chunked, chunked", head + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunked},
		{"identity", head + "Transfer-Encoding: identity\r\n\r\n"},
		{"identity and length", head + "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n"},
		{"gzip, chunked", head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked},
		{"xchunked", head + "Transfer-Encoding: xchunked\r\n\r\n" + chunked},
		{"vertical tab", head + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunked},
		{"space before colon", head + "Transfer-Encoding : chunked\r\n\r\n" + chunked},
		{"space inside a name", head + "Content Length: 5\r\n\r\n"},
		{"bad name", head + "X(Y): 1\r\n\r\n"},
		{"chunked on 1.0", strings.Replace(head, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n" + chunked},
		{"two equal lengths", head + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"},
		{"two lengths", head + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n"},
		{"list of lengths", head + "Content-Length: 0, 0\r\n\r\n"},
		{"signed length", head + "Content-Length: +0\r\n\r\n"},
		{"negative length", head + "Content-Length: -1\r\n\r\n"},
		{"hex length", head + "Content-Length: 0x0\r\n\r\n"},
		{"huge length", head + "Content-Length: 9223372036854775808\r\n\r\n"},
		{"wrapping length", head + "Content-Length: 18446744073709551621\r\n\r\n"},
		{"folded", head + "X-A: b\r\n c: d\r\nContent-Length: 0\r\n\r\n"},
		{"folded length", head + "Content-Length:\r\n 0\r\n\r\n"},
		{"leading space", "POST /v1/track HTTP/1.1\r\n Host: x\r\n\r\n"},
		{"bare LF", head + "X-A: b\nContent-Length: 0\r\n\r\n"},
		{"CR in a value", head + "X-A: b\rc\r\nContent-Length: 0\r\n\r\n"},
		{"NUL in a value", head + "X-A: b\x00c\r\nContent-Length: 0\r\n\r\n"},
		{"two hosts", head + "Host: y\r\nContent-Length: 0\r\n\r\n"},
		{"no host", "POST /v1/track HTTP/1.1\r\nContent-Length: 0\r\n\r\n"},
		{"HTTP/0.9", "GET /livez\r\n\r\n"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"HTTP/2 in the request line", strings.Replace(head, "1.1", "2.0", 1) + "Content-Length: 0\r\n\r\n"},
		{"HTTP/9", strings.Replace(head, "1.1", "9.9", 1) + "Content-Length: 0\r\n\r\n"},
		{"bad method", "P(ST /v1/track HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"control in the target", "GET /li\x01vez HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
		{"chunk: bare LF", head + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"},
		{"chunk: LF in an extension", head + "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n"},
		{"chunk: space before extension", head + "Transfer-Encoding: chunked\r\n\r\n5 ;a\r\nhello\r\n0\r\n\r\n"},
		{"chunk: 0x", head + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"},
		{"chunk: 17 digits", head + "Transfer-Encoding: chunked\r\n\r\n00000000000000005\r\nhello\r\n0\r\n\r\n"},
		{"chunk: negative", head + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"},
		{"chunk: no CRLF behind", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n"},
		{"chunk: length in the trailer", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := d.raw()
			conn.send(c.text + inner)
			a := conn.read()
			if a.status != 400 || a.code() != "invalid_framing" || !a.close {
				t.Errorf("%v, closing %v", a, a.close)
			}
			checkProblem(t, a)
			if rest, _ := io.ReadAll(conn.r); len(rest) != 0 {
				t.Errorf("a second answer: %q", rest)
			}
			if d.sub.count() != 0 {
				t.Errorf("something was submitted: %q", d.sub.last().Buf)
			}
		})
	}
	// The negative control: the same inner request does get through on a connection in order.
	conn := d.raw()
	conn.send(strings.Repeat(inner, 2))
	if a, b := conn.read(), conn.read(); a.status != 200 || b.status != 200 || d.sub.count() != 2 {
		t.Errorf("pipelined requests in order: %v, %v", a, b)
	}
}

// What is unusual and unambiguous is taken.
func TestUnusualFraming(t *testing.T) {
	d := open(t, nil)
	body := `{"event":"e"}`
	head := "Host: x\r\nX-Write-Key: " + testKey + "\r\n"
	length := fmt.Sprintf("content-LENGTH:%d\r\n", len(body))
	for _, c := range []struct{ name, text string }{
		{"absolute form", "POST http://x/v1/track HTTP/1.1\r\n" + head + length + "\r\n" + body},
		{"HTTP/1.0", "POST /v1/track HTTP/1.0\r\n" + head + length + "\r\n" + body},
		{"blank line before", "\r\nPOST /v1/track HTTP/1.1\r\n" + head + length + "\r\n" + body},
		{"chunked", "POST /v1/track HTTP/1.1\r\n" + head + "Transfer-Encoding: Chunked\r\n\r\n4;x=y\r\n{\"ev\r\n9\r\nent\":\"e\"}\r\n0\r\nX-Trailer: 1\r\n\r\n"},
		{"double slash and escapes", "POST //v1/%74rack?writeKey=nobody HTTP/1.1\r\n" + head + length + "\r\n" + body},
	} {
		conn := d.raw()
		conn.send(c.text)
		if a := conn.read(); a.status != 200 || string(d.sub.last().Buf) != body {
			t.Errorf("%s: %v", c.name, a)
		}
	}
	// A chunked body one byte at a time.
	conn := d.raw()
	conn.send("POST /v1/track HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n")
	for _, b := range []byte(body) {
		conn.send("1\r\n" + string(b) + "\r\n")
	}
	conn.send("0\r\n\r\n")
	if a := conn.read(); a.status != 200 {
		t.Error(a)
	}
}

func TestHeaderTooLarge(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.MaxHeaderBytes = 2 << 10 })
	conn := d.raw()
	conn.send("GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 3<<10) + "\r\n\r\n")
	a := conn.read()
	if a.status != 431 || a.code() != "header_too_large" || !strings.Contains(a.body, "ingest.max_header_bytes") || !strings.Contains(a.body, "2048") {
		t.Error(a)
	}
	checkProblem(t, a)
	if d.value(`millrace_ingest_requests_total{route="none",code="header_too_large"}`) != 1 {
		t.Error("not counted")
	}
}

func TestSlowHeader(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.HeaderTimeout = 300 * time.Millisecond })
	for _, text := range []string{"GET /livez HTTP/1.1\r\nHost:", "G", ""} {
		conn := d.raw()
		conn.send(text)
		a := conn.read()
		if a.status != 408 || a.code() != "timeout" || !a.close || !conn.ended() {
			t.Errorf("%q: %v", text, a)
		}
		checkProblem(t, a)
	}
	// The clock starts again with each request of a connection, so a fast one may be kept as long as it likes.
	conn := d.raw()
	for range 3 {
		conn.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		if a := conn.read(); a.status != 200 {
			t.Error(a)
		}
	}
}

func TestIdleConnectionEnds(t *testing.T) {
	d := open(t, func(c *Config, _ *schema.Limits, _ *Deps) { c.IdleTimeout = 50 * time.Millisecond })
	conn := d.raw()
	conn.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := conn.read(); a.status != 200 {
		t.Error(a)
	}
	if !conn.ended() {
		t.Error("the idle connection did not end quietly")
	}
}

func TestReadHeader(t *testing.T) {
	var h header
	raw := "HOST: x\r\nOrigin:  http://o \r\nauthorization:Bearer k\r\nX-WRITE-KEY: w\r\nContent-Encoding: gzip\r\n\r\n"
	if why := readHeader([]byte(raw), &h); why != "" {
		t.Fatal(why)
	}
	if string(h.origin) != "http://o" || string(h.authorization) != "Bearer k" || string(h.writeKey) != "w" || string(h.contentEncoding) != "gzip" || h.encodings != 1 {
		t.Errorf("%+v", h)
	}
	for i := 1; i < len(raw)-2; i++ {
		// Every header cut short is refused or ends cleanly, and never reads past its end.
		_ = readHeader([]byte(raw)[:i:i], &h)
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("Host: x\r\nContent-Length: 5\r\n\r\n"))
	f.Add([]byte("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"))
	f.Add([]byte("A: b\r\n c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h header
		if readHeader(raw, &h) != "" {
			return
		}
		lower := strings.ToLower(string(raw))
		lower, _, _ = strings.Cut("\r\n"+lower, "\r\n\r\n")
		if strings.Count(lower, "\r\ncontent-length:") > 1 || strings.Count(lower, "\r\nhost:") > 1 || strings.Count(lower, "\r\ntransfer-encoding:") > 1 ||
			strings.Contains(lower, "\r\ncontent-length:") && strings.Contains(lower, "\r\ntransfer-encoding:") || strings.Contains(lower, "\r\n ") || strings.Contains(lower, "\r\n\t") {
			t.Errorf("accepted %q", raw)
		}
	})
}
