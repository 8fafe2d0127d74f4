package sink

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse"
)

// columnOf names the column of each text field.
var columnOf = map[schema.Field]string{
	schema.FieldEvent: "event", schema.FieldName: "name", schema.FieldDistinctID: "distinct_id", schema.FieldUserID: "user_id", schema.FieldAnonymousID: "anonymous_id",
	schema.FieldGroupID: "group_id", schema.FieldPreviousID: "previous_id", schema.FieldCorrelationID: "correlation_id", schema.FieldCausationID: "causation_id",
	schema.FieldLib: "lib", schema.FieldLibVersion: "lib_version", schema.FieldPageHost: "url_host", schema.FieldPagePath: "url_path",
	schema.FieldReferrerHost: "referrer_host", schema.FieldCampaignSource: "utm_source", schema.FieldCampaignMedium: "utm_medium", schema.FieldCampaignName: "utm_campaign",
	schema.FieldCountry: "country", schema.FieldCity: "city", schema.FieldOS: "os", schema.FieldOSVersion: "os_version", schema.FieldBrowser: "browser",
	schema.FieldBrowserVersion: "browser_version", schema.FieldDeviceType: "device", schema.FieldLocale: "locale",
}

func clock(ms int64) string {
	earliest := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	latest := time.Date(2299, 12, 31, 23, 59, 59, 999e6, time.UTC)
	at := time.UnixMilli(ms).UTC()
	if at.Before(earliest) {
		at = earliest
	}
	if at.After(latest) {
		at = latest
	}
	return at.Format("2006-01-02 15:04:05.000")
}

// row is what the table must hold for the event, by column, as ClickHouse prints it. It is written from the documents, not from the code.
func (e *testEvent) row(ip, revenue string, partition int, offset int64) map[string]string {
	zero := "1970-01-01 00:00:00.000"
	w := map[string]string{
		"project_id": fmt.Sprint(e.Project), "type": e.Type.String(), "ts": clock(e.TS), "event_id": e.ID.String(), "session_id": e.SessionID.String(),
		"client_ts": zero, "sent_at": zero, "ts_source": e.TSSource.String(), "request_id": e.RequestID.String(), "hops": fmt.Sprint(e.Hops),
		"dialect": e.Dialect.String(), "bot": fmt.Sprint(map[bool]int{true: 1}[e.Bot]), "screen_w": fmt.Sprint(e.ScreenW), "screen_h": fmt.Sprint(e.ScreenH),
		"ip": ip, "revenue": revenue, "props": e.properties, "context": e.context, "traits": e.traits,
		"_log": fmt.Sprint(eventsLog), "_partition": fmt.Sprint(partition), "_offset": fmt.Sprint(offset), "received_at": clock(e.ReceivedAt), "user_h": "1",
	}
	if e.Has(schema.FieldClientTS) {
		w["client_ts"] = clock(e.ClientTS)
	}
	if e.Has(schema.FieldSentAt) {
		w["sent_at"] = clock(e.SentAt)
	}
	for f, column := range columnOf {
		w[column] = e.texts[f]
	}
	return w
}

// selectRow reads a row with the names of all columns. user_h becomes 1 when it is what ClickHouse computes.
func (l *lab) selectRow(offset int64) map[string]string {
	l.t.Helper()
	names := l.query("SELECT name FROM system.columns WHERE database = 'millrace' AND table = 'events' ORDER BY position")
	var exprs []string
	for _, n := range names {
		if n[0] == "user_h" {
			exprs = append(exprs, "user_h = cityHash64(distinct_id)")
			continue
		}
		exprs = append(exprs, "`"+n[0]+"`")
	}
	rows := l.query("SELECT %s FROM events WHERE _offset = %d", strings.Join(exprs, ", "), offset)
	if len(rows) != 1 {
		l.t.Fatalf("%d rows of offset %d", len(rows), offset)
	}
	row := make(map[string]string)
	for i, n := range names {
		row[n[0]] = rows[0][i]
	}
	return row
}

