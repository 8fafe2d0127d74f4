package question

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Condition compares a field of an event with values.
type Condition struct {
	// Field is one of Fields, properties.KEY or traits.KEY. The key is taken as it is: dots in it have no meaning. Or it is segment, whose values are names of segments
	// and which takes is and is_not: whether the person is in one of them, by its last build. A segment that does not exist, or was never built, is empty.
	Field string `json:"field"`
	// Op is one of
	//
	//	is, is_not                          one of the values, none of them; 1 to 100
	//	contains, not_contains, starts_with one value, upper and lower case differ
	//	gt, gte, lt, lte                    one number. Of properties and traits a text that is a number counts as that, true as 1 and false as 0; nothing else compares
	//	set, not_set                        no value; the empty text, zero and null are not set
	//
	// What a field lacks is the empty text, so is_not and not_contains hold for it.
	Op     string   `json:"op"`
	Values []string `json:"values,omitempty"`
}

const (
	opIs          = "is"
	opIsNot       = "is_not"
	opContains    = "contains"
	opNotContains = "not_contains"
	opStartsWith  = "starts_with"
	opSet         = "set"
	opNotSet      = "not_set"
)

var (
	textOps = []string{opIs, opIsNot, opContains, opNotContains, opStartsWith, opSet, opNotSet}
	orders  = map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
	// ops are those that a kind of field takes.
	ops = map[kind][]string{
		text:   textOps,
		member: append(slices.Clone(textOps), "gt", "gte", "lt", "lte"),
		number: {opIs, opIsNot, "gt", "gte", "lt", "lte", opSet, opNotSet},
		flag:   {opIs, opIsNot},
		ident:  {opIs, opIsNot, opSet, opNotSet},
		cohort: {opIs, opIsNot},
	}
)

func (c Condition) same(other Condition) bool {
	return c.Field == other.Field && c.Op == other.Op && slices.Equal(c.Values, other.Values)
}

func (c Condition) check(r *report, pointer string) {
	known := checkField(r, c.Field, pointer+"/field", segmentField)
	k, _ := fieldKind(c.Field)
	switch {
	case c.Op == "":
		r.need(false, pointer+"/op", CodeRequired, "is missing: use one of "+strings.Join(ops[member], ", "))
		return
	case !slices.Contains(ops[member], c.Op):
		r.need(false, pointer+"/op", CodeInvalidOp, clip(c.Op)+" is no comparison: use one of "+strings.Join(ops[member], ", "))
		return
	case known && !slices.Contains(ops[k], c.Op):
		r.need(false, pointer+"/op", CodeInvalidOp, c.Op+" is no comparison of "+c.Field+": use one of "+strings.Join(ops[k], ", "))
		return
	}
	least, most := 1, 1
	switch c.Op {
	case opIs, opIsNot:
		most = maxValues
	case opSet, opNotSet:
		least, most = 0, 0
	}
	n := strconv.Itoa(len(c.Values))
	r.need(len(c.Values) >= least, pointer+"/values", CodeRequired, c.Op+" needs a value")
	r.need(len(c.Values) <= most, pointer+"/values", CodeTooMany, n+" values are above the limit of "+strconv.Itoa(most)+" for "+c.Op)
	r.parts += len(c.Values)
	for i, v := range c.Values {
		r.short(v, at(pointer+"/values", i))
		if known {
			problem := c.valueProblem(k, v)
			r.need(problem == "", at(pointer+"/values", i), CodeInvalidValue, clip(v)+problem)
		}
	}
}

var (
	uuidText    = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	decimalText = regexp.MustCompile(`^-?[0-9]{1,14}(\.[0-9]{1,4})?$`)
	numberText  = regexp.MustCompile(`^-?[0-9]{1,308}(\.[0-9]{1,308})?([eE][+-]?[0-9]{1,3})?$`)
)

// valueProblem says what keeps the field from being compared with the value; empty: nothing.
func (c Condition) valueProblem(k kind, v string) string {
	_, order := orders[c.Op]
	switch {
	case k == flag && v != "0" && v != "1" && v != "true" && v != "false":
		return " is not true or false"
	case k == cohort && !IsSegmentName(v):
		return " is no name of a segment: " + nameRule
	case k == ident && !uuidText.MatchString(v):
		return " is not a UUID"
	case k == number && c.Field == "revenue" && !decimalText.MatchString(v):
		return " is not an amount: up to 14 digits, and up to 4 behind the point"
	case k == number && c.Field != "revenue" && !fits(v, numberTypes[c.Field]):
		return " is not a number of type " + numberTypes[c.Field]
	case k == member && order && !isNumber(v):
		return " is not a number"
	case v == "" && (c.Op == opContains || c.Op == opNotContains || c.Op == opStartsWith):
		return "the empty text is part of every text: use set or not_set"
	}
	return ""
}

