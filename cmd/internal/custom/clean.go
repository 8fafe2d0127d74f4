package custom

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/schema/clickhouse"
)

// anySize lets a table be dropped whatever its size.
var anySize = []clickhouse.Setting{{Name: "max_table_size_to_drop", Value: "0"}, {Name: "max_partition_size_to_drop", Value: "0"}}

// abandon gives up a build, whoever is at work on it, and drops what there is of it.
func (b book) abandon(ctx context.Context, r *record, why string) error {
	if r.phase != dropped {
		r.phase, r.note = dropped, why
		if err := b.write(ctx, r); err != nil {
			return err
		}
	}
	if err := b.silence(ctx, r.statements()); err != nil {
		return err
	}
	return b.remove(ctx, r.name, []string{r.view()}, []string{r.table()})
}

// clean drops tables and views of builds that are noted as dropped: their maker may have been killed, or have made them after another process had dropped them.
func (b book) clean(ctx context.Context, name string) error {
	records, err := b.records(ctx, name)
	if err != nil {
		return err
	}
	there, err := b.relations(ctx, b.db.Database(), readerName(name)+"__")
	if err != nil {
		return err
	}
	var views, tables []string
	for i := range records {
		r := &records[i]
		if r.phase != dropped {
			continue
		}
		if _, ok := there[r.view()]; ok {
			views = append(views, r.view())
		}
		if _, ok := there[r.table()]; ok {
			tables = append(tables, r.table())
		}
	}
	return b.remove(ctx, name, views, tables)
}

// remove drops views, and the tables that they fill when no INSERT that began before can miss them. There may be none of either.
func (b book) remove(ctx context.Context, name string, views, tables []string) error {
	var errs []error
	for _, v := range views {
		if err := b.exec(ctx, "DROP VIEW IF EXISTS "+b.db.Database()+"."+v+" SYNC", nil); err != nil {
			errs = append(errs, fmt.Errorf("drop view %s: %w", v, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...) // a view without its table would stop the sink
	}
	if len(views) > 0 && len(tables) > 0 {
		if err := b.inserts(ctx); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if !strings.HasPrefix(t, readerName(name)+"__") {
			panic("BUG: custom: " + t + " is no table of metric " + name)
		}
		if err := b.exec(ctx, "DROP TABLE IF EXISTS "+b.db.Database()+"."+t+" SYNC", nil, anySize...); err != nil {
			errs = append(errs, fmt.Errorf("drop table %s: %w", t, err))
		}
	}
	return errors.Join(errs...)
}
