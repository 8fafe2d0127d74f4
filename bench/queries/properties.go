package queries

import "strconv"

// appendProperties appends the properties of the event, and sets its revenue.
func (w *world) appendProperties(b []byte, e *event) []byte {
	r, v := w.r, e.visit
	b = appendString(append(b, `{"plan":`...), e.person.plan)
	b = appendString(append(b, `,"experiment":`...), experiments[e.person.number%len(experiments)])
	b = append(b, `,"trace":"`...)
	b = appendHex(b, r.Uint64())
	b = append(b, `","since_start_ms":`...)
	b = appendInt(b, int64(v.seen)*17_000+r.Int64N(17_000))
	switch e.kind.about {
	case aboutPage:
		b = append(b, `,"load_ms":`...)
		b = appendInt(b, 120+int64(r.ExpFloat64()*400))
		b = append(b, `,"scroll":0.`...)
		b = appendInt(b, 1+r.Int64N(9))
		b = appendString(append(b, `,"section":`...), pick(r, sections))
		b = appendString(append(b, `,"variant":`...), pick(r, colors))
		b = append(b, `,"ads":`...)
		b = appendInt(b, r.Int64N(4))
		b = append(b, `,"modules":["hero","teaser","`...)
		b = append(append(b, pick(r, lists)...), `"],"cached":`...)
		b = strconv.AppendBool(b, r.IntN(3) == 0)
	case aboutProduct:
		b = appendItem(append(b, ','), v.product, 0)
		b = appendString(append(b, `,"variant":`...), pick(r, colors))
		b = appendString(append(b, `,"list":`...), pick(r, lists))
		b = append(b, `,"position":`...)
		b = appendInt(b, 1+r.Int64N(48))
	case aboutOrder:
		b = w.appendOrder(b, e)
	case aboutFeature:
		b = appendString(append(b, `,"element":`...), pick(r, things))
		b = appendString(append(b, `,"list":`...), pick(r, lists))
		b = append(b, `,"value":`...)
		b = appendInt(b, int64(r.ExpFloat64()*90))
		b = append(b, `,"pointer":{"x":`...)
		b = appendInt(b, r.Int64N(int64(e.person.gear.width)))
		b = append(b, `,"y":`...)
		b = appendInt(b, r.Int64N(int64(e.person.gear.height)))
		b = appendString(append(b, `},"label":`...), pick(r, adjectives)+" "+pick(r, materials)+" "+pick(r, things))
		b = append(b, `,"tags":["`...)
		b = append(append(b, pick(r, categories)...), `","`...)
		b = append(append(b, pick(r, colors)...), `"],"ok":`...)
		b = strconv.AppendBool(b, r.IntN(20) != 0)
	}
	return append(b, '}')
}

var experiments = []string{"checkout_one_page:control", "checkout_one_page:on", "hero_video:control", "hero_video:on", "free_shipping_bar:control", "free_shipping_bar:on"}

// appendOrder appends what is in the cart. Only a completed order has revenue.
func (w *world) appendOrder(b []byte, e *event) []byte {
	r := w.r
	b = append(b, `,"order_id":"`...)
	b = appendHex(b, r.Uint64()>>24)
	b = append(b, `","products":[{`...)
	sum := int64(0)
	for i := range 1 + r.IntN(3) {
		p := e.visit.product
		if i > 0 {
			p = &w.products[w.byProduct.draw(r)]
			b = append(b, `,{`...)
		}
		quantity := 1 + r.Int64N(2)
		sum += quantity * p.cents
		b = append(appendItem(b, p, quantity), '}')
	}
	b = appendString(append(b, `],"payment":`...), pick(r, payments))
	b = appendString(append(b, `,"coupon":`...), []string{"", "", "", "WELCOME10", "AUTUMN15"}[r.IntN(5)])
	if e.kind.name == orderCompleted {
		e.cents = sum
		b = append(b, `,"revenue":`...)
	} else {
		b = append(b, `,"total":`...)
	}
	return append(appendCents(b, sum), `,"currency":"EUR"`...)
}

// appendItem appends the members of a product. A quantity of 0 is left out.
func appendItem(b []byte, p *product, quantity int64) []byte {
	b = appendString(append(b, `"product_id":`...), p.id)
	b = appendString(append(b, `,"sku":`...), p.sku)
	b = appendString(append(b, `,"name":`...), p.name)
	b = appendString(append(b, `,"category":`...), p.category)
	b = appendString(append(b, `,"brand":`...), p.brand)
	b = appendCents(append(b, `,"price":`...), p.cents)
	if quantity > 0 {
		b = appendInt(append(b, `,"quantity":`...), quantity)
	}
	return b
}

// appendString appends a JSON string. None of ours needs an escape.
func appendString(b []byte, s string) []byte { return append(append(append(b, '"'), s...), '"') }

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// appendCents appends an amount as the shortest JSON number.
func appendCents(b []byte, n int64) []byte {
	b = appendInt(b, n/100)
	switch rest := n % 100; {
	case rest == 0:
		return b
	case rest%10 == 0:
		return append(b, '.', byte('0'+rest/10))
	default:
		return append(b, '.', byte('0'+rest/10), byte('0'+rest%10))
	}
}

func appendHex(b []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return b
}
