package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"
)

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Level: "INFO", Format: "xml"}.Validate()
	want := "log.level: \"INFO\" is not a level: set debug, info, warn or error\nlog.format: \"xml\" is not a format: set auto, json or text"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if got, err := ParseLevel(LevelName(l)); err != nil || got != l {
			t.Errorf("%v: %v, %v", l, got, err)
		}
	}
}

// TestNewWritesJSONToFiles goes the way of the program: to an *os.File that is no terminal, with the level changed on the way.
func TestNewWritesJSONToFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test's scratch file
	log, level, err := New(Config{Level: "warn", Format: "auto"}, f)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hidden")
	level.Set(slog.LevelInfo)
	log.Info("shown\nline", "took", 1500*time.Millisecond, "err", errors.New("x"))
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got["msg"] != "shown\nline" || got["level"] != "INFO" || got["took"] != "1.5s" || got["err"] != "x" || !strings.HasSuffix(got["time"].(string), "Z") {
		t.Errorf("got %s", text)
	}
	if _, _, err := New(Config{Level: "loud"}, f); err == nil {
		t.Error("a bad level was taken")
	}
}

func TestNewWritesTextWhenAsked(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test's scratch file
	log, _, err := New(Config{Level: "info", Format: "text"}, f)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("ready", "in", 2417*time.Millisecond)
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} INFO  ready in=2\.417s\n$`).Match(text) {
		t.Errorf("got %q", text)
	}
}

func TestTextLines(t *testing.T) {
	var out strings.Builder
	level := new(slog.LevelVar)
	level.Set(slog.LevelDebug)
	log := slog.New(stripTime(newTextHandler(&out, level, false)))
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for _, c := range []struct {
		log  func()
		want string
	}{
		{func() { log.Info("two words", "n", 1, "s", "plain", "t", at) }, "INFO  two words n=1 s=plain t=2026-01-02T03:04:05.000006Z"},
		{func() { log.Error("bad", "error", errors.New(`dial "x": refused`)) }, `ERROR bad error="dial \"x\": refused"`},
		{func() { log.Warn("forged\nINFO  line", "k\n=", "v\x1b[2J") }, `WARN  "forged\nINFO  line" "k\n="="v\x1b[2J"`},
		{func() { log.Debug("d", "empty", "", "bad", "\xff", "eq", "a=b", "é", "ü") }, `DEBUG d empty="" bad="\xff" eq="a=b" é=ü`},
		{func() { log.With("a", 1).WithGroup("g").With("b", 2).Info("m", "c", slog.GroupValue(slog.Int("d", 3))) }, "INFO  m a=1 g.b=2 g.c.d=3"},
		{func() { log.Log(t.Context(), slog.LevelWarn+1, "odd") }, "WARN+1 odd"},
		{func() {
			log.Info("d", "a", 1234567*time.Nanosecond, "b", 90061*time.Second, "c", 12*time.Nanosecond, "d", -1500*time.Millisecond)
		}, "INFO  d a=1.235ms b=25h1m1s c=12ns d=-1.5s"},
	} {
		out.Reset()
		c.log()
		if got := strings.TrimSuffix(out.String(), "\n"); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestTextColours(t *testing.T) {
	var out strings.Builder
	log := slog.New(stripTime(newTextHandler(&out, slog.LevelDebug, true)))
	log.Error("e")
	log.Warn("w")
	log.Info("i")
	log.Debug("d")
	want := "\x1b[31mERROR\x1b[0m e\n\x1b[33mWARN\x1b[0m  w\nINFO  i\n\x1b[2mDEBUG\x1b[0m d\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func stripTime(h slog.Handler) slog.Handler {
	return rewrite{h, func(r *slog.Record) { r.Time = time.Time{} }}
}

// TestHandlersKeepTheContract runs the standard library's checks of what a handler must do, for the text handler and behind the brake.
func TestHandlersKeepTheContract(t *testing.T) {
	var out bytes.Buffer
	newHandler := func(*testing.T) slog.Handler {
		out.Reset()
		return Every(time.Minute, 1, newTextHandler(&out, slog.LevelInfo, false))
	}
	slogtest.Run(t, newHandler, func(t *testing.T) map[string]any { return parseLine(t, out.String()) })
}

var lineForm = regexp.MustCompile(`^(\d\d:\d\d:\d\d\.\d{3} )?([A-Z]+) +(\S+)(.*)\n$`)

func parseLine(t *testing.T, line string) map[string]any {
	m := lineForm.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("line %q", line)
	}
	got := map[string]any{slog.LevelKey: m[2], slog.MessageKey: m[3]}
	if m[1] != "" {
		got[slog.TimeKey] = m[1]
	}
	for rest := strings.TrimSpace(m[4]); rest != ""; rest = strings.TrimSpace(rest) {
		key, after, _ := strings.Cut(rest, "=")
		var value string
		if quoted, err := strconv.QuotedPrefix(after); err == nil {
			if value, err = strconv.Unquote(quoted); err != nil {
				t.Fatal(err)
			}
			rest = after[len(quoted):]
		} else {
			value, rest, _ = strings.Cut(after, " ")
		}
		at := got
		path := strings.Split(key, ".")
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[path[len(path)-1]] = value
	}
	return got
}

func TestEveryHoldsRepeatsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := slog.New(Every(10*time.Second, 2, stripTime(newTextHandler(&out, slog.LevelDebug, false))))
		expect := func(want string) {
			t.Helper()
			if out.String() != want {
				t.Errorf("after %v got\n%swant\n%s", time.Since(start), out.String(), want)
			}
			out.Reset()
		}
		start = time.Now()
		for i := range 5 {
			log.With("bound", i).Warn("away", "try", i)
			log.Error("away")
			log.Info("fine")
			log.Debug("fine")
		}
		fine := "INFO  fine\nDEBUG fine\n"
		expect("WARN  away bound=0 try=0\nERROR away\n" + fine + "WARN  away bound=1 try=1\nERROR away\n" + fine + fine + fine + fine)

		<-time.After(5 * time.Second)
		log.Warn("other")
		expect("WARN  other\n")

		// The interval of "away" ends; that of "other" does not, and has nothing to report when it does.
		<-time.After(5 * time.Second)
		log.Info("next")
		sorted := out.String()
		if !strings.Contains(sorted, "WARN  away repeated=3 within=10s\n") || !strings.Contains(sorted, "ERROR away repeated=3 within=10s\n") || !strings.HasSuffix(sorted, "INFO  next\n") || strings.Count(sorted, "\n") != 3 {
			t.Errorf("got %q", sorted)
		}
		out.Reset()
		<-time.After(10 * time.Second)
		log.Warn("away", "try", 9)
		expect("WARN  away try=9\n")
	})
}

// start is when the clock of the running bubble began.
var start time.Time

// TestEveryIsBounded: messages with changing texts neither fill the memory nor get lost.
func TestEveryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := &count{}
		h := Every(time.Second, 1, newTextHandler(written, slog.LevelDebug, false))
		log := slog.New(h)
		for i := range 3 * maxRepeats {
			log.Warn(fmt.Sprint("m", i))
		}
		if written.lines != 3*maxRepeats {
			t.Errorf("%d lines of %d", written.lines, 3*maxRepeats)
		}
		if n := len(h.(*every).state.seen); n != maxRepeats {
			t.Errorf("%d messages are watched", n)
		}
		<-time.After(time.Second)
		log.Info("x")
		if n := len(h.(*every).state.seen); n != 0 {
			t.Errorf("%d messages are still watched", n)
		}
	})
}

// count is a writer that counts lines.
type count struct{ lines int }

func (c *count) Write(p []byte) (int, error) {
	c.lines++
	return len(p), nil
}

var _ io.Writer = (*count)(nil)
