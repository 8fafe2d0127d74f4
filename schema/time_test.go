package schema

import (
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTime(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2026-11-01T10:11:12.131Z", "2026-11-01T10:11:12.131Z"},
		{"2026-11-01t10:11:12z", "2026-11-01T10:11:12.000Z"},
		{"2026-11-01 10:11:12", "2026-11-01T10:11:12.000Z"},
		{"2026-11-01T10:11", "2026-11-01T10:11:00.000Z"},
		{"2026-11-01", "2026-11-01T00:00:00.000Z"},
		{"2026-11-01T10:11:12.1+02:00", "2026-11-01T08:11:12.100Z"},
		{"2026-11-01T10:11:12.123456789-0530", "2026-11-01T15:41:12.123Z"},
		{"2026-11-01T10:11:12+02", "2026-11-01T08:11:12.000Z"},
		{"2026-11-01T23:59:60Z", "2026-11-02T00:00:00.000Z"},
		{"2024-02-29", "2024-02-29T00:00:00.000Z"},
		{"0000-01-01", "0000-01-01T00:00:00.000Z"},
		{"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
		{"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"},
		{"1793527872", "2026-11-01T10:11:12.000Z"},
		{"1793527872.131", "2026-11-01T10:11:12.131Z"},
		{"1793527872131", "2026-11-01T10:11:12.131Z"},
		{"1793527872131999", "2026-11-01T10:11:12.131Z"},
		{"1793527872131999999", "2026-11-01T10:11:12.131Z"},
		{"1.793527872131e12", "2026-11-01T10:11:12.131Z"},
		{" 0 ", "1970-01-01T00:00:00.000Z"},
		{"-1", "1969-12-31T23:59:59.000Z"},
		{"-9223372036854775808", "1677-09-21T00:12:43.145Z"},
		{"-9223372036854775000", "1677-09-21T00:12:43.145Z"},
		{"9223372036854775807", "2262-04-11T23:47:16.854Z"},
	} {
		ms, ok := ParseTime([]byte(c.text))
		if got := string(AppendTime(nil, ms)); !ok || got != c.want {
			t.Errorf("ParseTime(%q) = %s, %v; want %s", c.text, got, ok, c.want)
		}
	}
	for _, text := range []string{
		"", " ", "yesterday", "2026-1-1", "2026-13-01", "2026-00-01", "2026-02-29", "2026-11-31", "2026-11-01T", "2026-11-01T10", "2026-11-01T24:00", "2026-11-01T10:60",
		"2026-11-01T10:11:61", "2026-11-01T10:11:12.", "2026-11-01T10:11:12X", "2026-11-01T10:11:12+2", "2026-11-01T10:11:12+24:00", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
		"1e400", "NaN", "0x10", "99999999999999999999999999999999999", "1_000", "12:00",
	} {
		if ms, ok := ParseTime([]byte(text)); ok {
			t.Errorf("ParseTime(%q) = %d", text, ms)
		}
	}
}

func TestTimeAgreesWithStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(minMillis, maxMillis).Draw(t, "ms")
		want := time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
		got := AppendTime(nil, ms)
		if string(got) != want {
			t.Fatalf("AppendTime(%d) = %s, want %s", ms, got, want)
		}
		if back, ok := ParseTime(got); !ok || back != ms {
			t.Fatalf("ParseTime(%s) = %d, %v", got, back, ok)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-11-01T10:11:12.131+02:00")
	f.Add("1793527872131")
	f.Fuzz(func(t *testing.T, text string) {
		ms, ok := ParseTime([]byte(text))
		if ok && (ms < minMillis || ms > maxMillis) {
			t.Fatalf("ParseTime(%q) = %d, out of range", text, ms)
		}
		if want, err := time.Parse(time.RFC3339Nano, text); err == nil && want.Year() >= 0 && want.UnixMilli() >= minMillis && want.UnixMilli() <= maxMillis {
			if !ok || ms != want.UnixMilli() {
				t.Fatalf("ParseTime(%q) = %d, %v; time.Parse says %d", text, ms, ok, want.UnixMilli())
			}
		}
	})
}

func TestResolve(t *testing.T) {
	const now = 1793527872131
	const hour = 3_600_000
	limits := DefaultLimits()
	year := (365 * 24 * time.Hour).Milliseconds()
	for name, c := range map[string]struct {
		client, sent int64 // 0: none
		ts           int64
		source       TSSource
		adjusted     bool
	}{
		"no time":                   {0, 0, now, TSReceived, false},
		"no time but sent":          {0, now - hour, now, TSReceived, false},
		"client":                    {now - hour, 0, now - hour, TSClient, false},
		"small skew is left alone":  {now - hour, now - 30_000, now - hour, TSClient, false},
		"clock an hour slow":        {now - 2*hour, now - hour, now - hour, TSCorrected, false},
		"clock a day and more fast": {now + 30*hour, now + 30*hour, now, TSCorrected, false},
		"24 h ahead":                {now + 24*hour, 0, now + 24*hour, TSClient, false},
		"beyond 24 h ahead":         {now + 24*hour + 1, 0, now, TSReceived, true},
		"5 years old":               {now - 5*year, 0, now - 5*year, TSClient, false},
		"beyond 5 years old":        {now - 5*year - 1, 0, now, TSReceived, true},
		"nonsense sent_at":          {now, minMillis, now, TSReceived, true},
	} {
		e := Envelope{ReceivedAt: now}
		if c.client != 0 {
			e.SetClientTS(c.client)
		}
		if c.sent != 0 {
			e.SetSentAt(c.sent)
		}
		if adjusted := e.Resolve(limits); adjusted != c.adjusted || e.TS != c.ts || e.TSSource != c.source {
			t.Errorf("%s: ts %d %s adjusted %v, want %d %s %v", name, e.TS-now, e.TSSource, adjusted, c.ts-now, c.source, c.adjusted)
		}
	}
}

func TestEveryDayIsThatOfTheStandardLibrary(t *testing.T) {
	for ms := int64(minMillis); ms <= maxMillis; ms += dayMillis {
		if got, want := string(AppendTime(nil, ms+12345)), time.UnixMilli(ms+12345).UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("AppendTime(%d) = %s, want %s", ms+12345, got, want)
		}
	}
}

func TestOnlyRealTimesAreParsed(t *testing.T) {
	const canonical = "2024-02-29T23:59:59.999Z"
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`) // the standard library takes a comma and signs
	for at := range canonical {
		for c := range 256 {
			text := []byte(canonical)
			text[at] = byte(c)
			ms, ok := parseTime(text)
			want, err := time.Parse("2006-01-02T15:04:05.000Z", string(text))
			if real := err == nil && form.Match(text); ok != real || (ok && ms != want.UnixMilli()) {
				t.Fatalf("parseTime(%q) = %d, %v; want %v, %v", text, ms, ok, want, err)
			}
		}
	}
}
