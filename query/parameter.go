package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/millrace/millrace/schema/clickhouse"
)

// ClickHouse reads the value of a parameter by the type that the statement declares for it: `SELECT {name:Type}`. A scalar is text in which escapes are undone
// once; an array, map or tuple is a literal, as in SQL, in which nothing is undone outside its quotes.

// maxFieldBytes bounds the statement and each value: ClickHouse takes no longer field of a form (its http_max_field_value_size), nor much longer statements.
const maxFieldBytes = 128 << 10

// composite finds the parameters that a statement declares with a type whose values are literals. One found in a comment or a string does no harm.
var composite = regexp.MustCompile(`\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*:\s*(?:Array|Map|Tuple|Nested)\s*\(`)

// parameterName is what a parameter may be called.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// wireParameters writes the values of a statement's parameters, given as plain text, as ClickHouse reads them.
func wireParameters(text string, values map[string]string) map[string]string {
	literal := map[string]bool{}
	for _, m := range composite.FindAllStringSubmatch(text, -1) {
		literal[m[1]] = true
	}
	wire := make(map[string]string, len(values))
	for name, value := range values {
		if !literal[name] {
			value = clickhouse.EscapeParameter(value)
		}
		wire[name] = value
	}
	return wire
}

// null is what ClickHouse reads as NULL where the type is Nullable. Escaped, it would be a text.
const null = `\N`

// valueText writes a JSON value as the text of a parameter: a string as it is, numbers and booleans as they are spelt, an array as ClickHouse's literal, an object as
// one of a Map.
func valueText(raw json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	var b strings.Builder
	if err := appendLiteral(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

// appendLiteral writes a value as SQL has it. Keys of an object come in no particular order, which a Map does not have either.
func appendLiteral(b *strings.Builder, v any) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("NULL")
	case bool:
		fmt.Fprintf(b, "%t", v)
	case json.Number:
		b.WriteString(v.String())
	case string:
		b.WriteByte('\'')
		io.WriteString(b, literalEscapes.Replace(v)) //nolint:errcheck // a Builder takes everything
		b.WriteByte('\'')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendLiteral(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		first := true
		for key, item := range v {
			if !first {
				b.WriteByte(',')
			}
			first = false
			if err := appendLiteral(b, key); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := appendLiteral(b, item); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return errors.New("a value of no JSON type")
	}
	return nil
}

var literalEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
