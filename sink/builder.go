package sink

import (
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/sink/dedup"
)

// builder makes rows of the records of one partition, one after the other: it decides which records have one. Not safe for concurrent use.
type builder struct {
	loader    loader
	spares    *spares
	log       uint16
	partition int32
	refuse    func(rec *broker.Record, why error, now time.Time) refusal

	// ids finds the repeats of clients; nil: every record has a row.
	ids *dedup.Set
	// ask tells which of the ids have a row below offset. It is asked about records that are too old for ids to know.
	ask func(ids [][16]byte, below int64) (map[[16]byte]bool, error)
	// settled is the block before the forming one, whose rows may not be in the table yet; nil: all are.
	settled  *block
	old      map[[16]byte]bool // answers of ask for the old records of asked
	oldSince uint64            // the rows that old does not know of were added to ids from here on
	asked    []byte            // a record set
	scan     broker.RecordReader

	forming *block
}

// begin starts a block at the first offset that none before it covers.
func (c *builder) begin(offset int64) {
	c.forming = &block{first: offset, next: offset}
	if c.ids != nil {
		c.forming.position, c.forming.arrived = c.ids.Position(), c.ids.Newest()
	}
}

// take adds the record to the forming block: a row, a refusal, or only its offset. set is where the record comes from. An error is that of ask.
func (c *builder) take(rec *broker.Record, set recordSet, now time.Time) error {
	b := c.forming
	if !b.held() {
		b.oldest = rec.Timestamp
	}
	who, err := c.loader.decode(rec)
	if err != nil {
		r := c.refuse(rec, err, now)
		b.refused = append(b.refused, r)
		b.bytes += int64(len(r.body))
		c.extend(rec.Offset+1, now)
		return nil
	}
	repeat, err := c.repeat(who, rec, set)
	if err != nil {
		return err
	}
	if repeat {
		b.repeats++
	} else {
		c.loader.append(b, rec, place{log: c.log, partition: uint16(c.partition), offset: rec.Offset})
		b.hash = b.hash.Add(rec.Offset, who.id)
		b.rows++
		b.bytes += int64(len(rec.Value))
		if c.ids != nil {
			c.ids.Add(who.id, who.received)
			b.arrived = c.ids.Newest()
		}
	}
	c.extend(rec.Offset+1, now)
	return nil
}

// extend makes the forming block cover the offsets below next.
func (c *builder) extend(next int64, now time.Time) {
	b := c.forming
	if next <= b.next {
		return
	}
	if !b.held() {
		b.since = now
	}
	b.next = next
}

// cut returns the forming block and begins the next one behind it. It only reads the block: the storing goroutine may have it already.
func (c *builder) cut() *block {
	b := c.forming
	c.begin(b.next)
	return b
}

// repeat tells whether a row with the record's id is stored, or will be before this one.
func (c *builder) repeat(who identity, rec *broker.Record, set recordSet) (bool, error) {
	if c.ids == nil {
		return false, nil
	}
	switch c.ids.Look(who.id, who.received) {
	case dedup.Fresh:
		return false, nil
	case dedup.Repeat:
		return true, nil
	}
	// Older than what is remembered: the table is asked for the rows that are surely in it, and those behind are remembered by their place.
	if !c.knows(who.id, set) {
		if err := c.learn(who.id, rec, set); err != nil {
			return false, err
		}
	}
	return c.old[who.id] || c.ids.Since(who.id, c.oldSince), nil
}

// surely is the offset below which all rows are surely in the table, and the position in ids of the rows behind.
func (c *builder) surely() (below int64, since uint64) {
	if c.settled != nil {
		return c.settled.first, c.settled.position
	}
	return c.forming.first, c.forming.position
}

// knows tells whether the table was asked about the id when the first old record of the set was met, and the rows that came since are still remembered:
// a set of many small blocks may have more of them than ids keeps.
func (c *builder) knows(id [16]byte, set recordSet) bool {
	if len(set.records) == 0 || len(c.asked) != len(set.records) || &c.asked[0] != &set.records[0] {
		return false
	}
	if _, since := c.surely(); since > c.oldSince && !c.ids.Keeps(c.oldSince) {
		return false
	}
	_, ok := c.old[id]
	return ok
}

// learn asks for the id, and at once for all further records of the set that are as old.
func (c *builder) learn(id [16]byte, rec *broker.Record, set recordSet) error {
	below, since := c.surely()
	c.oldSince = since
	c.asked, c.old = nil, map[[16]byte]bool{id: false}
	ids := [][16]byte{id}
	var other broker.Record
	c.scan.Reset(set.records, rec.Offset+1)
	for c.scan.Next(&other) {
		who, err := c.loader.decode(&other)
		if err != nil || c.ids.Look(who.id, who.received) != dedup.Late {
			continue
		}
		if _, ok := c.old[who.id]; !ok {
			c.old[who.id] = false
			ids = append(ids, who.id)
		}
	}
	// The loader holds the record that it decoded last: give it back the one that is being taken.
	if _, err := c.loader.decode(rec); err != nil {
		return err
	}
	stored, err := c.ask(ids, below)
	if err != nil {
		return err
	}
	for id := range stored {
		c.old[id] = true
	}
	c.asked = set.records
	return nil
}
