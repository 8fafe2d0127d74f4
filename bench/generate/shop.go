package generate

import (
	"math/rand/v2"

	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/schema"
)

// subject is what an event's properties are about.
type subject uint8

const (
	aboutNothing subject = iota
	aboutProduct
	aboutList
	aboutCart
	aboutOrder
	aboutPage
)

// call is one thing that a client tells: what happens in the shop, before it has a form.
type call struct {
	typ     schema.Type
	event   []byte // of a track call; shared, not to be changed
	name    []byte // of a page or screen; the call's own memory
	about   subject
	user    *user
	known   bool // the user is logged in
	session *session
	product *product
	fault   fault
	unicode bool // must hold other than ASCII text, as no other event may
	escapes bool // must hold JSON escapes, as no other event may
}

func (c *call) reset() { *c = call{name: c.name[:0]} }

func (c *call) track(event []byte, about subject) {
	c.typ, c.event, c.about = schema.Track, event, about
}

// shop is the simulation behind one producer. Users come, often the same ones, several visits run side by side, and each next event is one of theirs.
type shop struct {
	r        *rand.Rand
	world    *world
	names    *rand.Zipf
	products *rand.Zipf
	users    []user
	visits   []session
	unicode  quota
	escapes  quota
}

// visitsAtOnce is how many visits run side by side, as far as there are users.
const visitsAtOnce = 48

func newShop(s *scenario.Scenario, w *world, r *rand.Rand, producer uint16) *shop {
	p := &shop{
		r: r, world: w,
		names:    rand.NewZipf(r, 1.2, 2, uint64(len(w.names.plain)-1)),
		products: rand.NewZipf(r, 1.1, 8, uint64(len(w.products)-1)),
		users:    make([]user, s.Events.Users),
		unicode:  newQuota(r, s.Events.Unicode),
		escapes:  newQuota(r, s.Events.Escapes),
	}
	for i := range p.users {
		p.users[i] = newUser(r, s, producer, i)
	}
	p.visits = make([]session, max(1, min(visitsAtOnce, len(p.users)/3)))
	for i := range p.visits {
		p.visits[i].begin(p, p.visitor())
	}
	return p
}

// next fills c with the next event.
func (s *shop) next(c *call) {
	c.reset()
	v := &s.visits[s.r.IntN(len(s.visits))]
	if v.over() {
		v.end(s)
		v.begin(s, s.visitor())
	}
	c.known = v.user.known
	s.mark(c, v)
	v.next(s, c)
}

// mark decides on unicode and escapes before the event is chosen, because they decide on names. Who has such an id has it always.
func (s *shop) mark(c *call, v *session) {
	known := v.user.known || len(v.pending) > 0 // what is pending names the user
	c.unicode, c.escapes = known && v.user.foreignID, known && v.user.quotedID
	if c.unicode {
		s.unicode.force()
	} else {
		c.unicode = s.unicode.take(s.r)
	}
	if c.escapes {
		s.escapes.force()
	} else {
		c.escapes = s.escapes.take(s.r)
	}
}

// visitor finds a user who is not in a visit. Some come far more often than others.
func (s *shop) visitor() *user {
	x := s.r.Float64()
	i := int(x * x * float64(len(s.users)))
	for s.users[i].busy {
		i = (i + 1) % len(s.users)
	}
	return &s.users[i]
}

func (s *shop) product() *product { return &s.world.products[s.products.Uint64()] }

// other is any event beside the funnel.
func (s *shop) other(c *call) {
	c.track(s.world.names.choose(s.r, s.names, c.unicode, c.escapes), aboutNothing)
}
