package generate

import (
	"math/rand/v2"
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/schema"
)

// span is a part of a buffer; the empty one is none.
type span struct{ start, end int }

func (s span) of(text []byte) []byte { return text[s.start:s.end] }

// columns are what must come of an event in table events. The ids belong to the user, the spans to the draft's out.
type columns struct {
	event, name, userID, anonymousID, groupID, previousID []byte
	props, context, traits                                span
	composed                                              bool // traits are in the draft's traits, not in out
}

// draft renders events one after another behind each other.
type draft struct {
	r     *rand.Rand
	world *world
	tail  *rand.Zipf // over the world's properties

	out   []byte
	start int // of the event
	limit int // where filling up with properties should end
	id    int // offset of the event's id
	time  int // offset of its time; 0: it has none to be written
	want  columns

	context []byte // scratch
	traits  []byte // scratch
	used    [(longTailCount + 63) / 64]uint64
}

// render appends the event of a call, about size bytes long, in the dialect.
func (d *draft) render(c *call, native bool, size int) {
	d.start, d.id, d.time = len(d.out), 0, noTime
	d.limit = d.start + size
	d.want = columns{}
	d.describe(c, native)
	d.out = append(d.out, '{')
	if native {
		d.native(c)
	} else {
		d.segment(c)
	}
	d.out = append(d.out, '}')
}

// hash is the fingerprint of the row that must come of the event rendered last.
func (d *draft) hash(typ schema.Type) uint64 {
	w := &d.want
	traits := w.traits.of(d.out)
	if w.composed {
		traits = d.traits
	}
	event := w.event
	if len(event) == 0 {
		event = []byte(typ.EventName())
	}
	return ledger.PayloadHash([]byte(typ.String()), event, w.name, w.userID, w.anonymousID, w.groupID, w.previousID, w.props.of(d.out), w.context.of(d.out), traits)
}

// key begins a member, given its name as the text between the quotes.
func (d *draft) key(name string) {
	if d.out[len(d.out)-1] != '{' {
		d.out = append(d.out, ',')
	}
	d.out = append(d.out, '"')
	d.out = append(append(d.out, name...), '"', ':')
}

// raw appends a member with a value as it stands.
func (d *draft) raw(name, value string) {
	d.key(name)
	d.out = append(d.out, value...)
}

// text appends a member that is a string without anything to escape.
func (d *draft) text(name, value string) {
	d.key(name)
	d.out = append(append(append(d.out, '"'), value...), '"')
}

// value appends a member that is any string, some of it escaped without need when escape says so.
func (d *draft) value(name string, value []byte, escape bool) {
	d.key(name)
	d.out = append(d.out, '"')
	d.out = d.appendString(d.out, value, escape)
	d.out = append(d.out, '"')
}

// appendString appends the text of a JSON string.
func (d *draft) appendString(dst, value []byte, escape bool) []byte {
	at := -1
	if escape && len(value) > 0 {
		at = d.r.IntN(len(value))
	}
	for i := 0; i < len(value); {
		c, n := utf8.DecodeRune(value[i:])
		switch {
		case at >= i && at < i+n, escape && d.r.IntN(8) == 0:
			dst = appendEscape(dst, c)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < 0x20:
			dst = appendEscape(dst, c)
		default:
			dst = append(dst, value[i:i+n]...)
		}
		i += n
	}
	return dst
}

// appendEscape appends a character as \u, or as two of them when it is above 16 bits (RFC 8259 §7).
func appendEscape(dst []byte, c rune) []byte {
	const hex = "0123456789abcdef"
	unit := func(u rune) {
		dst = append(dst, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
	}
	if c >= 0x10000 {
		c -= 0x10000
		unit(0xd800 + c>>10)
		c = 0xdc00 + c&0x3ff
	}
	unit(c)
	return dst
}

// putID and putTime append members whose values Stamp writes.
func (d *draft) putID(name string) {
	d.key(name)
	d.out = append(d.out, '"')
	d.id = len(d.out)
	d.out = append(append(d.out, blankID...), '"')
}

func (d *draft) putTime(name string, f fault) {
	if f == badTime {
		d.text(name, pick(d.r, brokenTimes))
		return
	}
	d.key(name)
	d.out = append(d.out, '"')
	d.time = len(d.out)
	d.out = append(append(d.out, blankTime...), '"')
}

// putType and putEvent append what kind of call it is.
func (d *draft) putType(c *call) {
	if c.fault == badType {
		d.text("type", pick(d.r, brokenTypes))
		return
	}
	d.text("type", c.typ.String())
}

func (d *draft) putEvent(c *call) {
	switch {
	case c.typ != schema.Track || c.fault == missingEvent:
	case c.fault == longName:
		d.text("event", longText)
	default:
		d.want.event = c.event
		d.value("event", c.event, c.escapes && chance(d.r, 0.3))
	}
}

// putName appends the name of a page or screen.
func (d *draft) putName(c *call) {
	if len(c.name) > 0 {
		d.want.name = c.name
		d.value("name", c.name, c.escapes && chance(d.r, 0.3))
	}
}

// putActor appends the id of somebody who is logged in.
func (d *draft) putActor(name string, c *call) (sent []byte) {
	switch c.fault {
	case illegalID:
		d.text(name, pick(d.r, illegalIDs))
	case longID:
		d.text(name, longText)
	default:
		d.value(name, c.user.userID, c.escapes && chance(d.r, 0.3))
		return c.user.userID
	}
	return nil
}

// putContext appends the context that describe made.
func (d *draft) putContext() {
	if len(d.context) <= len("{}") {
		return
	}
	d.key("context")
	d.want.context.start = len(d.out)
	d.out = append(d.out, d.context...)
	d.want.context.end = len(d.out)
}

// number appends a member that is a whole number.
func (d *draft) number(name string, n int64) {
	d.key(name)
	d.out = strconv.AppendInt(d.out, n, 10)
}

// cents appends a member that is an amount of money.
func (d *draft) cents(name string, n int64) {
	d.key(name)
	d.out = appendCents(d.out, n)
}

func appendCents(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n/100, 10)
	return append(dst, '.', byte('0'+n/10%10), byte('0'+n%10))
}

// room tells whether a property of n bytes more still fits.
func (d *draft) room(n int) bool { return len(d.out)+n <= d.limit }
