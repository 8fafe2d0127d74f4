package clickhouse

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"

	"github.com/millrace/millrace/internal/enginetest"
)

// row is an event as far as the rollups look at it. The test computes from it what they must hold.
type row struct {
	project                uint32
	event, country, device string
	path, referrer, source string
	ts                     int64 // Unix milliseconds
	session                uuid.UUID
	user                   uint64
	revenue                int64 // of 1/10000
	day                    string
	minute, hour           int64
	sessionDay             string
}

// The sink stores no time beyond these, see its clampTime.
const (
	firstMillis = -2208988800000
	lastMillis  = 10413791999999
	maxRevenue  = 999_999_999_999_999_999
)

func floorDiv(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

func date(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02") }

// complete computes the keys.
func (r row) complete() row {
	r.minute, r.hour, r.day = 60*floorDiv(r.ts, 60_000), 3600*floorDiv(r.ts, 3_600_000), date(r.ts)
	r.sessionDay = "1970-01-01"
	if r.session.Version() == 7 {
		r.sessionDay = date(int64(binary.BigEndian.Uint64(r.session[:8]) >> 16))
	}
	return r
}

func v7(ms int64, n uint64) uuid.UUID {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:8], uint64(ms)<<16|0x7000|n>>48)
	binary.BigEndian.PutUint64(u[8:], n&(1<<48-1)|1<<63)
	return u
}

// extremes are rows that a view might not take, or file under a wrong key.
func extremes() []row {
	var rows []row
	longest := strings.Repeat("ü", 4000)
	texts := []string{"", "$pageview", "NaN", "-inf", "\x00", "\xff\xfe", "'); DROP", longest}
	sessions := []uuid.UUID{{}, uuid.Max, uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8"), v7(0, 1), v7(lastMillis, 2), v7(1793527872131, 3), {15: 1}, uuid.MustParse("ffffffff-ffff-8fff-bfff-ffffffffffff")}
	// Around the ends of every type that a time could be squeezed into, of hours, of days, months and leap years.
	times := []int64{firstMillis, firstMillis + 1, lastMillis, lastMillis - 1}
	for _, at := range []int64{
		firstMillis + 60_000, firstMillis + 3_600_000, firstMillis + 86_400_000, 0, math.MinInt32 * 1000, math.MaxInt32 * 1000, math.MaxUint32 * 1000, (math.MaxUint32 + 1) * 1000,
		65_535 * 86_400_000, 65_536 * 86_400_000, 951_782_400_000, 951_868_800_000, 1_793_491_200_000, -86_400_000, -2_203_891_200_000, lastMillis + 1 - 3_600_000,
	} {
		times = append(times, at-1, at, at+1)
	}
	for i, ts := range times {
		for j, session := range sessions {
			t := func(k int) string { return texts[(i+j+k)%len(texts)] }
			rows = append(rows, row{
				project: []uint32{0, 1, math.MaxUint32}[(i+j)%3], event: t(0), country: t(1), device: t(2), path: t(3), referrer: t(4), source: t(5),
				ts: ts, session: session, user: []uint64{0, 1, math.MaxUint64}[i%3], revenue: []int64{0, maxRevenue, -maxRevenue, 1, -1}[(i+j)%5],
			}.complete())
		}
	}
	// So much money that no 64 bits hold its sum, of both signs.
	for i := range 10_000 {
		r := row{project: 7, event: "rich", ts: 1_793_527_872_131 + int64(i%7), session: v7(1_793_527_872_131, 9), user: uint64(i % 5), revenue: maxRevenue}
		rows = append(rows, r.complete())
		r.event, r.revenue, r.session = "poor", -maxRevenue, v7(1_793_527_872_131, 10)
		rows = append(rows, r.complete())
	}
	return rows
}

// insertRows sends rows as the sink does: one INSERT for each month, under a token. No such insert may reach two partitions of any table.
func insertRows(t *testing.T, engine *enginetest.Engine, db *DB, token string, rows []row) error {
	t.Helper()
	client, err := ch.Dial(within(t), ch.Options{Address: engine.TCP, Database: db.database})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}()
	months := map[string][]row{}
	for _, r := range rows {
		months[r.day[:7]] = append(months[r.day[:7]], r)
	}
	for _, month := range slices.Sorted(maps.Keys(months)) {
		var (
			project                                      proto.ColUInt32
			event, country, device, path, referrer, from proto.ColStr
			ts                                           = proto.ColDateTime64{}
			session                                      proto.ColUUID
			user                                         proto.ColUInt64
			revenue                                      proto.ColDecimal64
			lag                                          proto.ColInt64
		)
		ts.WithPrecision(proto.PrecisionMilli)
		for _, r := range months[month] {
			project, user, lag, session = append(project, r.project), append(user, r.user), append(lag, math.MaxInt64), append(session, r.session)
			ts.AppendRaw(proto.DateTime64(r.ts)) // as a time.Time it would have to lie within 1678 and 2262
			revenue = append(revenue, proto.Decimal64(r.revenue))
			for _, c := range []struct {
				column *proto.ColStr
				value  string
			}{{&event, r.event}, {&country, r.country}, {&device, r.device}, {&path, r.path}, {&referrer, r.referrer}, {&from, r.source}} {
				c.column.Append(c.value)
			}
		}
		input := proto.Input{
			{Name: "project_id", Data: &project},
			{Name: "event", Data: &event},
			{Name: "country", Data: &country},
			{Name: "device", Data: &device},
			{Name: "url_path", Data: &path},
			{Name: "referrer_host", Data: &referrer},
			{Name: "utm_source", Data: &from},
			{Name: "ts", Data: &ts},
			{Name: "session_id", Data: &session},
			{Name: "user_h", Data: &user},
			{Name: "revenue", Data: proto.Alias(&revenue, "Decimal(18, 4)")},
			{Name: "lag_ms", Data: &lag},
		}
		query := ch.Query{Body: input.Into("events"), Input: input}
		for _, s := range append(InsertSettings(token+month), Setting{"max_partitions_per_insert_block", "1"}) {
			query.Settings = append(query.Settings, ch.Setting{Key: s.Name, Value: s.Value, Important: true})
		}
		if err := client.Do(within(t), query); err != nil {
			return fmt.Errorf("month %s: %w", month, err)
		}
	}
	return nil
}

