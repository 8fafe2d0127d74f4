package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/schema/clickhouse"
)

// RestoreOptions says what to bring back.
type RestoreOptions struct {
	From Destination
	// Manifest of the backup; nil when it is lost: then nothing is compared and no offsets can be told.
	Manifest *Manifest
	// Replace allows tables that hold rows to be dropped, after the backup was found readable.
	Replace  bool
	Progress func(Progress) // may be nil; called from Restore's goroutine
}

// Errors of Restore.
var (
	// ErrNotEmpty says that rows would be lost.
	ErrNotEmpty = errors.New("the tables hold rows")
	// ErrDamaged says that a backup can be read but does not hold what its manifest says.
	ErrDamaged = errors.New("the backup is not what its manifest says")
)

// Report says how things are after a Restore.
type Report struct {
	Manifest *Manifest // may be nil
	Tables   []Table   // RowsAfter of each; RowsBefore is what was there
	Took     time.Duration
	// Topics are those of now, as the group and the broker have them; StoredBelow is the one of the manifest, or -1.
	Topics    []Topic
	ClusterID string
	// Highest offset that was restored, by topic and partition, of the log in Topics. None: absent.
	Highest map[string]map[int32]int64
}

// Restore replaces the database with the backup. No sink may load meanwhile: see CheckIdle. Nothing is dropped before the backup was restored into a
// database of its own and found to hold what it should; of tables that hold nothing to lose only the structure is tried. The group's offsets are left as they are.
//
// When ctx ends, the server is told to stop. If the database has been dropped by then, or the error says that it was restored in part, run it again.
func Restore(ctx context.Context, s System, o RestoreOptions) (*Report, error) {
	begun := time.Now()
	database := s.DB.Database()
	source := database
	if o.Manifest != nil {
		source = o.Manifest.Database
	}
	before, err := tables(ctx, s.DB, database)
	if err != nil {
		return nil, err
	}
	rows := held(before)
	if rows != "" && !o.Replace {
		return nil, fmt.Errorf("%w: database %s has %s: give --replace to drop them once the backup was found readable", ErrNotEmpty, database, rows)
	}
	there, err := exists(ctx, s.DB, database)
	if err != nil {
		return nil, err
	}
	if there {
		if err := check(ctx, s.DB, source, rows != "", o); err != nil {
			return nil, err
		}
		if err := drop(ctx, s.DB, database); err != nil {
			return nil, err
		}
	}
	if _, err := perform(ctx, s.DB, "restore of database "+database, restoreStatement(source, database, o.From), nil, o.Progress); err != nil {
		if there {
			err = fmt.Errorf("%w; database %s was dropped before and is not restored: run the restore again", err, database)
		}
		return nil, err
	}
	if err := clickhouse.RenewDictionaries(ctx, s.DB); err != nil {
		return nil, fmt.Errorf("the tables are restored, but: %w", err)
	}
	after, err := tables(ctx, s.DB, database)
	if err != nil {
		return nil, err
	}
	err = compare(o.Manifest, after)
	if rows == "" { // else it was checked before anything was dropped
		err = errors.Join(err, checkTables(ctx, s.DB, database, after))
	}
	if err != nil {
		return nil, fmt.Errorf("database %s is restored, but: %w", database, err)
	}
	r := &Report{Manifest: o.Manifest}
	for name, n := range after {
		r.Tables = append(r.Tables, Table{Name: name, RowsBefore: before[name], RowsAfter: n})
	}
	sortTables(r.Tables)
	if err := r.lookAround(ctx, s); err != nil {
		return nil, fmt.Errorf("the tables are restored, but: %w", err)
	}
	r.Took = time.Since(begun)
	return r, nil
}

func restoreStatement(source, target string, from Destination) string {
	as := ""
	if target != source {
		as = " AS " + target
	}
	return "RESTORE DATABASE " + source + as + " FROM " + from.sql
}

