package generate

import (
	"math/rand/v2"
	"strconv"

	"github.com/millrace/millrace/bench/scenario"
)

// product is something that the shop sells.
type product struct {
	id, sku, name, slug []byte
	category, brand     string
	color               string
	cents               int64
}

// world is what all producers share. It is not changed after newWorld.
type world struct {
	products   []product
	names      *names
	properties []property
}

const (
	productCount = 400
	worldStream  = 1 << 32 // the producers' streams of random numbers are their numbers
)

func newWorld(s *scenario.Scenario) *world {
	r := rand.New(rand.NewPCG(s.Seed, worldStream))
	w := &world{
		products:   make([]product, productCount),
		names:      newNames(s.Events.Names, s.Events.Unicode > 0, s.Events.Escapes > 0),
		properties: longTail(r),
	}
	for i := range w.products {
		w.products[i] = newProduct(r, i)
	}
	return w
}

func newProduct(r *rand.Rand, i int) product {
	p := product{category: categories[i%len(categories)], brand: pick(r, brands), color: pick(r, colors)}
	adjective := pick(r, adjectives)
	p.id = strconv.AppendUint(nil, 100_000+mix(uint64(i))%800_000*1000+uint64(i), 10)
	p.sku = append(append(append(p.sku, p.brand[:3]...), '-'), strconv.Itoa(1000+i)...)
	p.name = append(append(append(append(append(p.name, p.brand...), ' '), adjective...), ' '), p.category...)
	for _, c := range p.name {
		switch {
		case c == ' ':
			c = '-'
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		p.slug = append(p.slug, c)
	}
	p.slug = append(append(p.slug, '-'), strconv.Itoa(i)...)
	p.cents = 499 + r.Int64N(2_000)*r.Int64N(40)
	return p
}
