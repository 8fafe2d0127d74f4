package logging

import (
	"bytes"
	"io"
	"log/slog"
)

// Lines returns a writer that logs what libraries print to Go's standard logger, each Write as one warning of l.
func Lines(l *slog.Logger) io.Writer { return lines{l} }

type lines struct{ log *slog.Logger }

func (w lines) Write(line []byte) (int, error) {
	if text := bytes.TrimSpace(line); len(text) > 0 {
		w.log.Warn(string(text), "component", "library")
	}
	return len(line), nil
}
