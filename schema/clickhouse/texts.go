package clickhouse

import (
	"context"
	"fmt"
)

// Exec runs a statement without parameters.
func (db *DB) Exec(ctx context.Context, statement string) error { return db.conn.Exec(ctx, statement) }

// Rows runs a query without parameters, and returns the rows of an answer that has texts only.
func (db *DB) Rows(ctx context.Context, query string) (all [][]string, err error) {
	rows, err := db.conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		row := make([]string, len(rows.Columns()))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read a row: %w", err)
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
