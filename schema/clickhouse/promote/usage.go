package promote

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// Usage is what queries have done with a property, as far as the server's query log goes back and no further than asked.
type Usage struct {
	Queries uint64        // that took the property out of props
	Rows    uint64        // they have read
	CPU     time.Duration // they have used, shared between the properties of a query
}

// usageQuery finds literal keys in the text of queries: the second argument of JSONExtractString(props, 'plan') and its like, and fields of typed questions, 'properties.plan'. The server logs
// parameters in their places.
const usageQuery = `
SELECT key, count() AS queries, sum(read_rows) AS rows, sum(cpu) AS cpu
FROM
(
    SELECT read_rows, (ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds']) / length(keys) AS cpu,
        arrayDistinct(arrayConcat(
            extractAll(query, '(?i)\\b(?:JSON|simpleJSON|visitParam)[a-z_]*\\s*\\(\\s*(?:[a-z0-9_]+\\.)*` + "`?props`?" + `\\s*,\\s*\'((?:[^\'\\\\]|\\\\.|\'\')*)\''),
            extractAll(query, '\'properties\\.((?:[^\'\\\\]|\\\\.|\'\')+)\''))) AS keys
    FROM system.query_log
    WHERE event_date >= toDate({from:DateTime}) AND event_time >= {from:DateTime} AND type = 'QueryFinish' AND is_initial_query AND query_kind = 'Select' AND has(tables, {table:String}) AND notEmpty(keys)
)
ARRAY JOIN keys AS key
GROUP BY key
ORDER BY queries DESC, key
LIMIT 10000`

// usage reads the query log. known is false when there is none, or this user may not read it.
func usage(ctx context.Context, db *schema.DB, from time.Time) (byKey map[string]Usage, known bool, err error) {
	ctx, cancel := awaited(ctx)
	defer cancel()
	rows, err := db.Conn().Query(with(ctx, parameters{"from": from.UTC().Format(time.DateTime), "table": db.Database() + "." + eventsTable}, append(settings(), schema.Setting{Name: "session_timezone", Value: "UTC"})...), usageQuery)
	if err != nil {
		return notLogged(err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	byKey = map[string]Usage{}
	for rows.Next() {
		var literal string
		var u Usage
		var micros float64
		if err := rows.Scan(&literal, &u.Queries, &u.Rows, &micros); err != nil {
			return nil, false, fmt.Errorf("read the query log: %w", err)
		}
		u.CPU = time.Duration(micros) * time.Microsecond
		key := unquote(literal)
		was := byKey[key] // another way to write the same
		byKey[key] = Usage{was.Queries + u.Queries, was.Rows + u.Rows, was.CPU + u.CPU}
	}
	if err := rows.Err(); err != nil {
		return notLogged(err)
	}
	return byKey, true, nil
}

// notLogged tells the error of a server without a query log for this user from others.
func notLogged(err error) (map[string]Usage, bool, error) {
	var refused *clickhouse.Exception
	const unknownTable, unknownIdentifier, accessDenied = 60, 47, 497
	if errors.As(err, &refused) && (refused.Code == unknownTable || refused.Code == unknownIdentifier || refused.Code == accessDenied) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("read the query log: %w", err)
}

// unquote undoes the escapes of a literal, without its quotes.
func unquote(literal string) string {
	if !strings.ContainsAny(literal, `\'`) {
		return literal
	}
	var b strings.Builder
	for i := 0; i < len(literal); i++ {
		c := literal[i]
		if (c == '\\' || c == '\'') && i+1 < len(literal) {
			i++
			c = literal[i]
			if n := strings.IndexByte(`nrtbf0`, c); n >= 0 && literal[i-1] == '\\' {
				c = "\n\r\t\b\f\x00"[n]
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// perRow is what taking one property out of a row's props costs more than reading a column, measured with props of 300 bytes.
const perRow = 400 * time.Nanosecond

// spared estimates the CPU that the queries would not have used with a column.
func (u Usage) spared() time.Duration {
	return min(u.CPU, time.Duration(min(u.Rows, 1<<53))*perRow)
}

// String is for logs.
func (u Usage) String() string {
	return strconv.FormatUint(u.Queries, 10) + " queries, " + u.CPU.Round(time.Millisecond).String()
}
