package clickhouse

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestRetention(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "kept")
	check := func(c RetentionConfig, want ...string) {
		t.Helper()
		planned, err := PlanRetention(t.Context(), db, c)
		if err != nil || len(planned) != len(want) {
			t.Fatalf("%d statements %q, %v, want %d", len(planned), planned, err, len(want))
		}
		err = AssertRetention(t.Context(), db, c)
		if len(want) == 0 && err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v does not say %q", err, w)
			}
		}
	}
	// What the migrations say is the default.
	check(DefaultRetention())

	c := RetentionConfig{Events: 400 * day, Rollup1h: 800*day + time.Hour, UserDay: 800 * day, Sessions: 500 * day, Quarantine: 10 * day}
	check(c, "retention.events: table "+db.database+".events keeps rows for good, the configuration says for 400 days: run `millrace migrate up`",
		"retention.rollup_1m", "keeps rows for 60 days, the configuration says for good", "for 19201h0m0s", "user_day keeps", "sessions keeps")
	if err := ApplyRetention(t.Context(), db, c, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	check(c)

	// Rows that are older do not stay, whatever their time; those of the year 2200 do. Most go when they come in, others in the merge that follows.
	exec(t, db, "INSERT INTO {db}.events (ts, event) SELECT t, 'e' FROM (SELECT arrayJoin([now64(3) - toIntervalDay(399), now64(3) - toIntervalDay(401), toDateTime64('1935-01-01 00:00:00', 3), toDateTime64('2200-01-01 00:00:00', 3)]) AS t)")
	for _, table := range []string{"events", "rollup_1m", "user_day"} {
		exec(t, db, "OPTIMIZE TABLE {db}."+table+" FINAL")
	}
	if got := text(t, db, "SELECT toString(count()) FROM {db}.events"); got != "2" {
		t.Errorf("%s of 4 events are kept, want those of 399 days ago and of 2200", got)
	}
	if got := text(t, db, "SELECT toString(sum(n)) FROM {db}.rollup_1m"); got != "4" {
		t.Errorf("rollup_1m counts %s events of 4", got)
	}
	if got := text(t, db, "SELECT toString(sum(n)) FROM {db}.user_day"); got != "3" {
		t.Errorf("user_day counts %s events, want the 3 of the last 800 days", got)
	}
	if err := ApplyRetention(t.Context(), db, DefaultRetention(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	check(DefaultRetention())

	exec(t, db, "ALTER TABLE {db}.events MODIFY TTL toDateTime(ts) + toIntervalDay(10 + project_id)")
	if err := AssertRetention(t.Context(), db, DefaultRetention()); err == nil || !strings.Contains(err.Error(), "events: TTL") {
		t.Errorf("a TTL that is not understood: %v", err)
	}
}

func TestRetentionValidate(t *testing.T) {
	if err := DefaultRetention().Validate(); err != nil {
		t.Error(err)
	}
	err := RetentionConfig{Events: time.Hour, Rollup1m: -day, UserDay: 2*day + time.Millisecond, Sessions: longestRetention + day}.Validate()
	for _, want := range []string{"retention.events: 1h0m0s is not within", "retention.rollup_1m: -24h0m0s", "retention.user_day: 48h0m0.001s is no whole number", "retention.sessions: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestParseTTL(t *testing.T) {
	for engine, want := range map[string]time.Duration{
		"MergeTree ORDER BY x SETTINGS index_granularity = 8192":                                     0,
		"MergeTree ORDER BY x TTL toDateTime(ts) + toIntervalDay(60) SETTINGS index_granularity = 1": 60 * 24 * time.Hour,
		"MergeTree ORDER BY x TTL least(a, b) + toIntervalMonth(2) DELETE":                           56 * 24 * time.Hour,
		"MergeTree ORDER BY x TTL ts + toIntervalDay(n)":                                             -1,
		"MergeTree ORDER BY x TTL ts + toIntervalDay(3) WHERE y":                                     -1,
		"MergeTree ORDER BY x TTL ts + toIntervalYear(9999999)":                                      -1,
	} {
		if got, err := ParseTTL(engine); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%s: %v, %v, want %v", engine, got, err, want)
		}
	}
}
