package custom

import (
	"fmt"
	"slices"
	"strings"
)

// Expressions over table events. Each names its columns as events.x, because the columns of a rollup may be called the same; and none throws, whatever a row holds: one that did
// would stop the sink.

var literalEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// literal writes a text into a statement. A view's statement takes no parameters.
func literal(s string) string { return "'" + literalEscapes.Replace(s) + "'" }

func literals(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = literal(s)
	}
	return strings.Join(quoted, ", ")
}

// textOf is a member of a JSON object as text: a string as it is, a number or a bool as JSON writes it, an object or array as JSON; empty when there is none, or the object is
// no JSON that the server reads.
func textOf(object, key string) string {
	return fmt.Sprintf("JSONExtractString(events.%s, %s)", object, literal(key))
}

func rawOf(object, key string) string {
	return fmt.Sprintf("JSONExtractRaw(events.%s, %s)", object, literal(key))
}

// mostNumber is the size that numbers in properties are below: a Decimal(38, 6) holds the sum of 10^14 of them.
const mostNumber = "toDecimal128('1000000000000000000', 6)"

// numberOf is a member as Decimal(38, 6), what is behind the sixth digit cut off; 0 when it is no number or too large. A string is text, whatever it looks like. The number is read
// from its text, since a float times a power of ten is not what was written.
func numberOf(object, key string) string {
	n := fmt.Sprintf("toDecimal128OrZero(%s, 6)", rawOf(object, key))
	return fmt.Sprintf("if(abs(%s) < %s, %[1]s, toDecimal128(0, 6))", n, mostNumber)
}

// bucket is the minute, hour or day of ts. The division rounds down before 1970 too, and does not wrap after 2106 as toStartOfMinute does.
func bucket(interval string) string {
	millis := map[string]int{minute: 60_000, hour: 3_600_000}[interval]
	if millis == 0 {
		return "toDate32(events.ts)"
	}
	return fmt.Sprintf("toDateTime64(%d * (intDiv(toUnixTimestamp64Milli(events.ts), %[2]d) - (toUnixTimestamp64Milli(events.ts) %% %[2]d < 0)), 0, 'UTC')", millis/1000, millis)
}

// sql is the condition; its field, operator and values fit together.
func (c Condition) sql() string {
	var x string
	value := literal
	object, member, ok := key(c.Field)
	switch {
	case ok:
		x = textOf(object, member)
		if operator := comparisons[c.Op]; operator != "" {
			// Neither is what is no number above or below anything.
			return fmt.Sprintf("ifNull(toDecimal128OrNull(%s, 6) %s toDecimal128(%s, 6), 0)", rawOf(object, member), operator, literal(c.Values[0]))
		}
		switch c.Op {
		case "set":
			return fmt.Sprintf("JSONHas(events.%s, %s)", object, literal(member))
		case "not_set":
			return fmt.Sprintf("NOT JSONHas(events.%s, %s)", object, literal(member))
		}
	default:
		x = "events." + c.Field
		switch columns[c.Field].kind {
		case whole:
			value = func(s string) string { return s }
		case money:
			value = func(s string) string { return "toDecimal64(" + literal(s) + ", 4)" }
		}
	}
	if operator := comparisons[c.Op]; operator != "" {
		return fmt.Sprintf("%s %s %s", x, operator, value(c.Values[0]))
	}
	all := make([]string, len(c.Values))
	for i, v := range c.Values {
		all[i] = value(v)
	}
	switch c.Op {
	case "is":
		return x + " IN (" + strings.Join(all, ", ") + ")"
	case "is_not":
		return x + " NOT IN (" + strings.Join(all, ", ") + ")"
	case "contains":
		return "position(" + x + ", " + all[0] + ") > 0"
	case "not_contains":
		return "position(" + x + ", " + all[0] + ") = 0"
	case "starts_with":
		return "startsWith(" + x + ", " + all[0] + ")"
	case "set":
		return x + " != ''"
	case "not_set":
		return x + " = ''"
	}
	panic("BUG: custom: operator " + c.Op)
}

// conditions are what an event must fulfil to count.
func (d Definition) conditions() []string {
	all := d.cheapConditions()
	for _, c := range d.Where {
		all = append(all, c.sql())
	}
	return all
}

// cheapConditions are those of the primary key.
func (d Definition) cheapConditions() []string {
	var all []string
	if d.Project != 0 {
		all = append(all, fmt.Sprintf("events.project_id = %d", d.Project))
	}
	if len(d.Events) > 0 {
		all = append(all, "events.event IN ("+literals(d.Events)+")")
	}
	return all
}

// and joins conditions; empty ones do not count.
func and(conditions ...string) string {
	conditions = slices.DeleteFunc(slices.Clone(conditions), func(c string) bool { return c == "" })
	if len(conditions) == 0 {
		return "1"
	}
	return "(" + strings.Join(conditions, ") AND (") + ")"
}
