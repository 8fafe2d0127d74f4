package clickhouse

// Column is a column that the sink writes.
type Column struct{ Name, Type string }

const (
	lowCardinality = "LowCardinality(String)"
	millis         = "DateTime64(3, 'UTC')"
)

// EventColumns is what the sink writes into table events, in the order of its blocks.
var EventColumns = []Column{
	{"project_id", "UInt32"},
	{"type", lowCardinality},
	{"event", lowCardinality},
	{"name", "String"},
	{"ts", millis},
	{"event_id", "UUID"},
	{"session_id", "UUID"},
	{"distinct_id", "String"},
	{"user_id", "String"},
	{"anonymous_id", "String"},
	{"group_id", "String"},
	{"previous_id", "String"},
	{"client_ts", millis},
	{"sent_at", millis},
	{"ts_source", lowCardinality},
	{"request_id", "UUID"},
	{"correlation_id", "String"},
	{"causation_id", "String"},
	{"hops", "UInt8"},
	{"dialect", lowCardinality},
	{"bot", "UInt8"},
	{"user_h", "UInt64"},
	{"url_host", lowCardinality},
	{"url_path", lowCardinality},
	{"referrer_host", lowCardinality},
	{"utm_source", lowCardinality},
	{"utm_medium", lowCardinality},
	{"utm_campaign", lowCardinality},
	{"lib", lowCardinality},
	{"lib_version", lowCardinality},
	{"locale", lowCardinality},
	{"country", lowCardinality},
	{"city", lowCardinality},
	{"os", lowCardinality},
	{"os_version", lowCardinality},
	{"browser", lowCardinality},
	{"browser_version", lowCardinality},
	{"device", lowCardinality},
	{"screen_w", "UInt16"},
	{"screen_h", "UInt16"},
	{"ip", "IPv6"},
	{"revenue", "Decimal(18, 4)"},
	{"props", "String"},
	{"context", "String"},
	{"traits", "String"},
	{"lag_ms", "Int64"},
	{"_log", "UInt16"},
	{"_partition", "UInt16"},
	{"_offset", "UInt64"},
}

// QuarantineColumns is what the sink writes into table quarantine, in the order of its blocks.
var QuarantineColumns = []Column{
	{"at", millis},
	{"project_id", "UInt32"},
	{"stage", lowCardinality},
	{"reason", lowCardinality},
	{"field", "String"},
	{"detail", "String"},
	{"dialect", lowCardinality},
	{"event_index", "UInt32"},
	{"key_id", lowCardinality},
	{"event_id", "UUID"},
	{"request_id", "UUID"},
	{"correlation_id", "String"},
	{"sent_at", millis},
	{"ip", "IPv6"},
	{"user_agent", "String"},
	{"payload", "String"},
	{"size", "UInt64"},
	{"truncated", "Bool"},
	{"from_record", "String"},
	{"_log", "UInt16"},
	{"_partition", "UInt16"},
	{"_offset", "UInt64"},
}

const (
	sumInt64   = "SimpleAggregateFunction(sum, Int64)"
	sumDecimal = "SimpleAggregateFunction(sum, Decimal(38, 4))"
	users      = "AggregateFunction(uniqCombined64(12), UInt64)"
	second     = "DateTime64(0, 'UTC')"
)

// rollupColumns are the columns of the tables that the views fill.
var rollupColumns = map[string][]Column{
	"rollup_1m": {
		{"project_id", "UInt32"},
		{"event", lowCardinality},
		{"minute", second},
		{"n", sumInt64},
		{"revenue", sumDecimal},
		{"users", users},
	},
	"rollup_1h": {
		{"project_id", "UInt32"},
		{"event", lowCardinality},
		{"hour", second},
		{"country", lowCardinality},
		{"device", lowCardinality},
		{"n", sumInt64},
		{"revenue", sumDecimal},
		{"users", users},
	},
	"user_day": {
		{"project_id", "UInt32"},
		{"day", "Date32"},
		{"user_h", "UInt64"},
		{"n", sumInt64},
		{"first_ts", "SimpleAggregateFunction(min, " + millis + ")"},
		{"last_ts", "SimpleAggregateFunction(max, " + millis + ")"},
	},
	"sessions": {
		{"project_id", "UInt32"},
		{"day", "Date32"},
		{"session_id", "UUID"},
		{"first", "SimpleAggregateFunction(min, Tuple(ts " + millis + ", user_h UInt64, path String, referrer String, utm_source String))"},
		{"last", "SimpleAggregateFunction(max, Tuple(ts " + millis + ", path String))"},
		{"events", sumInt64},
		{"pageviews", sumInt64},
		{"revenue", sumDecimal},
	},
}

// auditColumns are those of table audit_queue.
var auditColumns = []Column{
	{"at", millis},
	{"hour", second},
	{"reason", lowCardinality},
}
