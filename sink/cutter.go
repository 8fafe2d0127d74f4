package sink

import (
	"time"

	"github.com/millrace/millrace/broker"
)

// recordSet is what one fetch brought of one partition: record batches, asked for from an offset. It owns the bytes.
type recordSet struct {
	records []byte
	from    int64
}

// cutter decodes record sets into blocks and says when a block is to be cut: at so many rows, bytes or months, or when its first record has waited
// long enough. It starts no goroutine, reads no clock and is not safe for concurrent use.
type cutter struct {
	cfg       *Config
	loader    loader
	spares    *spares
	log       uint16
	partition int32

	reader  broker.RecordReader
	record  broker.Record
	from    int64 // where the record set was asked for
	reading bool  // the record set has not been read to its end
	forming *block
	refuse  func(rec *broker.Record, why error, now time.Time) refusal
}

// begin starts at the first offset that no commit has confirmed.
func (c *cutter) begin(offset int64) { c.forming = &block{first: offset, next: offset} }

// accept takes the next record set. The one before must have been read to its end.
func (c *cutter) accept(set recordSet) {
	c.reader.Reset(set.records, set.from)
	c.from = set.from
	c.reading = true
}

// advance decodes until the set ends or the block is full. An error means that the record set cannot be read beyond NextOffset, which is nobody's
// record: bytes were damaged. What was read before it is in the block.
func (c *cutter) advance(now time.Time) error {
	b := c.forming
	rec := &c.record
	for !c.full() {
		if !c.reader.Next(rec) {
			c.reading = false
			c.extend(c.reader.NextOffset(), now)
			return c.reader.Err()
		}
		if !b.held() {
			b.oldest = rec.Timestamp
		}
		at := place{log: c.log, partition: uint16(c.partition), offset: rec.Offset}
		if err := c.loader.load(b, rec, at); err != nil {
			r := c.refuse(rec, err, now)
			b.refused = append(b.refused, r)
			b.bytes += int64(len(r.body))
		} else {
			b.rows++
			b.bytes += int64(len(rec.Value))
		}
		c.extend(rec.Offset+1, now)
	}
	return nil
}

// extend makes the forming block cover the offsets below next.
func (c *cutter) extend(next int64, now time.Time) {
	b := c.forming
	if next <= b.next {
		return
	}
	if !b.held() {
		b.since = now
	}
	b.next = next
}

// full tells that the forming block takes no more records.
func (c *cutter) full() bool {
	b := c.forming
	return b.rows >= c.cfg.BlockRows || b.bytes >= c.cfg.BlockBytes || len(b.parts) > maxParts || len(b.refused) >= maxRefused
}

// due tells whether the forming block is to be cut now, and if not, when it will be by age: never when the zero time is returned.
func (c *cutter) due(now time.Time) (cut bool, at time.Time) {
	b := c.forming
	if !b.held() {
		return false, time.Time{}
	}
	at = b.since.Add(c.cfg.BlockAge)
	return c.full() || !now.Before(at), at
}

// cut returns the forming block and begins the next one behind it.
func (c *cutter) cut() *block {
	b := c.forming
	c.begin(b.next)
	return b
}

// nextOffset is where to fetch from once the set has been read.
func (c *cutter) nextOffset() int64 { return c.reader.NextOffset() }

// starved tells that the set held no whole batch, so that the next fetch must ask for more bytes.
func (c *cutter) starved() bool { return c.reader.Truncated() && c.reader.NextOffset() == c.from }
