package demo

import "github.com/millrace/millrace/schema"

// visit is one stay at the product's pages.
type visit struct {
	session  schema.UUID
	person   person
	account  uint32 // 0: none that is known yet
	platform *platform
	channel  *channel // nil: came by themselves
	release  *release
	context  []byte // what all events of the visit say of their surroundings but the page; made with the first of them
}

// scene is a visit while it is made up: what happens next depends on what has happened.
type scene struct {
	s      *stream
	l      *life
	p      *person
	v      *visit
	now    int64
	events int
}

// page is a page of the product.
type page uint8

const (
	nowhere page = iota
	home
	features
	pricing
	customers
	blog
	docs
	signupPage
	dashboard
	board
	inbox
	reports
	settings
	billing
)

var pages = [...]struct{ host, path, title string }{
	home:       {"www", "/", "Home"},
	features:   {"www", "/features", "Features"},
	pricing:    {"www", "/pricing", "Pricing"},
	customers:  {"www", "/customers", "Customers"},
	blog:       {"www", "/blog/plan-your-week", "Plan your week"},
	docs:       {"www", "/docs/start", "Getting started"},
	signupPage: {"www", "/signup", "Sign up"},
	dashboard:  {"app", "/", "Dashboard"},
	board:      {"app", "/board", "Board"},
	inbox:      {"app", "/inbox", "Inbox"},
	reports:    {"app", "/reports", "Reports"},
	settings:   {"app", "/settings", "Settings"},
	billing:    {"app", "/settings/billing", "Billing"},
}

// visit makes up a whole visit, with what it changes in the life, and plans the next.
func (s *stream) visit(l *life) {
	v := &visit{
		session: s.story.id(l.visit, forVisit, l.number, l.visits), person: s.story.person(s.dice, l.number), release: s.story.release(s.story.on(l.visit)),
	}
	p := &v.person
	v.platform = p.platform
	s.dice.set(s.story.seed, uint64(l.number), forVisit+uint64(l.visits)<<8)
	if l.stage > anonymous {
		v.account = p.account
	}
	first := l.visits == 0
	if first || p.channel.campaign == "" && s.dice.chance(0.4) {
		v.channel = p.channel
	}
	if !first && p.other != nil && s.dice.chance(0.35) {
		v.platform = p.other
	}
	l.visits++
	c := &scene{s: s, l: l, p: p, v: v, now: l.visit}
	if l.stage == anonymous {
		c.look(first)
	} else {
		c.enter()
	}
	h := &habits[l.habit]
	var ok bool
	if l.visit, ok = h.next(s.dice, c.now, p.country.east); !ok {
		l.visit = never
	}
}

// does lets something happen after a pause of so many seconds, more or less.
func (c *scene) does(k kind, seconds float64, on page) *event {
	if c.events > 0 {
		c.now += 1 + int64(min(c.s.dice.around(seconds, 0.7), 600)*float64(second))
	}
	c.events++
	return c.s.tell(c.l, event{at: c.now, kind: k, page: on, known: c.l.stage > anonymous, visit: c.v})
}

func (c *scene) view(on page, seconds float64) { c.does(pageViewed, seconds, on) }

// look is the visit of somebody who has not signed up.
func (c *scene) look(first bool) {
	r := c.s.dice
	landing := home
	if first {
		landing = pick(r, c.p.channel.landing)
	}
	c.view(landing, 0)
	wants := 0.25 * c.p.channel.conversion * c.p.country.conversion * c.v.platform.ease() * c.p.interest
	if !first {
		wants *= 1.4
	}
	curious := 0.48 + 0.2*min(c.p.interest, 1.5)
	for n := 0; n < 12 && r.chance(curious); n++ {
		c.view(pick(r, []page{features, features, pricing, pricing, customers, blog, docs, home}), 28)
	}
	if !r.chance(min(wants, 0.9)) {
		return
	}
	if landing != signupPage {
		c.view(signupPage, 20)
	}
	c.signUp()
}

// signUp is the form: several attempts, then an account or none.
func (c *scene) signUp() {
	r := c.s.dice
	c.does(signupStarted, 12, signupPage).choice = c.p.method
	patience := min(0.84*c.v.platform.ease()*c.p.country.patience, 0.95)
	for attempt := 0; ; attempt++ {
		broken := c.v.release.broken && c.v.platform.browser == safari && !r.chance(0.2)
		if !broken && r.chance(patience) {
			break
		}
		if broken || r.chance(0.4) {
			reason := reasonBroken
			if !broken {
				reason = uint8(r.upTo(int(reasonBroken)))
			}
			c.does(signupFailed, 30, signupPage).choice = reason
			if attempt == 0 && r.chance(0.5) {
				continue
			}
		}
		return
	}
	c.l.stage = registered
	c.does(signedUp, 35, signupPage).choice = c.p.method
	c.does(identified, 0.2, signupPage)
	if c.p.account > 0 {
		c.v.account = c.p.account
		c.does(grouped, 0.3, signupPage)
	}
	c.view(dashboard, 4)
	began := r.chance(0.66 * c.v.platform.ease())
	if began {
		c.begin()
		c.work(3)
	}
	c.l.habit = settle(r, c.p, began)
}

// begin is the first project.
func (c *scene) begin() {
	c.l.stage = active
	c.does(projectCreated, 50, board).choice = uint8(c.s.dice.upTo(len(templates)))
}
