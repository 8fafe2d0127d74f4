package enrich

import "github.com/millrace/millrace/schema"

// Actor gives the event the id it is counted and ordered by, unless the client gave one: the user's, else the anonymous one.
func (r *Request) Actor(e *schema.Event) {
	for _, f := range [...]schema.Field{schema.FieldDistinctID, schema.FieldUserID, schema.FieldAnonymousID} {
		if t := e.Text(f); t.Len() > 0 {
			e.Set(schema.FieldDistinctID, t)
			return
		}
	}
	e.Unset(schema.FieldDistinctID)
}
