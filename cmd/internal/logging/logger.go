package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// The brake that New applies: after repeatBurst equal warnings or errors the rest of repeatInterval is counted only.
const (
	repeatInterval = 10 * time.Second
	repeatBurst    = 5
)

// New returns the logger that writes to w, usually os.Stderr, and its level, which may be changed at any time. The configuration must
// be valid.
func New(c Config, w *os.File) (*slog.Logger, *slog.LevelVar, error) {
	at, err := ParseLevel(c.Level)
	if err != nil {
		return nil, nil, fmt.Errorf("log level: %w", err)
	}
	level := new(slog.LevelVar)
	level.Set(at)
	terminal := IsTerminal(w)
	var h slog.Handler
	if c.Format == "text" || c.Format == "auto" && terminal {
		h = newTextHandler(w, level, terminal && os.Getenv("NO_COLOR") == "")
	} else {
		h = newJSONHandler(w, level)
	}
	return slog.New(Every(repeatInterval, repeatBurst, h)), level, nil
}

func newJSONHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch a.Value.Kind() {
		case slog.KindTime:
			if len(groups) == 0 && a.Key == slog.TimeKey {
				a.Value = slog.TimeValue(a.Value.Time().UTC())
			}
		case slog.KindDuration:
			// As a number nobody would know that it is nanoseconds.
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}})
}

// IsTerminal tells whether f is shown to a person. It also takes /dev/null for a terminal, where nobody minds.
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
