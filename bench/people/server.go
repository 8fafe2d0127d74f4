package people

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	schema "github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// server is the way to the tables. Safe for concurrent use.
type server struct {
	db       *schema.DB
	database string
	prefix   string // of all query ids of this run
	queries  atomic.Int64
	version  string
}

func openServer(ctx context.Context, cfg schema.Config) (*server, error) {
	db, err := schema.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	id := uuid.New()
	s := &server{db: db, database: db.Database(), prefix: fmt.Sprintf("millrace-people-%x-", id[:4])}
	if err := s.row(ctx, "SELECT version()", nil, &s.version); err != nil {
		_ = db.Close()
		return nil, err
	}
	return s, nil
}

// longest bounds every statement. It is far beyond what any of them needs.
const longest = 30 * time.Minute

// settings of all statements. An answer must not come from a memory of the same question asked before.
var settings = []schema.Setting{
	{Name: "log_queries", Value: "1"},
	{Name: "log_queries_min_type", Value: "QUERY_FINISH"},
	{Name: "log_queries_probability", Value: "1"},
	{Name: "log_profile_events", Value: "1"},
	{Name: "use_query_cache", Value: "0"},
	{Name: "use_query_condition_cache", Value: "0"},
	{Name: "max_execution_time", Value: fmt.Sprint(longest.Seconds())},
	{Name: "receive_timeout", Value: fmt.Sprint(longest.Seconds())},
}

// call names a statement, so that system.query_log tells what it cost.
func (s *server) call(parameters map[string]string, more ...schema.Setting) schema.Call {
	return schema.Call{ID: fmt.Sprintf("%s%06d", s.prefix, s.queries.Add(1)), Params: parameters, Settings: append(settings[:len(settings):len(settings)], more...)}
}

// in puts the database's name into a statement.
func (s *server) in(statement string) string {
	return strings.ReplaceAll(statement, "{db}", s.database)
}

// exec runs a statement without an answer. id leads to its cost.
func (s *server) exec(ctx context.Context, statement string, parameters map[string]string, more ...schema.Setting) (id string, took time.Duration, err error) {
	call := s.call(parameters, more...)
	statement = s.in(statement)
	begin := time.Now()
	if err := s.db.Do(ctx, call, func(ctx context.Context) error { return s.db.Conn().Exec(ctx, statement) }); err != nil {
		return call.ID, time.Since(begin), fmt.Errorf("%w, of the statement:\n%s", err, statement)
	}
	return call.ID, time.Since(begin), nil
}

// rows runs a statement with an answer.
func (s *server) rows(ctx context.Context, statement string, parameters map[string]string, each func(), into ...any) error {
	statement = s.in(statement)
	if err := s.db.Query(ctx, s.call(parameters), statement, each, into...); err != nil {
		return fmt.Errorf("%w, of the statement:\n%s", err, statement)
	}
	return nil
}

// row is rows for an answer of one row.
func (s *server) row(ctx context.Context, statement string, parameters map[string]string, into ...any) error {
	n := 0
	if err := s.rows(ctx, statement, parameters, func() { n++ }, into...); err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%d rows in place of one, of the statement:\n%s", n, s.in(statement))
	}
	return nil
}

// ask has the server answer a question to its last row; the rows stay there, so that only its own work counts.
func (s *server) ask(ctx context.Context, q question.Statement) (id string, took time.Duration, err error) {
	return s.exec(ctx, q.Text+"\nFORMAT Null", q.Params)
}

// instant is a time as parameters have it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }
