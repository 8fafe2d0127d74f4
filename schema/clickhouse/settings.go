package clickhouse

import (
	"context"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Setting is a ClickHouse setting and the value that is sent with a query.
type Setting struct{ Name, Value string }

// maxBlockRows and maxBlockBytes are above every block the sink may send, so that the server never cuts one in two: two parts under one token can lose
// rows when the insert is repeated.
const (
	maxBlockRows  = "16777216"
	maxBlockBytes = "4294967296"
)

// pinned are the settings that every insert sends, whatever the server's defaults are.
var pinned = []Setting{
	{"async_insert", "0"},                                       // the answer must mean stored
	{"insert_deduplicate", "1"},                                 // the token counts
	{"deduplicate_blocks_in_dependent_materialized_views", "1"}, // and in every view
	{"materialized_views_ignore_errors", "0"},                   // a block is in all views or is an error
	{"max_insert_block_size", maxBlockRows},
	{"min_insert_block_size_rows", maxBlockRows},
	{"min_insert_block_size_bytes", maxBlockBytes},
}

// InsertSettings returns the settings of an insert with a deduplication token.
func InsertSettings(token string) []Setting {
	return append(pinned[:len(pinned):len(pinned)], Setting{"insert_deduplication_token", token})
}

// PlainInsertSettings returns the settings of an insert whose repeats nothing has to recognise, as into a staging table.
func PlainInsertSettings() []Setting {
	settings := slices.Clone(pinned)
	for i := range settings {
		if settings[i].Name == "insert_deduplicate" {
			settings[i].Value = "0"
		}
	}
	return settings
}

// inherited are settings that cannot be sent with an insert, because only newer servers know them, and that would make the pinned ones void. Where a
// server has one, its value must be one of these.
var inherited = []struct {
	name   string
	values []string // the first is the one to set
}{
	{"deduplicate_insert", []string{"enable", "backward_compatible_choice"}}, // overrides insert_deduplicate
	{"use_strict_insert_block_limits", []string{"0"}},                        // would cut blocks by further limits
}

// leastVersion has all the pinned settings.
var leastVersion = [2]int{24, 8}

// DeduplicationWindow is how many tokens a table remembers.
const DeduplicationWindow = 20000

// deduplicationSeconds is how long a replicated table must remember a token.
const deduplicationSeconds = 604800

// parameters gives a query its server-side parameters. Nothing is ever formatted into a statement by the client.
func parameters(ctx context.Context, p map[string]string) context.Context {
	escaped := make(clickhouse.Parameters, len(p))
	for name, value := range p {
		escaped[name] = EscapeParameter(value)
	}
	return clickhouse.Context(ctx, clickhouse.WithParameters(escaped))
}

// EscapeParameter writes a text as the value of a query's parameter: the server undoes escapes in it, and the driver leaves that to its caller.
func EscapeParameter(text string) string { return parameterEscapes.Replace(text) }

var parameterEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)

// with sends settings along with a query.
func with(ctx context.Context, settings ...Setting) context.Context {
	all := clickhouse.Settings{}
	for _, s := range settings {
		all[s.Name] = s.Value
	}
	return clickhouse.Context(ctx, clickhouse.WithSettings(all))
}
