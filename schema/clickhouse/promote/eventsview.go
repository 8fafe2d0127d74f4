package promote

import (
	"context"
	"fmt"
	"slices"

	schema "github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/access"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// eventsView is the view that shows all columns of events.
const eventsView = "events_q"

// ShowColumns makes view events_q anew, with every promoted column: a view keeps the columns that it was made with. Promote and Demote do so; a migration that changes the view needs it afterwards. It
// does nothing while there is no such view.
func ShowColumns(ctx context.Context, db *schema.DB) error {
	promoted, err := Columns(ctx, db)
	if err != nil {
		return err
	}
	return showColumns(ctx, db, promoted)
}

func showColumns(ctx context.Context, db *schema.DB, promoted []Column) error {
	var exists uint8
	if err := db.Conn().QueryRow(ctx, inDatabase("EXISTS VIEW {db}."+eventsView, db)).Scan(&exists); err != nil {
		return fmt.Errorf("look for view %s: %w", eventsView, err)
	}
	if exists == 0 {
		return nil
	}
	var more []question.Column
	for _, c := range promoted {
		more = append(more, question.Column{Name: c.Name, Type: c.Type.ColumnType(), Comment: c.Comment()})
	}
	if err := db.Conn().Exec(ctx, question.EventsView(db.Database(), more)); err != nil {
		return fmt.Errorf("make view %s anew: %w", eventsView, err)
	}
	return nil
}

// hideColumn makes the view anew without the column.
func hideColumn(ctx context.Context, db *schema.DB, c Column) error {
	promoted, err := Columns(ctx, db)
	if err != nil {
		return err
	}
	return showColumns(ctx, db, slices.DeleteFunc(promoted, func(p Column) bool { return p == c }))
}

// viewsWith lists the views that read the column, but for those that copy events and events_q for the users of projects: they follow. Views of databases that this user may not see are not among them.
func viewsWith(ctx context.Context, db *schema.DB, column string) ([]string, error) {
	rows, err := db.Conn().Query(with(ctx, parameters{"database": db.Database(), "copies": access.ViewsDatabase(db.Database()), "view": eventsView, "column": column}),
		`SELECT database || '.' || name FROM system.tables
		WHERE engine IN ('View', 'MaterializedView') AND NOT (database = {database:String} AND name = {view:String} OR database = {copies:String} AND name IN ({view:String}, 'events')) AND position(as_select, 'events') > 0 AND match(as_select, '\\b' || {column:String} || '\\b')
		ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("look for views that read column %s: %w", column, err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("look for views that read column %s: %w", column, err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for views that read column %s: %w", column, err)
	}
	return names, nil
}
