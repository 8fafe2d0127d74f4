package promote

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// Why a property was not promoted or demoted.
var (
	// ErrPromoted: the property has a column of this type already. The error names it.
	ErrPromoted = errors.New("the property is promoted already")
	// ErrClash: something else is in the way. The error says what, and the cure.
	ErrClash = errors.New("the property cannot be promoted")
	// ErrNotPromoted: no column was made for the property.
	ErrNotPromoted = errors.New("the property is not promoted")
	// ErrInUse: a view reads the column.
	ErrInUse = errors.New("the column is in use")
)

// Codes of the server's errors.
const (
	codeDuplicateColumn = 15
	codeIllegalColumn   = 44  // how some versions say the same
	codeColumnInUse     = 524 // a materialized view reads the column
)

// ReuseAfter is how long after a column was dropped its name may be used for another one. A writer that knows the former column may still send it, and the server makes of what is sent whatever the
// type of the new one is, without a word. So a writer sends a column only if the INSERT ends within ReuseAfter of when it has last seen the column in Columns.
const ReuseAfter = 2 * time.Minute

// Promote adds the column, and shows it in view events_q. When c.Name is empty it is ColumnName of the key. The rows that are there are not touched: their values are computed when they are
// read, see Materialize. It returns the column as it was made. Errors are those of Validate, ErrPromoted, ErrClash, and the server's.
func Promote(ctx context.Context, db *schema.DB, c Column) (Column, error) {
	if c.Name == "" {
		c.Name = ColumnName(c.Key)
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	all, err := readColumns(ctx, db)
	if err != nil {
		return c, err
	}
	promoted, err := promotedOf(ctx, db, all)
	if err != nil {
		return c, err
	}
	if err := c.clash(all, promoted); err != nil {
		if errors.Is(err, ErrPromoted) { // by a run that was cut off, perhaps
			return c, errors.Join(err, showColumns(ctx, db, promoted))
		}
		return c, err
	}
	left, err := reusable(ctx, db, c.Name)
	switch {
	case err != nil:
		return c, err
	case left > 0:
		return c, fmt.Errorf("%w: a column %s was dropped a moment ago, and inserts under way may still bring its values: try again in %v, or choose another name with --column", ErrClash, c.Name, left.Round(time.Second))
	}
	err = db.Conn().Exec(ctx, fmt.Sprintf("ALTER TABLE `%s`.`%s` ADD COLUMN %s", db.Database(), eventsTable, c.definition()))
	var refused *clickhouse.Exception
	switch {
	case errors.As(err, &refused) && (refused.Code == codeDuplicateColumn || refused.Code == codeIllegalColumn):
		return c, fmt.Errorf("%w: somebody else has just added column %s", ErrClash, c.Name)
	case err != nil:
		return c, fmt.Errorf("add column %s: %w", c.Name, err)
	}
	if promoted, err = Columns(ctx, db); err != nil {
		return c, err
	}
	if _, ok := find(promoted, c.Name); !ok {
		return c, fmt.Errorf("column %s was added, but the server shows it in a way that this build does not recognise: inserts leave it to the server; `millrace properties demote %s` takes it away", c.Name, c.Name)
	}
	return c, showColumns(ctx, db, promoted)
}

// clash says why the column cannot be added to those that are there.
func (c Column) clash(all []stored, promoted []Column) error {
	for _, p := range promoted {
		switch {
		case p.Key == c.Key && p.Type == c.Type:
			return fmt.Errorf("%w: property %q is column %s, a %s", ErrPromoted, p.Key, p.Name, p.Type)
		case p.Key == c.Key:
			return fmt.Errorf("%w: property %q is column %s, a %s: `millrace properties demote %s` first", ErrClash, p.Key, p.Name, p.Type, p.Name)
		}
	}
	for _, s := range all {
		if !strings.EqualFold(s.name, c.Name) {
			continue
		}
		if p, ok := find(promoted, s.name); ok {
			return fmt.Errorf("%w: column %s is that of property %q: choose another name with --column", ErrClash, p.Name, p.Key)
		}
		return fmt.Errorf("%w: table %s has a column %s that was not made for a property: choose another name with --column", ErrClash, eventsTable, s.name)
	}
	if len(promoted) >= MaxColumns {
		return fmt.Errorf("%w: %d properties are promoted, more would make every insert and merge slower: demote one that no query reads", ErrClash, len(promoted))
	}
	return nil
}

// reusable returns how long the name must not be used yet, because a column of that name was there.
func reusable(ctx context.Context, db *schema.DB, name string) (left time.Duration, err error) {
	var ago int64
	err = db.Conn().QueryRow(with(ctx, parameters{"database": db.Database(), "table": eventsTable, "column": name}),
		`SELECT toInt64(min(now() - create_time)) FROM system.mutations
		WHERE database = {database:String} AND table = {table:String} AND match(command, '(DROP|RENAME) COLUMN (IF EXISTS )?`+"`?' || {column:String} || '`?"+`( TO |\)|$)')
		HAVING count() > 0`).Scan(&ago)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look for a former column %s: %w", name, err)
	}
	return max(0, ReuseAfter-time.Duration(ago)*time.Second), nil
}

