package demo

import (
	"sort"
	"time"
)

const (
	second = int64(1000) // times are Unix milliseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// calendar is what happens on which day. Days are counted from 0.
type calendar struct {
	from     int64 // midnight of the first day
	days     int
	campaign int       // the day of the campaign
	broken   int       // the first day of the broken release
	share    []float64 // of all first visits, those that lie before the end of each day
}

// brokenDays is how long the broken release is out.
const brokenDays = 2

// rhythm is how many people come on a day of the week, from Sunday.
var rhythm = [7]float64{0.68, 1.08, 1.12, 1.10, 1.05, 0.93, 0.62}

// campaignBoost is how many more people come first on the day of the campaign; those of the days after it are told by campaignShare.
const campaignBoost = 3.5

func newCalendar(until time.Time, days int) calendar {
	until = until.UTC().Truncate(24 * time.Hour)
	c := calendar{from: until.AddDate(0, 0, -days).UnixMilli(), days: days}
	// Releases come out early in the week, and people listen and read in the middle of it.
	c.broken = c.within(days*2/5, days*3/5-brokenDays, time.Monday, time.Wednesday)
	c.campaign = c.within(max(days*3/5, c.broken+brokenDays), days-1, time.Tuesday, time.Thursday)
	sum := 0.0
	for d := range days {
		w := rhythm[c.weekday(d)] * (0.75 + 0.5*float64(d)/float64(days-1))
		if d == c.campaign {
			w *= campaignBoost
		}
		sum += w
		c.share = append(c.share, sum)
	}
	for d := range c.share {
		c.share[d] /= sum
	}
	return c
}

// within is the first day from first to last that is one of those days of the week, else first.
func (c *calendar) within(first, last int, from, to time.Weekday) int {
	for d := first; d <= last; d++ {
		if w := c.weekday(d); w >= from && w <= to {
			return d
		}
	}
	return first
}

// start is the midnight that a day begins with.
func (c *calendar) start(d int) int64 { return c.from + int64(d)*day }

// end is the first moment that is not told.
func (c *calendar) end() int64 { return c.start(c.days) }

// on is the day of a moment.
func (c *calendar) on(at int64) int { return int((at - c.from) / day) }

func (c *calendar) weekday(d int) time.Weekday { return time.UnixMilli(c.start(d)).UTC().Weekday() }

// arrivals are the numbers of the people who come first on a day: first is among them, last is not.
func (c *calendar) arrivals(d, users int) (first, last int) {
	before := func(d int) int {
		switch {
		case d < 0:
			return 0
		case d == c.days-1:
			return users // whatever rounding says
		}
		return int(float64(users) * c.share[d])
	}
	return before(d - 1), before(d)
}

// arrival is the day on which a person comes first.
func (c *calendar) arrival(number, users int) int {
	return sort.Search(c.days-1, func(d int) bool {
		_, last := c.arrivals(d, users)
		return number < last
	})
}

// campaignShare is how many of those who come first on a day come because of the campaign.
func (c *calendar) campaignShare(d int) float64 {
	switch d - c.campaign {
	case 0:
		return 1 - 1/campaignBoost
	case 1:
		return 0.15
	case 2:
		return 0.06
	}
	return 0
}

// release is one version of the product.
type release struct {
	name   string
	broken bool // its sign-up form does not work in one browser
}

var (
	oldRelease    = release{name: "3.1.0"}
	brokenRelease = release{name: "3.2.0", broken: true}
	fixedRelease  = release{name: "3.2.1"}
	newRelease    = release{name: "3.3.0"}
)

// release is what people use on a day.
func (c *calendar) release(d int) *release {
	switch {
	case d < c.broken:
		return &oldRelease
	case d < c.broken+brokenDays:
		return &brokenRelease
	case d < c.days*4/5:
		return &fixedRelease
	}
	return &newRelease
}

// hours is how likely a visit begins in an hour of the day where the visitor is: work has its two peaks, the evening a third.
var hours = [24]float64{
	0.6, 0.3, 0.2, 0.1, 0.1, 0.3, 0.9, 2.2, 4.6, 6.8, 7.6, 7.2,
	5.6, 6.3, 7.3, 7.2, 6.4, 5.2, 4.0, 3.9, 4.3, 4.1, 2.9, 1.5,
}

// moment draws a time within the day that begins at midnight UTC, by the clock of a place so many minutes east of Greenwich.
func moment(r *dice, midnight int64, east int64) int64 {
	local := int64(r.weighted(hours[:]...))*hour + int64(r.upTo(int(hour)))
	return midnight + (local-east*minute+2*day)%day
}
