package verify

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// placesSQL counts, of the rows that share a place, all but one.
const placesSQL = "SELECT toUInt64(sum(c - 1)) FROM (SELECT count() AS c FROM {database:Identifier}.%s GROUP BY _log, _partition, _offset HAVING c > 1) " +
	"SETTINGS max_bytes_before_external_group_by = 268435456, max_bytes_ratio_before_external_group_by = 0"

// Places counts the rows of tables events and quarantine that were loaded from a record that another row of the table was loaded from, too: of rows that
// share log, partition and offset, all but the first. It looks at all rows, also at those that were inserted by hand, which share the place of zeros. The
// memory that ClickHouse takes is bounded.
func (s *Store) Places(ctx context.Context) (duplicates uint64, err error) {
	for _, table := range []string{"events", "quarantine"} {
		var n uint64
		if err := s.one(ctx, fmt.Sprintf(placesSQL, table), func(rows driver.Rows) error { return rows.Scan(&n) }); err != nil {
			return 0, fmt.Errorf("places of %s: %w", table, err)
		}
		duplicates += n
	}
	return duplicates, nil
}
