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
	scan  scan.Scanner
	part  scan.Scanner // for a second walk over a member
	text  []byte       // the body
	batch *schema.Batch
	names *names

	// The members of the event that is being read, by slot: of duplicates the last one found.
	values [numSlots]member
	ctx    [numContextSlots]member
	// outermost: the object being read is the whole body, so that an array "events" in it holds the events.
	outermost bool
	// What was flagged inside the event, and in which member first.
	flags   scan.Flags
	badUTF8 slot
	tooDeep slot

	keyText []byte // an unescaped member name
	value   []byte // an unescaped value
	ip      schema.Text
	hasIP   bool
}

// New returns a decoder that refuses events beyond limits and bodies of more than maxEvents events.
func New(limits schema.Limits, maxEvents int) *Decoder {
	return &Decoder{limits: limits, maxEvents: maxEvents}
}

// Options are what the request says of the body beside its path.
type Options struct {
	// Lines tells that the content type names NDJSON. Without it NDJSON is recognised by a second line that begins an object.
	Lines bool
}

// Decode reads the body in b.Buf into b.Events, in order, and sets b.Dialect and, when the body has it, b.SentAt. Every event, refused or not, has Raw and
// Index. Text that has to be derived (an unescaped host, composed traits) is appended to b.Buf. The error is an *Error; b.Events then holds what had been
// read and must not be used.
func (d *Decoder) Decode(r *Route, b *schema.Batch, opt Options) error {
	d.begin(b.Buf)
	d.batch, d.names, d.hasIP = b, &dialectNames[r.Dialect], false
	b.Dialect = r.Dialect
	defer d.end()
	if !d.scan.More() {
		return d.empty()
	}
	switch {
	case r.Dialect == schema.DialectNative:
		return d.native(opt)
	case r.Batch:
		return d.segmentBatch()
	default:
		return d.segmentEvent(r.Type)
	}
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
	d.text, d.batch, d.names = nil, nil, nil
	d.scan.Reset(nil, 0)
	d.part.Reset(nil, 0)
	if cap(d.keyText) > maxScratchBytes {
		d.keyText = nil
	}
	if cap(d.value) > maxScratchBytes {
		d.value = nil
	}
}

const (
	byteOrderMark   = "\xef\xbb\xbf"
	maxScratchBytes = 64 << 10
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

// event reads the value at the cursor as one event. It returns false after a grammar error.
func (d *Decoder) event(fixed schema.Type) bool {
	d.scan.SetLimit(d.limits.MaxDepth)
	d.scan.TakeFlags()
	kind := d.scan.Peek()
	start := d.scan.Pos()
	if kind == scan.Object {
		if !d.members() {
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

// Key finds the write key that a Segment body carries at its top level; nil when there is none. It is an extra walk over the body, for requests that show no
// key in header or query. The error is an *Error: the body is not JSON, and no key was found before the place where it breaks. The key is valid until the decoder's next
// use, and as long as body is.
func (d *Decoder) Key(body []byte) ([]byte, error) {
	d.begin(body)
	defer d.end()
	if !d.scan.More() {
		return nil, d.empty()
	}
	if d.scan.Peek() != scan.Object {
		if _, ok := d.scan.Read(); !ok {
			return nil, d.malformed()
		}
		return nil, nil
	}
	var found member
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			break
		}
		ours := string(d.name(key)) == "writeKey"
		v, ok := d.scan.Read()
		if !ok {
			break
		}
		if ours {
			found = memberOf(v)
		}
	}
	if found.kind == scan.String && found.start < found.end {
		return d.valueOf(&found), nil
	}
	if d.scan.Err() != nil {
		return nil, d.malformed()
	}
	return nil, nil
}
