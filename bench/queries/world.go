package queries

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// product is something that the shops sell.
type product struct {
	id, sku, name, path, category, brand string
	cents                                int64
}

// page is a page that is about no product.
type page struct{ path, title string }

const (
	productCount = 800
	pageCount    = 240
	worldStream  = 0 // of the seed: people have the numbers from 1
	visitStream  = 1 << 40
)

// world is what there is, and the source of chance for what happens. Not safe for concurrent use.
type world struct {
	r        *rand.Rand
	products []product
	pages    []page

	byProduct, byPage, byFeature, bySource lottery
}

func newWorld(seed uint64) *world {
	w := &world{
		r:         rand.New(rand.NewPCG(seed, worldStream)),
		byProduct: zipf(productCount), byPage: zipf(pageCount), byFeature: zipf(len(features)),
		bySource: newLottery(sources, func(s source) float64 { return s.weight }),
	}
	for i := range productCount {
		w.products = append(w.products, w.newProduct(i))
	}
	for i := range pageCount {
		w.pages = append(w.pages, w.newPage(i))
	}
	w.r = rand.New(rand.NewPCG(seed, visitStream))
	return w
}

func (w *world) newProduct(i int) product {
	r := w.r
	name := pick(r, adjectives) + " " + pick(r, materials) + " " + pick(r, things)
	category := categories[i%len(categories)]
	return product{
		id: strconv.Itoa(100_000 + i*7919%899_981), sku: strings.ToUpper(category[:3]) + "-" + strconv.Itoa(1000+i), name: name,
		path:     "/p/" + strings.ReplaceAll(strings.ToLower(name), " ", "-") + "-" + strconv.Itoa(i),
		category: category, brand: pick(r, brands), cents: 499 + r.Int64N(600)*r.Int64N(60),
	}
}

func (w *world) newPage(i int) page {
	if i < len(sections) {
		if i == 0 {
			return page{"/", "Home"}
		}
		return page{"/" + sections[i], strings.ToUpper(sections[i][:1]) + sections[i][1:]}
	}
	topic := strings.ToLower(pick(w.r, adjectives) + "-" + pick(w.r, things))
	section := sections[1+w.r.IntN(3)]
	return page{"/" + section + "/" + topic + "-" + strconv.Itoa(i), strings.ReplaceAll(topic, "-", " ") + " – " + section}
}

func pick(r *rand.Rand, words []string) string { return words[r.IntN(len(words))] }
