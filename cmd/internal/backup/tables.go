package backup

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/schema/clickhouse"
)

// tables counts the rows of every table of a database that keeps its own; views do not. A database that does not exist has none.
func tables(ctx context.Context, db *clickhouse.DB, database string) (map[string]uint64, error) {
	rows, err := db.Conn().Query(parameters(ctx, "database", database),
		"SELECT name, ifNull(total_rows, 0) FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree'")
	if err != nil {
		return nil, fmt.Errorf("count rows: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	all := map[string]uint64{}
	for rows.Next() {
		var name string
		var n uint64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fmt.Errorf("count rows: %w", err)
		}
		all[name] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count rows: %w", err)
	}
	return all, nil
}

func sortTables(all []Table) {
	slices.SortFunc(all, func(a, b Table) int { return cmp.Compare(a.Name, b.Name) })
}

// bookkeeping are the tables that a server fills before any event is loaded. They hold nothing that a restore would lose.
var bookkeeping = []string{"schema_migrations", "logs", "audit_queue", "people_progress"}

// held names the tables that hold rows which must not be lost, with their numbers; empty when there are none.
func held(counts map[string]uint64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 0 && !slices.Contains(bookkeeping, name) {
			all = append(all, fmt.Sprintf("%s %d rows", name, n))
		}
	}
	return strings.Join(all, ", ")
}

func exists(ctx context.Context, db *clickhouse.DB, database string) (bool, error) {
	var n uint64
	if err := db.Conn().QueryRow(parameters(ctx, "database", database), "SELECT count() FROM system.databases WHERE name = {database:String}").Scan(&n); err != nil {
		return false, fmt.Errorf("look for database %s: %w", database, err)
	}
	return n > 0, nil
}

// drop removes a database, whatever the size of its tables.
func drop(ctx context.Context, db *clickhouse.DB, database string) error {
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{"max_table_size_to_drop": 0, "max_partition_size_to_drop": 0}))
	if err := db.Conn().Exec(ctx, "DROP DATABASE IF EXISTS "+database+" SYNC"); err != nil {
		return fmt.Errorf("drop database %s: %w", database, err)
	}
	return nil
}

// logNumber is the number of the present life of a topic; 0: none was allotted.
func logNumber(ctx context.Context, db *clickhouse.DB, clusterID, topic string) (uint16, error) {
	ctx = driver.Context(ctx, driver.WithParameters(driver.Parameters{"cluster": clickhouse.EscapeParameter(clusterID), "topic": clickhouse.EscapeParameter(topic)}))
	var n uint16
	err := db.Conn().QueryRow(ctx, "SELECT max(log) FROM "+db.Database()+".logs WHERE cluster_id = {cluster:String} AND topic = {topic:String}").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("read the log number of topic %s: %w", topic, err)
	}
	return n, nil
}

// highest returns the highest offset of each partition that a table holds rows of for a log.
func highest(ctx context.Context, db *clickhouse.DB, table string, log uint16) (map[int32]int64, error) {
	rows, err := db.Conn().Query(parameters(ctx, "log", fmt.Sprint(log)),
		"SELECT _partition, max(_offset) FROM "+db.Database()+"."+table+" WHERE _log = {log:UInt16} GROUP BY _partition")
	if err != nil {
		return nil, fmt.Errorf("read the offsets of %s: %w", table, err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	all := map[int32]int64{}
	for rows.Next() {
		var partition uint16
		var offset uint64
		if err := rows.Scan(&partition, &offset); err != nil {
			return nil, fmt.Errorf("read the offsets of %s: %w", table, err)
		}
		all[int32(partition)] = int64(offset)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the offsets of %s: %w", table, err)
	}
	return all, nil
}
