package demo

import (
	"math"
	"math/rand/v2"
)

// dice is where chance comes from. It is set anew for each thing that is decided, so that what happens to one person depends on nobody else.
type dice struct {
	pcg rand.PCG
	r   *rand.Rand
}

func newDice() *dice {
	d := new(dice)
	d.r = rand.New(&d.pcg)
	return d
}

// set makes all that follows a function of the arguments.
func (d *dice) set(seed, number, purpose uint64) {
	a := mix(seed + mix(number))
	d.pcg.Seed(a, mix(a^purpose))
}

func (d *dice) chance(p float64) bool { return d.r.Float64() < p }

func (d *dice) upTo(n int) int { return d.r.IntN(n) }

// exp draws from an exponential distribution.
func (d *dice) exp(mean float64) float64 { return mean * d.r.ExpFloat64() }

// around draws a positive number from a log-normal distribution by its median; one in six lies beyond median·e^spread.
func (d *dice) around(median, spread float64) float64 {
	return median * math.Exp(spread*d.r.NormFloat64())
}

// weighted chooses an index by the weights, of which at least one is above 0.
func (d *dice) weighted(weights ...float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	x := d.r.Float64() * sum
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// choose picks one of a list by weight.
func choose[T any](d *dice, of []T, weight func(*T) float64) *T {
	sum := 0.0
	for i := range of {
		sum += weight(&of[i])
	}
	x := d.r.Float64() * sum
	for i := range of {
		if x -= weight(&of[i]); x < 0 {
			return &of[i]
		}
	}
	return &of[len(of)-1]
}

func pick[T any](d *dice, of []T) T { return of[d.upTo(len(of))] }

// mix is a bijection that scatters: the finalizer of splitmix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
