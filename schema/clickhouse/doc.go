// Package clickhouse holds the tables: numbered migrations, the columns that the sink writes, the settings that its inserts rely on, and the numbers of the topics' lives.
//
//   - migrations/NNNN_name.sql: the statements, embedded in the binary. A migration that has been released never changes: its checksum is kept in table
//     schema_migrations, and a difference is refused
//   - migrate.go: Plan, Up, Status
//   - columns.go: the contract between tables and those that write them; a test compares it with a real server
//   - settings.go, assert.go: what inserts pin, and what Assert demands of the server before the first one; relation.go, walk.go: of every table that an insert reaches by way
//     of views; views.go: of the views themselves; rights.go: of the user
//   - call.go: statements that end with their context; texts.go: plain ones; metricview.go: the view of a custom metric that an INSERT failed in
//   - retention.go: how long tables keep rows
//   - logs.go: AllotLog numbers the lives of a topic and pins their partitions, AdoptLog begins a new one
//
// # Rollups
//
// Materialized views fill the rollups straight from events, in the INSERT of the sink. A view that fails would leave events stored and rollups not, so each is total: no
// expression of it throws, whatever the row. And each target drops a repeated insert by itself, so it has a deduplication window of its own; and it has no partitions, or
// such as have one value for every month of events, or else one insert could touch more of them than the server allows, and never succeed. Keys of time are DateTime64 and Date32:
// the shorter types wrap without a word outside 1970 to 2106 and 2149, and rows far apart would share a key. Assert looks whether all this holds, for views of users, too.
//
// Sums are signed, so that what is too much is corrected by inserting less than nothing. A key whose sums are zero was taken back and counts as absent.
//
// It is the one place under schema that knows a database driver. It starts no goroutine, but for what ends a statement whose context has ended, which Do joins. A DB is safe for concurrent use.
package clickhouse
