package queries

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// server is the engine with the database of this run. Its statements run to their end: the driver ends one by dropping the connection, which the embedded engine may
// not survive. Not safe for concurrent use.
type server struct {
	cfg      schema.Config
	db       *schema.DB
	writer   *ch.Client
	prefix   string // of all query ids of this run
	queries  int
	version  string
	database string
}

// The tables beside those of the migrations.
const (
	naiveTable = "naive"
	bareTable  = "events_without_rollups"
	zstdTable  = "naive_zstd"
)

// longest bounds every statement. It is far beyond what any of them needs, and on the server's side: see server.
const longest = 30 * time.Minute

// openServer makes the database with its tables.
func openServer(ctx context.Context, cfg schema.Config) (*server, error) {
	id := uuid.New()
	cfg.Database = fmt.Sprintf("millrace_queries_%x", id[:4])
	db, err := schema.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, db: db, database: cfg.Database, prefix: cfg.Database + "-"}
	if err := s.fill(ctx); err != nil {
		return nil, errors.Join(err, s.close(false))
	}
	return s, nil
}

// fill makes the database and the connection that is opened in it.
func (s *server) fill(ctx context.Context) (err error) {
	if err := s.db.Conn().QueryRow(s.with(ctx, "", nil), "SELECT version()").Scan(&s.version); err != nil {
		return err
	}
	if err := schema.Up(context.WithoutCancel(ctx), s.db, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	for _, statement := range []string{
		"CREATE TABLE {db}." + naiveTable + naiveColumns + "ENGINE = MergeTree ORDER BY ts",
		"CREATE TABLE {db}." + bareTable + " AS {db}.events",
		"SYSTEM STOP MERGES {db}." + bareTable,
	} {
		if err := s.exec(ctx, statement); err != nil {
			return err
		}
	}
	s.writer, err = dialWriter(ctx, s.cfg)
	return err
}

// naiveColumns is the table that one would make first.
const naiveColumns = " (ts DateTime64(3, 'UTC'), project_id UInt32, event String, distinct_id String, data String) "

// close gives the connections back, after dropping the databases unless they are kept.
func (s *server) close(keep bool) error {
	var errs []error
	if !keep {
		for _, database := range []string{s.db.Database(), s.db.StagingDatabase()} {
			errs = append(errs, s.exec(context.Background(), "DROP DATABASE IF EXISTS "+database+" SYNC"))
		}
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

// dialWriter opens the connection that blocks are sent through. Not compressed, like that of the sink.
func dialWriter(ctx context.Context, cfg schema.Config) (*ch.Client, error) {
	password, err := cfg.ReadPassword()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.TLS.Config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	var conn net.Conn
	if tlsConfig != nil {
		conn, err = (&tls.Dialer{Config: tlsConfig}).DialContext(ctx, "tcp", cfg.Addresses[0])
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", cfg.Addresses[0])
	}
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	client, err := ch.Connect(ctx, conn, ch.Options{
		ClientName: "millrace-queries", Database: cfg.Database, User: cfg.Username, Password: password, Compression: ch.CompressionDisabled, ReadTimeout: longest,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", cfg.Addresses[0], err), conn.Close())
	}
	return client, nil
}

// settings of all statements. An answer must not come from a memory of the same question asked before.
var settings = clickhouse.Settings{
	"log_queries": 1, "log_queries_min_type": "QUERY_FINISH", "log_queries_probability": 1, "log_profile_events": 1,
	"use_query_cache": 0, "use_query_condition_cache": 0,
	"max_execution_time": int(longest.Seconds()), "receive_timeout": int(longest.Seconds()), "mutations_sync": 2,
}

// with makes a context that outlives the caller's and gives a statement its id, parameters and settings. An empty id: any.
func (s *server) with(ctx context.Context, id string, parameters map[string]string) context.Context {
	escaped := make(clickhouse.Parameters, len(parameters))
	for name, value := range parameters {
		escaped[name] = schema.EscapeParameter(value)
	}
	options := []clickhouse.QueryOption{clickhouse.WithSettings(settings), clickhouse.WithParameters(escaped)}
	if id != "" {
		options = append(options, clickhouse.WithQueryID(id))
	}
	return clickhouse.Context(context.WithoutCancel(ctx), options...)
}

// nextID names a statement so that system.query_log tells what it cost.
func (s *server) nextID() string {
	s.queries++
	return fmt.Sprintf("%s%06d", s.prefix, s.queries)
}

// in puts the database's name into a statement.
func (s *server) in(statement string) string {
	return strings.ReplaceAll(statement, "{db}", s.database)
}

// exec runs a statement without an answer.
func (s *server) exec(ctx context.Context, statement string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	statement = s.in(statement)
	if err := s.db.Conn().Exec(s.with(ctx, "", nil), statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// insert sends a block into a table. The rows are read until it returns.
func (s *server) insert(ctx context.Context, table string, rows *columns, pinned []schema.Setting) (id string, err error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	id = s.nextID()
	q := ch.Query{Body: "INSERT INTO " + s.database + "." + table + " " + rows.input.Columns() + " VALUES", QueryID: id, Input: rows.input}
	for _, p := range pinned {
		q.Settings = append(q.Settings, ch.Setting{Key: p.Name, Value: p.Value, Important: true})
	}
	q.Settings = append(q.Settings, ch.Setting{Key: "log_queries", Value: "1"}, ch.Setting{Key: "log_queries_min_type", Value: "QUERY_FINISH"})
	if err := s.writer.Do(context.WithoutCancel(ctx), q); err != nil {
		return "", fmt.Errorf("insert into %s: %w", table, err)
	}
	return id, nil
}