func money(n *big.Int) string {
	sign, abs := "", new(big.Int).Abs(n)
	if n.Sign() < 0 {
		sign = "-"
	}
	whole, part := new(big.Int).QuoRem(abs, big.NewInt(10_000), new(big.Int))
	return fmt.Sprintf("%s%s.%04d", sign, whole, part.Int64())
}

// sums is what a key of any rollup adds up to.
type sums struct {
	n, views    int64
	revenue     big.Int
	users       map[uint64]bool
	first, last string
}

// expected groups the rows by a key and writes down each group as the queries of TestViewsAreTotal do.
func expected(rows []row, key func(row) (string, bool), first, last func(row) string, show func(s *sums) string) map[string]string {
	groups := map[string]*sums{}
	for _, r := range rows {
		k, ok := key(r)
		if !ok {
			continue
		}
		s := groups[k]
		if s == nil {
			s = &sums{users: map[uint64]bool{}, first: first(r), last: last(r)}
			groups[k] = s
		}
		s.n++
		if r.event == "$pageview" {
			s.views++
		}
		s.revenue.Add(&s.revenue, big.NewInt(r.revenue))
		s.users[r.user] = true
		s.first, s.last = min(s.first, first(r)), max(s.last, last(r))
	}
	all := map[string]string{}
	for k, s := range groups {
		all[k] = show(s)
	}
	return all
}

// sortable writes a number so that texts sort as numbers do.
func sortable(ms int64) string { return fmt.Sprintf("%020d", ms-firstMillis) }

