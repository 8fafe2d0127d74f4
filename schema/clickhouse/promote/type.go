package promote

import (
	"fmt"
	"slices"
	"strings"
)

// Type is what the values of a promoted property are taken for.
type Type string

// The types. A value that is not of the type counts as absent.
const (
	// String is a JSON string, for values that repeat: plans, categories, names of campaigns. Absent is the empty string.
	String Type = "string"
	// Text is a JSON string, for values that are nearly all different: ids, addresses. Absent is the empty string.
	Text Type = "text"
	// Number is any JSON number, as the nearest 64-bit float.
	Number Type = "number"
	// Integer is a JSON number without a fraction, within 64 bits with a sign. 1.0 and 1e3 are integers.
	Integer Type = "integer"
	// Bool is true or false.
	Bool Type = "bool"
	// Time is a JSON string with a date, 2026-01-31, or a time of ISO 8601: 2026-01-31T23:59:59.999Z, with T or a space, to nine digits of a second, of which three are kept, and Z, an
	// offset such as +01:00, or nothing, which means UTC. Years are 1910 to 2289.
	Time Type = "time"
)

// Types are all of them.
var Types = []Type{String, Text, Number, Integer, Bool, Time}

// ParseType finds the type of that name.
func ParseType(name string) (Type, error) {
	if t := Type(name); slices.Contains(Types, t) {
		return t, nil
	}
	names := make([]string, len(Types))
	for i, t := range Types {
		names[i] = string(t)
	}
	return "", fmt.Errorf("type %q: there are %s", name, strings.Join(names, ", "))
}

// timePattern is what Time takes for a time, before the calendar is asked. RE2 and ClickHouse's match read it alike.
const timePattern = `(19[1-9][0-9]|2[01][0-9][0-9]|22[0-8][0-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?)?`

// definition is how a type looks in the table.
type definition struct {
	column     string // type of the column, as the server writes it
	codec      string
	expression string // DEFAULT, as the server writes it; KEY stands for the literal of the key
}

// The expressions ask for the type first where an extracting function would convert: which conversions there are differs between versions of ClickHouse.
var definitions = map[Type]definition{
	String:  {"LowCardinality(String)", "", "if(JSONType(props, KEY) = 'String', JSONExtractString(props, KEY), '')"},
	Text:    {"String", " CODEC(ZSTD(1))", "if(JSONType(props, KEY) = 'String', JSONExtractString(props, KEY), '')"},
	Number:  {"Nullable(Float64)", " CODEC(ZSTD(1))", "if(JSONType(props, KEY) IN ('Int64', 'UInt64', 'Double'), JSONExtractFloat(props, KEY), NULL)"},
	Integer: {"Nullable(Int64)", " CODEC(ZSTD(1))", "toInt64OrNull(JSONExtractRaw(props, KEY))"},
	Bool:    {"Nullable(Bool)", " CODEC(ZSTD(1))", "if(JSONType(props, KEY) = 'Bool', JSONExtractBool(props, KEY), NULL)"},
	Time: {
		"Nullable(DateTime64(3, 'UTC'))", " CODEC(ZSTD(1))",
		"if(match(JSONExtractString(props, KEY), '^" + timePattern + "$'), parseDateTime64BestEffortOrNull(JSONExtractString(props, KEY), 3, 'UTC'), NULL)",
	},
}

// ColumnType is the type of the column in ClickHouse.
func (t Type) ColumnType() string { return definitions[t].column }

// typeOf finds the type whose column has the ClickHouse type.
func typeOf(columnType string) (Type, bool) {
	for _, t := range Types {
		if definitions[t].column == columnType {
			return t, true
		}
	}
	return "", false
}