func TestRowsAreTheRecords(t *testing.T) {
	l := newLab(t, 1)
	type caseOf struct {
		name        string
		event       testEvent
		ip, revenue string
	}
	edit := func(e testEvent, f func(e *testEvent)) testEvent {
		f(&e)
		return e
	}
	now := testNow.UnixMilli()
	const noIP = "::"
	cases := []caseOf{
		{"full", fullEvent(1), "::ffff:203.0.113.7", "129.9556"},
		{"bare", plainEvent(1, now), noIP, "0"},
		{"year 0", edit(plainEvent(2, now), func(e *testEvent) { e.TS, e.ReceivedAt = -62167219200000, now }), noIP, "0"},
		{"year 9999", edit(plainEvent(3, now), func(e *testEvent) {
			e.TS, e.ReceivedAt = 253402300799999, 253402300799999
			e.SetClientTS(253402300799999)
		}), noIP, "0"},
		{"client time in the year 0", edit(plainEvent(4, now), func(e *testEvent) { e.SetClientTS(-62167219200000); e.SetSentAt(0) }), noIP, "0"},
		{"ahead of its arrival", edit(plainEvent(5, now), func(e *testEvent) { e.TS = now + 86_400_000 }), noIP, "0"},
		{"greatest numbers", edit(plainEvent(6, now), func(e *testEvent) {
			e.Project, e.Hops, e.ScreenW, e.ScreenH = 1<<32-1, 255, 65535, 65535
			e.properties = `{"revenue":99999999999999.9999,"n":1e999999,"m":-123456789012345678901234567890}`
		}), noIP, "99999999999999.9999"},
		{"least revenue", edit(plainEvent(7, now), func(e *testEvent) { e.properties = `{"$revenue":-99999999999999.9999}` }), noIP, "-99999999999999.9999"},
		{"revenue out of range", edit(plainEvent(8, now), func(e *testEvent) { e.properties = `{"revenue":1e300}` }), noIP, "0"},
		{"v6", edit(plainEvent(9, now), func(e *testEvent) { e.texts[schema.FieldIP] = "2001:db8::1" }), "2001:db8::1", "0"},
		{"no address", edit(plainEvent(10, now), func(e *testEvent) { e.texts[schema.FieldIP] = "unknown" }), noIP, "0"},
		{"empty texts", edit(plainEvent(11, now), func(e *testEvent) {
			for f := range columnOf {
				e.texts[f] = ""
			}
			e.texts[schema.FieldDistinctID] = ""
			e.properties, e.context, e.traits = "{}", "{}", "{}"
		}), noIP, "0"},
		{"all escapes", edit(plainEvent(12, now), func(e *testEvent) {
			for f := range columnOf {
				e.texts[f] = "\"\\/\b\f\n\r\t\x00\x1f é 漢 😀 \u2028 \ufffd " + columnOf[f]
			}
		}), noIP, "0"},
		{"960 KiB", edit(plainEvent(13, now), func(e *testEvent) { e.properties = `{"a":"` + strings.Repeat("é", 480<<10) + `"}` }), noIP, "0"},
		{"a name of 200 bytes", edit(plainEvent(14, now), func(e *testEvent) { e.texts[schema.FieldEvent] = strings.Repeat("n", 200) }), noIP, "0"},
		{"in 1969", edit(plainEvent(15, now), func(e *testEvent) { e.TS = -1 }), noIP, "0"},
		{"in 2262", edit(plainEvent(16, now), func(e *testEvent) { e.TS = 9223372036855 }), noIP, "0"},
	}
	for i := range cases {
		// One batch each: the large one would not fit beside others.
		l.produce("events", 0, cases[i].event.body())
	}
	l.start(testConfig(), t.TempDir())
	l.committed("events", 0, int64(len(cases)))
	for i, c := range cases {
		got := l.selectRow(int64(i))
		want := c.event.row(c.ip, c.revenue, 0, int64(i))
		lag := min(max(c.event.ReceivedAt, minTime), maxTime) - min(max(c.event.TS, minTime), maxTime)
		want["lag_ms"] = strconv.FormatInt(lag, 10)
		compareRows(t, c.name, got, want)
	}
}

