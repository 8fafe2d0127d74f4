package queries

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// ask runs a query and returns all of its answer. id leads to its cost.
func (s *server) ask(ctx context.Context, statement string, parameters map[string]string) (a answer, id string, latency time.Duration, err error) {
	if ctx.Err() != nil {
		return nil, "", 0, context.Cause(ctx)
	}
	id = s.nextID()
	statement = s.in(statement)
	with := s.with(ctx, id, parameters)
	begin := time.Now()
	rows, err := s.db.Conn().Query(with, statement)
	if err != nil {
		return nil, id, 0, fmt.Errorf("%w, of the query:\n%s", err, statement)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	var values []any
	for _, t := range rows.ColumnTypes() {
		values = append(values, reflect.New(t.ScanType()).Interface())
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return nil, id, 0, fmt.Errorf("%w, of the query:\n%s", err, statement)
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = textOf(reflect.ValueOf(v).Elem().Interface())
		}
		a = append(a, row)
	}
	if err := rows.Err(); err != nil {
		return nil, id, 0, fmt.Errorf("%w, of the query:\n%s", err, statement)
	}
	return a, id, time.Since(begin), nil
}