// Every row that the sink can store, however odd, goes through every view and is found under its own key, whichever partition of time it is of.
func TestViewsAreTotal(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	db := migrated(t, engine, "t1")
	exec(t, db, "ALTER TABLE {db}.rollup_1m REMOVE TTL")
	rows := extremes()
	for range 2 { // the second time is a repeat
		if err := insertRows(t, engine, db, "x", rows); err != nil {
			t.Fatal(err)
		}
	}
	if got := text(t, db, "SELECT toString(count()) FROM {db}.events"); got != fmt.Sprint(len(rows)) {
		t.Fatalf("%s rows of %d", got, len(rows))
	}
	none := func(row) string { return "" }
	stamp := func(r row) string { return sortable(r.ts) }
	counts := func(s *sums) string { return fmt.Sprint(s.n, " ", money(&s.revenue), " ", len(s.users)) }
	const (
		stampOf  = "leftPad(toString(toUnixTimestamp64Milli(%s) + 2208988800000), 20, '0')"
		decimal4 = "if(revenue < 0, '-', '') || toString(intDiv(abs(toInt128(revenue * 10000)), 10000)) || '.' || leftPad(toString(abs(toInt128(revenue * 10000)) %% 10000), 4, '0')"
	)
	number := strings.ReplaceAll(decimal4, "%%", "%")
	seconds := "toString(toUnixTimestamp64Second(%s))"
	for _, c := range []struct {
		table, query string
		want         map[string]string
	}{
		{
			"rollup_1m",
			"SELECT concatWithSeparator('|', toString(project_id), event, " + fmt.Sprintf(seconds, "minute") + "), concatWithSeparator(' ', toString(n), " + number + ", toString(u)) FROM " +
				"(SELECT project_id, event, minute, sum(t.n) AS n, sum(t.revenue) AS revenue, uniqCombined64Merge(12)(users) AS u FROM {db}.rollup_1m AS t GROUP BY ALL)",
			expected(rows, func(r row) (string, bool) { return fmt.Sprint(r.project, "|", r.event, "|", r.minute), true }, none, none, counts),
		},
		{
			"rollup_1h",
			"SELECT concatWithSeparator('|', toString(project_id), event, " + fmt.Sprintf(seconds, "hour") + ", country, device), concatWithSeparator(' ', toString(n), " + number + ", toString(u)) FROM " +
				"(SELECT project_id, event, hour, country, device, sum(t.n) AS n, sum(t.revenue) AS revenue, uniqCombined64Merge(12)(users) AS u FROM {db}.rollup_1h AS t GROUP BY ALL)",
			expected(rows, func(r row) (string, bool) {
				return fmt.Sprint(r.project, "|", r.event, "|", r.hour, "|", r.country, "|", r.device), true
			}, none, none, counts),
		},
		{
			"user_day",
			"SELECT concatWithSeparator('|', toString(project_id), toString(day), toString(user_h)), concatWithSeparator(' ', toString(sum(n)), " + fmt.Sprintf(stampOf, "min(first_ts)") + ", " +
				fmt.Sprintf(stampOf, "max(last_ts)") + ") FROM {db}.user_day GROUP BY project_id, day, user_h",
			expected(rows, func(r row) (string, bool) { return fmt.Sprint(r.project, "|", r.day, "|", r.user), true }, stamp, stamp,
				func(s *sums) string { return fmt.Sprint(s.n, " ", s.first, " ", s.last) }),
		},
		{
			"sessions_q",
			"SELECT concatWithSeparator('|', toString(project_id), toString(day), toString(session_id)), concatWithSeparator(' ', toString(events), toString(pageviews), " + number + ", " +
				fmt.Sprintf(stampOf, "started_at") + ", leftPad(toString(user_h), 20, '0'), entry_path, referrer, utm_source, '/', " + fmt.Sprintf(stampOf, "ended_at") + ", exit_path) FROM {db}.sessions_q",
			expected(rows, func(r row) (string, bool) {
				return fmt.Sprint(r.project, "|", r.sessionDay, "|", r.session), r.session != uuid.UUID{}
			}, func(r row) string {
				return fmt.Sprintf("%s %020d %s %s %s", stamp(r), r.user, r.path, r.referrer, r.source)
			},
				func(r row) string { return stamp(r) + " " + r.path },
				func(s *sums) string {
					return fmt.Sprint(s.n, " ", s.views, " ", money(&s.revenue), " ", s.first, " / ", s.last)
				}),
		},
	} {
		t.Run(c.table, func(t *testing.T) {
			got := map[string]string{}
			result, err := db.conn.Query(within(t), strings.ReplaceAll(c.query, "{db}", db.database))
			if err != nil {
				t.Fatal(err)
			}
			defer result.Close() //nolint:errcheck // Err has told
			for result.Next() {
				var key, value string
				if err := result.Scan(&key, &value); err != nil {
					t.Fatal(err)
				}
				got[key] = value
			}
			if err := result.Err(); err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 || len(got) != len(c.want) {
				t.Errorf("%d keys, want %d", len(got), len(c.want))
			}
			wrong := 0
			for key, want := range c.want {
				if got[key] != want {
					if wrong++; wrong <= 5 {
						t.Errorf("%.300q has\n%.300q, want\n%.300q", key, got[key], want)
					}
				}
			}
			if wrong > 5 {
				t.Errorf("and %d others", wrong-5)
			}
		})
	}
}

