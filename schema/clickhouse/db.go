package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// DB is a connection pool for everything but the inserts of events. Safe for concurrent use.
type DB struct {
	conn     driver.Conn
	database string
	account  string // who the server is to be when it reads tables for itself, as a dictionary's source has it; empty: its account default
}

// Open connects and asks the server for its version, so that a wrong address or password shows at once. The database need not exist yet.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.Addresses) == 0 {
		return nil, errors.New("clickhouse.addresses: is empty")
	}
	password, err := cfg.ReadPassword()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.TLS.Config()
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        cfg.Addresses,
		Auth:        clickhouse.Auth{Database: "default", Username: cfg.Username, Password: password},
		TLS:         tlsConfig,
		DialTimeout: cfg.DialTimeout,
		ClientInfo:  clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "millrace"}}},
	})
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	if err := conn.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("clickhouse at %v: %w: check clickhouse.addresses (the native port, 9000 or 9440 with TLS), username and password", cfg.Addresses, err), conn.Close())
	}
	return &DB{conn: conn, database: cfg.Database, account: dictionaryAccount(cfg.Username, password)}, nil
}

// Close gives the connections back.
func (db *DB) Close() error { return db.conn.Close() }

// Ping asks whether the server answers.
func (db *DB) Ping(ctx context.Context) error { return db.conn.Ping(ctx) }

// Conn is for queries of others' own. It is closed with the pool.
func (db *DB) Conn() driver.Conn { return db.conn }

// Database is the name of the database that holds the tables.
func (db *DB) Database() string { return db.database }

// StagingDatabase is that of the function of this name, for the database of the pool.
func (db *DB) StagingDatabase() string { return StagingDatabase(db.database) }

// StagingDatabase is the name of the database in which rows that a table of the database lacks wait until a repair attaches them. A migration makes it.
func StagingDatabase(database string) string { return database + "_staging" }
