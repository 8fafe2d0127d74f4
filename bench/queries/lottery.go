package queries

import (
	"math"
	"math/rand/v2"
	"slices"
)

// lottery draws the index of one of several things that are not equally likely.
type lottery []float64 // sums of the weights

func newLottery[T any](things []T, weight func(T) float64) lottery {
	l := make(lottery, len(things))
	sum := 0.0
	for i, thing := range things {
		sum += weight(thing)
		l[i] = sum
	}
	return l
}

func (l lottery) draw(r *rand.Rand) int {
	at, _ := slices.BinarySearch(l, r.Float64()*l[len(l)-1])
	return min(at, len(l)-1)
}

// zipf makes the first of n things the likeliest, the second half as likely, and so on.
func zipf(n int) lottery {
	l := make(lottery, n)
	sum := 0.0
	for i := range l {
		sum += 1 / float64(i+1)
		l[i] = sum
	}
	return l
}

// rhythm spreads things over time as people do: by the hour, by the day of the week, and a little more of them every day.
type rhythm struct {
	from int64     // Unix milliseconds, a midnight
	sums []float64 // the share of all things that lies before the end of each hour
}

const (
	hourMillis = 3_600_000
	dayMillis  = 24 * hourMillis
)

var (
	byHour    = [24]float64{1.2, 0.8, 0.6, 0.5, 0.5, 0.7, 1.2, 2.0, 3.2, 4.3, 4.9, 5.1, 5.2, 5.3, 5.5, 5.7, 5.9, 6.1, 6.4, 6.8, 6.6, 5.4, 3.6, 2.0}
	byWeekday = [7]float64{0.85, 1.08, 1.1, 1.06, 1.04, 0.97, 0.9} // from Sunday
)

// growth is how many more things there are on the last day than on the first.
const growth = 1.4

func newRhythm(from int64, days int) rhythm {
	q := rhythm{from: from, sums: make([]float64, 0, days*24)}
	sum := 0.0
	for d := range days {
		weekday := (from/dayMillis + int64(d) + 4) % 7 // 1970 began on a Thursday
		daily := byWeekday[weekday] * math.Pow(growth, float64(d)/float64(max(1, days-1)))
		for _, hourly := range byHour {
			sum += daily * hourly
			q.sums = append(q.sums, sum)
		}
	}
	for i := range q.sums {
		q.sums[i] /= sum
	}
	return q
}

// at is the moment before which so much of everything lies.
func (q *rhythm) at(share float64) int64 {
	hour, _ := slices.BinarySearch(q.sums, share)
	hour = min(hour, len(q.sums)-1)
	before := 0.0
	if hour > 0 {
		before = q.sums[hour-1]
	}
	within := (share - before) / (q.sums[hour] - before)
	return q.from + int64(hour)*hourMillis + int64(min(within, 1)*(hourMillis-1))
}
