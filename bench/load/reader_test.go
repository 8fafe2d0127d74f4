package load

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

const ok = "HTTP/1.1 200 OK\r\n"

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, in, body string
		status         int
		close          bool
		err            error
	}{
		{name: "length", in: ok + "Content-Length: 5\r\n\r\nhello", status: 200, body: "hello"},
		{name: "no reason", in: "HTTP/1.1 503\r\ncontent-length:0\r\n\r\n", status: 503},
		{name: "bare line feeds", in: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", status: 200, body: "hi"},
		{name: "lengths that agree", in: ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi"},
		{name: "close", in: ok + "CONNECTION: x, Close\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", close: true},
		{name: "keep-alive", in: ok + "Connection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi"},
		{name: "chunks", in: ok + "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", status: 200, body: "abc0123456789"},
		{name: "trailers", in: ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\n\r\n", status: 200, body: "a"},
		{name: "until the end", in: ok + "\r\nhello", status: 200, body: "hello", close: true},
		{name: "HTTP/1.0", in: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x", close: true},
		{name: "no content", in: "HTTP/1.1 204 No Content\r\n\r\n", status: 204},
		{name: "informational", in: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", status: 200, body: "x"},
		{name: "more than asked for", in: ok + "Content-Length: 1\r\n\r\nxHTTP", status: 200, body: "x", close: true},

		{name: "nothing", in: "", err: io.EOF},
		{name: "half a line", in: "HTTP/1.1 20", err: io.ErrUnexpectedEOF},
		{name: "half a head", in: ok + "Content-", err: io.ErrUnexpectedEOF},
		{name: "half a body", in: ok + "Content-Length: 5\r\n\r\nhel", err: io.ErrUnexpectedEOF},
		{name: "half a chunk", in: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", err: io.ErrUnexpectedEOF},
		{name: "no last chunk", in: ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n", err: io.ErrUnexpectedEOF},
		{name: "another protocol", in: "SSH-2.0-OpenSSH_9.2p1\r\n", err: errBadAnswer},
		{name: "HTTP/2", in: "HTTP/2.0 200 OK\r\n\r\n", err: errBadAnswer},
		{name: "status of letters", in: "HTTP/1.1 2xx OK\r\n\r\n", err: errBadAnswer},
		{name: "status 600", in: "HTTP/1.1 600 OK\r\n\r\n", err: errBadAnswer},
		{name: "status of four digits", in: "HTTP/1.1 2000 OK\r\n\r\n", err: errBadAnswer},
		{name: "switching protocols", in: "HTTP/1.1 101 X\r\n\r\n", err: errBadAnswer},
		{name: "no colon", in: ok + "Content-Length 5\r\n\r\n", err: errBadAnswer},
		{name: "folded", in: ok + "A: b\r\n c: d\r\n\r\n", err: errBadAnswer},
		{name: "space before the colon", in: ok + "Content-Length : 5\r\n\r\nhello", err: errBadAnswer},
		{name: "negative length", in: ok + "Content-Length: -5\r\n\r\n", err: errBadAnswer},
		{name: "two lengths", in: ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", err: errBadAnswer},
		{name: "a length beyond reason", in: ok + "Content-Length: 16777217\r\n\r\n", err: errBadAnswer},
		{name: "length and chunks", in: ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", err: errBadAnswer},
		{name: "unknown coding", in: ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", err: errBadAnswer},
		{name: "chunked twice", in: ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", err: errBadAnswer},
		{name: "chunk without size", in: ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", err: errBadAnswer},
		{name: "chunk of a negative size", in: ok + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", err: errBadAnswer},
		{name: "chunk beyond reason", in: ok + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", err: errBadAnswer},
		{name: "chunk longer than its size", in: ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", err: errBadAnswer},
		{name: "a head without end", in: ok + strings.Repeat("A: b\r\n", maxHeadBytes/6), err: errBadAnswer},
		{name: "a line without end", in: strings.Repeat("x", maxHeadBytes+1), err: errBadAnswer},
		{name: "hints without end", in: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxHeadBytes/25+1), err: errBadAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, src := range map[string]io.Reader{
				"at once":      strings.NewReader(c.in),
				"byte by byte": iotest.OneByteReader(strings.NewReader(c.in)),
				"error beside": iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				r := reader{src: src}
				answer, err := r.read()
				if !errors.Is(err, c.err) || c.err != nil && err == nil {
					t.Fatalf("%s: error %v, want %v", how, err, c.err)
				}
				if c.err == nil && (answer.status != c.status || string(answer.body) != c.body) {
					t.Fatalf("%s: %d %q, want %d %q", how, answer.status, answer.body, c.status, c.body)
				}
				// What follows is seen when it came with the answer; if not, the next answer is not one.
				if c.err == nil && how == "at once" && answer.close != c.close {
					t.Fatalf("%s: close %v, want %v", how, answer.close, c.close)
				}
			}
		})
	}
}

// TestReadEndless answers with bodies that pass every bound without an end.
func TestReadEndless(t *testing.T) {
	for _, c := range []struct{ name, head, again string }{
		{"until the end", ok + "\r\n", "x"},
		{"chunks of one byte", ok + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
		{"chunks with long extensions", ok + "Transfer-Encoding: chunked\r\n\r\n", "1;" + strings.Repeat("e", 1000) + "\r\nx\r\n"},
		{"trailers", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := reader{src: io.MultiReader(strings.NewReader(c.head), &endless{text: c.again})}
			if _, err := r.read(); !errors.Is(err, errBadAnswer) {
				t.Fatalf("error %v, want %v", err, errBadAnswer)
			}
			if len(r.buf) > maxBuffered {
				t.Fatalf("%d bytes buffered, limit %d", len(r.buf), maxBuffered)
			}
		})
	}
}

// endless repeats a text.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.text[e.at]
		e.at = (e.at + 1) % len(e.text)
	}
	return len(p), nil
}

// TestReadLeavesNothingBehind reads answers of growing and shrinking sizes from one connection.
func TestReadLeavesNothingBehind(t *testing.T) {
	from, to := io.Pipe()
	go func() {
		for _, n := range []int{10, 3 * keptBuffer, 5, 0, firstBuffer} {
			var b bytes.Buffer
			b.WriteString(ok + "Transfer-Encoding: chunked\r\n\r\n")
			for rest := n; rest > 0; rest -= min(rest, 1000) {
				chunk := strings.Repeat("y", min(rest, 1000))
				b.WriteString(strings.ToUpper(strconv.FormatInt(int64(len(chunk)), 16)) + "\r\n" + chunk + "\r\n")
			}
			b.WriteString("0\r\n\r\n")
			_, _ = to.Write(b.Bytes())
		}
		_ = to.Close()
	}()
	r := reader{src: from}
	for _, n := range []int{10, 3 * keptBuffer, 5, 0, firstBuffer} {
		answer, err := r.read()
		if err != nil || string(answer.body) != strings.Repeat("y", n) {
			t.Fatalf("body of %d bytes, error %v, want %d bytes", len(answer.body), err, n)
		}
	}
	if len(r.buf) > keptBuffer {
		t.Fatalf("%d bytes kept after a large answer, limit %d", len(r.buf), keptBuffer)
	}
	if _, err := r.read(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("error %v after the last answer, want EOF", err)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	const answer = ok + "Content-Type: application/json\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\nX-Request-Id: 1\r\n\r\nhello"
	src := &endless{text: answer}
	r := reader{src: readerFunc(func(p []byte) (int, error) { return src.Read(p[:len(answer)]) })}
	if n := testing.AllocsPerRun(1000, func() {
		if a, err := r.read(); err != nil || len(a.body) != 5 {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations per answer", n)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzRead feeds anything. However it is cut into pieces the outcome is the same, and where net/http understands an answer that we understand, both say the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		ok + "Content-Length: 5\r\n\r\nhello",
		ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 503 Busy\r\nConnection: close\r\n\r\nlater",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := reader{src: bytes.NewReader(in)}
		a, errA := whole.read()
		pieces := reader{src: iotest.HalfReader(iotest.OneByteReader(bytes.NewReader(in)))}
		b, errB := pieces.read()
		if (errA == nil) != (errB == nil) || errA == nil && (a.status != b.status || !bytes.Equal(a.body, b.body)) {
			t.Fatalf("at once: %d %q, %v; in pieces: %d %q, %v", a.status, a.body, errA, b.status, b.body, errB)
		}
		if errA != nil {
			return
		}
		if a.status < 200 || a.status > 599 || len(a.body) > maxAnswerBytes {
			t.Fatalf("status %d with a body of %d bytes", a.status, len(a.body))
		}
		src := bufio.NewReader(bytes.NewReader(in))
		for {
			theirs, err := http.ReadResponse(src, &http.Request{Method: http.MethodPost})
			if err != nil {
				return
			}
			body, err := io.ReadAll(theirs.Body)
			_ = theirs.Body.Close()
			if err != nil {
				return
			}
			if theirs.StatusCode < 200 {
				continue
			}
			if theirs.StatusCode != a.status || !bytes.Equal(body, a.body) {
				t.Fatalf("net/http reads %d %q, we read %d %q", theirs.StatusCode, body, a.status, a.body)
			}
			return
		}
	})
}
