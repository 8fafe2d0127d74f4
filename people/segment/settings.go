package segment

import (
	"strconv"

	"github.com/millrace/millrace/schema/clickhouse"
)

// limits are the settings of a statement that may use so much memory, from a third of it on on disk, and nothing is left out of its result. The rest is for what a group takes on
// its way there: tables that double, and a buffer for each file.
func limits(memory int64, seconds int64) []clickhouse.Setting {
	third := strconv.FormatInt(memory/3, 10)
	settings := []clickhouse.Setting{
		{Name: "max_memory_usage", Value: strconv.FormatInt(memory, 10)},
		{Name: "max_bytes_before_external_group_by", Value: third},
		{Name: "max_bytes_before_external_sort", Value: third},
		{Name: "max_execution_time", Value: strconv.FormatInt(seconds, 10)},
		{Name: "timeout_overflow_mode", Value: "throw"},
		{Name: "group_by_overflow_mode", Value: "throw"},
		{Name: "read_overflow_mode", Value: "throw"},
		{Name: "sort_overflow_mode", Value: "throw"},
		{Name: "set_overflow_mode", Value: "throw"},
		{Name: "distinct_overflow_mode", Value: "throw"},
		{Name: "result_overflow_mode", Value: "throw"},
		{Name: "join_overflow_mode", Value: "throw"},
		{Name: "max_rows_to_group_by", Value: "0"},
		{Name: "limit", Value: "0"},
		{Name: "offset", Value: "0"},
	}
	if memory < memoryOfThreads {
		settings = append(settings, clickhouse.Setting{Name: "max_threads", Value: "1"})
	}
	return settings
}

// memoryOfThreads is from where on there is room for the buffers of several threads, each of which reads some columns of some tables at once.
const memoryOfThreads = 256 << 20

// writing are the settings of an INSERT SELECT that may use so much memory in all.
func writing(memory int64) []clickhouse.Setting {
	return []clickhouse.Setting{
		{Name: "async_insert", Value: "0"},
		{Name: "insert_deduplicate", Value: "0"}, // a block is new by the build in it
		{Name: "max_insert_threads", Value: "1"},
		{Name: "min_insert_block_size_rows", Value: strconv.FormatInt(max(min(memory>>10, 1<<20), 1<<14), 10)},
		{Name: "min_insert_block_size_bytes", Value: strconv.FormatInt(min(memory/16, 256<<20), 10)},
	}
}
