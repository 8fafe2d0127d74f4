package queries

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/google/uuid"
)

// projectShares is how much of everything each project has, from project 1.
var projectShares = []float64{0.40, 0.25, 0.15, 0.12, 0.08}

// askedProject is the one that the questions are about. It is the largest, which favours a table that is not ordered by project.
const askedProject = 1

// person is somebody who comes back as the same, from the same country with the same device.
type person struct {
	number    int
	project   uint32
	place     *place
	city      string
	gear      *gear
	plan      string
	anonymous string
	user      string // empty: never logged in
	ip        netip.Addr
}

// distinct is the id that events are counted by.
func (p *person) distinct() string {
	if p.user != "" {
		return p.user
	}
	return p.anonymous
}

// crowd is all people so far. Who somebody is follows from seed and number alone; only when each was seen last is kept.
type crowd struct {
	seed uint64
	last []int64 // by number: ts of the last event; 0: none yet

	pcg                                 rand.PCG
	r                                   *rand.Rand // over pcg, which is set for each person
	byProject, byPlace, byGear, byPlans lottery
}

const (
	newcomers = 0.20 // of all visits
	loyals    = 0.25 // visits of the few who come again and again
	loyalStep = 16   // every so many-th person is one of them
	loggedIn  = 0.35 // of all people
)

// newCrowd makes so many who have been there before.
func newCrowd(seed uint64, before int) *crowd {
	c := &crowd{
		seed: seed, last: make([]int64, max(loyalStep, before)),
		byProject: newLottery(projectShares, func(w float64) float64 { return w }),
		byPlace:   newLottery(places, func(p place) float64 { return p.weight }),
		byGear:    newLottery(gears, func(g gear) float64 { return g.weight }),
		byPlans:   newLottery(plans, func(w weighted) float64 { return w.weight }),
	}
	c.r = rand.New(&c.pcg)
	return c
}

// visitor draws who comes next: somebody new, one of the loyal, or mostly one of those who were new lately.
func (c *crowd) visitor(r *rand.Rand) (p *person, first bool) {
	n := len(c.last)
	switch kind := r.Float64(); {
	case kind < newcomers:
		c.last = append(c.last, 0)
		return c.person(n), true
	case kind < newcomers+loyals:
		return c.person(r.IntN(n) / loyalStep * loyalStep), false
	default:
		return c.person(n - 1 - int(float64(n)*math.Pow(r.Float64(), 4))), false
	}
}

// tick returns the time of an event of the person at about this time: no two events of one person are in the same millisecond, so that their order by time is total.
func (c *crowd) tick(p *person, at int64) int64 {
	at = max(at, c.last[p.number]+1)
	c.last[p.number] = at
	return at
}

func (c *crowd) person(number int) *person {
	c.pcg.Seed(c.seed, uint64(number)+1)
	r := c.r
	p := &person{number: number, project: uint32(c.byProject.draw(r)) + 1, place: &places[c.byPlace.draw(r)], gear: &gears[c.byGear.draw(r)], plan: plans[c.byPlans.draw(r)].word}
	p.city = p.place.cities[r.IntN(len(p.place.cities))]
	p.anonymous = randomUUID(r).String()
	if r.Float64() < loggedIn {
		p.user = "usr_" + strconv.FormatUint(r.Uint64()>>12, 36)
	}
	a := r.Uint32()
	p.ip = netip.AddrFrom4([4]byte{byte(11 + a%180), byte(a >> 8), byte(a >> 16), byte(a >> 24)})
	return p
}

// randomUUID is a UUIDv4.
func randomUUID(r *rand.Rand) (id uuid.UUID) {
	fill(id[:], r)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// timedUUID is a UUIDv7 of a time in Unix milliseconds.
func timedUUID(r *rand.Rand, at int64) (id uuid.UUID) {
	fill(id[:], r)
	for i := range 6 {
		id[i] = byte(at >> (40 - 8*i))
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

func fill(b []byte, r *rand.Rand) {
	for i := 0; i < len(b); i += 8 {
		v := r.Uint64()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
}