// find returns the column of the name, else of the property.
func find(promoted []Column, name string) (Column, bool) {
	for _, p := range promoted {
		if p.Name == name {
			return p, true
		}
	}
	for _, p := range promoted {
		if p.Key == name {
			return p, true
		}
	}
	return Column{}, false
}

// Demote drops the column of a property, which is named by its column or its key. Nothing is lost: props has the values. hide is called before
// that, for copies of events_q elsewhere, which must go without the column from then on; nil: there are none. Errors are ErrNotPromoted, ErrInUse, those of hide, and the
// server's; ShowColumns, and what shows the copies, must be run again after one.
func Demote(ctx context.Context, db *schema.DB, name string, hide func(ctx context.Context, column string) error) (Column, error) {
	c, err := promotedColumn(ctx, db, name)
	if err != nil {
		return c, err
	}
	users, err := viewsWith(ctx, db, c.Name)
	if err != nil {
		return c, err
	}
	if len(users) > 0 {
		return c, fmt.Errorf("%w: column %s is read by %s: drop or change that first", ErrInUse, c.Name, strings.Join(users, ", "))
	}
	// The view first: it cannot show what is not there.
	if err := hideColumn(ctx, db, c); err != nil {
		return c, err
	}
	if hide != nil {
		if err := hide(ctx, c.Name); err != nil {
			return c, err
		}
	}
	err = db.Conn().Exec(ctx, fmt.Sprintf("ALTER TABLE `%s`.`%s` DROP COLUMN `%s`", db.Database(), eventsTable, c.Name))
	var refused *clickhouse.Exception
	switch {
	case errors.As(err, &refused) && refused.Code == codeColumnInUse:
		return c, errors.Join(fmt.Errorf("%w: column %s: %s", ErrInUse, c.Name, refused.Message), ShowColumns(ctx, db))
	case err != nil:
		return c, fmt.Errorf("drop column %s: %w", c.Name, err)
	}
	return c, nil
}

func promotedColumn(ctx context.Context, db *schema.DB, name string) (Column, error) {
	promoted, err := Columns(ctx, db)
	if err != nil {
		return Column{}, err
	}
	c, ok := find(promoted, name)
	if !ok {
		return c, fmt.Errorf("%w: %s: `millrace properties list` shows which are", ErrNotPromoted, strconv.Quote(name))
	}
	return c, nil
}

// Materialize writes the column into the parts of the table that do not have it, so that queries over old rows need not parse their props any longer. The server does that afterwards, part by
// part; List says how far it is. It reads all props of those parts, and writes one column.
func Materialize(ctx context.Context, db *schema.DB, name string) (Column, error) {
	c, err := promotedColumn(ctx, db, name)
	if err != nil {
		return c, err
	}
	later := schema.Setting{Name: "mutations_sync", Value: "0"}
	if err := db.Conn().Exec(with(ctx, nil, later), fmt.Sprintf("ALTER TABLE `%s`.`%s` MATERIALIZE COLUMN `%s`", db.Database(), eventsTable, c.Name)); err != nil {
		return c, fmt.Errorf("materialize column %s: %w", c.Name, err)
	}
	return c, nil
}
