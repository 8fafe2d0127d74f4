package clickhouse

import (
	"context"
	"errors"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// goodbye is how long a statement whose context has ended may take to hear of it. Then its connection is dropped.
const goodbye = 5 * time.Second

// Call is how one statement is run.
type Call struct {
	ID       string            // of the statement in the server; no other may have it
	Params   map[string]string // not escaped yet
	Settings []Setting
}

// Do calls f with a context for one statement. When ctx ends first the server is asked to end the statement: to drop the connection over it, as the driver would, is what an
// embedded server may not survive; and so nothing is written after Do has returned, which it does within goodbye.
func (db *DB) Do(ctx context.Context, c Call, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	settings := clickhouse.Settings{}
	for _, s := range c.Settings {
		settings[s.Name] = s.Value
	}
	escaped := clickhouse.Parameters{}
	for name, value := range c.Params {
		escaped[name] = EscapeParameter(value)
	}
	// After a success it must not end: the driver's watch over an insert may look late, find it ended, and close the connection, which by then serves another statement.
	query, drop := context.WithCancel(context.WithoutCancel(ctx))
	over, joined := make(chan struct{}), make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(joined)
		db.kill(query, c.ID, over)
		select {
		case <-over:
		default:
			drop()
		}
	})
	err := f(clickhouse.Context(query, clickhouse.WithQueryID(c.ID), clickhouse.WithSettings(settings), clickhouse.WithParameters(escaped)))
	if close(over); !unwatch() {
		<-joined
	}
	if err == nil {
		return nil
	}
	drop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Query is Do for a statement with an answer: each is called for every row, which was read into the pointers.
func (db *DB) Query(ctx context.Context, c Call, statement string, each func(), into ...any) error {
	return db.Do(ctx, c, func(ctx context.Context) error {
		rows, err := db.conn.Query(ctx, statement)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return errors.Join(err, rows.Close())
			}
			each()
		}
		return errors.Join(rows.Err(), rows.Close())
	})
}

// kill ends the statement of this id, which may not have reached the server yet, and returns when it is over or after goodbye.
func (db *DB) kill(ctx context.Context, id string, over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	again := time.NewTicker(goodbye / 25)
	defer again.Stop()
	for {
		_ = db.conn.Exec(clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"id": id})), "KILL QUERY WHERE query_id = {id:String} ASYNC FORMAT Null") // tried again
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
