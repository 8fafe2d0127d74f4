package demo

// enter is the visit of somebody who has signed up.
func (c *scene) enter() {
	r := c.s.dice
	h := &habits[c.l.habit]
	c.view(dashboard, 0)
	if r.chance(0.08) {
		c.does(identified, 0.4, dashboard) // logged in again
	}
	if c.l.stage == registered {
		if !r.chance(0.25 * c.v.platform.ease()) {
			if r.chance(0.5) {
				c.view(pick(r, []page{settings, inbox}), 30)
			}
			return
		}
		c.begin()
	}
	c.work(max(h.steps*r.around(0.9, 0.5)*c.v.platform.ease(), 1))
	switch c.l.stage {
	case active:
		buying := h.buying
		if c.p.account > 0 {
			buying *= 1.6
		}
		if c.l.plan == notYet && r.chance(buying*c.p.interest) {
			c.buy()
		}
	case paying:
		if !c.l.year && int(c.l.plan) < len(plans)-1 && c.l.due == dueRenewal && r.chance(0.006) {
			c.upgrade()
		}
	}
}

// work is about so many things done with the product.
func (c *scene) work(steps float64) {
	r := c.s.dice
	n := int(steps)
	if r.chance(steps - float64(n)) {
		n++
	}
	on := board
	for range n {
		switch r.weighted(30, 19, 14, 18, 8, 5, 2, 2) {
		case 0:
			c.does(taskCreated, 35, on)
		case 1:
			c.does(taskCompleted, 22, on)
		case 2:
			c.does(commentAdded, 40, on).amount = int64(r.around(60, 0.8)) // its length
		case 3:
			on = pick(r, []page{board, board, inbox, dashboard, reports})
			c.view(on, 18)
		case 4:
			e := c.does(searched, 15, on)
			e.choice, e.amount = uint8(r.upTo(len(searches))), int64(r.exp(7))
		case 5:
			c.does(fileUploaded, 30, on).amount = int64(r.around(180_000, 1.4)) // its bytes
		case 6:
			c.does(reportExported, 25, reports).choice = uint8(r.upTo(len(exports)))
		case 7:
			c.does(teammateInvited, 45, settings)
		}
	}
}

// buy is the way to a subscription.
func (c *scene) buy() {
	r := c.s.dice
	choice := choose(r, plans, func(p *plan) float64 {
		if c.p.account > 0 && p.name != "starter" {
			return 2.5 * p.weight
		}
		return p.weight
	})
	index := uint8(0)
	for i := range plans {
		if choice == &plans[i] {
			index = uint8(i)
		}
	}
	year := r.chance(0.22)
	c.view(billing, 20)
	c.does(checkoutStarted, 15, billing).set(index, year, 0)
	switch {
	case !r.chance(0.74 * c.v.platform.ease()):
		return // thinks again
	case r.chance(0.09):
		e := c.does(paymentFailed, 40, billing)
		e.set(index, year, choice.price(year))
		e.choice2 = uint8(r.upTo(len(declines)))
		if !r.chance(0.5) {
			return
		}
	}
	c.l.stage, c.l.plan, c.l.year = paying, index, year
	c.does(subscribed, 45, billing).set(index, year, choice.price(year))
	c.l.bill, c.l.due = c.now+30*day, dueRenewal
	if year {
		c.l.bill = c.now + 365*day
	}
	if r.chance(0.06) {
		c.l.bill, c.l.due = c.now+int64((0.5+r.exp(3))*float64(day)), dueRefund
	}
}

// upgrade moves to the next plan; the difference is paid at once.
func (c *scene) upgrade() {
	from := c.l.plan
	c.l.plan++
	e := c.does(upgraded, 40, billing)
	e.set(c.l.plan, false, plans[c.l.plan].cents-plans[from].cents)
	e.choice2 = from
}
