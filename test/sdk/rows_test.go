package sdk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/test/process"
)

// soon is what an event may take from the answer to the table, on a machine with other work.
const soon = time.Minute

// where chooses the rows of a scenario in events: one of its ids is in each.
func (i id) where() string {
	return "position(concat(distinct_id, '\n', user_id, '\n', anonymous_id, '\n', group_id, '\n', previous_id), " + literal(string(i)+"-") + ") > 0"
}

const columns = "toString(event_id) AS id, type, event, name, distinct_id, user_id, anonymous_id, group_id, previous_id, toUnixTimestamp64Milli(ts) AS ts_ms, toUnixTimestamp64Milli(received_at) AS received_ms," +
	" ts_source, props, traits, context, lib, lib_version, dialect, toString(session_id) AS session, toString(ip) AS ip, os, os_version, browser, browser_version, device, country, city, locale, url_host, url_path, referrer_host, utm_source, _partition AS p, _offset AS o"

// rows are those of the scenario.
func (i id) rows(t *testing.T) []map[string]any {
	t.Helper()
	rows, err := millrace.sql("SELECT " + columns + " FROM millrace.events WHERE " + i.where() + " ORDER BY p, o")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// waitRows waits until the scenario has n rows, and returns them.
func (i id) waitRows(t *testing.T, n int) []map[string]any {
	t.Helper()
	var rows []map[string]any
	process.Within(soon, func() bool {
		rows = i.rows(t)
		return len(rows) >= n
	})
	return rows
}

// stored waits for the rows of the events wanted and compares them, each with its event. It returns how many are as they should be.
func (r *run) stored(t *testing.T, wants []want) int {
	t.Helper()
	rows := r.id.waitRows(t, len(wants))
	expected.put(r.id, len(wants))
	var faults []string
	if len(rows) != len(wants) {
		faults = append(faults, fmt.Sprintf("%d rows for %d events", len(rows), len(wants)))
	}
	good := 0
	for n := range wants {
		w := &wants[n]
		row, differences := w.closest(rows)
		if row < 0 {
			faults = append(faults, "no row for "+clip(w.String()))
			continue
		}
		if len(differences) == 0 {
			good++
		} else {
			faults = append(faults, fmt.Sprintf("%s (%v):\n    %s", w.mark, rows[row]["id"], strings.Join(differences, "\n    ")))
		}
		rows[row]["matched"] = true
	}
	for _, row := range rows {
		if row["matched"] == nil {
			faults = append(faults, "a row that nobody sent: "+clip(show(row)))
		}
	}
	if len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
	return good
}

// closest finds the row with the event's id, else the row that differs least among those not matched yet.
func (w *want) closest(rows []map[string]any) (best int, differences []string) {
	best = -1
	for n, row := range rows {
		if row["matched"] != nil {
			continue
		}
		d := w.differences(row)
		if w.id != "" && row["id"] == w.id {
			return n, d
		}
		if best < 0 || len(d) < len(differences) {
			best, differences = n, d
		}
	}
	return best, differences
}

const noSession = "00000000-0000-0000-0000-000000000000"

// differences lists the columns in which the row is not what the event says.
func (w *want) differences(row map[string]any) (out []string) {
	say := func(column string, got, want any) {
		out = append(out, fmt.Sprintf("%s = %s, want %s", column, clip(show(got)), clip(show(want))))
	}
	for column, value := range w.columns {
		if row[column] != value {
			say(column, row[column], value)
		}
	}
	if w.id != "" && row["id"] != w.id {
		say("event_id", row["id"], w.id)
	}
	for column, value := range map[string]any{"props": w.props, "traits": w.traits} {
		if text := fmt.Sprint(row[column]); !same(text, value) {
			say(column, text, value)
		}
	}
	if w.context != nil && !same(fmt.Sprint(row["context"]), w.context) {
		say("context", row["context"], w.context)
	}
	ms, _ := strconv.ParseInt(fmt.Sprint(row["ts_ms"]), 10, 64)
	switch received, _ := strconv.ParseInt(fmt.Sprint(row["received_ms"]), 10, 64); {
	case w.ts != 0 && ms != w.ts:
		say("ts", ms, w.ts)
	case w.ts == 0 && ms != received:
		say("ts without a time of the client", ms, received)
	}
	out = append(append(out, w.lost(row)...), w.invented(row)...)
	if w.session && row["session"] == noSession {
		say("session_id", row["session"], "one")
	}
	return out
}

// same compares a JSON column with a value: members in any order, numbers by value.
func same(text string, want any) bool {
	if want == nil {
		return text == "" || text == "{}"
	}
	got, err := parse([]byte(text))
	if err != nil {
		return false
	}
	return reflect.DeepEqual(normal(got), normal(want))
}

// normal writes numbers in one way, so that 1, 1.0 and 1e0 are the same.
func normal(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for name, member := range v {
			out[name] = normal(member)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = normal(item)
		}
		return out
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case int:
		return float64(v)
	}
	return v
}

// contains tells whether each member of part is in the whole, with the same value.
func contains(whole, part object) bool {
	for name, v := range part {
		got, there := whole[name]
		if !there || !reflect.DeepEqual(normal(got), normal(v)) {
			return false
		}
	}
	return true
}