// Not even numbers that no time stands for make a view fail.
func TestViewsTakeImpossibleTimes(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "t2")
	const impossible = "[toInt64(-9223372036854775808), -9223372036854775807, -9223372036854755807, -62167219200001, -2208988800001, 10413792000000, 253402300800000, 9223372036854775807]"
	exec(t, db, `INSERT INTO {db}.events (event, ts, lag_ms, session_id, revenue)
		SELECT 'e', reinterpret(x, 'DateTime64(3, \'UTC\')'), x, toUUID('01a2012c-9d35-746c-b774-9da8504e27a5'), reinterpret(x, 'Decimal(18, 4)') FROM (SELECT arrayJoin(`+impossible+`) AS x)`)
	for query, want := range map[string]string{
		"SELECT toString(sum(n)) FROM {db}.rollup_1h":                                                 "8",
		"SELECT toString(sum(n)) FROM {db}.user_day":                                                  "8",
		"SELECT toString(sum(events)) FROM {db}.sessions":                                             "8",
		"SELECT toString(sum(revenue)) FROM {db}.rollup_1h":                                           text(t, db, "SELECT toString(sum(revenue)) FROM {db}.events"),
		"SELECT toString(count()) FROM {db}.rollup_1m WHERE minute < now64(3) - toIntervalDay(61)":    "0", // by the TTL
		"SELECT toString(count()) FROM {db}.sessions_q WHERE started_at < ended_at AND NOT ignore(*)": "1",
	} {
		if got := text(t, db, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A client chooses its session ids. If they chose partitions too, a batch of many months could never be stored.
func TestSessionsChooseNoPartition(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	db := migrated(t, engine, "t3")
	var rows []row
	for month := range 240 {
		at := time.Date(2010, time.Month(1+month), 5, 0, 0, 0, 0, time.UTC).UnixMilli()
		rows = append(rows, row{project: 1, event: "e", ts: 1_793_527_872_131, session: v7(at, uint64(month))}.complete())
	}
	if err := insertRows(t, engine, db, "good", rows); err != nil {
		t.Fatal(err)
	}
	if got := text(t, db, "SELECT toString(uniqExact(toYYYYMM(day))) FROM {db}.sessions"); got != "240" {
		t.Errorf("sessions of %s months, want 240", got)
	}
	// The same with partitions fails, so the rows are what they should be; and Assert would have said so before.
	exec(t, db, "CREATE TABLE {db}.parted (day Date32, n UInt64) ENGINE = MergeTree PARTITION BY day ORDER BY n SETTINGS non_replicated_deduplication_window = 20000")
	exec(t, db, "CREATE MATERIALIZED VIEW {db}.parted_mv TO {db}.parted AS SELECT toDate32(UUIDv7ToDateTime(session_id, 'UTC')) AS day, count() AS n FROM {db}.events GROUP BY day")
	mustContain(t, insertRows(t, engine, db, "bad", rows), "Too many partitions")
	mustContain(t, Assert(within(t), db), `t3.parted, which view t3.parted_mv fills, is partitioned by "day"`)
}

// What is taken back by an insert of negative numbers is gone from the view that readers use.
func TestSessionsWithoutEventsAreNotShown(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "t4")
	exec(t, db, "INSERT INTO {db}.events (event, ts, lag_ms, session_id) VALUES ('$pageview', now64(3), 0, generateUUIDv7())")
	if got := text(t, db, "SELECT toString((sum(events), sum(pageviews), sum(bounced))) FROM {db}.sessions_q"); got != "(1,1,1)" {
		t.Errorf("one session: %s", got)
	}
	exec(t, db, "INSERT INTO {db}.sessions SELECT * REPLACE (-events AS events, -pageviews AS pageviews) FROM {db}.sessions")
	if got := text(t, db, "SELECT toString(count()) FROM {db}.sessions_q"); got != "0" {
		t.Errorf("%s sessions after it was taken back", got)
	}
}
