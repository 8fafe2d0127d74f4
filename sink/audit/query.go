package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// Limits of each query, so that the auditor takes little from whoever else uses the server.
const (
	queryMemoryBytes = 1 << 30
	spillBytes       = 256 << 20
	queryTime        = 10 * time.Minute
)

var readSettings = []schema.Setting{
	{Name: "max_memory_usage", Value: strconv.Itoa(queryMemoryBytes)},
	{Name: "max_bytes_before_external_group_by", Value: strconv.Itoa(spillBytes)},
	{Name: "max_execution_time", Value: strconv.Itoa(int(queryTime / time.Second))},
	{Name: "timeout_overflow_mode", Value: "throw"},
	{Name: "group_by_overflow_mode", Value: "throw"},
	{Name: "max_threads", Value: "2"},
	{Name: "use_query_cache", Value: "0"},
	{Name: "apply_mutations_on_fly", Value: "1"},
	{Name: "aggregate_functions_null_for_empty", Value: "0"},
}

// mutationSettings make the server answer when it is done.
var mutationSettings = []schema.Setting{{Name: "mutations_sync", Value: "2"}}

// parameters are those of a statement by name.
type parameters map[string]string

// list writes numbers as a parameter of type Array.
func list[T int64 | uint64](numbers []T) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, n := range numbers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, n)
	}
	b.WriteByte(']')
	return b.String()
}

// call is how a statement is run.
func call(p parameters, settings []schema.Setting) schema.Call {
	return schema.Call{ID: "millrace-audit-" + uuid.NewString(), Params: p, Settings: settings}
}

// exec runs a statement without an answer.
func (a *Auditor) exec(ctx context.Context, statement string, p parameters, settings []schema.Setting) error {
	return a.db.Do(ctx, call(p, settings), func(ctx context.Context) error { return a.db.Conn().Exec(ctx, statement) })
}

// query calls each for every row of the answer; into is what a row is read to.
func (a *Auditor) query(ctx context.Context, statement string, p parameters, each func(), into ...any) error {
	return a.db.Query(ctx, call(p, a.limits), statement, each, into...)
}

// beyondLimits tells that a query wanted more memory, time or rows than it may have, by these settings or by the account's, so that one for fewer buckets may do.
func beyondLimits(err error) bool {
	var e *clickhouse.Exception
	return errors.As(err, &e) && (e.Code == 158 || e.Code == 159 || e.Code == 160 || e.Code == 241)
}

// span is the parameters low, high and buckets of buckets, which are sorted in either direction.
func span(buckets []int64) parameters {
	return parameters{
		"low":     strconv.FormatInt(min(buckets[0], buckets[len(buckets)-1]), 10),
		"high":    strconv.FormatInt(max(buckets[0], buckets[len(buckets)-1]), 10),
		"buckets": list(buckets),
	}
}
