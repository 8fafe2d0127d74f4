package promote

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// eventsTable is the table whose properties are promoted.
const eventsTable = "events"

const (
	// MaxColumns is how many properties can be promoted: each column costs every INSERT and every merge something.
	MaxColumns = 64
	// MaxKeyBytes is the longest key that can be promoted.
	MaxKeyBytes = 200
	// prefix begins the name of each promoted column, so that none is ever in the way of a column that a later version adds.
	prefix = "p_"
)

// Column is a property that has a column of its own in table events.
type Column struct {
	Name string // of the column, p_plan
	Key  string // of the property
	Type Type
}

// columnName is what a promoted column may be called.
var columnName = regexp.MustCompile(`^p_[a-zA-Z0-9_]{1,60}$`)

// ColumnName is the name of the column for a key when nobody names one: "plan" becomes p_plan, "$Total price" p_total_price. It is empty when nothing of the key can stand in a name.
func ColumnName(key string) string {
	var b strings.Builder
	gap := false
	for _, r := range key {
		if r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	if b.Len() == 0 {
		return ""
	}
	const longest = 60
	return prefix + b.String()[:min(b.Len(), longest)]
}

// Validate tells whether the property can be promoted. It reports every problem at once.
func (c Column) Validate() error {
	var errs []error
	switch {
	case c.Key == "":
		errs = append(errs, errors.New("the property's key is empty"))
	case len(c.Key) > MaxKeyBytes:
		errs = append(errs, fmt.Errorf("the property's key has %d bytes, %d can be promoted", len(c.Key), MaxKeyBytes))
	case !utf8.ValidString(c.Key) || strings.ContainsFunc(c.Key, unicode.IsControl):
		errs = append(errs, fmt.Errorf("the property's key %q holds control characters or is not UTF-8", c.Key))
	}
	if _, err := ParseType(string(c.Type)); err != nil {
		errs = append(errs, err)
	}
	switch {
	case c.Name == "":
		errs = append(errs, fmt.Errorf("no column can be called after property %q: name one, such as --column %sprice", c.Key, prefix))
	case !columnName.MatchString(c.Name):
		errs = append(errs, fmt.Errorf("column %q: the name must be %s and at most 60 letters, digits or _", c.Name, prefix))
	}
	return errors.Join(errs...)
}

var literalEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// Expression is the DEFAULT of the column: it says what the column holds. It is written as the server writes it.
func (c Column) Expression() string {
	return strings.ReplaceAll(definitions[c.Type].expression, "KEY", "'"+literalEscapes.Replace(c.Key)+"'")
}

const commentPrefix = "property "

// Comment is the COMMENT of the column. It holds the key.
func (c Column) Comment() string { return commentPrefix + strconv.Quote(c.Key) }

// definition is the column as a statement declares it.
func (c Column) definition() string {
	return fmt.Sprintf("`%s` %s DEFAULT %s COMMENT '%s'%s", c.Name, c.Type.ColumnType(), c.Expression(), literalEscapes.Replace(c.Comment()), definitions[c.Type].codec)
}

// stored is a column as system.columns has it.
type stored struct{ name, typ, kind, expression, comment string }

// promoted tells which property the column was made for, as far as its name, type and comment say. Whether the expression is that of the property remains to be seen.
func (s stored) promoted() (Column, bool) {
	quoted, ok := strings.CutPrefix(s.comment, commentPrefix)
	if !ok || s.kind != "DEFAULT" {
		return Column{}, false
	}
	key, err := strconv.Unquote(quoted)
	if err != nil {
		return Column{}, false
	}
	t, ok := typeOf(s.typ)
	c := Column{Name: s.name, Key: key, Type: t}
	return c, ok && c.Validate() == nil
}

// Columns lists the promoted properties, in the order of their columns. What the table says is all there is to know: a column counts when its name, type, comment and DEFAULT are
// those that Promote gives. One that somebody has changed is an ordinary column, which ClickHouse fills as it says.
func Columns(ctx context.Context, db *schema.DB) ([]Column, error) {
	all, err := readColumns(ctx, db)
	if err != nil {
		return nil, err
	}
	return promotedOf(ctx, db, all)
}

func promotedOf(ctx context.Context, db *schema.DB, all []stored) ([]Column, error) {
	var found []Column
	for _, s := range all {
		c, ok := s.promoted()
		if !ok {
			continue
		}
		same := s.expression == c.Expression()
		if !same {
			// Another version may write the same expression in another way: its own way is the measure.
			err := db.Conn().QueryRow(with(ctx, parameters{"have": "SELECT " + s.expression, "want": "SELECT " + c.Expression()}),
				"SELECT formatQuerySingleLine({have:String}) = formatQuerySingleLine({want:String})").Scan(&same)
			if err != nil {
				return nil, fmt.Errorf("compare the default of column %s: %w", s.name, err)
			}
		}
		if same {
			found = append(found, c)
		}
	}
	return found, nil
}

// readColumns reads all columns of the table.
func readColumns(ctx context.Context, db *schema.DB) ([]stored, error) {
	rows, err := db.Conn().Query(with(ctx, parameters{"database": db.Database(), "table": eventsTable}),
		"SELECT name, type, toString(default_kind), default_expression, comment FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position")
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", eventsTable, err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	var all []stored
	for rows.Next() {
		var s stored
		if err := rows.Scan(&s.name, &s.typ, &s.kind, &s.expression, &s.comment); err != nil {
			return nil, fmt.Errorf("read the columns of %s: %w", eventsTable, err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", eventsTable, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("table %s.%s does not exist: run `millrace migrate up`", db.Database(), eventsTable)
	}
	return all, nil
}

// parameters are those of a statement by name.
type parameters map[string]string

// with gives a statement its server-side parameters, and settings.
func with(ctx context.Context, p parameters, settings ...schema.Setting) context.Context {
	escaped := make(clickhouse.Parameters, len(p))
	for name, value := range p {
		escaped[name] = schema.EscapeParameter(value)
	}
	all := clickhouse.Settings{}
	for _, s := range settings {
		all[s.Name] = s.Value
	}
	return clickhouse.Context(ctx, clickhouse.WithParameters(escaped), clickhouse.WithSettings(all))
}
