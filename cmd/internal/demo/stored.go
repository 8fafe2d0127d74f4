package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/schema/clickhouse"
)

// ErrStored says that a story is in the tables already.
var ErrStored = errors.New("this story is in the tables already")

// NotStored asks the tables for the first events of a story, so that it is not stored twice by accident when the server has forgotten its ids. ErrStored is
// among its errors when one is there; tables that do not exist yet hold none.
func (f *Facts) NotStored(ctx context.Context, db *clickhouse.DB) error {
	var exists uint8
	if err := db.Conn().QueryRow(ctx, "EXISTS TABLE "+db.Database()+".events").Scan(&exists); err != nil {
		return fmt.Errorf("look for the tables: %w", err)
	}
	if exists == 0 || len(f.first) == 0 {
		return nil
	}
	ids := make([]string, len(f.first))
	for i, id := range f.first {
		ids[i] = "'" + id.String() + "'"
	}
	// Their times keep the search to a few days of the table.
	from, _ := f.first[0].UnixMilli()
	to, _ := f.first[len(f.first)-1].UnixMilli()
	var n uint64
	if err := db.Conn().QueryRow(ctx, fmt.Sprintf("SELECT uniqExact(event_id) FROM %s.events WHERE ts BETWEEN fromUnixTimestamp64Milli(%d, 'UTC') AND fromUnixTimestamp64Milli(%d, 'UTC') AND event_id IN (%s)",
		db.Database(), from, to, strings.Join(ids, ", "))).Scan(&n); err != nil {
		return fmt.Errorf("look for the story: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%w, at least its beginning (%d of its first %d events): --seed %d tells another, --skip N goes on behind the N events of a run that was ended, --again sends it all the same (within an hour of the first time that adds nothing, later it stores everything twice)",
			ErrStored, n, len(ids), f.Seed+1)
	}
	return nil
}