func compareRows(t *testing.T, name string, got, want map[string]string) {
	t.Helper()
	for column, value := range got {
		w, ok := want[column]
		if !ok {
			t.Errorf("%s: column %s = %.60q is not checked", name, column, value)
		} else if value != w {
			t.Errorf("%s: column %s = %.100q, want %.100q", name, column, value, w)
		}
	}
	for column := range want {
		if _, ok := got[column]; !ok {
			t.Errorf("%s: the table has no column %s", name, column)
		}
	}
}

// Records of other producers, without an index.
func TestForeignRecords(t *testing.T) {
	l := newLab(t, 1)
	const full = ` { "event" : "p\u00e4yed\n", "unknown":[1,{"a":2}], "properties":{"revenue": 5, "x":"é"}, "id":"0192B6C1-7d2e-7a3b-9c1f-0123456789ab","distinct_id":"u\u0031",
		"project":42,"ts":"2026-11-01T10:00:00+01:00","received_at":"2026-11-01T09:00:01.5Z","source":{"ip":"10.0.0.1","lib":"mine"},"bot":true,"v":1,"type":"page"} `
	const bare = `{"event":"e","id":"0192b6c1-7d2e-7a3b-9c1f-0123456789ac","distinct_id":"u","project":1}`
	l.produce("events", 0, broker.AppendRecordBody(nil, nil, []byte(full)), broker.AppendRecordBody(nil, nil, []byte(bare)))
	l.start(testConfig(), t.TempDir())
	l.committed("events", 0, 2)

	e := plainEvent(0, 0)
	e.Project, e.Type, e.Bot = 42, schema.Page, true
	e.ID, _ = schema.ParseUUID([]byte("0192b6c1-7d2e-7a3b-9c1f-0123456789ab"))
	e.RequestID = schema.UUID{}
	e.TS, e.ReceivedAt = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 11, 1, 9, 0, 1, 500e6, time.UTC).UnixMilli()
	e.texts = map[schema.Field]string{schema.FieldEvent: "päyed\n", schema.FieldDistinctID: "u1", schema.FieldLib: "mine"}
	e.properties = `{"revenue": 5, "x":"é"}`
	want := e.row("::ffff:10.0.0.1", "5", 0, 0)
	want["lag_ms"] = "1500"
	compareRows(t, "full", l.selectRow(0), want)

	e = plainEvent(0, producedAt) // the record's own time stands in
	e.ID, _ = schema.ParseUUID([]byte("0192b6c1-7d2e-7a3b-9c1f-0123456789ac"))
	e.RequestID = schema.UUID{}
	e.texts = map[schema.Field]string{schema.FieldEvent: "e", schema.FieldDistinctID: "u"}
	want = e.row("::", "0", 0, 1)
	want["lag_ms"] = "0"
	compareRows(t, "bare", l.selectRow(1), want)
}

// Rows of two months of one block are two INSERTs, each in its own partition.
func TestBlockOfTwoMonths(t *testing.T) {
	l := newLab(t, 1)
	var bodies [][]byte
	for i := range 100 {
		e := plainEvent(i, testNow.AddDate(0, -(i%2), 0).UnixMilli())
		bodies = append(bodies, e.body())
	}
	l.produce("events", 0, bodies...)
	r := l.start(testConfig(), t.TempDir())
	l.committed("events", 0, 100)
	l.eachOnce(0, 100)
	if got := fmt.Sprint(l.query("SELECT toYYYYMM(ts) AS m, count() FROM events GROUP BY m ORDER BY m")); got != "[[202610 50] [202611 50]]" {
		t.Errorf("rows by month: %s", got)
	}
	if n := r.counter(`millrace_sink_insert_duration_seconds_count{table="events"}`); n != 2 {
		t.Errorf("%v inserts", n)
	}
	if n := r.counter(`millrace_sink_blocks_total{table="events"}`); n != 1 {
		t.Errorf("%v blocks", n)
	}
}

