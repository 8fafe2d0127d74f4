package queries

import (
	"math/rand/v2"

	"github.com/google/uuid"
)

// visit is a session that goes on.
type visit struct {
	at      int64 // of the next event, Unix milliseconds
	left    int   // events to come
	person  *person
	source  *source
	session uuid.UUID
	first   bool // the person's first visit

	stage   stage
	product *product
	path    string // of the page
	title   string
	landed  bool
	seen    int // events so far

	head, tail []byte // context before and behind the page
	request    uuid.UUID
	batch      int // events that the request still takes
}

// stage is how far somebody has come on the way to an order.
type stage uint8

const (
	looking stage = iota
	interested
	decided
	paying
	bought
)

const (
	bounces    = 0.35 // visits of one event
	meanLength = 8.15 // events of a visit
	mostEvents = 120
)

// length draws how many events a visit has. Their mean is meanLength.
func length(r *rand.Rand) int {
	if r.Float64() < bounces {
		return 1
	}
	return min(mostEvents, 2+int(r.ExpFloat64()*10.5))
}

// pause draws how long somebody stays with one event, in milliseconds.
func pause(r *rand.Rand) int64 { return 700 + int64(r.ExpFloat64()*28_000) }

// kind is what happens next.
type kind struct {
	name  string // of the event
	page  bool   // a page call
	about subject
}

type subject uint8

const (
	aboutPage subject = iota
	aboutProduct
	aboutOrder
	aboutFeature
)

var (
	viewKind     = kind{pageView, true, aboutPage}
	productKind  = kind{productViewed, false, aboutProduct}
	addKind      = kind{productAdded, false, aboutProduct}
	checkoutKind = kind{checkoutStarted, false, aboutOrder}
	orderKind    = kind{orderCompleted, false, aboutOrder}
	signUpKind   = kind{signedUp, false, aboutFeature}
)

// step decides what happens, and where that leaves the visit.
func (w *world) step(v *visit) kind {
	r := w.r
	if !v.landed {
		v.landed = true
		w.open(v)
		return viewKind
	}
	if v.first && v.seen == 3 && r.Float64() < 0.3 {
		return signUpKind
	}
	chance := r.Float64()
	switch v.stage {
	case interested:
		if chance < 0.16 {
			v.stage = decided
			return addKind
		}
	case decided:
		if chance < 0.22 {
			v.stage, v.path, v.title = paying, "/checkout", "Checkout"
			return checkoutKind
		}
	case paying:
		if chance < 0.60 {
			v.stage, v.path, v.title = bought, "/checkout/thanks", "Thank you"
			return orderKind
		}
	}
	switch chance = r.Float64(); {
	case chance < 0.42:
		w.open(v)
		return viewKind
	case chance < 0.66:
		v.product = &w.products[w.byProduct.draw(r)]
		v.path, v.title = v.product.path, v.product.name
		v.stage = max(v.stage, interested)
		return productKind
	}
	return kind{features[w.byFeature.draw(r)], false, aboutFeature}
}

// open turns to another page.
func (w *world) open(v *visit) {
	p := &w.pages[w.byPage.draw(w.r)]
	v.path, v.title = p.path, p.title
}