func fits(v, unsigned string) bool {
	bits, err := strconv.Atoi(strings.TrimPrefix(unsigned, "UInt"))
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(v, 10, bits)
	return err == nil
}

func isNumber(v string) bool {
	if !numberText.MatchString(v) {
		return false
	}
	f, err := strconv.ParseFloat(v, 64)
	return err == nil && !math.IsInf(f, 0)
}

// condition is an expression of type UInt8, never NULL.
func (s *scope) condition(c Condition) string {
	k, _ := fieldKind(c.Field)
	operator, order := orders[c.Op]
	switch {
	case k == cohort:
		return s.inSegment(c)
	case order && k == member:
		f, err := strconv.ParseFloat(c.Values[0], 64)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		return "ifNull(" + s.number(c.Field) + " " + operator + " " + s.value("Float64", strconv.FormatFloat(f, 'g', -1, 64)) + ", 0)"
	case k == text && c.Op != opSet && c.Op != opNotSet:
		return s.compareText(c.Field, c)
	case k == text:
		return c.Field + emptiness(c.Op, "''")
	case k == member && c.Op != opSet && c.Op != opNotSet:
		return s.compareText(s.text(c.Field), c)
	case k == member:
		return s.text(c.Field) + emptiness(c.Op, "''")
	case order:
		return c.Field + " " + operator + " " + s.value(numberTypes[c.Field], amount(c.Values[0]))
	case c.Op == opSet || c.Op == opNotSet:
		empty := "0"
		if k == ident {
			empty = "toUUID('00000000-0000-0000-0000-000000000000')"
		}
		return c.Field + emptiness(c.Op, empty)
	default:
		typ := map[kind]string{number: numberTypes[c.Field], flag: "UInt8", ident: "UUID"}[k]
		return c.Field + s.membership(c, typ)
	}
}

// holdsForNothing tells whether a valid condition on a property holds where the property is not.
func (c Condition) holdsForNothing() bool {
	switch c.Op {
	case opIs:
		return slices.Contains(c.Values, "")
	case opIsNot:
		return !slices.Contains(c.Values, "")
	}
	return c.Op == opNotContains || c.Op == opNotSet
}

// inSegment looks for the person among the members of segments.
func (s *scope) inSegment(c Condition) string {
	not := ""
	if c.Op == opIsNot {
		not, c.Op = "NOT ", opIs
	}
	return "person_h " + not + "IN (SELECT person_h FROM " + s.database + ".segment_members_q WHERE project_id = {project:UInt32} AND segment" + s.membership(c, "String") + ")"
}

func emptiness(op, empty string) string {
	if op == opSet {
		return " != " + empty
	}
	return " = " + empty
}

func (s *scope) compareText(expression string, c Condition) string {
	switch c.Op {
	case opContains:
		return "position(" + expression + ", " + s.value("String", c.Values[0]) + ") > 0"
	case opNotContains:
		return "position(" + expression + ", " + s.value("String", c.Values[0]) + ") = 0"
	case opStartsWith:
		return "startsWith(" + expression + ", " + s.value("String", c.Values[0]) + ")"
	default:
		return expression + s.membership(c, "String")
	}
}

// membership is IN or NOT IN with the values.
func (s *scope) membership(c Condition, typ string) string {
	var all []string
	for _, v := range c.Values {
		switch {
		case v == "true" && typ == "UInt8":
			v = "1"
		case v == "false" && typ == "UInt8":
			v = "0"
		case typ != "String":
			v = amount(v)
		}
		all = append(all, s.value(typ, v))
	}
	if c.Op == opIsNot {
		return " NOT IN (" + strings.Join(all, ", ") + ")"
	}
	return " IN (" + strings.Join(all, ", ") + ")"
}

// amount writes a number without zeros in front, which the server might read as another base or not at all. Other texts stay as they are.
func amount(v string) string {
	if n, ok := new(big.Int).SetString(v, 10); ok {
		return n.String()
	}
	return v
}