// A refused event of the door: every header becomes a column, and a record without headers is a row too.
func TestQuarantineRows(t *testing.T) {
	l := newLab(t, 1)
	r := schema.Rejection{
		Stage: "pipeline", Reason: "too_deep", Field: "/properties/a", Detail: "40 levels \"é\"", Dialect: "segment", Index: 7, KeyID: "abcd1234",
		EventID: schema.NewUUIDv7(1), RequestID: schema.NewUUIDv7(2), CorrelationID: "corr", ReceivedAt: producedAt - 5000, SentAt: 1730455812000,
		ClientIP: "198.51.100.4", UserAgent: "curl/8", Size: 70_000, Truncated: true,
	}
	var headers []broker.Header
	r.EachHeader(func(key string, value []byte) { headers = append(headers, broker.Header{Key: key, Value: value}) })
	l.produce("quarantine", 0,
		broker.AppendRecordBody(nil, []byte("7"), []byte("payload \x00\xff\n"), headers...),
		broker.AppendRecordBody(nil, nil, nil),
		broker.AppendRecordBody(nil, []byte("nonsense"), []byte("x"), broker.Header{Key: "index", Value: []byte("-5")}, broker.Header{Key: "size", Value: []byte("-1")}, broker.Header{Key: "client-ip", Value: []byte("?")}),
	)
	l.start(testConfig(), t.TempDir())
	l.committed("quarantine", 0, 3)
	var names []string
	for _, c := range clickhouse.QuarantineColumns {
		names = append(names, "`"+c.Name+"`")
	}
	rows := l.query("SELECT %s, hex(payload) FROM quarantine ORDER BY _offset", strings.Join(names, ", "))
	zero, none := "1970-01-01 00:00:00.000", schema.UUID{}.String()
	want := [][]string{
		{
			clock(r.ReceivedAt), "7", "pipeline", "too_deep", "/properties/a", r.Detail, "segment", "7", "abcd1234", r.EventID.String(), r.RequestID.String(), "corr", clock(r.SentAt),
			"::ffff:198.51.100.4", "curl/8", "payload \x00\ufffd\n", "70000", "true", "", fmt.Sprint(quarantineLog), "0", "0", "7061796C6F61642000FF0A",
		},
		{clock(producedAt), "0", "", "", "", "", "", "0", "", none, none, "", zero, "::", "", "", "0", "false", "", fmt.Sprint(quarantineLog), "0", "1", ""},
		{clock(producedAt), "0", "", "", "", "", "", "0", "", none, none, "", zero, "::", "", "x", "0", "false", "", fmt.Sprint(quarantineLog), "0", "2", "78"},
	}
	for i := range want {
		for j, w := range want[i] {
			if rows[i][j] != w {
				t.Errorf("row %d: %s is %q, want %q", i, append(names, "hex(payload)")[j], rows[i][j], w)
			}
		}
	}
}

// What is written is what the tables' own package says is written.
func TestColumnsAreTheContract(t *testing.T) {
	for _, c := range []struct {
		table string
		input proto.Input
		want  []clickhouse.Column
	}{
		{"events", newEventColumns().Input(), clickhouse.EventColumns},
		{"quarantine", newQuarantineColumns().Input(), clickhouse.QuarantineColumns},
	} {
		var got []clickhouse.Column
		for _, col := range c.input {
			got = append(got, clickhouse.Column{Name: col.Name, Type: string(col.Data.Type())})
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("table %s: written are\n%v, want\n%v", c.table, got, c.want)
		}
	}
}

// A block is never larger than what the server's settings keep in one piece.
func TestBlockFitsPinnedSettings(t *testing.T) {
	checked := 0
	for _, s := range clickhouse.InsertSettings("t") {
		n, _ := strconv.Atoi(s.Value)
		switch s.Name {
		case "max_insert_block_size", "min_insert_block_size_rows":
			checked++
			if n < maxBlockRows {
				t.Errorf("%s is %d, a block may have %d rows", s.Name, n, maxBlockRows)
			}
		case "min_insert_block_size_bytes":
			checked++
			// A value of a row may take several times its bytes in the record: dictionaries are written out, fixed columns have their width.
			if n < 4*maxBlockBytes {
				t.Errorf("%s is %d, a block may have %d bytes of records", s.Name, n, maxBlockBytes)
			}
		}
	}
	if checked != 3 {
		t.Errorf("%d of 3 settings are pinned", checked)
	}
}
