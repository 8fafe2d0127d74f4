package audit

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/millrace/millrace/schema/clickhouse"
)

// ttlMargin is how long before a TTL takes rows they are left alone.
const ttlMargin = 24 * time.Hour

// sessionReach is how far the day of a session id and the ts of its events may lie apart.
const sessionReach = 2 * 24 * time.Hour

// horizon returns the first bucket of r that is compared: the ones before may have lost rows to a TTL.
func (a *Auditor) horizon(ctx context.Context, r *rollup) (int64, error) {
	var name, engine string
	var now int64
	first := int64(math.MinInt64)
	var bad error
	err := a.query(ctx, "SELECT name, engine_full, toUnixTimestamp64Milli(now64(3)) FROM system.tables WHERE database = {database:String} AND name IN ('events', {table:String})",
		parameters{"database": a.db.Database(), "table": r.table}, func() {
			ttl, err := clickhouse.ParseTTL(engine)
			if err != nil {
				bad = fmt.Errorf("table %s: %w", name, err)
			}
			if ttl == 0 {
				return
			}
			ttl -= ttlMargin
			if r.rawRange == "" && name == "events" {
				ttl -= sessionReach
			}
			first = max(first, (now-ttl.Milliseconds())/1000/r.unit+1)
		}, &name, &engine, &now)
	if err != nil {
		return 0, fmt.Errorf("ask for the TTL of %s: %w", r.table, err)
	}
	return first, bad
}
