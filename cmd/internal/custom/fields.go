package custom

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// kind is what can be asked of a field.
type kind uint8

const (
	text     kind = iota // a column of type String or LowCardinality(String)
	whole                // a column of an unsigned type
	money                // column revenue, Decimal(18, 4)
	property             // a key of a JSON object: text, or a number
)

// column is a column of table events that definitions may name.
type column struct {
	kind    kind
	typ     string // of the column of a rollup; empty: no dimension, because it has as many values as there are users or events
	comment string
}

const lowCardinality = "LowCardinality(String)"

var columns = map[string]column{
	"type":            {text, lowCardinality, "kind of call"},
	"event":           {text, lowCardinality, "name of the event"},
	"name":            {text, "", ""},
	"distinct_id":     {text, "", ""},
	"user_id":         {text, "", ""},
	"anonymous_id":    {text, "", ""},
	"group_id":        {text, "String", "account or other group; empty: none"},
	"ts_source":       {text, lowCardinality, "where ts comes from"},
	"dialect":         {text, lowCardinality, "SDK family that the client spoke"},
	"url_host":        {text, lowCardinality, "host of the page; empty: none"},
	"url_path":        {text, lowCardinality, "path of the page; empty: none"},
	"referrer_host":   {text, lowCardinality, "host of the page before; empty: none"},
	"utm_source":      {text, lowCardinality, "campaign source; empty: none"},
	"utm_medium":      {text, lowCardinality, "campaign medium; empty: none"},
	"utm_campaign":    {text, lowCardinality, "campaign name; empty: none"},
	"lib":             {text, lowCardinality, "SDK; empty: unknown"},
	"lib_version":     {text, lowCardinality, "version of the SDK; empty: unknown"},
	"locale":          {text, lowCardinality, "language and region; empty: unknown"},
	"country":         {text, lowCardinality, "country, ISO 3166-1 alpha-2; empty: unknown"},
	"city":            {text, lowCardinality, "city; empty: unknown"},
	"os":              {text, lowCardinality, "operating system; empty: unknown"},
	"os_version":      {text, lowCardinality, "version of the operating system; empty: unknown"},
	"browser":         {text, lowCardinality, "browser; empty: unknown"},
	"browser_version": {text, lowCardinality, "version of the browser; empty: unknown"},
	"device":          {text, lowCardinality, "type of device; empty: unknown"},
	"bot":             {whole, "UInt8", "1: labelled as sent by a bot"},
	"hops":            {whole, "", ""},
	"screen_w":        {whole, "", ""},
	"screen_h":        {whole, "", ""},
	"revenue":         {money, "", ""},
}

// The JSON objects of an event whose keys can be named.
const (
	propertiesPrefix = "properties."
	traitsPrefix     = "traits."
)

// operators are those that a condition on a field of each kind may have.
var operators = map[kind][]string{
	text:     {"is", "is_not", "contains", "not_contains", "starts_with", "set", "not_set"},
	whole:    {"is", "is_not", "gt", "gte", "lt", "lte"},
	money:    {"is", "is_not", "gt", "gte", "lt", "lte"},
	property: {"is", "is_not", "contains", "not_contains", "starts_with", "gt", "gte", "lt", "lte", "set", "not_set"},
}

// comparisons are the operators of order.
var comparisons = map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

// operand is how the one value of an order must be written, by the kind of the field, and says so.
var operand = map[kind]struct {
	form *regexp.Regexp
	says string
}{
	whole:    {regexp.MustCompile(`^[0-9]{1,9}$`), "a whole number of up to 9 digits"},
	money:    {regexp.MustCompile(`^-?[0-9]{1,14}(\.[0-9]{1,4})?$`), "a number with up to 14 digits before the point and 4 behind it"},
	property: {regexp.MustCompile(`^-?[0-9]{1,18}(\.[0-9]{1,6})?$`), "a number with up to 18 digits before the point and 6 behind it"},
}

// propertyTypes are those of a dimension.
var propertyTypes = []string{"string", "integer", "bool"}

// identifier is what metrics and columns may be called. Two underscores in a row divide a metric's name from the number of a build.
var identifier = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

const mostName = 60

// taken are names of columns that tables have, and of table events, by which expressions name theirs.
var taken = []string{"project_id", "n", "users", minute, hour, day, fillColumn, "events"}

// key splits properties.KEY and traits.KEY into the column that holds the object, and the key.
func key(field string) (object, key string, ok bool) {
	if key, ok = strings.CutPrefix(field, propertiesPrefix); ok {
		return "props", key, true
	}
	if key, ok = strings.CutPrefix(field, traitsPrefix); ok {
		return "traits", key, true
	}
	return "", "", false
}

// groupable lists the columns that may be a dimension.
func groupable() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if columns[name].typ != "" {
			names = append(names, name)
		}
	}
	return names
}
