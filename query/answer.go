package query

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// copyBytes is the size of the buffers that a result passes through.
const copyBytes = 32 << 10

// column is a column of a result.
type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// answer sends the rows of a result with what they cost. An error means that the answer is not whole, and its connection must end.
func (r *request) answer(c call, res *result) error {
	h := r.w.Header()
	h.Set("Content-Type", formats[r.format].contentType)
	h.Set("X-Millrace-Query-Id", r.queryID)
	h.Set("X-Millrace-Rows-Read", strconv.FormatInt(res.stats.rowsRead, 10))
	h.Set("X-Millrace-Bytes-Read", strconv.FormatInt(res.stats.bytesRead, 10))
	h.Set("X-Millrace-Elapsed-Ms", milliseconds(res.stats.elapsed))
	r.code, r.status = codeOK, http.StatusOK
	client := r.client()
	r.sent = true
	r.w.WriteHeader(http.StatusOK)
	out := bufio.NewWriterSize(client, copyBytes)
	var err error
	if r.format == formatJSON {
		err = r.writeJSON(out, c, res)
	} else {
		_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{res.body}, make([]byte, copyBytes))
	}
	if err == nil {
		err = out.Flush()
	}
	r.bytes = client.sent
	return err
}

// milliseconds writes a time as a number with the digits that mean something.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}

// writeJSON turns ClickHouse's JSONCompact into our answer. Rows pass through as they are.
func (r *request) writeJSON(out *bufio.Writer, c call, res *result) error {
	io.WriteString(out, `{"question":"`+r.question+`"`) //nolint:errcheck // a bufio.Writer keeps its error until Flush
	in := members{in: bufio.NewReaderSize(res.body, copyBytes)}
	rows, said := -1, -1
	for {
		name, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var kept buffer
		switch name {
		case "meta":
			if _, err = in.copy(&kept); err == nil {
				err = writeColumns(out, kept)
			}
		case "data":
			io.WriteString(out, `,"rows":`) //nolint:errcheck // as above
			rows, err = in.copy(out)
		case "totals", "extremes":
			io.WriteString(out, `,"`+name+`":`) //nolint:errcheck // as above
			_, err = in.copy(out)
		case "rows":
			if _, err = in.copy(&kept); err == nil {
				said, err = strconv.Atoi(string(kept))
			}
		default:
			_, err = in.copy(io.Discard)
		}
		if err != nil {
			return fmt.Errorf("result: %s: %w", name, err)
		}
	}
	if err := in.end(); err != nil {
		return err
	}
	if rows < 0 || rows != said {
		return fmt.Errorf("result: %d rows came and %d were meant", rows, said)
	}
	return r.writeTail(out, c, res.stats)
}

func writeColumns(out io.Writer, meta []byte) error {
	var columns []column
	if err := json.Unmarshal(meta, &columns); err != nil {
		return err
	}
	text, err := marshal(columns)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `,"columns":%s`, text)
	return err
}

// writeTail writes what was asked and what it cost.
func (r *request) writeTail(out io.Writer, c call, s stats) error {
	params := c.params
	if params == nil {
		params = map[string]string{}
	}
	text, err := marshal(struct {
		SQL        string            `json:"sql"`
		Parameters map[string]string `json:"parameters"`
		RowsRead   int64             `json:"rows_read"`
		BytesRead  int64             `json:"bytes_read"`
		Elapsed    json.Number       `json:"elapsed_ms"`
		QueryID    string            `json:"query_id"`
		RequestID  string            `json:"request_id"`
	}{c.text, params, s.rowsRead, s.bytesRead, json.Number(milliseconds(s.elapsed)), r.queryID, r.id.String()})
	if err != nil {
		return err
	}
	text[0] = ',' // in place of the brace
	_, err = out.Write(append(text, '\n'))
	return err
}

// marshal is json.Marshal that leaves < and > as they are: SQL is full of them.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// leastRate is how much a client must take in, in bytes per second, beyond the time that each write has: a result waits in ClickHouse, and in one of few slots.
const leastRate = 64 << 10

// patient writes to a client for as long as it takes in something every now and then, and keeps up the least rate.
type patient struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	start   time.Time
	sent    int64
}

func (r *request) client() *patient {
	return &patient{w: r.w, control: http.NewResponseController(r.w), timeout: r.s.cfg.WriteTimeout, start: time.Now()}
}

// deadline is until when the next write must be done.
func (p *patient) deadline(now time.Time) time.Time {
	next, rate := now.Add(p.timeout), p.start.Add(p.timeout+time.Duration(p.sent)*time.Second/leastRate)
	if rate.Before(next) {
		return rate
	}
	return next
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(p.deadline(time.Now())); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.sent += int64(n)
	return n, err
}

// watched is a body that must bring something every now and then, or the context that it is read under ends: a server that stops in the middle of a result does
// not hold us.
type watched struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
}

func watchBody(body io.ReadCloser, timeout time.Duration, release context.CancelFunc) *watched {
	w := &watched{body, time.AfterFunc(timeout, release), timeout}
	w.timer.Stop()
	return w
}

// Read counts the time of the read alone: a client may take its own.
func (w *watched) Read(b []byte) (int, error) {
	w.timer.Reset(w.timeout)
	defer w.timer.Stop()
	return w.ReadCloser.Read(b)
}
