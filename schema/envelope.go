package schema

// Envelope is one event: the typed fields as values, the others as spans of a buffer that its owner holds. The zero value is an empty
// event. It is a plain value: copying it copies the event, not its text.
type Envelope struct {
	ID        UUID
	SessionID UUID // zero: none
	RequestID UUID
	// Times are Unix milliseconds. ClientTS and SentAt count only when present (Has).
	TS, ClientTS, SentAt, ReceivedAt int64
	Project                          uint32
	ScreenW, ScreenH                 uint16
	Type                             Type
	TSSource                         TSSource
	Dialect                          Dialect
	Hops                             uint8
	Bot                              bool

	present uint64 // one bit per field that is there, text fields and optional typed ones
	texts   [NumFields]Text
}

// Has tells whether the field is there. Fields that every event has are always reported.
func (e *Envelope) Has(f Field) bool { return (e.present|alwaysPresent)>>f&1 != 0 }

// Set gives a text field its text. The text must be valid inside a JSON string (or be a JSON object, for properties, context and traits).
func (e *Envelope) Set(f Field, t Text) {
	e.present |= 1 << f
	e.texts[f] = t
}

// Unset takes the field away.
func (e *Envelope) Unset(f Field) { e.present &^= 1 << f }

// Text returns the span of a text field, the empty one when it is absent.
func (e *Envelope) Text(f Field) Text {
	if e.present>>f&1 == 0 {
		return Text{}
	}
	return e.texts[f]
}

// SetClientTS gives the time that the client named for the event, in Unix milliseconds.
func (e *Envelope) SetClientTS(ms int64) {
	e.ClientTS = ms
	e.present |= 1 << FieldClientTS
}

// SetSentAt gives the client's time of sending the request, in Unix milliseconds.
func (e *Envelope) SetSentAt(ms int64) {
	e.SentAt = ms
	e.present |= 1 << FieldSentAt
}

// Reset makes the envelope empty again. It clears field by field and leaves the spans, since present says which of them count: a struct assigned whole would
// copy them there and back.
func (e *Envelope) Reset() {
	e.ID, e.SessionID, e.RequestID = UUID{}, UUID{}, UUID{}
	e.TS, e.ClientTS, e.SentAt, e.ReceivedAt = 0, 0, 0, 0
	e.Project, e.ScreenW, e.ScreenH = 0, 0, 0
	e.Type, e.TSSource, e.Dialect, e.Hops, e.Bot = 0, 0, 0, 0, false
	e.present = 0
}

// alwaysPresent are the fields of every record.
const alwaysPresent = 1<<FieldVersion | 1<<FieldID | 1<<FieldProject | 1<<FieldType | 1<<FieldTS | 1<<FieldReceivedAt | 1<<FieldTSSource | 1<<FieldRequestID | 1<<FieldDialect

// mask returns the bits of all fields that the record will have.
func (e *Envelope) mask() uint64 {
	m := e.present | alwaysPresent
	set := func(f Field, there bool) {
		m &^= 1 << f
		if there {
			m |= 1 << f
		}
	}
	set(FieldSessionID, e.SessionID != UUID{})
	set(FieldHops, e.Hops != 0)
	set(FieldScreenW, e.ScreenW != 0)
	set(FieldScreenH, e.ScreenH != 0)
	set(FieldBot, e.Bot)
	return m
}
