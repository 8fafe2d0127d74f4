package question

import (
	"maps"
	"slices"
	"strings"
)

// kind is what can be asked of a field.
type kind uint8

const (
	text    kind = iota // of the event itself
	member              // of its properties or traits: any JSON
	number              // with a fixed type
	flag                // 0 or 1
	ident               // a UUID
	cohort              // a segment that the person is in
	invalid             // no field
)

// numberTypes are the types that values of numbers are compared as.
var numberTypes = map[string]string{
	"revenue":  "Decimal(18, 4)",
	"screen_w": "UInt16",
	"screen_h": "UInt16",
	"hops":     "UInt8",
}

// fields are the columns of events that conditions and breakdowns may name. What is not here is no field: an identifier gets into a statement only from here.
var fields = map[string]kind{
	"event": text, "type": text, "name": text,
	"distinct_id": text, "user_id": text, "anonymous_id": text, "group_id": text, "previous_id": text,
	"correlation_id": text, "causation_id": text, "ts_source": text, "dialect": text,
	"url_host": text, "url_path": text, "referrer_host": text,
	"utm_source": text, "utm_medium": text, "utm_campaign": text,
	"lib": text, "lib_version": text, "locale": text, "country": text, "city": text,
	"os": text, "os_version": text, "browser": text, "browser_version": text, "device": text,
	"revenue": number, "screen_w": number, "screen_h": number, "hops": number,
	"bot":      flag,
	"event_id": ident, "session_id": ident, "request_id": ident,
}

// inRollup are the fields that rollup_1h has, too.
var inRollup = []string{"event", "country", "device"}

// Fields lists the columns that conditions and breakdowns may name, sorted. Beside them they may name properties.KEY and traits.KEY for any key, and conditions segment.
func Fields() []string { return slices.Sorted(maps.Keys(fields)) }

const (
	propertyPrefix = "properties."
	traitPrefix    = "traits."
	// segmentField is no column: a person is in many segments. Only conditions can name it.
	segmentField = "segment"
)

// fieldKind tells what a field is, and of properties and traits the key.
func fieldKind(field string) (k kind, key string) {
	for _, prefix := range []string{propertyPrefix, traitPrefix} {
		if key, ok := strings.CutPrefix(field, prefix); ok {
			return member, key
		}
	}
	if k, ok := fields[field]; ok {
		return k, ""
	}
	if field == segmentField {
		return cohort, ""
	}
	return invalid, ""
}

// checkField takes Fields, and more.
func checkField(r *report, field, pointer string, more ...string) bool {
	k, key := fieldKind(field)
	switch {
	case field == "":
		return r.need(false, pointer, CodeRequired, "is missing: name a field")
	case slices.Contains(more, field):
	case k == invalid, k == cohort:
		return r.need(false, pointer, CodeInvalidField, clip(field)+" is no field: use properties.KEY, traits.KEY, or one of "+strings.Join(append(Fields(), more...), ", "))
	case k == member:
		r.short(key, pointer)
		return r.need(key != "", pointer, CodeInvalidField, "a key must follow "+field)
	}
	return true
}

// text is an expression of type String with what the field holds; the empty text when it holds nothing. A number is in the server's shortest form, an object or a list
// is JSON without spaces.
func (s *scope) text(field string) string {
	switch k, key := fieldKind(field); {
	case field == "":
		return "''"
	case k == member && strings.HasPrefix(field, propertyPrefix):
		return "JSONExtractString(props, " + s.value("String", key) + ")"
	case k == member:
		return traitText(s.value("String", key))
	case k == invalid, k == cohort:
		panic("BUG: no field " + field)
	default:
		return "toString(" + field + ")"
	}
}

// traitText looks in the traits, and in their $set where a dialect sends operations.
func traitText(key string) string {
	return "if(JSONHas(traits, " + key + "), JSONExtractString(traits, " + key + "), JSONExtractString(traits, '$set', " + key + "))"
}

// number is an expression of type Nullable(Float64) with what the member holds as a number: a number, a text that is one, true as 1, false as 0. NULL for all else.
func (s *scope) number(field string) string {
	_, key := fieldKind(field)
	p := s.value("String", key)
	if strings.HasPrefix(field, propertyPrefix) {
		return "JSONExtract(props, " + p + ", 'Nullable(Float64)')"
	}
	return "if(JSONHas(traits, " + p + "), JSONExtract(traits, " + p + ", 'Nullable(Float64)'), JSONExtract(traits, '$set', " + p + ", 'Nullable(Float64)'))"
}
