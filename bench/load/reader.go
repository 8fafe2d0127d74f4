package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds of an answer. A target that passes them is not believed.
const (
	maxHeadBytes   = 64 << 10
	maxAnswerBytes = 16 << 20
	maxBuffered    = maxHeadBytes + 2*maxAnswerBytes // with what chunks add
	firstBuffer    = 4 << 10
	keptBuffer     = 256 << 10 // a larger buffer is given up after its answer
)

// errBadAnswer is behind every error of an answer that is not HTTP/1 as we know it.
var errBadAnswer = errors.New("bad answer")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errBadAnswer, fmt.Sprintf(format, args...))
}

// response is one answer.
type response struct {
	status int
	body   []byte // a part of the reader's buffer, valid until its next read
	close  bool   // the connection cannot be used again
}

// reader takes HTTP/1 answers to POST requests off a connection. It knows what such an answer may be and refuses the rest; it never panics.
type reader struct {
	src  io.Reader
	buf  []byte // buf[pos:end] was read and not used yet
	pos  int
	end  int
	head int // bytes of the heads of this answer
}

// framing is what the head says about the body.
type framing struct {
	length  int // -1: not given
	chunked bool
	close   bool
}

// read blocks until an answer is complete. An end of the connection before the first byte is io.EOF, a later one io.ErrUnexpectedEOF; an answer that cannot be understood
// wraps errBadAnswer; everything else is the connection's error. After an error the connection cannot be used.
func (r *reader) read() (response, error) {
	if r.buf == nil || len(r.buf) > keptBuffer {
		r.buf = make([]byte, firstBuffer)
	}
	r.pos, r.end, r.head = 0, 0, 0
	answer, err := r.answer()
	if err != nil {
		if errors.Is(err, io.EOF) && r.end > 0 {
			err = io.ErrUnexpectedEOF
		}
		return response{}, err
	}
	// What follows the answer, nobody asked for.
	answer.close = answer.close || r.pos < r.end
	return answer, nil
}

func (r *reader) answer() (response, error) {
	for {
		status, err := r.statusLine()
		if err != nil {
			return response{}, err
		}
		f := framing{length: -1, close: status.old}
		if err := r.headers(&f); err != nil {
			return response{}, err
		}
		if f.chunked && (f.length >= 0 || status.old) {
			return response{}, bad("Transfer-Encoding together with Content-Length or HTTP/1.0")
		}
		switch {
		case status.code == 101:
			return response{}, bad("status 101: nobody asked to switch protocols")
		case status.code < 200: // 100 Continue, 103 Early Hints: the answer is still to come
			continue
		}
		answer := response{status: status.code, close: f.close}
		switch {
		case status.code == 204 || status.code == 304:
		case f.chunked:
			answer.body, err = r.chunks()
		case f.length >= 0:
			answer.body, err = r.exactly(f.length)
		default:
			answer.body, err = r.rest()
			answer.close = true
		}
		return answer, err
	}
}

type statusLine struct {
	code int
	old  bool // HTTP/1.0, where connections end with the answer
}

func (r *reader) statusLine() (s statusLine, err error) {
	line, err := r.headLine()
	if err != nil {
		return s, err
	}
	// HTTP/1.1 200 OK
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return s, bad("status line %.40q", line)
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return s, bad("status line %.40q", line)
		}
		s.code = s.code*10 + int(c-'0')
	}
	if s.code < 100 || s.code > 599 {
		return s, bad("status %d", s.code)
	}
	s.old = line[7] == '0'
	return s, nil
}

