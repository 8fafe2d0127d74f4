package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// AppendEvent appends one line about a record of topic events: when it came, where it lies, what it says. Control characters are escaped, so that an event cannot
// move the cursor of the terminal.
func AppendEvent(dst []byte, partition int32, rec *broker.Record) []byte {
	var e schema.Envelope
	ix, _ := rec.Header(schema.HeaderIndex)
	var err error
	if ix != nil {
		err = e.DecodeRecord(rec.Value, ix)
	} else {
		err = e.DecodeForeign(rec.Value, rec.Timestamp)
	}
	if err != nil {
		return fmt.Appendf(dst, "%s  %s  unreadable record: %v\n", clock(rec.Timestamp), place(partition, rec.Offset), err)
	}
	text := func(f schema.Field) []byte { return e.Text(f).AppendValue(nil, rec.Value) }
	dst = fmt.Appendf(dst, "%s  %-8s  %-8s  %s  user=%s", clock(e.ReceivedAt), place(partition, rec.Offset), e.Type, quoted(text(schema.FieldEvent)), quoted(text(schema.FieldDistinctID)))
	for _, f := range []schema.Field{schema.FieldName, schema.FieldGroupID, schema.FieldPreviousID, schema.FieldProperties, schema.FieldTraits} {
		if t := e.Text(f); t.Len() > 0 {
			dst = fmt.Appendf(dst, "  %s=%s", f, visible(t.In(rec.Value)))
		}
	}
	return fmt.Appendf(dst, "  id=%s\n", e.ID)
}

// AppendRejection appends one line about a record of topic quarantine: the code, the field, the reason in words, and what was sent.
func AppendRejection(dst []byte, partition int32, rec *broker.Record) []byte {
	var r schema.Rejection
	rec.Headers(func(key, value []byte) bool {
		r.SetHeader(key, value)
		return true
	})
	const shown = 300
	payload := rec.Value
	more := ""
	if len(payload) > shown {
		payload, more = payload[:shown], "… ("+strconv.FormatInt(r.Size, 10)+" bytes)"
	}
	return fmt.Appendf(dst, "%s  %-8s  %s %s  %s\n    %s%s\n    request=%s event=%d key=%s\n", clock(r.ReceivedAt), place(partition, rec.Offset), r.Reason, r.Field,
		visible([]byte(r.Detail)), visible(payload), more, r.RequestID, r.Index, r.KeyID)
}

// AppendJSON appends the record as one line of JSON for programs: the value of an event as it is; for a rejection its headers and payload.
func AppendJSON(dst []byte, rec *broker.Record, rejected bool) []byte {
	if !rejected && json.Valid(rec.Value) {
		var compact bytes.Buffer
		_ = json.Compact(&compact, rec.Value) // it is valid
		return append(append(dst, compact.Bytes()...), '\n')
	}
	line := map[string]any{"value": string(rec.Value), "offset": rec.Offset}
	headers := map[string]string{}
	rec.Headers(func(key, value []byte) bool {
		if string(key) != schema.HeaderIndex {
			headers[string(key)] = string(value)
		}
		return true
	})
	line["headers"] = headers
	text, err := json.Marshal(line)
	if err != nil {
		panic("BUG: strings and numbers do not encode: " + err.Error())
	}
	return append(append(dst, text...), '\n')
}

func clock(ms int64) string { return time.UnixMilli(ms).Local().Format("15:04:05.000") }

func place(partition int32, offset int64) string {
	return strconv.Itoa(int(partition)) + "/" + strconv.FormatInt(offset, 10)
}

func quoted(text []byte) string { return strconv.Quote(string(text)) }

// visible escapes what a terminal would obey and leaves the rest as it is.
func visible(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n <= 1:
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case strconv.IsPrint(r):
			out = append(out, text[:n]...)
		default:
			q := strconv.QuoteRune(r)
			out = append(out, q[1:len(q)-1]...)
		}
		text = text[n:]
	}
	return out
}
