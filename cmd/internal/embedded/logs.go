package embedded

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

const (
	maxLineBytes = 64 << 10 // the rest of a longer log line is dropped
	tailLines    = 20       // kept for the message when a child dies
)

// forwarder logs a child's output again, line by line, and keeps the last lines.
type forwarder struct {
	log *slog.Logger

	mu   sync.Mutex
	tail []string
}

// run reads to the end of r.
func (f *forwarder) run(r io.Reader) {
	br := bufio.NewReaderSize(r, maxLineBytes)
	for {
		line, err := br.ReadSlice('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			f.line(line)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

// line logs a structured line with its own level and fields, any other as the message.
func (f *forwarder) line(line []byte) {
	level, msg, attrs := parseLine(line)
	f.log.LogAttrs(context.Background(), level, msg, attrs...)
	if level < slog.LevelInfo {
		return
	}
	for _, a := range attrs {
		msg += " " + a.String()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.tail) == tailLines {
		f.tail = slices.Delete(f.tail, 0, 1)
	}
	f.tail = append(f.tail, msg)
}

// last returns the last lines of the child, for a message about its end.
func (f *forwarder) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.tail, "\n  ")
}

// parseLine understands JSON objects with msg (or message) and level, as slog and ClickHouse write them. The time is left
// out: the line is logged at once, with a time of its own. Attributes are sorted by name.
func parseLine(line []byte) (slog.Level, string, []slog.Attr) {
	var fields map[string]any
	if line[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return slog.LevelInfo, strings.ToValidUTF8(string(line), "\uFFFD"), nil
	}
	msg, _ := fields["msg"].(string)
	level, _ := fields["level"].(string)
	for _, k := range []string{"msg", "level", "time"} {
		delete(fields, k)
	}
	attrs := make([]slog.Attr, 0, len(fields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if v := fields[k]; v != nil && v != "" {
			attrs = append(attrs, slog.Any(k, v))
		}
	}
	return parseLevel(level), msg, attrs
}

// parseLevel maps the names of slog and of ClickHouse.
func parseLevel(name string) slog.Level {
	switch name {
	case "ERROR", "Error", "Critical", "Fatal":
		return slog.LevelError
	case "WARN", "Warning":
		return slog.LevelWarn
	case "DEBUG", "Debug", "Trace", "Test":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}
