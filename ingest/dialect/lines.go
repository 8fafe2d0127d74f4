package dialect

import (
	"bytes"
	"fmt"

	"github.com/millrace/millrace/schema"
)

// lines reads the body from an offset on as NDJSON: one event per line, blank lines skipped. Each line stands alone: what is not JSON is refused as one event, and
// no line can make the scanner look at another, so a body of broken lines costs no more than one of good ones.
func (d *Decoder) lines(from int) error {
	body := d.text
	defer func() { d.text = body }()
	for from < len(body) {
		end := len(body)
		if n := bytes.IndexByte(body[from:], '\n'); n >= 0 {
			end = from + n
		}
		start, stop := trim(body, from, end)
		from = end + 1
		if start == stop {
			continue
		}
		if len(d.batch.Events) == d.maxEvents {
			return d.tooMany()
		}
		d.text = body[:stop]
		d.scan.Reset(d.text, d.limits.MaxDepth)
		d.scan.Seek(start)
		if fault := d.line(); fault != "" {
			d.refuseLine(start, stop, fault)
		}
	}
	if len(d.batch.Events) == 0 {
		return d.empty()
	}
	return nil
}

// line reads the event at the cursor and returns what is wrong with its grammar.
func (d *Decoder) line() (fault string) {
	n := len(d.batch.Events)
	if !d.event(schema.TypeNone) {
		return d.malformed().Error()
	}
	if d.scan.More() {
		d.batch.Events = d.batch.Events[:n]
		return "invalid JSON: " + d.grammar(d.scan.Pos(), "unexpected text after the event")
	}
	return ""
}

func (d *Decoder) refuseLine(start, end int, fault string) {
	e := d.batch.Add()
	e.Raw = schema.TextAt(start, end, false)
	if size := int64(end - start); size > d.limits.MaxEventBytes {
		fault = fmt.Sprintf("%s; the line has %d bytes, more than one event may have (limits.max_event_bytes)", fault, size)
	}
	e.Refuse(schema.InvalidJSON, "", fault)
}

// trim narrows text[start:end] to what is not white space.
func trim(text []byte, start, end int) (int, int) {
	blank := func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }
	for start < end && blank(text[start]) {
		start++
	}
	for end > start && blank(text[end-1]) {
		end--
	}
	return start, end
}
