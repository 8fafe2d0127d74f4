package sink

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/broker"
)

// errDamaged: bytes on the topic do not follow the format.
var errDamaged = errors.New("damaged record set")

// recordSet is what one fetch brought of one partition: record batches, asked for from an offset. It owns the bytes.
type recordSet struct {
	records []byte
	from    int64
}

// cutter decodes record sets into blocks and says when a block is to be cut: at so many rows, bytes, offsets or months, or when its first record has
// waited long enough. It starts no goroutine, reads no clock and is not safe for concurrent use.
type cutter struct {
	builder
	cfg   *Config
	limit *blockLimit

	reader  broker.RecordReader
	record  broker.Record
	set     recordSet
	reading bool // the record set has not been read to its end
}

// accept takes the next record set. The one before must have been read to its end.
func (c *cutter) accept(set recordSet) {
	c.reader.Reset(set.records, set.from)
	c.set = set
	c.reading = true
}

// drop forgets the record set and the forming block: both are read again, from offset on.
func (c *cutter) drop(offset int64) {
	c.set, c.reading = recordSet{}, false
	c.reader.Reset(nil, offset)
	c.spares.put(c.forming)
	c.settled = nil // a takeover has seen to it that all rows below offset are in the table
	c.begin(offset)
}

// advance decodes until the set ends or the block is full. errDamaged means that the record set cannot be read beyond NextOffset, which is nobody's
// record; what was read before it is in the block. Any other error is that of asking the table for old ids: the block cannot be finished.
func (c *cutter) advance(now time.Time) error {
	for !c.full() {
		if !c.reader.Next(&c.record) {
			c.reading = false
			c.extend(c.reader.NextOffset(), now)
			if err := c.reader.Err(); err != nil {
				return fmt.Errorf("%w: %w", errDamaged, err)
			}
			return nil
		}
		if err := c.take(&c.record, c.set, now); err != nil {
			return err
		}
	}
	return nil
}

// full tells that the forming block takes no more records.
func (c *cutter) full() bool {
	b := c.forming
	return b.rows >= c.limit.rows(c.cfg.BlockRows) || b.bytes >= c.limit.bytes(c.cfg.BlockBytes) || len(b.parts) > maxParts || len(b.refused) >= maxRefused || b.next-b.first >= maxOffsets
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

// nextOffset is where to fetch from once the set has been read.
func (c *cutter) nextOffset() int64 { return c.reader.NextOffset() }

// starved tells that the set held no whole batch, so that the next fetch must ask for more bytes.
func (c *cutter) starved() bool { return c.reader.Truncated() && c.reader.NextOffset() == c.set.from }
