package demo

// habit is how often somebody comes back. Days are days, shares are of visits.
type habit struct {
	pause  float64 // the least pause between two visits
	mean   float64 // what it lasts longer than that
	churn  float64 // share of visits that are the last
	steps  float64 // mean number of things done in a visit
	buying float64 // share of visits in which somebody who uses the product wants to pay for it
}

// The habits in the order of habits.
const (
	visitor uint8 = iota // has not signed up
	lost                 // has, and will hardly come back
	casual
	regular
	power
)

var habits = [...]habit{
	visitor: {0.3, 2.5, 0.70, 0, 0},
	lost:    {0.3, 1.4, 0.66, 6, 0.006},
	casual:  {0.5, 1.7, 0.085, 16, 0.03},
	regular: {0.4, 0.5, 0.022, 24, 0.035},
	power:   {0.1, 0.2, 0.004, 40, 0.04},
}

// settle chooses the habit of somebody who has just signed up. Who did something with the product at once, or came by a better channel, comes back more.
func settle(r *dice, p *person, active bool) uint8 {
	loyalty := p.channel.loyalty
	if !active {
		loyalty *= 0.5
	}
	if p.account > 0 {
		loyalty *= 1.25 // others wait for them
	}
	return lost + uint8(r.weighted(0.28/loyalty, 0.44, 0.26*loyalty, 0.02*loyalty))
}

// next draws when somebody comes back who has left at a moment; ok is false when that is never.
func (h *habit) next(r *dice, left, east int64) (at int64, ok bool) {
	if r.chance(h.churn) {
		return 0, false
	}
	at = left + int64((h.pause+r.exp(h.mean))*float64(day))
	local := at + east*minute
	inDay := local % day
	// Half of what would fall on a weekend waits for Monday; 1970 began on a Thursday.
	if weekday := (local/day + 4) % 7; (weekday == 6 || weekday == 0) && r.chance(0.5) {
		at += day
		if weekday == 6 {
			at += day
		}
	}
	if h.pause < 0.3 { // comes at any hour that is not night
		if inDay < 7*hour {
			at += 7*hour - inDay + int64(r.upTo(int(3*hour)))
		}
		return max(at, left+apart), true
	}
	midnight := at - (at+east*minute)%day // of the place, in UTC
	at = midnight + int64(r.weighted(hours[:]...))*hour + int64(r.upTo(int(hour)))
	for at < left+apart {
		at += day
	}
	return at, true
}

// apart is the least time between two visits of one person: more than the 30 minutes that end a visit.
const apart = 45 * minute
