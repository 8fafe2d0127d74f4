package sink

import (
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema"
)

// loader turns records of one topic into rows of its table.
type loader interface {
	// load adds the record's row to b, or says why the record cannot be read; then nothing is added.
	load(b *block, rec *broker.Record, at place) error
}

// eventLoader loads topic events.
type eventLoader struct {
	spares   *spares
	envelope schema.Envelope
}

func newEventLoader() *eventLoader {
	return &eventLoader{spares: &spares{make: func() columns { return newEventColumns() }}}
}

func (l *eventLoader) load(b *block, rec *broker.Record, at place) error {
	e := &l.envelope
	if ix, ok := rec.Header(schema.HeaderIndex); ok {
		if err := e.DecodeRecord(rec.Value, ix); err != nil {
			return err
		}
	} else if err := e.DecodeForeign(rec.Value, rec.Timestamp); err != nil {
		return err
	}
	p := b.part(int64(clampTime(e.TS)), l.spares)
	p.columns.(*eventColumns).append(e, rec.Value, at)
	return nil
}
