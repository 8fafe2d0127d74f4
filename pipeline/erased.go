package pipeline

import (
	"github.com/go-faster/city"

	"github.com/millrace/millrace/schema"
)

// erasedDetail names no id: answers end up in logs.
const erasedDetail = "an id of the event belongs to a person who was erased: nothing of it is stored"

// bearers are the fields that name a person. The distinct id is filled in from the others, which are what the client sent, so it comes last.
var bearers = [...]schema.Field{schema.FieldUserID, schema.FieldAnonymousID, schema.FieldPreviousID, schema.FieldDistinctID}

// erased tells which ids of the project were erased; nil: none.
func (p *Pipeline) erased(project uint32) func(h uint64) bool {
	if p.deps.Erased == nil {
		return nil
	}
	return p.deps.Erased(project)
}

// forget refuses an event that bears the id of an erased person, whatever else is wrong with it, and tells whether it did. Such an event has no place: quarantine would keep its
// bytes.
func (r *request) forget(b *schema.Batch, e *schema.Event, erased func(h uint64) bool) bool {
	for _, f := range bearers {
		t := e.Text(f)
		if t.Len() == 0 || !erased(city.CH64(r.textOf(b, t))) {
			continue
		}
		e.Result, e.Reason, e.Pointer, e.Detail = schema.Drop, schema.Erased, b.Dialect.Pointer(f), erasedDetail
		return true
	}
	return false
}
