package sink

import "fmt"

// The tables that say what an erasure has deleted from the ones that are loaded. It writes to them first.
const (
	erasedOffsets = "erased_offsets"
	erasedRows    = "erased_rows"
)

// erasedHighest selects highest, the highest offset at or above from of an erased row of the partition; -1: there is none. Without it a table whose last row was erased would
// seem to have lost rows.
func (t *tables) erasedHighest(from int64) string {
	return fmt.Sprintf("SELECT if(count() = 0, -1, toInt64(max(reached))) AS highest FROM (SELECT highest AS reached FROM %s WHERE table = '%s' AND %s AND highest >= %d)",
		erasedOffsets, t.topic.table, t.where(), from)
}

// withErased selects columns of the rows of table events at offsets [from, below), the erased ones among them. A block that was announced before an erasure is read again after
// it, and must make the rows that were announced: what decided then that a record was a repeat has to be known still. A row that is there again counts once.
func (t *tables) withErased(columns string, from, below int64) string {
	span := fmt.Sprintf("%s AND _offset >= %d AND _offset < %d", t.where(), from, below)
	erased := fmt.Sprintf("FROM %s FINAL WHERE %s", erasedRows, span)
	return fmt.Sprintf("SELECT %s FROM `%s` WHERE %s UNION ALL SELECT %[1]s %[4]s AND _offset NOT IN (SELECT _offset FROM `%[2]s` WHERE %[3]s AND _offset IN (SELECT _offset %[4]s))",
		columns, t.topic.table, span, erased)
}
