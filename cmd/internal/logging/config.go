package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Config is the section log.
type Config struct {
	// Level is the lowest level that is written: debug, info, warn or error. Default info. The admin listener changes it at run time.
	Level string `yaml:"level"`
	// Format is json, text or auto, which is text on a terminal and json elsewhere. Default auto.
	Format string `yaml:"format"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Level: "info", Format: "auto"} }

// Validate reports every value that cannot work.
func (c Config) Validate() error {
	var errs []error
	if _, err := ParseLevel(c.Level); err != nil {
		errs = append(errs, fmt.Errorf("log.level: %w", err))
	}
	switch c.Format {
	case "auto", "json", "text":
	default:
		errs = append(errs, fmt.Errorf("log.format: %q is not a format: set auto, json or text", c.Format))
	}
	return errors.Join(errs...)
}

// ParseLevel returns the level called name.
func ParseLevel(name string) (slog.Level, error) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if name == LevelName(l) {
			return l, nil
		}
	}
	return 0, fmt.Errorf("%q is not a level: set debug, info, warn or error", name)
}

// LevelName is the name of l as in the configuration.
func LevelName(l slog.Level) string { return strings.ToLower(l.String()) }
