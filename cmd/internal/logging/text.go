package logging

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// textHandler writes lines for people:
//
//	20:31:04.118 WARN  broker is away component=pipeline error="dial tcp: refused" retry_in=1s
//
// Everything that could forge a line or move the cursor is quoted: texts from outside appear in logs.
type textHandler struct {
	out    *output
	level  slog.Leveler
	colour bool
	attrs  string // of WithAttrs, ready to append
	group  string // of WithGroup, with a final dot
}

// output is shared by a handler and those derived from it, so that lines do not mix.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func newTextHandler(w io.Writer, level slog.Leveler, colour bool) *textHandler {
	return &textHandler{out: &output{w: w}, level: level, colour: colour}
}

func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h2 := *h
	b := []byte(h.attrs)
	for _, a := range attrs {
		b = appendAttr(b, h.group, a)
	}
	h2.attrs = string(b)
	return &h2
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h2 := *h
	h2.group += name + "."
	return &h2
}

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	b := make([]byte, 0, 256)
	if !r.Time.IsZero() {
		b = r.Time.AppendFormat(b, "15:04:05.000 ")
	}
	b = h.appendLevel(b, r.Level)
	b = appendMessage(b, r.Message)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.group, a)
		return true
	})
	b = append(b, '\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(b)
	return err
}

func (h *textHandler) appendLevel(b []byte, l slog.Level) []byte {
	name := l.String()
	pad := strings.Repeat(" ", max(0, 5-len(name))+1)
	colour := ""
	switch {
	case !h.colour:
	case l >= slog.LevelError:
		colour = "\x1b[31m"
	case l >= slog.LevelWarn:
		colour = "\x1b[33m"
	case l < slog.LevelInfo:
		colour = "\x1b[2m"
	}
	if colour == "" {
		return append(append(b, name...), pad...)
	}
	return append(append(append(append(b, colour...), name...), "\x1b[0m"...), pad...)
}

// appendMessage writes the message as it is, blanks included, unless it has something that does not belong on one line.
func appendMessage(b []byte, s string) []byte {
	if printable(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

func appendAttr(b []byte, group string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, sub := range v.Group() {
			b = appendAttr(b, group, sub)
		}
		return b
	}
	if a.Equal(slog.Attr{}) {
		return b
	}
	b = append(b, ' ')
	b = appendText(b, group+a.Key)
	b = append(b, '=')
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	case slog.KindDuration:
		return append(b, roundDuration(v.Duration()).String()...)
	default:
		return appendText(b, v.String())
	}
}

// roundDuration keeps the digits that people read.
func roundDuration(d time.Duration) time.Duration {
	switch abs := d.Abs(); {
	case abs >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case abs >= time.Second:
		return d.Round(time.Millisecond)
	case abs >= time.Millisecond:
		return d.Round(time.Microsecond)
	default:
		return d
	}
}

// appendText quotes s when it is empty or could be taken for something else than one value.
func appendText(b []byte, s string) []byte {
	if s != "" && !strings.ContainsAny(s, ` "=`) && printable(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
