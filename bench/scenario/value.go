package scenario

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

var durationType = reflect.TypeFor[time.Duration]()

// setScalar reads a scalar, as written, into a field of its type.
func setScalar(into reflect.Value, s string, kind ast.NodeType) error {
	switch {
	case into.Type() == durationType:
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%q is no duration: write a number with a unit, e.g. 500ms, 30s, 10m, 1h30m", s)
		}
		into.SetInt(int64(d))
	case into.Kind() == reflect.Int64:
		n, err := parseSize(s)
		if err != nil {
			return err
		}
		into.SetInt(n)
	case into.Kind() == reflect.Int:
		n, err := strconv.ParseInt(plain(s), 10, 32)
		if err != nil {
			return fmt.Errorf("%q is no whole number below 2^31", s)
		}
		into.SetInt(n)
	case into.Kind() == reflect.Uint64:
		n, err := strconv.ParseUint(plain(s), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no whole number from 0 to 2^64-1", s)
		}
		into.SetUint(n)
	case into.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(plain(s), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return fmt.Errorf("%q is no number", s)
		}
		into.SetFloat(f)
	case into.Kind() == reflect.Bool:
		if kind != ast.BoolType {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		into.SetBool(strings.EqualFold(s, "true"))
	default:
		into.SetString(s)
	}
	return nil
}

// plain takes the underscores out of a number, where they may stand between digits: 10_000.
func plain(s string) string {
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return s // not between digits: refused as it is
	}
	return strings.ReplaceAll(s, "_", "")
}

// units of a size, in lower case.
var units = map[string]int64{
	"": 1, "b": 1,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
}

// parseSize reads a number of bytes: 65536, 64KiB, 1.5MiB, 10MB.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, known := units[strings.ToLower(s[len(digits):])]
	digits = strings.TrimSpace(plain(digits))
	amount, ok := new(big.Rat).SetString(digits)
	if !known || !ok || strings.ContainsAny(digits, "/_eExX") {
		return 0, fmt.Errorf("%q is no size: write bytes, or a number with KiB, MiB or GiB (1024) or KB, MB or GB (1000), e.g. 64MiB", s)
	}
	amount.Mul(amount, new(big.Rat).SetInt64(unit))
	if !amount.IsInt() || !amount.Num().IsInt64() {
		return 0, fmt.Errorf("%q is not a whole number of bytes below 2^63", s)
	}
	return amount.Num().Int64(), nil
}

// formatSize is the shortest text that parseSize reads as n.
func formatSize(n int64) string {
	suffix := ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, suffix = n/1024, u
	}
	return strconv.FormatInt(n, 10) + suffix
}

// formatDuration is time.Duration's text without the zeros at its end: 10m, not 10m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
