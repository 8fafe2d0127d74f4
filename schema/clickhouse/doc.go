// Package clickhouse holds the tables: numbered migrations, the columns that the sink writes, the settings that its inserts rely on, and the numbers of the topics' lives.
//
//   - migrations/NNNN_name.sql: the statements, embedded in the binary. A migration that has been released never changes: its checksum is kept in table
//     schema_migrations, and a difference is refused
//   - migrate.go: Plan, Up, Status
//   - columns.go: EventColumns and QuarantineColumns, the contract between sink and tables; a test compares them with a real server
//   - settings.go, assert.go: what inserts pin, and what Assert demands of the server before the first one
//   - logs.go: AllotLog numbers the lives of a topic and pins their partitions
//
// It is the one place under schema that knows a database driver. It starts no goroutine. A DB is safe for concurrent use.
package clickhouse
