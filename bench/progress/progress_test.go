package progress

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// interval is one of a second at 10,000 events per second.
func interval(at float64) load.Interval {
	return load.Interval{
		At: at, Seconds: 1,
		Counts:  load.Counts{Scheduled: 10_000, Accepted: 9_998},
		Latency: load.Percentiles{Count: 100, P50: 1.23, P99: 4.84, Max: 123.4},
	}
}

func sample(at, cpu, lag float64) *observe.Sample {
	return &observe.Sample{
		At: at,
		Processes: map[string]observe.Usage{
			"generator": {User: 2 * cpu}, "clickhouse": {User: cpu, System: cpu}, "gateway": {User: 0.3 * cpu, System: 0.12 * cpu},
		},
		Gauges: map[string]float64{observe.LagRecords: lag, observe.OldestAge: 0.3, observe.Unacked: 12},
	}
}

// story is a whole run: work before it, a warm-up, a good second, a bad one, the end, work after it.
func story(p *Progress, now *time.Time) {
	for n := range uint64(1000) {
		p.Phase("rendering events", 100*(n+1), 100_000)
		*now = now.Add(9 * time.Millisecond)
	}
	i := interval(1)
	i.Warmup = true
	i.Counts.Errors = 7 // of the warm-up, so in no total
	p.Tick(i, nil, nil)
	p.Tick(interval(2), sample(1, 10, 0), sample(2, 10.5, 1234))
	i = interval(3)
	i.Counts = load.Counts{Scheduled: 10_000, Accepted: 1_200, Rejected: 3, Unknown: 100, Errors: 1, Late: 88, Dropped: 2}
	i.Latency = load.Percentiles{Count: 12, P50: 812, P99: 12_345, Max: 12_345}
	p.Tick(i, sample(2, 10.5, 1234), sample(3, 10.6, 56_789))
	i = interval(4.5)
	i.Counts, i.Latency = load.Counts{}, load.Percentiles{}
	p.Tick(i, nil, &observe.Sample{})
	p.Phase("draining", 9_000, 11_198)
	p.Phase("draining", 9_000, 11_198)
	*now = now.Add(6 * time.Second)
	p.Phase("draining", 11_000, 11_198)
	p.Phase("draining", 11_198, 11_198)
	p.Phase("comparing with ClickHouse", 5, 0)
	p.Done()
	p.Done()
	p.Phase("comparing with ClickHouse", 6, 0)
	p.Tick(interval(9), nil, nil)
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	story(New(&out, Options{Color: true, Total: 4 * time.Second, Width: func() int { return 10 }, Now: func() time.Time { return now }}), &now)
	const want = `rendering events  100 of 100000  0%
rendering events  55700 of 100000  55%
rendering events  100000 of 100000  100%
   1.0s  asked 10000/s  accepted 9998/s  p50 1.2 ms  p99 4.8 ms  errors 7  late 0  dropped 0  warm-up
   2.0s  asked 10000/s  accepted 9998/s  p50 1.2 ms  p99 4.8 ms  errors 0  late 0  dropped 0  lag 1234  cpu gateway 0.21 clickhouse 1.00 generator 1.00
   3.0s  asked 10000/s  accepted 1200/s  p50 812 ms  p99 12.3 s  errors 1  late 88  dropped 2  lag 56789  cpu gateway 0.04 clickhouse 0.20 generator 0.20
   4.5s  asked 0/s  accepted 0/s  p50 -  p99 -  errors 0  late 0  dropped 0
draining  9000 of 11198  80%
draining  11000 of 11198  98%
draining  11198 of 11198  100%
comparing with ClickHouse  5
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTerminal(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := New(&out, Options{Terminal: true, Total: 4 * time.Second, Width: func() int { return 100 }, Now: func() time.Time { return now }})
	story(p, &now)
	const want = `  rendering events           ━━━━━━━━━━━━━━━━━━━━━━━━ 100%  100,000 of 100,000
  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100%  0:05 of 0:04  waiting for the last answers
  rate      asked 0/s   accepted 0/s   in all 11,198
  latency   no answers
  trouble   errors 1   late 88   dropped 2   rejected 3   unknown 100
  draining                   ━━━━━━━━━━━━━━━━━━━━━━━━ 100%  11,198 of 11,198
  comparing with ClickHouse  5
`
	if got := show(t, out.String(), 100); got != want {
		t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
	}
	if text := out.String(); !strings.HasPrefix(text, hideCursor) || !strings.HasSuffix(text, showCursor) || strings.Count(text, hideCursor) != 1 || strings.Count(text, showCursor) != 1 {
		t.Errorf("the cursor is not hidden first and shown last: %q", text)
	}
	if n := strings.Count(out.String(), "rendering events"); n < 80 || n > 92 {
		t.Errorf("9 s of rendering are drawn %d times", n)
	}
}

// TestPanel shows every line of a second, exactly.
func TestPanel(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval load.Interval
		total    time.Duration
		want     string
	}{
		{"good", interval(2), time.Hour + time.Minute, "" +
			"\x1b[?25l\r\x1b[2K  ──────────────────────────────────────── " +
			"  0%  0:02 of 1:01:00  1:00:58 left\n" +
			"\r\x1b[2K  rate      asked 10,000/s   accepted 9,998/s   in all 9,998\n" +
			"\r\x1b[2K  latency   p50 1.2 ms   p99 4.8 ms   max 123 ms\n" +
			"\r\x1b[2K  trouble   errors 0   late 0   dropped 0   rejected 0   unknown 0\n" +
			"\r\x1b[2K  pipeline  lag 1,234   oldest 300 ms   unacked 12\n" +
			"\r\x1b[2K  cpu       gateway 0.21   clickhouse 1.00   generator 1.00 cores\n"},
		{"without an end", interval(2), 0, "" +
			"\x1b[?25l\r\x1b[2K  0:02\n" +
			"\r\x1b[2K  rate      asked 10,000/s   accepted 9,998/s   in all 9,998\n" +
			"\r\x1b[2K  latency   p50 1.2 ms   p99 4.8 ms   max 123 ms\n" +
			"\r\x1b[2K  trouble   errors 0   late 0   dropped 0   rejected 0   unknown 0\n" +
			"\r\x1b[2K  pipeline  lag 1,234   oldest 300 ms   unacked 12\n" +
			"\r\x1b[2K  cpu       gateway 0.21   clickhouse 1.00   generator 1.00 cores\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			p := New(&out, Options{Terminal: true, Total: c.total, Width: func() int { return 120 }})
			p.Tick(c.interval, sample(1, 10, 0), sample(2, 10.5, 1234))
			if out.String() != c.want {
				t.Errorf("got\n%q\nwant\n%q", out.String(), c.want)
			}
		})
	}
}

// TestColors: the same text, dressed; what is bad stands out.
func TestColors(t *testing.T) {
	dressed, naked := new(bytes.Buffer), new(bytes.Buffer)
	var now time.Time
	for _, out := range []*bytes.Buffer{dressed, naked} {
		story(New(out, Options{Terminal: true, Color: out == dressed, Total: 4 * time.Second, Now: func() time.Time { return now }}), &now)
	}
	colors := regexp.MustCompile("\x1b\\[[0-9]*m")
	if colors.ReplaceAllString(dressed.String(), "") != naked.String() || colors.MatchString(naked.String()) {
		t.Errorf("colours change the text:\n%q\n%q", dressed, naked)
	}
	for _, want := range []string{"\x1b[2merrors \x1b[0m\x1b[31m1\x1b[0m", "late \x1b[0m\x1b[33m88\x1b[0m", "dropped \x1b[0m\x1b[31m2\x1b[0m", "\x1b[32m9,998/s\x1b[0m", "\x1b[33m1,200/s\x1b[0m", "\x1b[33m  warm-up\x1b[0m"} {
		if !strings.Contains(dressed.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestWidth: no line is wider than the terminal, whatever its width, even when that changes; narrow lines say that they were cut.
func TestWidth(t *testing.T) {
	for _, width := range []int{1, 2, 3, 8, 20, 33, 46, 59, 72, 80, 91, 92, 130} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		p := New(&out, Options{Terminal: true, Color: true, Total: 4 * time.Second, Width: func() int { return width }, Now: func() time.Time { return now }})
		story(p, &now)
		screen := show(t, out.String(), width) // which fails on lines that would wrap
		if cut := strings.Contains(screen, "…"); cut != (width < 92) {
			t.Fatalf("width %d: cut %v\n%s", width, cut, screen)
		}
	}
}

func TestTexts(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ledger.Grouped(0), "0"},
		{ledger.Grouped(999), "999"},
		{ledger.Grouped(1000), "1,000"},
		{ledger.Grouped(123_456_789), "123,456,789"},
		{milliseconds(0.123), "0.12 ms"},
		{milliseconds(99.94), "99.9 ms"},
		{milliseconds(100), "100 ms"},
		{milliseconds(60_000), "60.0 s"},
		{clock(-time.Second), "0:00"},
		{clock(59*time.Second + 600*time.Millisecond), "1:00"},
		{clock(3599 * time.Second), "59:59"},
		{clock(25*time.Hour + 61*time.Second), "25:01:01"},
		{fmt.Sprint(bar(0, 4, "")), "[{ } {──── 2}]"},
		{fmt.Sprint(bar(0.13, 4, "")), "[{╸ } {─── 2}]"},
		{fmt.Sprint(bar(0.5, 4, "")), "[{━━ } {── 2}]"},
		{fmt.Sprint(bar(7, 4, "")), "[{━━━━ } { 2}]"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

var sequence = regexp.MustCompile("^\x1b\\[(\\??[0-9]*)([A-Za-z])")

// show is what a terminal of that width shows in the end. It fails where a line would wrap.
func show(t *testing.T, text string, width int) string {
	t.Helper()
	lines := [][]rune{nil}
	row, column := 0, 0
	for text != "" {
		if m := sequence.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			switch n, _ := strconv.Atoi(m[1]); m[2] {
			case "A":
				if row -= n; row < 0 {
					t.Fatalf("the cursor leaves the screen at its top")
				}
			case "K":
				lines[row] = nil
			case "J":
				lines = lines[:row+1]
				lines[row] = lines[row][:min(column, len(lines[row]))]
			case "h", "l", "m":
			default:
				t.Fatalf("unknown sequence %q", m[0])
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		switch r {
		case '\r':
			column = 0
		case '\n':
			row, column = row+1, 0
			if row == len(lines) {
				lines = append(lines, nil)
			}
		case 0x1b:
			t.Fatalf("a broken sequence before %q", text)
		default:
			if column >= max(width-1, 1) {
				t.Fatalf("width %d: a line is wider: %s", width, string(lines[row]))
			}
			lines[row] = append(lines[row][:column], r)
			column++
		}
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(string(l) + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
