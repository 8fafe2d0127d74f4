package sink

import (
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// identity is what decides whether a record is a repeat.
type identity struct {
	id       [16]byte
	received int64 // as the row has it, Unix milliseconds
}

// loader turns records of one topic into rows of its table, in two steps, since a record that can be read may yet be a repeat.
type loader interface {
	// decode reads the record, or says why it cannot be read.
	decode(rec *broker.Record) (identity, error)
	// append adds the row of the record that was decoded last to b.
	append(b *block, rec *broker.Record, at place)
}

// eventLoader loads topic events.
type eventLoader struct {
	spares   *spares
	envelope schema.Envelope
}

func newEventLoader(p *promotions) *eventLoader {
	return &eventLoader{spares: &spares{
		make:  func() columns { return newEventColumns() },
		begin: func(c columns) { c.(*eventColumns).promote(p.set()) },
	}}
}

func (l *eventLoader) decode(rec *broker.Record) (identity, error) {
	e := &l.envelope
	if ix, ok := rec.Header(schema.HeaderIndex); ok {
		if err := e.DecodeRecord(rec.Value, ix); err != nil {
			return identity{}, err
		}
	} else if err := e.DecodeForeign(rec.Value, rec.Timestamp); err != nil {
		return identity{}, err
	}
	return identity{id: e.ID, received: int64(clampTime(e.ReceivedAt))}, nil
}

func (l *eventLoader) append(b *block, rec *broker.Record, at place) {
	p := b.part(int64(clampTime(l.envelope.TS)), l.spares)
	p.columns.(*eventColumns).append(&l.envelope, rec.Value, at)
}
