package queries

import (
	"context"
	"fmt"
)

// Table is what a table takes on disk, in bytes, once nothing is left to merge.
type Table struct {
	Name         string `json:"name"`
	Rows         uint64 `json:"rows"`
	Parts        uint64 `json:"parts"`
	Disk         uint64 `json:"disk_bytes"` // all of the following, and what parts keep beside them
	Data         uint64 `json:"data_bytes"`
	Uncompressed uint64 `json:"uncompressed_bytes"` // of Data
	Marks        uint64 `json:"marks_bytes"`
	Primary      uint64 `json:"primary_index_bytes"`
	Skip         uint64 `json:"skip_index_bytes"` // with their marks
	// Columns are those of parts that keep each in a file of its own, which small parts do not.
	Columns []Column `json:"columns,omitempty"`
}

// Column is the data of a column.
type Column struct {
	Name         string `json:"name"`
	Data         uint64 `json:"data_bytes"`
	Uncompressed uint64 `json:"uncompressed_bytes"`
}

// rollupTables are the tables that views fill.
func (s *server) rollupTables(ctx context.Context) (tables []string, err error) {
	rows, err := s.db.Conn().Query(s.with(ctx, "", map[string]string{"database": s.database}), `
		SELECT DISTINCT extract(create_table_query, ' TO [^ .]+\\.(\\w+)') AS target FROM system.tables WHERE database = {database:String} AND engine = 'MaterializedView' ORDER BY target`)
	if err != nil {
		return nil, fmt.Errorf("look for rollups: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, fmt.Errorf("look for rollups: %w", err)
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for rollups: %w", err)
	}
	return tables, nil
}

// size measures a table.
func (s *server) size(ctx context.Context, table string) (t Table, err error) {
	if ctx.Err() != nil {
		return t, context.Cause(ctx)
	}
	t.Name = table
	parameters := map[string]string{"database": s.database, "table": table}
	err = s.db.Conn().QueryRow(s.with(ctx, "", parameters), `
		SELECT sum(rows), count(), sum(bytes_on_disk), sum(data_compressed_bytes), sum(data_uncompressed_bytes), sum(marks_bytes), sum(primary_key_size),
			sum(secondary_indices_compressed_bytes) + sum(secondary_indices_marks_bytes)
		FROM system.parts WHERE database = {database:String} AND table = {table:String} AND active`).
		Scan(&t.Rows, &t.Parts, &t.Disk, &t.Data, &t.Uncompressed, &t.Marks, &t.Primary, &t.Skip)
	if err != nil {
		return t, fmt.Errorf("size of %s: %w", table, err)
	}
	rows, err := s.db.Conn().Query(s.with(ctx, "", parameters), `
		SELECT column, sum(column_data_compressed_bytes) AS data, sum(column_data_uncompressed_bytes)
		FROM system.parts_columns WHERE database = {database:String} AND table = {table:String} AND active GROUP BY column HAVING data > 0 ORDER BY data DESC, column`)
	if err != nil {
		return t, fmt.Errorf("size of %s: %w", table, err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	for rows.Next() {
		var c Column
		if err := rows.Scan(&c.Name, &c.Data, &c.Uncompressed); err != nil {
			return t, fmt.Errorf("size of %s: %w", table, err)
		}
		t.Columns = append(t.Columns, c)
	}
	if err := rows.Err(); err != nil {
		return t, fmt.Errorf("size of %s: %w", table, err)
	}
	return t, nil
}

// Storage is what both sides take.
type Storage struct {
	Ours    Table   `json:"ours"`
	Rollups []Table `json:"rollups"`
	Naive   Table   `json:"naive"`
	// NaiveZSTD is a sample of the naive table's rows with the codec that table events has, ZSTD(1), in place of the server's default.
	NaiveZSTD Table `json:"naive_zstd_sample"`
}

// sampleRows is how much of the naive table is stored once more, with another codec.
const sampleRows = 400_000

// sizes measures all tables.
func (s *server) sizes(ctx context.Context, rows int) (st Storage, err error) {
	step := max(1, rows/sampleRows) | 1 // odd: not the same hours every day
	for _, statement := range []string{
		"CREATE TABLE {db}." + zstdTable + " (ts DateTime64(3, 'UTC') CODEC(ZSTD(1)), project_id UInt32 CODEC(ZSTD(1)), event String CODEC(ZSTD(1)), distinct_id String CODEC(ZSTD(1)), data String CODEC(ZSTD(1)))\n" +
			"ENGINE = MergeTree ORDER BY ts",
		// Whole stretches of time, as the table has them: neighbours are what compression lives by.
		fmt.Sprintf("INSERT INTO {db}.%s SELECT * FROM {db}.%s WHERE intDiv(toUnixTimestamp(ts), 3600) %% %d = 0", zstdTable, naiveTable, step),
		"OPTIMIZE TABLE {db}." + zstdTable + " FINAL",
	} {
		if err := s.exec(ctx, statement); err != nil {
			return st, err
		}
	}
	for table, into := range map[string]*Table{"events": &st.Ours, naiveTable: &st.Naive, zstdTable: &st.NaiveZSTD} {
		if *into, err = s.size(ctx, table); err != nil {
			return st, err
		}
	}
	rollups, err := s.rollupTables(ctx)
	if err != nil {
		return st, err
	}
	for _, table := range rollups {
		t, err := s.size(ctx, table)
		if err != nil {
			return st, err
		}
		st.Rollups = append(st.Rollups, t)
	}
	return st, s.exec(ctx, "DROP TABLE {db}."+zstdTable+" SYNC")
}