func (r *reader) headers(f *framing) error {
	for {
		line, err := r.headLine()
		if err != nil || len(line) == 0 {
			return err
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0 {
			return bad("header %.40q", line)
		}
		if err := f.header(line[:colon], bytes.Trim(line[colon+1:], " \t")); err != nil {
			return err
		}
	}
}

// header takes in one header, of which only three matter.
func (f *framing) header(name, value []byte) error {
	switch len(name) {
	case len("Connection"):
		if equalFold(name, "connection") {
			for token := range bytes.SplitSeq(value, []byte{','}) {
				f.close = f.close || equalFold(bytes.Trim(token, " \t"), "close")
			}
		}
	case len("Content-Length"):
		if equalFold(name, "content-length") {
			n, ok := decimal(value)
			if !ok || f.length >= 0 && f.length != n {
				return bad("Content-Length %.40q", value)
			}
			if n > maxAnswerBytes {
				return bad("Content-Length %d is more than %d", n, maxAnswerBytes)
			}
			f.length = n
		}
	case len("Transfer-Encoding"):
		if equalFold(name, "transfer-encoding") {
			if f.chunked || !equalFold(value, "chunked") {
				return bad("Transfer-Encoding %.40q", value)
			}
			f.chunked = true
		}
	}
	return nil
}

// exactly returns the next n bytes.
func (r *reader) exactly(n int) ([]byte, error) {
	if err := r.need(n); err != nil {
		return nil, err
	}
	body := r.buf[r.pos : r.pos+n]
	r.pos += n
	return body, nil
}

// rest returns everything up to the end of the connection.
func (r *reader) rest() ([]byte, error) {
	for {
		if r.end-r.pos > maxAnswerBytes {
			return nil, bad("more than %d bytes", maxAnswerBytes)
		}
		if err := r.fill(); errors.Is(err, io.EOF) {
			body := r.buf[r.pos:r.end]
			r.pos = r.end
			return body, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// chunks returns the body of a chunked answer. The data moves down over the sizes between it.
func (r *reader) chunks() ([]byte, error) {
	start := r.pos
	out := start
	for {
		line, err := r.line(maxHeadBytes)
		if err != nil {
			return nil, err
		}
		size, ok := chunkSize(line)
		if !ok || out-start+size > maxAnswerBytes {
			return nil, bad("chunk of size %.40q", line)
		}
		if size == 0 {
			break
		}
		if err := r.need(size); err != nil {
			return nil, err
		}
		out += copy(r.buf[out:], r.buf[r.pos:r.pos+size])
		r.pos += size
		if line, err = r.line(2); err != nil {
			return nil, err
		} else if len(line) > 0 {
			return nil, bad("chunk is longer than its size")
		}
	}
	for { // trailers, which say nothing to us
		line, err := r.headLine()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			return r.buf[start:out], nil
		}
	}
}

// headLine is line within what is left for heads.
func (r *reader) headLine() ([]byte, error) {
	from := r.pos
	line, err := r.line(maxHeadBytes - r.head)
	r.head += r.pos - from
	return line, err
}

// line returns the next line without its end, valid until the next read. Line and end take at most limit bytes.
func (r *reader) line(limit int) ([]byte, error) {
	seen := 0 // of buf[pos:end]
	for {
		if i := bytes.IndexByte(r.buf[r.pos+seen:r.end], '\n'); i >= 0 {
			n := seen + i
			if n+1 > limit {
				return nil, bad("line of more than %d bytes", limit)
			}
			line := r.buf[r.pos : r.pos+n]
			r.pos += n + 1
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		seen = r.end - r.pos
		if seen >= limit {
			return nil, bad("line of more than %d bytes", limit)
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// need makes sure that n bytes from pos on are in the buffer.
func (r *reader) need(n int) error {
	for r.end-r.pos < n {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads once, into a larger buffer when this one is full.
func (r *reader) fill() error {
	if r.end == len(r.buf) {
		if len(r.buf) >= maxBuffered {
			return bad("more than %d bytes", maxBuffered)
		}
		grown := make([]byte, min(2*len(r.buf), maxBuffered))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	switch {
	case n > 0: // an error comes again
		return nil
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// equalFold compares with a text in lower case, of ASCII letters and hyphens.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func decimal(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// chunkSize reads the size before an optional extension.
func chunkSize(line []byte) (n int, ok bool) {
	size, _, _ := bytes.Cut(line, []byte{';'})
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 8 {
		return 0, false
	}
	for _, c := range size {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		n = n<<4 | int(c)
	}
	return n, true
}
