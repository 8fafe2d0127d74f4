package pipeline

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/schema"
)

// judge decides on one event and completes it, or refuses it. An event that the decoder refused stays refused; what it has of an id is kept.
func (r *request) judge(b *schema.Batch, e *schema.Event) {
	if !e.Refused() {
		r.checkIDs(b, e)
	}
	r.enrich.Stamp(b, e)
	if !e.Refused() {
		r.enrich.Name(b, e)
		r.enrich.Actor(e)
		r.checkNames(b, e)
	}
	if e.Refused() {
		r.enrich.Address(b, e)
		r.enrich.Named(b, e)
		return
	}
	if r.enrich.Clock(e) {
		e.Result, e.Reason, e.Pointer = schema.Warning, schema.TimestampAdjusted, b.Dialect.Pointer(schema.FieldTS)
		e.Detail = r.adjusted(e)
	}
	r.enrich.Agent(b, e)
	r.enrich.Place(b, e)
	r.enrich.Address(b, e)
	r.enrich.ID(b, e)
	r.enrich.Session(b, e)
}

// personIDs name a person: placeholders are refused in them, because everybody would be that person.
var personIDs = [...]schema.Field{schema.FieldDistinctID, schema.FieldUserID, schema.FieldAnonymousID, schema.FieldPreviousID}

// otherIDs are only bounded.
var otherIDs = [...]schema.Field{schema.FieldGroupID, schema.FieldCorrelationID, schema.FieldCausationID}

// checkIDs looks at the ids that the client gave, before any is filled in.
func (r *request) checkIDs(b *schema.Batch, e *schema.Event) {
	for _, f := range personIDs {
		t := e.Text(f)
		if t.Len() == 0 {
			continue
		}
		if r.checkLength(b, e, f, t, r.p.limits.MaxIDBytes, schema.IDTooLong, "limits.max_id_bytes") {
			return
		}
		if id := r.textOf(b, t); schema.IsIllegalID(id) {
			e.Refuse(schema.IllegalID, b.Dialect.Pointer(f),
				fmt.Sprintf("%s is %q, which many clients send by mistake and cannot name one person: send the person's own id, or only an anonymous id", named(b, f), id))
			return
		}
	}
	for _, f := range otherIDs {
		if r.checkLength(b, e, f, e.Text(f), r.p.limits.MaxIDBytes, schema.IDTooLong, "limits.max_id_bytes") {
			return
		}
	}
	if r.checkLength(b, e, schema.FieldID, e.ClientID, r.p.limits.MaxIDBytes, schema.IDTooLong, "limits.max_id_bytes") {
		return
	}
	r.checkLength(b, e, schema.FieldSessionID, e.ClientSession, r.p.limits.MaxIDBytes, schema.IDTooLong, "limits.max_id_bytes")
}

// checkNames looks at the event's name and actor, after they were filled in.
func (r *request) checkNames(b *schema.Batch, e *schema.Event) {
	switch name := e.Text(schema.FieldEvent); {
	case e.Type == schema.TypeNone:
		e.Refuse(schema.InvalidType, b.Dialect.Pointer(schema.FieldType), "the event has no type: send track, identify, page, screen, group or alias")
	case name.Len() == 0:
		e.Refuse(schema.MissingEvent, b.Dialect.Pointer(schema.FieldEvent), fmt.Sprintf("%s is missing: give every track call the name of what happened", named(b, schema.FieldEvent)))
	case r.checkLength(b, e, schema.FieldEvent, name, r.p.limits.MaxNameBytes, schema.NameTooLong, "limits.max_name_bytes"):
	case r.checkLength(b, e, schema.FieldName, e.Text(schema.FieldName), r.p.limits.MaxNameBytes, schema.NameTooLong, "limits.max_name_bytes"):
	case !e.Has(schema.FieldDistinctID):
		e.Refuse(schema.MissingUser, b.Dialect.Pointer(schema.FieldDistinctID),
			fmt.Sprintf("nobody is named: send %s, or %s for somebody not known yet", named(b, schema.FieldUserID), named(b, schema.FieldAnonymousID)))
	default:
		if other := otherID(e.Type); other != schema.FieldVersion && e.Text(other).Len() == 0 {
			e.Refuse(schema.MissingUser, b.Dialect.Pointer(other),
				fmt.Sprintf("%s is missing: a call of type %s says who the user belongs to or was before", named(b, other), e.Type))
		}
	}
}

// otherID is the second id without which a call of the type says nothing; FieldVersion, which is no id, when the type needs none.
func otherID(t schema.Type) schema.Field {
	switch t {
	case schema.Group:
		return schema.FieldGroupID
	case schema.Alias, schema.Merge, schema.Unmerge:
		return schema.FieldPreviousID
	}
	return schema.FieldVersion
}

// checkLength refuses a text that is longer than the limit, and tells whether it did.
func (r *request) checkLength(b *schema.Batch, e *schema.Event, f schema.Field, t schema.Text, limit int64, reason schema.Reason, setting string) bool {
	return int64(t.Len()) > limit && r.refuseLength(b, e, f, t, limit, reason, setting)
}

func (r *request) refuseLength(b *schema.Batch, e *schema.Event, f schema.Field, t schema.Text, limit int64, reason schema.Reason, setting string) bool {
	n := t.Len()
	if t.Escaped() {
		n = len(r.textOf(b, t)) // escapes make the text longer than what it stands for
	}
	if int64(n) <= limit {
		return false
	}
	e.Refuse(reason, b.Dialect.Pointer(f), fmt.Sprintf("%s has %d bytes, %s is %d: send a shorter one", named(b, f), n, setting, limit))
	return true
}

// textOf returns what the text stands for, valid until the next call.
func (r *request) textOf(b *schema.Batch, t schema.Text) []byte {
	if !t.Escaped() {
		return t.In(b.Buf)
	}
	r.text = t.AppendValue(r.text[:0], b.Buf)
	return r.text
}

// named is what the client calls the field.
func named(b *schema.Batch, f schema.Field) string {
	if pointer := b.Dialect.Pointer(f); pointer != "" {
		return strings.TrimPrefix(pointer, "/")
	}
	return f.String()
}

func (r *request) adjusted(e *schema.Event) string {
	return fmt.Sprintf("%s lies further ahead of its arrival than limits.max_ahead (%v) or further back than limits.max_age (%v): the time of arrival stands in for it, client_ts keeps it",
		schema.AppendTime(nil, e.ClientTS), r.p.limits.MaxAhead, r.p.limits.MaxAge)
}
