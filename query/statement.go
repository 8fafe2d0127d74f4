package query

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// call is one statement on its way to ClickHouse.
type call struct {
	text string
	// params are the values of its parameters as plain text, which the answer shows; wire is the same as ClickHouse reads it.
	params, wire map[string]string
	account      Account
}

// sqlBody is the body of /v1/query/sql.
type sqlBody struct {
	Query      string                     `json:"query"`
	Parameters map[string]json.RawMessage `json:"parameters"`
	TimeoutMS  *int64                     `json:"timeout_ms"`
}

// statement reads an analyst's statement. What it may do is decided by ClickHouse, which knows its own language.
func (r *request) statement(body []byte) (call, *refusal) {
	var b sqlBody
	if refused := decode(body, &b); refused != nil {
		return call{}, refused
	}
	if b.TimeoutMS != nil {
		if refused := r.shorten(*b.TimeoutMS); refused != nil {
			return call{}, refused
		}
	}
	var flaws []flaw
	switch {
	case strings.TrimSpace(b.Query) == "":
		flaws = append(flaws, flaw{"/query", "missing", "is empty: send one SELECT statement"})
	case len(b.Query) > maxFieldBytes:
		flaws = append(flaws, flaw{"/query", "too_long", fmt.Sprintf("has %d bytes, more than %d: pass long lists of values as parameters", len(b.Query), maxFieldBytes)})
	}
	c := call{text: b.Query, params: make(map[string]string, len(b.Parameters))}
	nulls := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(b.Parameters)) {
		raw := b.Parameters[name]
		pointer := "/parameters/" + pointerEscapes.Replace(name)
		text, err := valueText(raw)
		switch {
		case !parameterName.MatchString(name):
			flaws = append(flaws, flaw{pointer, "invalid_name", "is no name of a parameter: letters, digits and _, 64 at most"})
		case err != nil:
			flaws = append(flaws, flaw{pointer, "invalid_value", "is " + err.Error()})
		case len(text) > maxFieldBytes:
			flaws = append(flaws, flaw{pointer, "too_long", fmt.Sprintf("has %d bytes, more than %d", len(text), maxFieldBytes)})
		}
		c.params[name] = text
		nulls[name] = string(raw) == "null"
	}
	if len(flaws) > 0 {
		return call{}, invalidQuestion(flaws)
	}
	c.wire = wireParameters(c.text, c.params)
	for name, is := range nulls {
		if is {
			c.wire[name] = null
		}
	}
	c.account = r.s.deps.ClickHouse.Analyst(r.caller.Project)
	return c, nil
}

// pointerEscapes writes a name as a part of a JSON pointer (RFC 6901 §3).
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")