// check proves that the backup can be restored, by restoring it beside the tables: whole, or its structure only when no rows are at stake.
func check(ctx context.Context, db *clickhouse.DB, source string, whole bool, o RestoreOptions) (err error) {
	beside := db.Database() + "_restore_check"
	if err := drop(ctx, db, beside); err != nil {
		return fmt.Errorf("check the backup: %w", err)
	}
	defer func() {
		// Also when ctx has ended: nothing half done is left behind.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
		defer stop()
		if dropErr := drop(ctx, db, beside); dropErr != nil {
			err = errors.Join(err, fmt.Errorf("database %s is left over: %w", beside, dropErr))
		}
	}()
	var settings []string
	if !whole {
		settings = []string{"structure_only = 1"}
	}
	if _, err := perform(ctx, db, "check of the backup", restoreStatement(source, beside, o.From), settings, o.Progress); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if !whole {
		return nil
	}
	counts, err := tables(ctx, db, beside)
	if err != nil {
		return fmt.Errorf("check the backup: %w", err)
	}
	if err := errors.Join(compare(o.Manifest, counts), checkTables(ctx, db, beside, counts)); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return nil
}

// checkTables reads every part and compares it with its checksums, which RESTORE does not do.
func checkTables(ctx context.Context, db *clickhouse.DB, database string, counts map[string]uint64) error {
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{"check_query_single_value_result": 1}))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		var good uint8
		err := db.Conn().QueryRow(ctx, "CHECK TABLE "+database+".`"+name+"`").Scan(&good)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			errs = append(errs, fmt.Errorf("check table %s: %w", name, explain(err)))
		case good != 1:
			errs = append(errs, fmt.Errorf("%w: table %s does not agree with its checksums: use another backup", ErrDamaged, name))
		}
	}
	return errors.Join(errs...)
}

// compare looks at the tables whose rows only grow, events above all: the others lose rows by age, or when parts are merged.
func compare(m *Manifest, counts map[string]uint64) error {
	if _, ok := counts["events"]; !ok {
		return fmt.Errorf("%w: it has no table events, so it is no backup of millrace", ErrDamaged)
	}
	if m == nil {
		return nil
	}
	for _, t := range m.Tables {
		if _, ok := counts[t.Name]; !ok {
			return fmt.Errorf("%w: table %s is missing", ErrDamaged, t.Name)
		}
	}
	if t := m.table("events"); t != nil {
		// A deletion between the two counts may have gone before the backup or after it.
		if n, least := counts["events"], min(t.RowsBefore, t.RowsAfter); n < least {
			return fmt.Errorf("%w: table events has %d rows, at least %d were backed up", ErrDamaged, n, least)
		}
	}
	return nil
}

// lookAround reads what the next sink will find.
func (r *Report) lookAround(ctx context.Context, s System) (err error) {
	if r.Topics, r.ClusterID, err = s.offsets(ctx); err != nil {
		return err
	}
	r.Highest = make(map[string]map[int32]int64, len(r.Topics))
	for i := range r.Topics {
		t := &r.Topics[i]
		if t.Log, err = logNumber(ctx, s.DB, r.ClusterID, t.Name); err != nil {
			return err
		}
		if r.Manifest != nil && r.Manifest.ClusterID == r.ClusterID {
			for _, was := range r.Manifest.Topics {
				if was.Name == t.Name {
					for j := range t.Partitions {
						t.Partitions[j].StoredBelow = was.storedBelow(t.Partitions[j].Partition)
					}
				}
			}
		}
		if t.Log == 0 {
			continue
		}
		// The topics are events and quarantine, in this order, and so are the tables.
		if r.Highest[t.Name], err = highest(ctx, s.DB, []string{"events", "quarantine"}[min(i, 1)], t.Log); err != nil {
			return err
		}
	}
	return nil
}

func (t *Topic) storedBelow(partition int32) int64 {
	for _, p := range t.Partitions {
		if p.Partition == partition {
			return p.StoredBelow
		}
	}
	return -1
}
