package access

import "fmt"

// profile is the name of the settings that all users of projects have.
const profile = "millrace_project"

// setting is one of the profile. Without freedom a query cannot change it, because of readonly = 1.
type setting struct {
	name, value string
	free        bool
	max         string // of a free one; empty: any value. The least is 1, because 0 means "no limit"
}

// settings are the profile.
func (p Plan) settings() []setting {
	l := p.Limits
	number := func(n int64) string { return fmt.Sprint(n) }
	lower := func(name string, n int64) setting {
		return setting{name: name, value: number(n), free: true, max: number(n)}
	}
	fixed := func(name, value string) setting { return setting{name: name, value: value} }
	return []setting{
		fixed("readonly", "1"),
		fixed("allow_ddl", "0"),
		fixed("allow_introspection_functions", "0"),
		{name: "max_execution_time", value: number(seconds(l.DefaultTime)), free: true, max: number(seconds(l.MaxTime))},
		lower("max_memory_usage", l.MaxMemoryBytes),
		lower("max_rows_to_read", l.MaxRowsToRead),
		lower("max_result_rows", l.MaxResultRows),
		lower("max_result_bytes", l.MaxResultBytes),
		// JDBC clients send this with each query, to see the first rows only.
		{name: "result_overflow_mode", value: "throw", free: true},
		// These too: the JDBC driver before 0.11, DBeaver since 26.2, and Metabase when it has a time zone for reports.
		{name: "async_insert", value: "0", free: true},
		{name: "output_format_binary_write_json_as_string", value: "0", free: true},
		{name: "session_timezone", value: "", free: true},
		fixed("max_memory_usage_for_user", number(2*l.MaxMemoryBytes)),
		fixed("max_concurrent_queries_for_user", number(int64(l.MaxQueries))),
		fixed("max_bytes_before_external_group_by", number(l.SpillBytes)),
		fixed("max_bytes_before_external_sort", number(l.SpillBytes)),
		fixed("max_temporary_data_on_disk_size_for_user", number(l.MaxDiskBytes)),
		// A client that has gone away does not need its answer.
		fixed("cancel_http_readonly_queries_on_client_close", "1"),
	}
}
