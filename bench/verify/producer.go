package verify

import (
	"net/http"
	"slices"

	"github.com/millrace/millrace/bench/ledger"
)

// event is what is known of one sequence number.
type event struct {
	seq    uint64
	slot   *ledger.Slot
	ts     int64 // that its own send carried
	answer ledger.Answer
	judges bool // the answer speaks of the event

	sends       uint64 // not refused, with those of duplicates; what the count of rows may come to
	accepted    bool   // by any send
	quarantined bool   // by any send
	open        bool   // there may be sends beyond the end of the ledger
	also        []sent // what duplicates carried, where it differs
}

// sent is what a row must show of the send that made it.
type sent struct {
	hash uint64
	ts   int64
}

// producer goes through the events of one producer. An event is compared as soon as no duplicate of it can follow.
type producer struct {
	c      *comparison
	number uint16
	slots  []ledger.Slot
	reach  uint64          // the largest Back of all slots
	window []event         // not compared yet, in order of seq, from head on
	head   int             // below it, window is done
	last   map[uint32]row  // by user: the latest row in order
	answer []ledger.Answer // of the events of one entry; reused
}

func newProducer(c *comparison, number uint16) *producer {
	p := &producer{c: c, number: number, slots: c.ledger.Header().Producers[number], last: make(map[uint32]row)}
	for i := range p.slots {
		p.reach = max(p.reach, uint64(p.slots[i].Back))
	}
	return p
}

func (p *producer) slot(seq uint64) *ledger.Slot { return &p.slots[seq%uint64(len(p.slots))] }

// take takes in the next request.
func (p *producer) take(e *ledger.Entry) error {
	p.answer = p.answer[:0]
	for range e.Events {
		p.answer = append(p.answer, e.Answer)
	}
	for _, r := range e.Results {
		p.answer[r.Index] = r.Answer
	}
	judges := e.Status == http.StatusOK || e.Status == http.StatusBadRequest
	for i, answer := range p.answer {
		p.send(e.Seq+uint64(i), e.Stamp, answer, judges)
	}
	if end := e.Seq + uint64(e.Events); end > p.reach {
		if err := p.compareBelow(end - p.reach); err != nil {
			return err
		}
	}
	return p.c.advance(uint64(e.Events))
}

// finish compares what is left.
func (p *producer) finish() error {
	if end := p.c.ledger.End(p.number); !p.c.ledger.Complete() {
		for seq := end; seq < end+p.reach; seq++ {
			if s := p.slot(seq); s.Kind == ledger.Duplicate {
				if original := p.find(seq - uint64(s.Back)); original != nil {
					original.open = true
				}
			}
		}
	}
	return p.compareBelow(1<<seqBits + p.reach)
}

// send takes in one send.
func (p *producer) send(seq uint64, stamp int64, answer ledger.Answer, judges bool) {
	v := p.c.verdict
	v.Sent++
	slot := p.slot(seq)
	e := event{seq: seq, slot: slot, ts: stamp - slot.Late, answer: answer, judges: judges}
	to := &e
	if slot.Kind == ledger.Duplicate {
		// It is nil only where the ledger lacks the original.
		to = p.find(seq - uint64(slot.Back))
	}
	switch answer {
	case ledger.Accepted:
		v.Accepted++
	case ledger.Quarantined:
		v.Quarantined++
	case ledger.Dropped:
		v.Dropped++
	case ledger.Unknown:
		v.Unknown++
	}
	if to != nil {
		to.accepted = to.accepted || answer == ledger.Accepted
		to.quarantined = to.quarantined || answer == ledger.Quarantined
		if answer == ledger.Accepted || answer == ledger.Unknown {
			to.sends++
		}
		if s := (sent{slot.Hash, e.ts}); to != &e && s != (sent{to.slot.Hash, to.ts}) {
			to.also = append(to.also, s)
		}
	}
	p.window = append(p.window, e)
}

// find returns an event of the window.
func (p *producer) find(seq uint64) *event {
	open := p.window[p.head:]
	i, ok := slices.BinarySearchFunc(open, seq, func(e event, seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &open[i]
}

// compareBelow compares all events before seq and forgets them.
func (p *producer) compareBelow(seq uint64) error {
	for p.head < len(p.window) && p.window[p.head].seq < seq {
		if err := p.compare(&p.window[p.head]); err != nil {
			return err
		}
		p.head++
	}
	if p.head > len(p.window)/2 {
		p.window = slices.Delete(p.window, 0, p.head)
		p.head = 0
	}
	return nil
}

// compare judges one event.
func (p *producer) compare(e *event) error {
	v, k := p.c.verdict, keyOf(p.number, e.seq)
	rows, err := p.c.rowsOf(k)
	if err != nil {
		return err
	}
	if e.quarantined {
		kept, err := p.c.quarantined(k)
		if err != nil {
			return err
		}
		if !kept {
			v.QuarantineLost.Add(p.number, e.seq, 1)
		}
	}
	refused := e.answer == ledger.Quarantined || e.answer == ledger.Dropped
	stored := len(rows) > 0
	switch e.slot.Kind {
	case ledger.Invalid:
		switch {
		case e.answer == ledger.Accepted, e.answer == ledger.Unknown && stored:
			v.Misjudged.Add(p.number, e.seq, 1)
		case stored:
			v.RefusedStored.Add(p.number, e.seq, 1)
		}
		return nil
	case ledger.Duplicate:
		if stored {
			p.c.stray(k, uint64(len(rows)))
		}
	}
	if refused && e.judges {
		v.Misjudged.Add(p.number, e.seq, 1)
	}
	if e.slot.Kind == ledger.Valid {
		p.compareRows(e, rows)
	}
	return nil
}

// compareRows compares a valid event with its rows.
func (p *producer) compareRows(e *event, rows []row) {
	v := p.c.verdict
	n := uint64(len(rows))
	switch {
	case n == 0:
		if e.accepted {
			v.Lost.Add(p.number, e.seq, 1)
		}
		return
	case e.sends == 0 && e.open:
		v.Unrecorded += n
		return
	case e.sends == 0:
		v.RefusedStored.Add(p.number, e.seq, 1)
		return
	case !e.accepted:
		v.UnknownStored++
	}
	v.ClientDuplicates += min(n, e.sends) - 1
	if n > e.sends {
		if e.open {
			v.Unrecorded += n - e.sends
		} else {
			v.Duplicated.Add(p.number, e.seq, n-e.sends)
		}
	}
	if slices.ContainsFunc(rows, func(r row) bool { return !e.explains(&r) }) {
		v.Corrupted.Add(p.number, e.seq, 1)
	}
	if e.answer == ledger.Accepted {
		p.order(e, rows[0])
	}
}

// explains tells whether a send of the event makes such a row.
func (e *event) explains(r *row) bool {
	if r.hash == e.slot.Hash && (r.ts == e.ts || e.open) {
		return true
	}
	return slices.Contains(e.also, sent{r.hash, r.ts})
}

// order checks that the event's first row lies behind that of the user's event before.
func (p *producer) order(e *event, r row) {
	last, known := p.last[e.slot.User]
	switch {
	case !known, r.log() > last.log():
	case r.place == last.place && r.offset > last.offset:
	case r.place == last.place, r.log() < last.log():
		// It lies before one that was sent earlier. Those that follow must still lie behind that one.
		p.c.verdict.Misordered.Add(p.number, e.seq, 1)
		return
	default:
		// Offsets of two partitions say nothing of each other; the user's events go on from here.
		p.c.verdict.Misordered.Add(p.number, e.seq, 1)
	}
	p.last[e.slot.User] = r
}
