package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// RetentionConfig is the section "retention": how long tables keep their rows. Rows that are older leave when their part is merged, and do not come in at all.
type RetentionConfig struct {
	// Events is how long table events keeps an event after its ts. It must lie a day above limits.max_age. Default 0 = for good.
	Events time.Duration `yaml:"events"`
	// Rollup1m is how long rollup_1m keeps a minute. Default 60 days; 0 = for good.
	Rollup1m time.Duration `yaml:"rollup_1m"`
	// Rollup1h is how long rollup_1h keeps an hour; it may be longer than events. Default 0 = for good.
	Rollup1h time.Duration `yaml:"rollup_1h"`
	// UserDay is how long user_day keeps a day; it may be longer than events. Default 0 = for good.
	UserDay time.Duration `yaml:"user_day"`
	// Sessions is how long sessions keeps a session after the day in its id; it may be longer than events. Default 0 = for good.
	Sessions time.Duration `yaml:"sessions"`
	// Quarantine is how long table quarantine keeps a refused event after its arrival. Default 30 days; 0 = for good.
	Quarantine time.Duration `yaml:"quarantine"`
}

const day = 24 * time.Hour

// RetentionMargin is how far retention.events must lie above the age that events may have when they arrive: what a sink loads an hour late must still come in.
const RetentionMargin = day

// longestRetention keeps time + retention below the year 2262, where nanoseconds end.
const longestRetention = 100 * 365 * day

// DefaultRetention returns the defaults, which are those of the migrations.
func DefaultRetention() RetentionConfig {
	return RetentionConfig{Rollup1m: 60 * day, Quarantine: 30 * day}
}

// keeping is how long a table keeps its rows.
type keeping struct {
	table string
	key   string        // below retention
	keep  time.Duration // 0: for good
	from  string        // what it is counted from, as a DateTime that does not wrap
}

// moment clamps a DateTime64 column to what a DateTime can be; midnight does that with a Date32.
func moment(column string) string {
	return fmt.Sprintf("toDateTime(least(greatest(%s, toDateTime64(0, 0, 'UTC')), toDateTime64('2100-01-01 00:00:00', 0, 'UTC')), 'UTC')", column)
}

func midnight(column string) string {
	return fmt.Sprintf("toDateTime(least(greatest(%s, toDate32('1970-01-01')), toDate32('2100-01-01')), 'UTC')", column)
}

func (c RetentionConfig) tables() []keeping {
	return []keeping{
		{"events", "events", c.Events, moment("ts")},
		{"rollup_1m", "rollup_1m", c.Rollup1m, moment("minute")},
		{"rollup_1h", "rollup_1h", c.Rollup1h, moment("hour")},
		{"user_day", "user_day", c.UserDay, midnight("day")},
		{"sessions", "sessions", c.Sessions, midnight("day")},
		{"quarantine", "quarantine", c.Quarantine, moment("at")},
	}
}

// Validate reports every problem of the section at once.
func (c RetentionConfig) Validate() error {
	var errs []error
	for _, k := range c.tables() {
		switch {
		case k.keep == 0:
		case k.keep < day || k.keep > longestRetention:
			errs = append(errs, fmt.Errorf("retention.%s: %v is not within 24h and 100 years (876000h); 0 keeps rows for good", k.key, k.keep))
		case k.keep%time.Second != 0:
			errs = append(errs, fmt.Errorf("retention.%s: %v is no whole number of seconds", k.key, k.keep))
		}
	}
	return errors.Join(errs...)
}

// ApplyRetention gives the tables the TTL of c where they have another one. The server then removes what is older in the background.
func ApplyRetention(ctx context.Context, db *DB, c RetentionConfig, log *slog.Logger) error {
	return db.eachRetention(ctx, c, func(k keeping, _ time.Duration) error {
		if err := db.conn.Exec(ctx, k.statement(db.database)); err != nil {
			return fmt.Errorf("retention.%s: %w", k.key, err)
		}
		log.Info("retention changed", "table", db.database+"."+k.table, "keeps", k.words())
		return nil
	})
}

// PlanRetention returns the statements that ApplyRetention would run.
func PlanRetention(ctx context.Context, db *DB, c RetentionConfig) (statements []string, err error) {
	err = db.eachRetention(ctx, c, func(k keeping, _ time.Duration) error {
		statements = append(statements, k.statement(db.database))
		return nil
	})
	return statements, err
}

// AssertRetention reports every table that keeps its rows for another time than c says: a sink that counts on rows that are gone would take them for lost.
func AssertRetention(ctx context.Context, db *DB, c RetentionConfig) error {
	var errs []error
	err := db.eachRetention(ctx, c, func(k keeping, has time.Duration) error {
		is := keeping{keep: has}
		errs = append(errs, fmt.Errorf("retention.%s: table %s.%s keeps rows %s, the configuration says %s: run `millrace migrate up`, or change the key", k.key, db.database, k.table, is.words(), k.words()))
		return nil
	})
	return errors.Join(err, errors.Join(errs...))
}

// eachRetention calls differs for each table whose TTL is not that of c, with the one it has.
func (db *DB) eachRetention(ctx context.Context, c RetentionConfig, differs func(k keeping, has time.Duration) error) error {
	for _, k := range c.tables() {
		r, ok, err := db.relation(ctx, relationName{db.database, k.table})
		if err != nil {
			return err
		}
		if !ok {
			continue // Assert says so
		}
		has, err := ParseTTL(r.engineFull)
		if err != nil {
			return fmt.Errorf("table %s: %w", r.name, err)
		}
		if has == k.keep {
			continue
		}
		if err := differs(k, has); err != nil {
			return err
		}
	}
	return nil
}

func (k keeping) statement(database string) string {
	if k.keep == 0 {
		return fmt.Sprintf("ALTER TABLE %s.%s REMOVE TTL", database, k.table)
	}
	return fmt.Sprintf("ALTER TABLE %s.%s MODIFY TTL %s + toIntervalSecond(%d)", database, k.table, k.from, int64(k.keep/time.Second))
}

// words says how long in words.
func (k keeping) words() string {
	switch {
	case k.keep == 0:
		return "for good"
	case k.keep%day == 0:
		return fmt.Sprintf("for %d days", k.keep/day)
	}
	return "for " + k.keep.String()
}

// ttlInterval finds the time that a TTL of ours adds to a column. The table engine's text is normalised by the server.
var ttlInterval = regexp.MustCompile(`^.*\+ toInterval(Second|Minute|Hour|Day|Week|Month|Quarter|Year)\((\d+)\)$`)

// ttlUnits are the shortest that each unit can be.
var ttlUnits = map[string]time.Duration{
	"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour, "Day": day, "Week": 7 * day, "Month": 28 * day, "Quarter": 89 * day, "Year": 365 * day,
}

// ParseTTL returns how long the rows of a table live, 0: for good, from the text of its engine (column engine_full of system.tables).
func ParseTTL(engine string) (time.Duration, error) {
	_, text, found := strings.Cut(engine, " TTL ")
	if !found {
		return 0, nil
	}
	text, _, _ = strings.Cut(text, " SETTINGS ")
	m := ttlInterval.FindStringSubmatch(strings.TrimSuffix(text, " DELETE"))
	if m == nil {
		return 0, fmt.Errorf("TTL %q is not of the form column + INTERVAL n UNIT: give it that form", text)
	}
	n, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil || n <= 0 || n > int64(math.MaxInt64/ttlUnits[m[1]]) {
		return 0, fmt.Errorf("TTL %q is not within 0 and 292 years", text)
	}
	return time.Duration(n) * ttlUnits[m[1]], nil
}
