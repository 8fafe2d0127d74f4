package clickhouse

import "context"

// Source gives the pool to work with, which stays its owner's. It is asked for each call, so that ClickHouse need not be there when whoever uses it is made. Safe for concurrent use.
type Source func(ctx context.Context) (*DB, error)

// Source is the one that always gives db.
func (db *DB) Source() Source {
	return func(context.Context) (*DB, error) { return db, nil }
}
