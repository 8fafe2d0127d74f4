package generate

import (
	"math/bits"
	"math/rand/v2"
	"strconv"
)

// kind is what values of a property are like.
type kind uint8

const (
	aWord kind = iota
	aText
	anAmount
	aCount
	aFraction
	aBool
	anID
	aURL
	aTime
	aNull
	anObject
	anArray
	numKinds
)

// property is one of the long tail: a name, always with values of one kind.
type property struct {
	name string
	kind kind
}

// longTailCount is how many properties there are beside those of the funnel.
const longTailCount = 512

// wellKnown are those that many use, most frequent first.
var wellKnown = []property{
	{"position", aCount},
	{"source", aWord},
	{"duration_ms", aCount},
	{"is_first", aBool},
	{"experiment_id", anID},
	{"label", aWord},
	{"score", aFraction},
	{"started_at", aTime},
	{"tags", anArray},
	{"filters", anObject},
	{"target_url", aURL},
	{"parent_id", aNull},
	{"discount", anAmount},
	{"description", aText},
	{"status", aWord},
	{"attempt", aCount},
	{"has_account", aBool},
	{"request_id", anID},
	{"ratio", aFraction},
	{"meta", anObject},
	{"steps", anArray},
	{"subtotal", anAmount},
	{"deleted_at", aNull},
	{"hint", aText},
	{"opted_in", aBool},
	{"widget", aWord},
	{"trace_id", anID},
	{"scroll_depth", aFraction},
}

var propertySubjects = []string{
	"cart", "page", "user", "widget", "form", "video", "search", "grid", "store", "ab", "email", "session", "client", "api", "job", "ad", "price", "map", "chat", "media", "tab", "card",
}

var propertyNouns = []property{
	{"id", anID},
	{"type", aWord},
	{"count", aCount},
	{"index", aCount},
	{"value", anAmount},
	{"state", aWord},
	{"time", aTime},
	{"label", aText},
	{"flags", anArray},
	{"size", aCount},
	{"reason", aText},
	{"version", aFraction},
	{"origin", aURL},
	{"group", anObject},
	{"rank", aCount},
	{"enabled", aBool},
	{"limit", aNull},
}

// longTail makes the properties, most frequent first: the well-known ones, then those that each team made up, in snake or camel case. What
// a name promises is mostly kept.
func longTail(r *rand.Rand) []property {
	all := append(make([]property, 0, longTailCount), wellKnown...)
	for i := 0; len(all) < longTailCount; i++ {
		subject, noun := propertySubjects[i%len(propertySubjects)], propertyNouns[i/len(propertySubjects)%len(propertyNouns)]
		name := subject + "_" + noun.name
		if i%3 == 0 {
			name = subject + string(noun.name[0]-'a'+'A') + noun.name[1:]
		}
		k := noun.kind
		if chance(r, 0.2) {
			k = kind(r.IntN(int(numKinds)))
		}
		if round := i / (len(propertySubjects) * len(propertyNouns)); round > 0 {
			name += "_" + strconv.Itoa(round+1)
		}
		all = append(all, property{name, k})
	}
	return all
}

// What is left is not filled when it is less than smallest bytes; bulky is where texts and lists fill more at once than single values could.
const (
	smallest = 18
	bulky    = 700
)

// fill appends properties until the event is as large as it should be. No name comes twice.
func (d *draft) fill() {
	clear(d.used[:])
	for n := 0; ; n++ {
		left := d.limit - len(d.out)
		if left < smallest {
			return
		}
		p := d.unused()
		if p == nil {
			return
		}
		d.key(p.name)
		left -= len(p.name) + len(`,"":`)
		switch {
		case left > bulky && (n >= 8 || chance(d.r, 0.3)):
			d.bulk(left*(3+d.r.IntN(5))/8, 0)
		default:
			d.any(p.kind, left)
		}
	}
}

// unused takes a property that the event does not have yet, frequent ones first; nil when it has all.
func (d *draft) unused() *property {
	i := int(d.tail.Uint64())
	for w := range len(d.used) {
		at := (i/64 + w) % len(d.used)
		free := ^d.used[at]
		if w == 0 {
			free &= ^uint64(0) << (i % 64)
		}
		if free != 0 {
			b := bits.TrailingZeros64(free)
			d.used[at] |= 1 << b
			return &d.world.properties[at*64+b]
		}
	}
	return nil
}

