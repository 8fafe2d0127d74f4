package generate

import (
	"strconv"

	"github.com/millrace/millrace/schema"
)

// propertiesObject appends the value of properties: what the call is about, what its marks and its fault ask for, and as much of the long tail as there is room.
func (d *draft) propertiesObject(c *call) span {
	start := len(d.out)
	d.out = append(d.out, '{')
	d.special(c)
	switch c.about {
	case aboutProduct:
		d.productProperties(c)
	case aboutList:
		d.listProperties(c)
	case aboutCart, aboutOrder:
		d.cartProperties(c)
	case aboutPage:
		d.pageProperties(c)
	}
	d.fill()
	d.out = append(d.out, '}')
	return span{start, len(d.out)}
}

// special appends the members that make true what the marks and the fault say.
func (d *draft) special(c *call) {
	if c.unicode {
		d.key(d.textKey(foreignKeys, c.escapes))
		d.out = append(append(append(d.out, '"'), pick(d.r, phrases)...), '"')
	}
	if c.escapes {
		d.key(d.textKey(escapedKeys, false))
		d.out = append(append(append(d.out, '"'), pick(d.r, escapedTexts)...), '"')
	}
	switch c.fault {
	case tooDeep:
		d.raw("tree", deep)
	case badText:
		d.text("address", latin1)
	}
}

// textKey is mostly a plain key, and now and then a strange one. upper leaves the plain ones to the member that follows.
func (d *draft) textKey(strange []string, upper bool) string {
	if chance(d.r, 0.15) {
		return pick(d.r, strange)
	}
	half := len(textKeys) / 2
	if upper {
		return textKeys[d.r.IntN(half)]
	}
	return textKeys[half+d.r.IntN(half)]
}

func (d *draft) productProperties(c *call) {
	p := c.product
	d.text("product_id", string(p.id))
	d.cents("price", p.cents)
	if d.room(20) {
		d.text("sku", string(p.sku))
	}
	if d.room(160) {
		d.text("name", string(p.name))
		d.text("category", p.category)
		d.text("brand", p.brand)
	}
	if d.room(120) {
		d.text("variant", p.color)
		d.text("currency", currencies[0])
		d.number("quantity", 1+d.r.Int64N(3))
		d.raw("coupon", "null")
	}
	if d.room(120) {
		d.key("url")
		d.out = append(append(append(append(d.out, `"`+host+`/p/`...), p.slug...), '"'), ',')
		d.out = append(append(append(d.out, `"image_url":"https://cdn.example/i/`...), p.slug...), `.webp"`...)
	}
}

func (d *draft) listProperties(c *call) {
	d.text("list_id", c.product.category)
	d.text("category", c.product.category)
	if !d.room(120) {
		return
	}
	d.key("products")
	d.out = append(d.out, '[')
	for i := range 2 + d.r.IntN(6) {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		d.item(&d.world.products[d.r.IntN(len(d.world.products))], i+1)
		if !d.room(100) {
			break
		}
	}
	d.out = append(d.out, ']')
}

// item appends a product as an element of a list.
func (d *draft) item(p *product, position int) {
	d.out = append(append(append(d.out, `{"product_id":"`...), p.id...), `","price":`...)
	d.out = appendCents(d.out, p.cents)
	d.out = strconv.AppendInt(append(d.out, `,"position":`...), int64(position), 10)
	d.out = append(d.out, '}')
}

func (d *draft) cartProperties(c *call) {
	v := c.session
	var sum int64
	for _, p := range v.cart {
		sum += p.cents
	}
	if c.about == aboutOrder {
		d.text("order_id", "o-"+strconv.FormatUint(v.orderID, 10))
		d.cents("revenue", sum)
	} else {
		d.text("cart_id", "c-"+strconv.FormatUint(v.id%1e10, 10))
	}
	d.cents("total", sum+sum/5)
	d.text("currency", currencies[int(v.user.index)%len(currencies)])
	if d.room(100) {
		d.cents("tax", sum/5)
		d.raw("shipping", "0")
		d.raw("coupon", "null")
	}
	if !d.room(90 * len(v.cart)) {
		d.number("item_count", int64(len(v.cart)))
		return
	}
	d.key("products")
	d.out = append(d.out, '[')
	for i, p := range v.cart {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		d.item(p, i+1)
	}
	d.out = append(d.out, ']')
}

func (d *draft) pageProperties(c *call) {
	if len(c.name) > 0 && d.room(60) {
		d.text("name", string(c.name))
	}
	if c.typ == schema.Page {
		if d.room(150) {
			d.page(c.session)
		} else {
			d.text("path", string(c.session.path))
		}
	}
}

// traitsObject appends the value of traits: what is known of a user or a company; unless full, only the one or two that have changed.
func (d *draft) traitsObject(c *call, full bool) span {
	start := len(d.out)
	d.out = append(d.out, '{')
	d.text("plan", c.user.plan)
	if !full {
		d.number("orders", d.r.Int64N(40))
		d.out = append(d.out, '}')
		return span{start, len(d.out)}
	}
	d.special(c)
	if c.typ == schema.Group {
		d.text("name", "Company "+string(c.user.groupID))
		d.text("industry", pick(d.r, industries))
		d.number("employees", 1+d.r.Int64N(5000))
	} else {
		d.text("email", string(c.user.email))
		if d.room(120) {
			d.key("address")
			d.out = append(append(append(d.out, `{"city":"`...), c.user.city...), `","postal_code":"10115","country":null}`...)
		}
	}
	d.fill()
	d.out = append(d.out, '}')
	return span{start, len(d.out)}
}
