package generate

import (
	"math/rand/v2"
	"strconv"
)

// ProbeEvent is the name of the events that the probe sends. No other event has it.
const ProbeEvent = "Bench Probe"

// The steps of the funnel, as Segment's e-commerce specification calls them.
var (
	listViewed      = []byte("Product List Viewed")
	productViewed   = []byte("Product Viewed")
	productAdded    = []byte("Product Added")
	cartViewed      = []byte("Cart Viewed")
	checkoutStarted = []byte("Checkout Started")
	paymentEntered  = []byte("Payment Info Entered")
	orderCompleted  = []byte("Order Completed")
)

// funnel is those that every shop has.
var funnel = [][]byte{listViewed, productViewed, productAdded, cartViewed, checkoutStarted, paymentEntered, orderCompleted}

// names are the event names beside the funnel, most frequent first. Those with other than ASCII text or with quotes and backslashes are only for events that
// are to have such.
type names struct {
	plain, foreign, quoted [][]byte
}

// newNames makes n names.
func newNames(n int, unicode, escapes bool) *names {
	all := new(names)
	if n >= 10 {
		if unicode {
			all.foreign = bytesOf(foreignNames[:min(len(foreignNames), n/10)])
		}
		if escapes {
			all.quoted = bytesOf(quotedNames[:min(len(quotedNames), n/20)])
		}
	}
	for i := range n - len(all.foreign) - len(all.quoted) {
		all.plain = append(all.plain, plainName(i))
	}
	return all
}

// plainName is the i-th name: an object and what was done to it. Their numbers are coprime, so neighbours differ and none repeats before all pairs are used.
func plainName(i int) []byte {
	pairs := len(eventObjects) * len(eventActions)
	object, action := i%len(eventObjects), i%len(eventActions)
	name := append([]byte(nil), eventObjects[object]...)
	name = append(append(name, ' '), eventActions[action]...)
	if round := i / pairs; round > 0 {
		name = strconv.AppendInt(append(name, ' '), int64(round+1), 10)
	}
	return name
}

// choose picks a name. zipf must be over len(plain) ranks.
func (n *names) choose(r *rand.Rand, zipf *rand.Zipf, unicode, escapes bool) []byte {
	switch {
	case unicode && len(n.foreign) > 0 && chance(r, 0.2):
		return pick(r, n.foreign)
	case escapes && len(n.quoted) > 0 && chance(r, 0.2):
		return pick(r, n.quoted)
	}
	return n.plain[zipf.Uint64()]
}

func bytesOf(words []string) [][]byte {
	out := make([][]byte, len(words))
	for i, w := range words {
		out[i] = []byte(w)
	}
	return out
}
