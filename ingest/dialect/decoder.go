package dialect

import (
	"fmt"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// Decoder turns bodies into events. It holds scratch memory only, so one serves any number of requests in turn; it is not safe for concurrent
// use.
type Decoder struct {
	limits    schema.Limits
	maxEvents int

	// Borrowed for the length of one call.
	scan   scan.Scanner
	part   scan.Scanner // for a second walk over a member
	text   []byte       // the body
	batch  *schema.Batch
	family *family
	opt    Options

	// The members of the event that is being read, by slot: of duplicates the last one found.
	values [numSlots]member
	ctx    [numContextSlots]member
	others []otherMember  // those without a slot, of native and Segment events
	spare  []otherMember  // memory for others of events inside an object whose own are noted
	own    [numOwn]member // what means something to one family only, by numbers of its own
	// outermost: the object being read is the whole body, so that an array "events" in it holds the events.
	outermost bool
	// What was flagged inside the event, and in which member first.
	flags   scan.Flags
	badUTF8 slot
	tooDeep slot

	keyText []byte // an unescaped member name
	value   []byte // an unescaped value

	ph posthogState // of the family PostHog alone
}

// New returns a decoder that refuses events beyond limits and bodies of more than maxEvents events.
func New(limits schema.Limits, maxEvents int) *Decoder {
	return &Decoder{limits: limits, maxEvents: maxEvents}
}

// numOwn is how many members of its own a family can note.
const numOwn = 32

// Options are what the request says of the body beside its path.
type Options struct {
	// Lines tells that the content type names NDJSON. Without it NDJSON is recognised by a second line that begins an object.
	Lines bool
	// SentAt is when the client says it sent the request, in Unix milliseconds, where it says so outside the body; it counts when HasSentAt. What the body says wins.
	SentAt    int64
	HasSentAt bool
	// Key is the write key when it was found in the body, else nil. Families whose events bear a key each refuse those that bear another.
	Key []byte
	// Secret is the write key wherever it was found; nil when that is not known. It is left out of what rows hold at the places where SDKs put it.
	Secret []byte
	// Library is the name and version of the SDK as name/version, where the request says so outside the body; nil when it does not.
	Library []byte
}

// Decode reads the body in b.Buf into b.Events, in order, and sets b.Dialect and, when the body has it, b.SentAt. Every event, refused or not, has Raw and
// Index. Text that has to be derived (an unescaped host, composed traits) is appended to b.Buf. The error is an *Error; b.Events then holds what had been
// read and must not be used.
func (d *Decoder) Decode(r *Route, b *schema.Batch, opt Options) error {
	d.begin(b.Buf)
	d.batch, d.family, d.opt = b, families[r.Dialect], opt
	d.others = d.others[:0] // of another body
	b.Dialect = r.Dialect
	if opt.HasSentAt {
		b.SentAt, b.HasSentAt = opt.SentAt, true
	}
	defer d.end()
	if !d.scan.More() {
		return d.empty()
	}
	return d.family.read(d, r, opt)
}

// begin points the decoder at a body, behind its byte order mark if it has one.
func (d *Decoder) begin(text []byte) {
	d.text = text
	d.scan.Reset(text, d.limits.MaxDepth)
	if len(text) >= len(byteOrderMark) && string(text[:len(byteOrderMark)]) == byteOrderMark {
		d.scan.Seek(len(byteOrderMark))
	}
}

// end lets go of everything borrowed, and of scratch memory that one odd body has made large.
func (d *Decoder) end() {
	d.text, d.batch, d.family, d.opt = nil, nil, nil, Options{}
	d.scan.Reset(nil, 0)
	d.part.Reset(nil, 0)
	if cap(d.keyText) > maxScratchBytes {
		d.keyText = nil
	}
	if cap(d.value) > maxScratchBytes {
		d.value = nil
	}
	if cap(d.others) > maxOthers {
		d.others = nil
	}
	if cap(d.spare) > maxOthers {
		d.spare = nil
	}
}

const (
	byteOrderMark   = "\xef\xbb\xbf"
	maxScratchBytes = 64 << 10
	maxOthers       = 1 << 10
)

func (d *Decoder) empty() error {
	return &Error{Fault: Empty, Detail: "the body holds no event: send at least one"}
}

// finished checks that nothing follows the body's one value.
func (d *Decoder) finished() error {
	if d.scan.More() {
		return d.malformedAt(d.scan.Pos(), "unexpected text after the JSON value")
	}
	return nil
}

// misshapen says that the value at the cursor is not of the kind that must stand there, or that it is not even JSON.
func (d *Decoder) misshapen(pointer, expected string) error {
	kind := d.scan.Peek()
	if _, ok := d.scan.Read(); !ok {
		return d.malformed()
	}
	if err := d.finished(); err != nil {
		return err
	}
	return shapeError(pointer, expected, kind)
}

func shapeError(pointer, expected string, found scan.Kind) error {
	return &Error{Fault: Misshapen, Pointer: pointer, Detail: fmt.Sprintf("%s, found %v", expected, found)}
}

// array reads the array of events at the cursor. Each event's nesting is counted from the event itself.
func (d *Decoder) array(fixed schema.Type) error {
	before := d.scan.SetLimit(d.limits.MaxDepth)
	d.scan.Enter()
	for first := true; d.scan.NextElement(first); first = false {
		if len(d.batch.Events) == d.maxEvents {
			return d.tooMany()
		}
		if !d.event(fixed) {
			return d.malformed()
		}
	}
	if d.scan.Err() != nil {
		return d.malformed()
	}
	d.scan.SetLimit(before)
	return nil
}

func (d *Decoder) tooMany() error {
	return &Error{Fault: TooMany, Detail: fmt.Sprintf(
		"the request holds more than %d events (limit ingest.max_events): send them in smaller batches", d.maxEvents)}
}

// discard forgets the events that were read so far, with what was composed for them.
func (d *Decoder) discard() {
	d.batch.Events, d.batch.Buf = d.batch.Events[:0], d.batch.Buf[:len(d.text)]
}

// event reads the value at the cursor as one event. It returns false after a grammar error.
func (d *Decoder) event(fixed schema.Type) bool {
	d.scan.SetLimit(d.limits.MaxDepth)
	d.scan.TakeFlags()
	kind := d.scan.Peek()
	start := d.scan.Pos()
	if kind == scan.Object {
		if !d.walk() {
			return false
		}
		d.fill(d.batch.Add(), fixed, start, d.scan.Pos())
		return true
	}
	if _, ok := d.scan.Read(); !ok {
		return false
	}
	e := d.batch.Add()
	e.Raw = schema.TextAt(start, d.scan.Pos(), false)
	e.Refuse(schema.InvalidType, "", "an event must be a JSON object, found "+kind.String())
	return true
}

// walk notes the members of the event at the cursor. It returns false after a grammar error.
func (d *Decoder) walk() bool {
	if d.family.members == nil {
		return d.members()
	}
	return d.family.members(d)
}
