package queries

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// answer is the rows of a query, each value as a text that does not depend on how the server or the driver types it.
type answer [][]string

func textOf(v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000")
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	}
	return fmt.Sprint(v)
}

// rounding is how far sums of floating-point numbers may lie apart that were added in another order.
const rounding = 1e-9

// difference says where two answers differ first; empty: nowhere. Values in the columns of approximate, counted from 0, may lie apart by that share of the naive one; deviation is
// the largest share that was found there.
func difference(ours, naive answer, approximate map[int]float64) (difference string, deviation float64) {
	if len(ours) != len(naive) {
		return fmt.Sprintf("ours has %d rows, naive %d", len(ours), len(naive)), 0
	}
	for i := range ours {
		if len(ours[i]) != len(naive[i]) {
			return fmt.Sprintf("ours has %d columns, naive %d", len(ours[i]), len(naive[i])), 0
		}
		for j := range ours[i] {
			a, b := ours[i][j], naive[i][j]
			if a == b {
				continue
			}
			allowed, expected := approximate[j]
			apart := share(a, b)
			if expected && apart <= allowed {
				deviation = max(deviation, apart)
				continue
			}
			if apart > rounding {
				return fmt.Sprintf("row %d: ours is %s, naive %s", i+1, shorten(ours[i]), shorten(naive[i])), deviation
			}
		}
	}
	return "", deviation
}

// share is how far a lies from b, as a share of b. Texts that are no numbers lie apart without end.
func share(a, b string) float64 {
	x, err := strconv.ParseFloat(a, 64)
	if err != nil {
		return math.Inf(1)
	}
	y, err := strconv.ParseFloat(b, 64)
	if err != nil {
		return math.Inf(1)
	}
	if x == y {
		return 0
	}
	return math.Abs(x-y) / math.Abs(y)
}

func shorten(row []string) string {
	const most = 200
	text := strings.Join(row, " | ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return "(" + text + ")"
}
