package demo

import "strconv"

// life is what has to be kept of a person between two visits. Everything else follows from the number.
type life struct {
	at     int64 // when the next thing happens: the earlier of visit and bill
	visit  int64 // the next visit; never when there is none
	bill   int64 // the next payment or refund
	number uint32
	visits uint32 // so far
	events uint32 // so far; ids come from it
	stage  uint8
	habit  uint8
	plan   uint8 // index in plans of what is paid for
	year   bool  // paid by the year
	due    uint8 // what bill is, see below
}

const never = int64(1) << 62

// The stages of a life.
const (
	anonymous uint8 = iota
	registered
	active // has a project
	paying
)

// What a bill is.
const (
	dueRenewal uint8 = iota
	dueRefund
)

// schedule sets at.
func (l *life) schedule() { l.at = min(l.visit, l.bill) }

// person is who somebody is: a function of the story and the number.
type person struct {
	number   uint32
	country  *country
	platform *platform // what they mostly use
	other    *platform // what they use at times; nil: nothing else
	channel  *channel
	interest float64 // how much they want the product, 1 for most
	account  uint32  // number of their account; 0: none
	method   uint8   // how they sign up, index in methods
	job      uint8   // index in jobs
	first    uint8   // names, indexes
	last     uint8
}

// Purposes of dice, so that what is drawn for one never shifts what is drawn for another.
const (
	forPerson uint64 = iota + 1
	forArrival
	forAccount
	forBill
	forVisit // and the number of the visit, above it
)

// person works out who has the number.
func (s *Story) person(r *dice, number uint32) person {
	r.set(s.seed, uint64(number), forPerson)
	p := person{number: number}
	p.country = choose(r, countries, func(c *country) float64 { return c.weight })
	switch r.weighted(p.country.mobile, 0.05, 0.95-p.country.mobile) {
	case 0:
		p.platform = phone(r, p.country)
	case 1:
		p.platform = choose(r, tablets, func(t *platform) float64 { return t.weight })
	default:
		p.platform = desktop(r)
	}
	if r.chance(0.3) {
		if p.platform.device == "desktop" {
			p.other = phone(r, p.country)
		} else {
			p.other = desktop(r)
		}
	}
	if r.chance(s.campaignShare(s.arrival(int(number), s.users))) {
		p.channel = &launchCampaign
	} else {
		p.channel = choose(r, channels, func(c *channel) float64 { return c.weight })
	}
	p.interest = min(r.around(0.9, 0.45), 2.5)
	if r.chance(0.3) {
		x := r.r.Float64()
		p.account = 1 + uint32(x*x*float64(s.accounts)) // some accounts have far more people than others
	}
	p.method, p.job = uint8(r.weighted(0.5, 0.36, 0.14)), uint8(r.upTo(len(jobs)))
	p.first, p.last = uint8(r.upTo(len(firstNames))), uint8(r.upTo(len(lastNames)))
	return p
}

func desktop(r *dice) *platform {
	return choose(r, desktops, func(d *platform) float64 { return d.weight })
}

func phone(r *dice, c *country) *platform {
	if r.chance(c.apple) {
		return &iPhone
	}
	return choose(r, androids, func(a *platform) float64 { return a.weight })
}

// account is a group of people.
type account struct {
	name, industry string
	seats          int
}

func (s *Story) account(r *dice, number uint32) account {
	r.set(s.seed, uint64(number), forAccount)
	return account{name: pick(r, firstNames) + " " + pick(r, trades), industry: pick(r, industries), seats: 3 + int(r.around(9, 0.8))}
}

// appendDistinct appends the distinct id. It names the story too, so that two stories share nobody.
func (s *Story) appendDistinct(dst []byte, number uint32) []byte {
	return strconv.AppendUint(append(append(append(dst, "u-"...), s.tag...), '-'), uint64(number), 10)
}

func (s *Story) appendUser(dst []byte, number uint32) []byte {
	return strconv.AppendUint(append(append(append(dst, "usr_"...), s.tag...), '_'), uint64(number), 10)
}

func (s *Story) appendAccount(dst []byte, number uint32) []byte {
	return strconv.AppendUint(append(append(append(dst, "org_"...), s.tag...), '_'), uint64(number), 10)
}

var (
	methods    = []string{"email", "google", "microsoft"}
	jobs       = []string{"engineering", "design", "marketing", "operations", "product", "sales"}
	trades     = []string{"Labs", "Logistics", "Studio", "Foods", "Systems", "Energy", "Press", "Health", "Design", "Works"}
	industries = []string{"software", "retail", "media", "manufacturing", "education", "consulting"}
	firstNames = []string{
		"Ada", "Amir", "Ana", "Bruno", "Chloe", "Daan", "Elif", "Emma", "Felix", "Grace", "Hana", "Ines", "Ivan", "Jonas", "Kofi", "Lena",
		"Liam", "Mara", "Mei", "Noah", "Olga", "Omar", "Priya", "Quinn", "Ravi", "Sofia", "Tariq", "Uma", "Vera", "Wei", "Yuki", "Zoe",
	}
	lastNames = []string{
		"Adams", "Bauer", "Castro", "Dubois", "Eriksen", "Fischer", "Garcia", "Haas", "Ito", "Jansen", "Kumar", "Lopez", "Meyer", "Novak", "Okafor", "Patel",
		"Quist", "Rossi", "Sato", "Tanaka", "Ueda", "Vogel", "Weber", "Xu", "Yilmaz", "Zhang",
	}
)
