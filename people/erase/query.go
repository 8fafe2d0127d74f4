package erase

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/millrace/millrace/schema/clickhouse"
)

// parameters are those of a statement by name. Statements name the database as {db} and hold nothing else that comes from outside.
type parameters map[string]string

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// list writes values as a parameter of type Array.
func list[T uint16 | uint32 | uint64](all []T) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, v)
	}
	b.WriteByte(']')
	return b.String()
}

// call is how a statement is run.
func call(p parameters, settings []clickhouse.Setting) clickhouse.Call {
	return clickhouse.Call{ID: "millrace-erase-" + uuid.NewString(), Params: p, Settings: settings}
}

func inDatabase(db *clickhouse.DB, statement string) string {
	return strings.ReplaceAll(statement, "{db}", db.Database())
}

// query calls each for every row of the answer; into is what a row is read to.
func (s *Store) query(ctx context.Context, statement string, p parameters, each func(), into ...any) error {
	db, err := s.source(ctx)
	if err != nil {
		return err
	}
	return db.Query(ctx, call(p, readSettings(0)), inDatabase(db, statement), each, into...)
}

// readSettings are those of a look; memory 0: the server's own limit.
func readSettings(memory int64) []clickhouse.Setting {
	all := []clickhouse.Setting{
		{Name: "max_threads", Value: "2"},
		{Name: "use_query_cache", Value: "0"},
		{Name: "apply_mutations_on_fly", Value: "1"},
		{Name: "do_not_merge_across_partitions_select_final", Value: "0"},
	}
	if memory > 0 {
		all = append(all, clickhouse.Setting{Name: "max_memory_usage", Value: strconv.FormatInt(memory, 10)})
	}
	return all
}

// mutationSettings make the server answer when it is done, on every replica.
var mutationSettings = []clickhouse.Setting{{Name: "mutations_sync", Value: "2"}, {Name: "allow_nondeterministic_mutations", Value: "1"}}
