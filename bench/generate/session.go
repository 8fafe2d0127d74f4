package generate

import "github.com/millrace/millrace/schema"

// stage is how far a visit has come.
type stage uint8

const (
	arriving stage = iota
	browsing
	looking // at a product
	carting
	paying
	leaving
	working // on a server: nothing but events
)

// session is one visit.
type session struct {
	user     *user
	id       uint64
	stage    stage
	left     int      // events until it ends, of a server
	product  *product // the last one seen
	cart     []*product
	orderID  uint64
	path     []byte // the page that is open
	title    []byte
	search   string
	referrer string
	campaign string // a member of the context, or none
	pending  []schema.Type
}

// begin starts a visit of u. The memory of the visit before is reused.
func (v *session) begin(s *shop, u *user) {
	*v = session{user: u, id: s.r.Uint64(), cart: v.cart[:0], path: v.path[:0], title: v.title[:0], pending: v.pending[:0]}
	u.busy = true
	v.product = s.product()
	if u.client == server {
		v.stage, v.left = working, 2+s.r.IntN(12)
		return
	}
	if chance(s.r, 0.3) {
		v.referrer = pick(s.r, referrers)
	}
	if chance(s.r, 0.2) {
		v.campaign = pick(s.r, campaigns)
		v.search = "?utm_source=ad"
	}
	if u.known && chance(s.r, 0.12) {
		v.identify() // the SDK says again who it is
	}
	v.open("/", "Shop")
}

// over tells whether the visit has nothing more to say.
func (v *session) over() bool {
	return len(v.pending) == 0 && (v.stage == leaving || v.stage == working && v.left == 0)
}

// end closes the visit.
func (v *session) end(s *shop) {
	v.user.busy = false
	if v.user.client != server && v.user.known && chance(s.r, 0.25) {
		v.user.known = false // logged out
	}
}

// next fills c with what happens next. The visit must not be over.
func (v *session) next(s *shop, c *call) {
	c.user, c.session, c.product = v.user, v, v.product
	if len(v.pending) > 0 {
		c.typ = v.pending[0]
		v.pending = v.pending[:copy(v.pending, v.pending[1:])]
		if c.typ == schema.Identify || c.typ == schema.Alias {
			v.user.known = true
		}
		c.known = v.user.known
		return
	}
	c.known = v.user.known
	x := s.r.Float64()
	switch v.stage {
	case arriving:
		v.stage = browsing
		v.page(s, c, "Home")
	case browsing:
		v.browse(s, c, x)
	case looking:
		v.look(s, c, x)
	case carting:
		v.fill(s, c, x)
	case paying:
		v.pay(s, c, x)
	default:
		v.left--
		s.other(c)
	}
}

func (v *session) browse(s *shop, c *call, x float64) {
	switch {
	case x < 0.22:
		v.open("/c/"+v.product.category, v.product.category)
		v.page(s, c, "Category")
	case x < 0.48:
		s.other(c)
	case x < 0.64:
		c.track(listViewed, aboutList)
	case x < 0.93:
		v.see(s, c)
	default:
		v.leave(s, c)
	}
}

func (v *session) look(s *shop, c *call, x float64) {
	switch {
	case x < 0.18:
		v.page(s, c, "Product")
	case x < 0.40:
		s.other(c)
	case x < 0.62:
		v.stage = carting
		v.cart = append(v.cart, v.product)
		c.track(productAdded, aboutProduct)
	case x < 0.80:
		v.see(s, c)
	case x < 0.90:
		v.stage = browsing
		c.track(listViewed, aboutList)
	default:
		v.leave(s, c)
	}
}

func (v *session) fill(s *shop, c *call, x float64) {
	switch {
	case x < 0.14:
		v.open("/cart", "Your cart")
		v.page(s, c, "Cart")
	case x < 0.30:
		s.other(c)
	case x < 0.44:
		c.track(cartViewed, aboutCart)
	case x < 0.58 && len(v.cart) < 8:
		v.see(s, c) // and back to looking: some go on shopping
	case x < 0.84:
		v.stage = paying
		v.orderID = s.r.Uint64N(1e10)
		v.open("/checkout", "Checkout")
		if !v.user.known {
			v.logIn(s)
		}
		c.track(checkoutStarted, aboutCart)
	default:
		v.leave(s, c)
	}
}

func (v *session) pay(s *shop, c *call, x float64) {
	switch {
	case x < 0.15:
		v.page(s, c, "Checkout")
	case x < 0.25:
		s.other(c)
	case x < 0.45:
		c.track(paymentEntered, aboutCart)
	case x < 0.85:
		v.stage = leaving
		v.open("/checkout/done", "Thank you")
		c.track(orderCompleted, aboutOrder)
	default:
		v.leave(s, c)
	}
}

// see opens a product.
func (v *session) see(s *shop, c *call) {
	v.stage = looking
	v.product = s.product()
	c.product = v.product
	v.open("/p/"+string(v.product.slug), string(v.product.name))
	c.track(productViewed, aboutProduct)
}

// leave lets the visit end with one last event.
func (v *session) leave(s *shop, c *call) {
	v.stage = leaving
	s.other(c)
}

// logIn makes the events of a visitor who says who they are.
func (v *session) logIn(s *shop) {
	if v.user.client == mobile && chance(s.r, 0.4) {
		v.pending = append(v.pending, schema.Alias)
	}
	v.identify()
}

// identify makes the events that say who the user is and whom they belong to.
func (v *session) identify() {
	v.pending = append(v.pending, schema.Identify)
	if len(v.user.groupID) > 0 {
		v.pending = append(v.pending, schema.Group)
	}
}

// open moves to another page; the one before becomes its referrer.
func (v *session) open(path, title string) {
	if len(v.path) > 0 {
		v.referrer, v.search = host+string(v.path), ""
	}
	v.path = append(v.path[:0], path...)
	v.title = append(v.title[:0], title...)
}

// host is the shop's.
const host = "https://shop.example"

// page makes the call for the page or screen that is open. One in four has no name.
func (v *session) page(s *shop, c *call, name string) {
	c.typ, c.about = schema.Page, aboutPage
	if v.user.client == mobile {
		c.typ = schema.Screen
	}
	if chance(s.r, 0.75) {
		c.name = append(c.name, name...)
		if name == "Product" {
			c.name = append(append(c.name, ' '), v.product.sku...)
		}
	}
}
