package config

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// shape is what a value looks like where it stands, before its key says what it should be.
type shape uint8

const (
	plain shape = iota // from environment or flag, where everything is text
	text               // the rest are from YAML
	number
	boolean
	list
	section
	null
)

func (s shape) String() string {
	return [...]string{"a text", "a text", "a number", "a boolean", "a list", "a section", "empty"}[s]
}

// raw is one value as written.
type raw struct {
	key    string
	origin Origin
	shape  shape
	text   string
	items  []raw // of a list
}

// parse returns the value of f that r spells: string, bool, int64 (also durations, in nanoseconds), uint64, float64, or []any of these.
// The error says what is wrong without naming key or place.
func (f *field) parse(r raw) (any, error) {
	if f.Kind != List {
		return f.parseScalar(f.Kind, f.typ, r)
	}
	items, err := f.items(r)
	if err != nil {
		return nil, err
	}
	values := make([]any, 0, len(items))
	for _, item := range items {
		v, err := f.parseScalar(f.elem, f.typ.Elem(), item)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", len(values)+1, err)
		}
		values = append(values, v)
	}
	return values, nil
}

func (f *field) items(r raw) ([]raw, error) {
	switch r.shape {
	case list:
		return r.items, nil
	case plain:
		if strings.TrimSpace(r.text) == "" {
			return nil, nil
		}
		var items []raw
		for part := range strings.SplitSeq(r.text, ",") {
			items = append(items, raw{shape: plain, text: strings.TrimSpace(part)})
		}
		return items, nil
	case null:
		return nil, fmt.Errorf("has no value: write [] for an empty list, or remove the line")
	default:
		return nil, fmt.Errorf("%s is %v, want a list: write [%s]", f.quote(r.text), r.shape, f.mask(r.text))
	}
}

func (f *field) parseScalar(k Kind, t reflect.Type, r raw) (any, error) {
	switch r.shape {
	case null:
		return nil, fmt.Errorf("has no value: write %s, or remove the line", example[k])
	case list, section:
		return nil, fmt.Errorf("is %v, want one %v such as %s", r.shape, k, example[k])
	}
	switch k {
	case Text:
		if r.shape == number || r.shape == boolean {
			return nil, fmt.Errorf("%s is %v, want a text: put it in quotes", f.mask(r.text), r.shape)
		}
		return r.text, nil
	case Bool:
		if (r.shape == boolean || r.shape == plain) && (r.text == "true" || r.text == "false") {
			return r.text == "true", nil
		}
	case Duration:
		d, err := parseDuration(r.text)
		if err == nil && r.shape != number || r.text == "0" {
			return int64(d), nil
		}
		if _, err := strconv.ParseFloat(r.text, 64); err == nil {
			return nil, fmt.Errorf("%s has no unit: write %ss for seconds or %sms for milliseconds", f.mask(r.text), f.mask(r.text), f.mask(r.text))
		}
	case Size:
		return f.parseSize(t, r)
	case Integer:
		if r.shape == number || r.shape == plain {
			return f.parseInteger(t, r.text)
		}
	case Number:
		if r.shape == number || r.shape == plain {
			v, err := strconv.ParseFloat(r.text, t.Bits())
			if err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v, nil
			}
		}
	}
	return nil, f.mistyped(k, r)
}

// mistyped says that r is no value of kind k.
func (f *field) mistyped(k Kind, r raw) error {
	if r.shape == text && (k == Bool || k == Integer || k == Number) {
		return fmt.Errorf("%s is a text, want %v: write %s, without quotes", f.quote(r.text), k, example[k])
	}
	return fmt.Errorf("%s is not a valid %v: write %s", f.quote(r.text), k, example[k])
}

const aDay = 24 * time.Hour

// parseDuration is time.ParseDuration with days of 24 hours before all else: 60d, 1d12h.
func parseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	n, err := strconv.ParseUint(days, 10, 32)
	if !found || err != nil {
		return time.ParseDuration(text)
	}
	if n > uint64(math.MaxInt64/aDay) {
		return 0, fmt.Errorf("%q is too long", text)
	}
	d := time.Duration(n) * aDay
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || strings.HasPrefix(rest, "+") {
		return 0, fmt.Errorf("%q is no duration", text)
	}
	if d += more; d < 0 {
		return 0, fmt.Errorf("%q is too long", text)
	}
	return d, nil
}

// example is how a value of each kind is written.
var example = [...]string{Text: `"text"`, Bool: "true or false", Integer: "100", Number: "0.5", Duration: "250ms, 5s, 1h30m or 60d", Size: "64MiB", List: "[a, b]"}

func (f *field) parseInteger(t reflect.Type, s string) (any, error) {
	if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
		v, err := strconv.ParseUint(s, 10, t.Bits())
		if err != nil {
			return nil, f.badInteger(s, "0", strconv.FormatUint(math.MaxUint64>>(64-t.Bits()), 10))
		}
		return v, nil
	}
	v, err := strconv.ParseInt(s, 10, t.Bits())
	if err != nil {
		top := int64(math.MaxInt64) >> (64 - t.Bits())
		return nil, f.badInteger(s, strconv.FormatInt(-top-1, 10), strconv.FormatInt(top, 10))
	}
	return v, nil
}

func (f *field) badInteger(s, low, high string) error {
	if _, ok := new(big.Int).SetString(s, 10); ok {
		return fmt.Errorf("%s is not between %s and %s", f.mask(s), low, high)
	}
	return fmt.Errorf("%s is not a valid integer: write digits only, such as 100", f.quote(s))
}

// units of sizes, in lower case. The short ones are not here: whether 64M means 1000 or 1024 differs from tool to tool.
var units = map[string]int64{
	"b":  1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

func (f *field) parseSize(t reflect.Type, r raw) (any, error) {
	s := r.text
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	suffix := strings.ToLower(s[len(digits):])
	if suffix == "" {
		if r.shape == boolean || r.shape == text {
			return nil, f.mistyped(Size, r)
		}
		return f.parseInteger(t, s)
	}
	unit, ok := units[suffix]
	if !ok {
		if len(suffix) == 1 && strings.Contains("kmgt", suffix) {
			u := strings.ToUpper(suffix)
			return nil, fmt.Errorf("%s is ambiguous: write %siB (1024) or %sB (1000)", f.quote(s), u, u)
		}
		return nil, f.mistyped(Size, r)
	}
	amount, ok := new(big.Rat).SetString(strings.TrimSpace(digits))
	if !ok || strings.ContainsAny(digits, "/_eExX") {
		return nil, f.mistyped(Size, r)
	}
	amount.Mul(amount, new(big.Rat).SetInt64(unit))
	if !amount.IsInt() {
		return nil, fmt.Errorf("%s is not a whole number of bytes", f.quote(s))
	}
	v, err := f.parseInteger(t, amount.Num().String())
	if err != nil {
		return nil, fmt.Errorf("%s is out of range: %w", f.quote(s), err)
	}
	return v, nil
}

const masked = "********"

func (f *field) mask(s string) string {
	if f.Secret {
		return masked
	}
	return s
}

// quote returns the value for a message, cut when it is long.
func (f *field) quote(s string) string {
	if f.Secret {
		return masked
	}
	const most = 80
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}
