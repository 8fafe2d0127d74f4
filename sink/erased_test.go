package sink

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// erase deletes the row at an offset of partition 0 as an erasure does. noted tells whether it says so first, as it must.
func (l *lab) erase(table string, log uint16, offset int, noted bool) {
	l.t.Helper()
	if noted {
		l.query("INSERT INTO erased_offsets SELECT '%s', _log, _partition, max(_offset) FROM %[1]s WHERE _log = %d AND _offset = %d GROUP BY _log, _partition", table, log, offset)
		if table == eventsTable {
			l.query("INSERT INTO erased_rows (_log, _partition, _offset, event_id, received_at, project_id, hour, session_h, run, at) "+
				"SELECT _log, _partition, _offset, event_id, received_at, project_id, ts, 0, generateUUIDv4(), now64(3) FROM events WHERE _log = %d AND _offset = %d", log, offset)
		}
	}
	l.query("ALTER TABLE %s DELETE WHERE _log = %d AND _offset = %d SETTINGS mutations_sync = 2", table, log, offset)
}

// The last row of a partition is erased: the next owner knows how far the table was, goes on behind, and loads nothing again. Without the note it would stop.
func TestErasedLastRowIsNotLost(t *testing.T) {
	for _, c := range []struct {
		table string
		log   uint16
	}{{eventsTable, eventsLog}, {quarantineTable, quarantineLog}} {
		for _, noted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, noted %v", c.table, noted), func(t *testing.T) {
				l := newLab(t, 1)
				dir := t.TempDir()
				r := l.start(testConfig(), dir)
				l.produce(c.table, 0, plainBodies(0, 10)...)
				l.committed(c.table, 0, 10)
				r.stop()
				l.erase(c.table, c.log, 9, noted)
				r = l.start(testConfig(), dir)
				if !noted {
					l.until(func() bool { return strings.Contains(r.logs.String(), "rows_lost") }, func() string { return "nothing stops a partition whose last row is gone" })
					return
				}
				r.loading(2)
				l.produce(c.table, 0, plainBodies(100, 5)...)
				l.committed(c.table, 0, 15)
				if got := fmt.Sprint(l.query("SELECT arraySort(groupArray(_offset)) FROM %s WHERE _log = %d", c.table, c.log)); got != "[[[0,1,2,3,4,5,6,7,8,10,11,12,13,14]]]" {
					t.Errorf("offsets %s", got)
				}
				if log := r.logs.String(); strings.Contains(log, "parked") {
					t.Error("the partition was parked")
				}
			})
		}
	}
}

// All rows of a partition are erased, and nothing is committed any longer: the rows that are missing come back, as they would on a server that was restored, and are the job's again.
func TestErasedRowsWithoutOffsets(t *testing.T) {
	l := newLab(t, 1)
	dir := t.TempDir()
	r := l.start(testConfig(), dir)
	l.produce("events", 0, plainBodies(0, 10)...)
	l.committed("events", 0, 10)
	r.stop()
	for offset := range 10 {
		l.erase(eventsTable, eventsLog, offset, true)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.setOffset(ctx, 0, 5); err != nil {
		t.Fatal(err)
	}
	r = l.start(testConfig(), dir)
	l.produce("events", 0, plainBodies(100, 5)...)
	l.committed("events", 0, 15)
	if got := fmt.Sprint(l.query("SELECT count(), uniqExact(_offset), min(_offset), max(_offset) FROM events")); got != "[[10 10 5 14]]" {
		t.Errorf("rows, offsets, first and last: %s", got)
	}
	if strings.Contains(r.logs.String(), "parked") {
		t.Error("the partition was parked")
	}
}

// A block is announced that holds a repeat of a row; the row is erased and the sink killed. Whoever takes over must make of the block what was announced, although nothing but
// erased_rows knows that the record is a repeat. Without that it would stop.
func TestRepeatsOfErasedRowsStayRepeats(t *testing.T) {
	for _, noted := range []bool{true, false} {
		t.Run(fmt.Sprintf("noted %v", noted), func(t *testing.T) {
			l := newLab(t, 1)
			bodies := plainBodies(0, 500)
			l.produce("events", 0, slices.Insert(bodies, 150, bodies[5])...)
			dir := t.TempDir()
			l.killUnconfirmed(blocksOf100(), dir)
			l.erase(eventsTable, eventsLog, 5, noted)
			r := l.start(blocksOf100(), dir)
			if !noted {
				l.until(func() bool { return strings.Contains(r.logs.String(), "intent_mismatch") }, func() string { return "a block with other rows than announced stops nobody" })
				return
			}
			l.committed("events", 0, 501)
			if got := fmt.Sprint(l.query("SELECT count(), uniqExact(_offset), uniqExact(event_id), countIf(_offset IN (5, 150)) FROM events")); got != "[[499 499 499 0]]" {
				t.Errorf("rows, offsets, ids, rows of what was erased or repeated: %s", got)
			}
			if strings.Contains(r.logs.String(), "parked") {
				t.Error("the partition was parked")
			}
		})
	}
}
