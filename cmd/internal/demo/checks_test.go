package demo

import (
	"math"
	"strings"
	"time"
)

// checks look at the answers to the queries of the page, by title.
var checks = map[string]func(a *answer){
	"What is there?": func(a *answer) {
		a.need(len(a.rows) == 1 && a.number(0, "events") == float64(a.facts.Events) && a.number(0, "people") == float64(a.o.Users), "%d events of %d people were told", a.facts.Events, a.o.Users)
	},
	"Which events are there?": func(a *answer) {
		a.need(a.sum("n") == float64(a.facts.Events), "%d events were told", a.facts.Events)
		a.need(a.number(a.find("event", "Signed Up"), "people") == float64(a.facts.SignedUp), "%d signed up", a.facts.SignedUp)
		a.each(func(row int) bool {
			return a.number(row, "people") <= float64(a.o.Users) && a.number(row, "n") >= a.number(row, "people")
		})
	},
	"The latest events": func(a *answer) {
		a.need(len(a.rows) == 10 && strings.HasPrefix(a.text(0, "ts"), a.facts.To.Add(-time.Second).Format(time.DateOnly)), "the last day is %v", a.facts.To.Add(-time.Second))
	},
	"What properties does an event have?": func(a *answer) {
		a.need(a.number(a.find("key", "plan"), "share") == 1 && a.number(a.find("key", "plan"), "different") == float64(len(plans)), "there are %d plans", len(plans))
		a.each(func(row int) bool { s := a.number(row, "share"); return s > 0 && s <= 1 })
	},
	"What did one person do?": func(a *answer) {
		a.need(len(a.rows) == 50, "50 were asked for")
		last := "9"
		a.each(func(row int) bool { at := a.text(row, "ts"); ok := at <= last; last = at; return ok })
	},
	"Where is this event?": func(a *answer) {
		a.need(len(a.rows) == 1 && a.text(0, "event") == "Subscription Started", "one subscription was asked for")
	},
	"Events and people by day": func(a *answer) {
		a.need(len(a.rows) == a.o.Days && a.sum("events") == float64(a.facts.Events), "%d events in %d days", a.facts.Events, a.o.Days)
		a.each(func(row int) bool {
			return a.number(row, "people") > 0 && a.number(row, "people") <= float64(a.o.Users)
		})
		campaign := a.find("day", a.facts.Campaign.Format(time.DateOnly))
		a.need(a.number(campaign, "people") > 1.3*a.number(campaign-1, "people"), "the campaign of %v does not show", a.facts.Campaign)
	},
	"Page views by hour and device": func(a *answer) {
		a.need(len(a.rows) > 7*24, "a week has more hours")
		a.each(func(row int) bool { return a.number(row, "people") <= a.number(row, "views")*1.05+1 })
	},
	"Daily, weekly and monthly users": func(a *answer) {
		a.need(len(a.rows) == a.o.Days, "%d days", a.o.Days)
		a.each(func(row int) bool {
			daily, weekly, monthly := a.number(row, "daily"), a.number(row, "weekly"), a.number(row, "monthly")
			return daily > 0 && daily <= weekly && weekly <= monthly && monthly <= float64(a.o.Users)
		})
		a.need(a.number(len(a.rows)-1, "monthly") == float64(a.o.Users), "everybody was there in the month")
	},
	"The hours of the week": func(a *answer) {
		a.need(len(a.rows) == 24, "24 hours")
		a.need(a.sum("sat")+a.sum("sun") < 0.75*(a.sum("tue")+a.sum("wed")), "weekends are as full as other days")
	},
	"A trend, split by a column": func(a *answer) {
		total := a.sum("events")
		a.need(total == float64(a.facts.SignedUp), "%d signed up", a.facts.SignedUp)
		a.each(func(row int) bool {
			return strings.Contains(" desktop mobile tablet ", " "+a.text(row, "device")+" ") && a.number(row, "events") > 0
		})
	},
	"Different people per period": func(a *answer) {
		a.need(len(a.rows) >= 4*len(countries) && len(a.rows) <= 5*len(countries), "four weeks touch four or five, of %d countries", len(countries))
		a.each(func(row int) bool {
			return a.number(row, "persons") > 0 && a.number(row, "persons") <= float64(a.o.Users)
		})
	},
	"Visits": func(a *answer) {
		a.need(len(a.rows) == a.o.Days, "%d days", a.o.Days)
		a.need(a.sum("sessions") > float64(a.o.Users), "everybody came at least once")
		a.each(func(row int) bool { b := a.number(row, "bounce_rate"); return b > 0.02 && b < 0.8 })
	},
	"Channels": func(a *answer) {
		a.need(a.sum("visitors") == float64(a.o.Users) && a.sum("signups") == float64(a.facts.SignedUp), "%d people, %d signed up", a.o.Users, a.facts.SignedUp)
		a.need(math.Abs(100*a.sum("total_revenue")-float64(a.facts.RevenueCents)) < 1, "%d cents", a.facts.RevenueCents)
		a.need(a.number(a.find("channel", "partners / referral"), "signup_rate") > 1.5*a.number(a.find("channel", "podcast / audio"), "signup_rate"), "partners and podcast are alike")
	},
	"Landing pages": func(a *answer) {
		a.need(a.text(0, "entry_path") == "/", "home is the first")
		a.each(func(row int) bool {
			b := a.number(row, "bounce_rate")
			return b > 0 && b < 0.9 && a.number(row, "pages") >= 1 && a.number(row, "median_seconds") > 5
		})
	},
	"Countries and phones": func(a *answer) {
		a.need(len(a.rows) == len(countries) && a.sum("visitors") == float64(a.o.Users), "%d people of %d countries", a.o.Users, len(countries))
		india, usa := a.find("country_code", "IN"), a.find("country_code", "US")
		a.need(a.number(india, "by_phone") > a.number(usa, "by_phone") && a.number(india, "signup_rate") < a.number(usa, "signup_rate"), "India and the USA are alike")
	},
	"The funnel": func(a *answer) {
		a.need(len(a.rows) == 6 && a.descends("persons") && a.number(0, "persons") == float64(a.o.Users) && a.number(0, "conversion") == 1, "six steps, each with fewer people")
		a.need(a.text(5, "event") == "Subscription Started" && a.number(5, "persons") > 0 && a.number(5, "persons") <= float64(a.facts.Subscribed), "%d subscribed", a.facts.Subscribed)
	},
	"The funnel by device": func(a *answer) {
		at := map[string]float64{}
		people := 0.0
		for row := range a.rows {
			if a.number(row, "step") == 1 {
				people += a.number(row, "persons")
			}
			if a.number(row, "step") == 3 {
				at[a.text(row, "device")] = a.number(row, "conversion")
				a.need(a.number(row, "median_seconds") > 10 && a.number(row, "median_seconds") < 86_400, "time to sign up")
			}
		}
		a.need(len(a.rows) == 9 && people == float64(a.o.Users), "three steps of three devices, %d people", a.o.Users)
		a.need(at["mobile"] < 0.85*at["desktop"] && at["mobile"] > 0.03 && at["desktop"] < 0.6, "by phone %v, by desktop %v", at["mobile"], at["desktop"])
	},
	"Steps in any order": func(a *answer) {
		a.need(len(a.rows) == 3 && a.descends("persons") && a.number(2, "persons") > 0 && a.number(0, "persons") < float64(a.facts.Active)*1.01, "%d use the product", a.facts.Active)
	},
	"What broke the sign-up?": func(a *answer) {
		for row := range 2 {
			day := a.text(row, "day")
			a.need(a.text(row, "browser_name") == safari && a.text(row, "release") == a.facts.BrokenRelease && a.number(row, "rate") < 0.45 &&
				day >= a.facts.BrokenFrom.Format(time.DateOnly) && day < a.facts.BrokenUntil.Format(time.DateOnly), "row %d is not the broken release", row)
		}
		a.need(a.number(2, "rate") > a.number(1, "rate")+0.1, "the third, %v, is as bad", a.rows[2])
	},
	"Was the campaign worth it?": func(a *answer) {
		a.need(a.text(0, "day") == a.facts.Campaign.Format(time.DateOnly) && a.text(0, "commonest_campaign") == a.facts.CampaignName && a.number(0, "against_average") > 2 &&
			a.number(0, "signup_rate") < a.number(0, "signup_rate_of_all"), "the campaign of %v does not show", a.facts.Campaign)
		a.need(a.number(1, "against_average") < 2, "another day is as strong")
	},
	"Retention": func(a *answer) {
		sizes := map[string]float64{}
		first, seventh, of1, of7 := 0.0, 0.0, 0.0, 0.0
		a.each(func(row int) bool {
			k, size, persons := a.number(row, "k"), a.number(row, "size"), a.number(row, "persons")
			sizes[a.text(row, "cohort")] = size
			switch k {
			case 0:
				return persons == size // signing up is an event
			case 1:
				first, of1 = first+persons, of1+size
			case 7:
				seventh, of7 = seventh+persons, of7+size
			}
			return persons <= size
		})
		people := 0.0
		for _, n := range sizes {
			people += n
		}
		a.need(people == float64(a.facts.SignedUp), "%d signed up", a.facts.SignedUp)
		a.need(first/of1 > 0.2 && first/of1 < 0.6 && seventh/of7 < first/of1 && seventh/of7 > 0.1, "of day 1 %v, of day 7 %v", first/of1, seventh/of7)
	},
	"Which channel brings people who stay?": func(a *answer) {
		a.each(func(row int) bool { s := a.number(row, "share"); return s >= 0 && s <= 1 })
		came := a.sum("came_back") / a.sum("people")
		a.need(came > 0.15 && came < 0.5, "%v came back on the seventh day", came)
		a.need(a.number(a.find("channel", "podcast"), "share") < came, "those of the podcast stay")
	},
	"How many days do people come?": func(a *answer) {
		a.need(a.sum("persons") <= float64(a.o.Users) && a.sum("persons") > 0.8*float64(a.o.Users), "%d people", a.o.Users)
		a.need(a.number(0, "days") == 1 && a.number(0, "persons") > 0.4*float64(a.o.Users) && a.number(len(a.rows)-1, "days") <= 28, "most come once")
	},
	"New, back again, asleep": func(a *answer) {
		a.need(len(a.rows) >= 4, "four weeks")
		a.need(a.sum("new") > 0.6*float64(a.o.Users) && a.sum("new") <= float64(a.o.Users) && a.sum("returning") > 0 && a.sum("resurrecting") > 0 && a.sum("dormant") > 0, "everybody was new once")
	},
	"Power users": func(a *answer) {
		last := 0.0
		a.each(func(row int) bool {
			s := a.number(row, "share_of_events")
			ok := s > last && s <= 1
			last = s
			return ok
		})
		a.need(len(a.rows) == 5 && a.number(0, "share_of_events") > 0.15 && a.number(4, "share_of_events") > 0.85, "nobody uses it more than others")
	},
	"Paths": func(a *answer) {
		a.need(a.text(0, "source") == "Signed Up" && a.text(0, "target") == "$identify" && a.number(0, "step") == 1, "signing up is followed by an identify")
		a.each(func(row int) bool {
			return a.number(row, "step") >= 1 && a.number(row, "step") < 5 && a.number(row, "persons") <= a.number(row, "visits") && a.text(row, "source") != a.text(row, "target")
		})
	},
	"Accounts": func(a *answer) {
		a.need(len(a.rows) == 10 && a.descends("events"), "ten accounts")
		a.each(func(row int) bool { return a.text(row, "account") != "" && a.number(row, "people") >= 1 })
	},
	"Revenue by week and plan": func(a *answer) {
		a.need(math.Abs(100*a.sum("net")-float64(a.facts.RevenueCents)) < 1, "%d cents", a.facts.RevenueCents)
		a.need(a.sum("refunded") < 0 && a.sum("started") > 0, "some is given back")
		a.each(func(row int) bool {
			return a.number(row, "refunded") <= 0 && strings.Contains(" starter team business ", " "+a.text(row, "plan")+" ")
		})
	},
	"How long until people pay?": func(a *answer) {
		a.need(a.number(0, "signed_up") == float64(a.facts.SignedUp) && a.number(0, "subscribed") == float64(a.facts.Subscribed), "%d signed up, %d subscribed", a.facts.SignedUp, a.facts.Subscribed)
		a.need(a.number(0, "share") > 0.03 && a.number(0, "share") < 0.3, "share")
	},
}
