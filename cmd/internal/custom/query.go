package custom

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/millrace/millrace/schema/clickhouse"
)

// server runs statements. Safe for concurrent use.
type server struct{ db *clickhouse.DB }

// goodbye is how long cleaning up may take when everything else has ended.
const goodbye = 5 * time.Second

// names are a statement's parameters by name.
type names map[string]string

// as is a statement's id in the server, to find it again by its beginning; empty: a nameless one.
type as string

// call is how a statement of this id is run.
func (id as) call(p names, settings []clickhouse.Setting) clickhouse.Call {
	if id == "" {
		id = "millrace-metrics-"
	}
	return clickhouse.Call{ID: string(id) + uuid.NewString(), Params: p, Settings: settings}
}

// exec runs a statement without an answer.
func (s server) exec(ctx context.Context, statement string, p names, settings ...clickhouse.Setting) error {
	return s.execAs(ctx, "", statement, p, settings...)
}

func (s server) execAs(ctx context.Context, id as, statement string, p names, settings ...clickhouse.Setting) error {
	return s.db.Do(ctx, id.call(p, settings), func(ctx context.Context) error { return s.db.Conn().Exec(ctx, statement) })
}

// query calls each for every row of the answer; into is what a row is read to.
func (s server) query(ctx context.Context, statement string, p names, settings []clickhouse.Setting, each func(), into ...any) error {
	return s.db.Query(ctx, as("").call(p, settings), statement, each, into...)
}

// number runs a query that returns one UInt64.
func (s server) number(ctx context.Context, statement string, p names, settings ...clickhouse.Setting) (n uint64, err error) {
	err = s.query(ctx, statement, p, settings, func() {}, &n)
	return n, err
}

// quiet bounds the wait for statements to end that were told to, or that end by themselves.
const quiet = time.Minute

// silence ends all statements whose ids begin so, and returns when they have.
func (s server) silence(ctx context.Context, id as) error {
	p := names{"prefix": string(id)}
	deadline := time.Now().Add(quiet)
	for {
		n, err := s.number(ctx, "SELECT count() FROM system.processes WHERE startsWith(query_id, {prefix:String})", p)
		if err != nil {
			return fmt.Errorf("look for statements of another process: %w", err)
		}
		if n == 0 {
			return nil
		}
		if !time.Now().Before(deadline) {
			return fmt.Errorf("%d statements whose ids begin with %s did not end within %v after KILL QUERY: wait for them, then try again", n, id, quiet)
		}
		if err := s.exec(ctx, "KILL QUERY WHERE startsWith(query_id, {prefix:String}) ASYNC FORMAT Null", p); err != nil {
			return fmt.Errorf("end statements of another process: %w", err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// inserts returns when all INSERTs into table events that run now have ended, or after a while: one that began before a view was dropped still writes to the view's table. They are
// known by the table's name, because others may run for ever.
func (s server) inserts(ctx context.Context) error {
	const running = "SELECT query_id FROM system.processes WHERE query_kind = 'Insert' AND position(query, 'events') > 0 AND query_id != queryID()"
	var id string
	old := map[string]bool{}
	err := s.query(ctx, running, nil, nil, func() { old[id] = true }, &id)
	for deadline := time.Now().Add(quiet); err == nil && len(old) > 0 && time.Now().Before(deadline); {
		if err = pause(ctx, 20*time.Millisecond); err != nil {
			break
		}
		left := map[string]bool{}
		if err = s.query(ctx, running, nil, nil, func() { left[id] = true }, &id); err == nil {
			maps.DeleteFunc(old, func(id string, _ bool) bool { return !left[id] })
		}
	}
	if err != nil {
		return fmt.Errorf("wait for inserts to end: %w", err)
	}
	return nil
}

// relations returns the tables and views of a database whose names begin so.
func (s server) relations(ctx context.Context, database, prefix string) (map[string]relation, error) {
	var name string
	var r relation
	all := map[string]relation{}
	err := s.query(ctx, "SELECT name, engine, uuid, as_select FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})",
		names{"database": database, "prefix": prefix}, nil, func() { all[name] = r }, &name, &r.engine, &r.id, &r.query)
	if err != nil {
		return nil, fmt.Errorf("look for tables %s*: %w", prefix, err)
	}
	return all, nil
}

// relation is a table or view that exists.
type relation struct {
	engine string
	id     uuid.UUID
	query  string // of a view
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// code is the number of a server's error; 0: it is none.
func code(err error) int32 {
	var e *driver.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// accessDenied is what a server answers to who may not.
const accessDenied = 497

// grants are what the user of clickhouse.username needs for all that this package does, and for the auditor's repairs.
func grants(database, user string) []string {
	return []string{
		"GRANT CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, SELECT, INSERT, ALTER DELETE ON " + database + ".* TO " + user,
		"GRANT CREATE TABLE, DROP TABLE, SELECT, INSERT ON " + clickhouse.StagingDatabase(database) + ".* TO " + user,
		"GRANT KILL QUERY ON *.* TO " + user,
		"GRANT SELECT ON system.processes, SELECT ON system.parts TO " + user,
	}
}

// explain adds the cure to an error of rights.
func explain(err error, database string) error {
	if code(err) != accessDenied {
		return err
	}
	return fmt.Errorf("%w: the user in clickhouse.username needs: %s", err, strings.Join(grants(database, "…"), "; "))
}

// firstLine is what a server's error says, without where in its code.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line, _, _ = strings.Cut(line, ", Stack trace")
	return strings.TrimSpace(line)
}
