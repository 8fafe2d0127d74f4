package erase

import (
	"strings"
	"testing"
)

// Once parts are merged and the old ones are gone, no file of the engine has the person's ids or address, although the columns are not compressed here.
func TestNoFileHoldsTheErased(t *testing.T) {
	w := newWorld(t)
	for table, columns := range map[string][]string{
		"events": {"distinct_id", "user_id", "anonymous_id", "previous_id", "props"}, "quarantine": {"payload"}, "identity_edges": {"a", "b"}, "profile_ops": {"id"},
		"profiles": {"distinct_id", "props"}, "segment_changes": {"distinct_id"},
	} {
		w.exec("ALTER TABLE millrace.%s MODIFY SETTING min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0", table) // a file for each column
		for _, c := range columns {
			typ := "String"
			if table == "identity_edges" || table == "profile_ops" {
				typ = "SimpleAggregateFunction(anyLast, String)"
			}
			w.exec("ALTER TABLE millrace.%s MODIFY COLUMN %s %s CODEC(NONE)", table, c, typ)
		}
	}
	tables := []string{"erasures", "erasure_log", "erased_rows", "erased_offsets", "properties", "rollup_1m", "rollup_1h"}
	for _, target := range targets {
		tables = append(tables, target.table)
	}
	for _, table := range tables {
		w.exec("ALTER TABLE millrace.%s MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1, max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0, merge_tree_clear_old_parts_interval_seconds = 1", table)
	}
	// The threads that clean up are asleep by the former settings.
	w.engine.Stop()
	w.engine.Start()
	w.until("the server answers", func() bool { return w.db.Ping(t.Context()) == nil })
	w.everywhere()
	// The namesake of another project would be found as well.
	w.namesakesGo()
	texts := []string{victim, device, mail}
	seen := strings.Join(w.files(texts...), "\n")
	for _, text := range texts {
		if !strings.Contains(seen, text) {
			t.Errorf("the search does not find %s before it is erased", text)
		}
	}
	for _, in := range []string{"distinct_id", "payload", "props"} {
		if !strings.Contains(seen, in) {
			t.Errorf("the search does not find the person in a file of column %s:\n%s", in, seen)
		}
	}

	w.request(victim, false)
	w.once()
	for _, table := range tables {
		w.exec("OPTIMIZE TABLE millrace.%s FINAL", table)
	}
	w.until("old parts are gone", func() bool {
		return w.number("SELECT count() FROM system.parts WHERE database = 'millrace' AND NOT active AND table IN ('%s')", strings.Join(tables, "', '")) == 0
	})
	if left := w.files(texts...); len(left) > 0 {
		t.Errorf("left:\n%s", strings.Join(left, "\n"))
	}
}