// any appends a value of a kind. One that would need more than room bytes becomes a small one.
func (d *draft) any(k kind, room int) {
	switch {
	case k == aText && room >= 24:
		d.sentence(min(room, 20+d.r.IntN(100)))
	case k == anObject && room >= 60:
		d.object(min(room, 60+d.r.IntN(180)), 0)
	case k == anArray && room >= 40:
		d.array(min(room, 30+d.r.IntN(120)))
	case k == aURL && room >= 50:
		d.out = append(append(d.out, `"https://shop.example/c/`...), pick(d.r, categories)...)
		d.out = strconv.AppendInt(append(d.out, `?page=`...), d.r.Int64N(40), 10)
		d.out = append(d.out, '"')
	case k == aTime && room >= 26:
		d.out = append(d.out, `"2026-`...)
		d.two(1 + d.r.IntN(12))
		d.out = append(d.out, '-')
		d.two(1 + d.r.IntN(28))
		d.out = append(d.out, 'T')
		d.two(d.r.IntN(24))
		d.out = append(d.out, ":15:30.250Z\""...)
	case k == anID && room >= 18:
		d.out = append(d.out, '"')
		d.out = strconv.AppendUint(d.out, d.r.Uint64()>>8, 16)
		d.out = append(d.out, '"')
	case k == aWord && room >= 12:
		d.word()
	case k == aBool:
		d.out = strconv.AppendBool(d.out, chance(d.r, 0.6))
	case k == anAmount:
		d.out = appendCents(d.out, d.r.Int64N(100_000))
	case k == aFraction:
		d.fraction()
	case k == aNull:
		d.out = append(d.out, "null"...)
	default:
		d.out = strconv.AppendInt(d.out, d.r.Int64N(1<<d.r.IntN(20)+1), 10)
	}
}

func (d *draft) word() {
	d.out = append(append(append(d.out, '"'), pick(d.r, filler)...), '"')
}

func (d *draft) two(n int) { d.out = append(d.out, byte('0'+n/10), byte('0'+n%10)) }

// fraction appends a number that is not whole, now and then in one of the forms that make parsers stumble.
func (d *draft) fraction() {
	if chance(d.r, 0.05) {
		d.out = append(d.out, pick(d.r, oddNumbers)...)
		return
	}
	d.out = append(d.out, "0."...)
	d.out = strconv.AppendInt(d.out, 1+d.r.Int64N(9999), 10)
}

var oddNumbers = []string{"-0", "1e-7", "6.02E+23", "12345678901234567890", "0.1000", "-1.5e3", "9007199254740993"}

// sentence appends a string of about n bytes with the quotes.
func (d *draft) sentence(n int) {
	end := len(d.out) + n - 1
	d.out = append(d.out, '"')
	d.out = append(d.out, pick(d.r, filler)...)
	for {
		w := pick(d.r, filler)
		if len(d.out)+1+len(w) > end {
			break
		}
		d.out = append(append(d.out, ' '), w...)
	}
	d.out = append(d.out, '"')
}

// object appends an object of about n bytes.
func (d *draft) object(n, depth int) {
	end := len(d.out) + n - 1
	d.out = append(d.out, '{')
	// A step coprime to the number of names, so that none comes twice.
	at := d.r.IntN(len(d.world.properties))
	for range len(d.world.properties) {
		if end-len(d.out) < smallest {
			break
		}
		at = (at + 13) % len(d.world.properties)
		p := &d.world.properties[at]
		d.key(p.name)
		left := end - len(d.out)
		switch {
		case depth < maxNesting && left > 60 && chance(d.r, 0.2):
			d.object(left/2, depth+1)
		case left > bulky:
			d.bulk(left/2, depth+1)
		default:
			d.any(simple(p.kind), left)
		}
	}
	d.out = append(d.out, '}')
}

// maxNesting is how many objects stand inside each other at most.
const maxNesting = 4

// simple is the kind itself, or a text for the kinds that hold others.
func simple(k kind) kind {
	if k == anObject || k == anArray {
		return aText
	}
	return k
}

// array appends an array of about n bytes, of words or of numbers.
func (d *draft) array(n int) {
	end := len(d.out) + n - 1
	numbers := chance(d.r, 0.4)
	d.out = append(d.out, '[')
	for i := 0; ; i++ {
		if end-len(d.out) < 16 {
			break
		}
		if i > 0 {
			d.out = append(d.out, ',')
		}
		if numbers {
			d.any(aCount, 8)
		} else {
			d.word()
		}
	}
	d.out = append(d.out, ']')
}

// bulk appends a value of about n bytes: a text, an object or a list of objects.
func (d *draft) bulk(n, depth int) {
	switch x := d.r.IntN(4); {
	case x == 0 || n < 200:
		d.sentence(n)
	case x == 1 && depth < maxNesting:
		d.object(n, depth)
	default:
		end := len(d.out) + n - 1
		d.out = append(d.out, '[')
		for i := 0; end-len(d.out) > 160 || i == 0; i++ {
			if i > 0 {
				d.out = append(d.out, ',')
			}
			d.object(min(80+d.r.IntN(160), end-len(d.out)), maxNesting)
		}
		d.out = append(d.out, ']')
	}
}
