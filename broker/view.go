package broker

import "encoding/binary"

// Record is one record. All its slices are views, valid until the reader's next Reset.
type Record struct {
	// Offset in the partition.
	Offset int64
	// Timestamp in milliseconds since 1970.
	Timestamp int64
	// Key and Value are nil when they were null.
	Key, Value []byte

	headers []byte // checked by Next
	count   int
}

// Header returns the value of the header with this key, and whether there is one. Of several the last counts, as in Kafka's
// own clients. The value is nil when it is null.
func (rec *Record) Header(key string) (value []byte, ok bool) {
	c := cursor{b: rec.headers}
	for range rec.count {
		k, v := c.nullable(), c.nullable()
		if string(k) == key {
			value, ok = v, true
		}
	}
	return value, ok
}

// Headers calls f for each header, in order, until it returns false. The slices are views like the record's own.
func (rec *Record) Headers(f func(key, value []byte) bool) {
	c := cursor{b: rec.headers}
	for range rec.count {
		if !f(c.nullable(), c.nullable()) {
			return
		}
	}
}

// cursor reads the fields of one record. After a fault it is bad and yields zero values.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) skip(n int) {
	if len(c.b) < n {
		c.fault()
		return
	}
	c.b = c.b[n:]
}

func (c *cursor) varint() int64 {
	// One byte holds -64 to 63: most lengths and deltas.
	if len(c.b) > 0 && c.b[0] < 0x80 {
		u := c.b[0]
		c.b = c.b[1:]
		return int64(u>>1) ^ -int64(u&1)
	}
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.fault()
		return 0
	}
	c.b = c.b[n:]
	return v
}

// count reads the number of headers, of which each takes two bytes at least.
func (c *cursor) count() int {
	n := c.varint()
	if n < 0 || n > int64(len(c.b)/2) {
		c.fault()
		return 0
	}
	return int(n)
}

// nullable reads bytes with their length in front; nil for null.
func (c *cursor) nullable() []byte {
	n := c.varint()
	if n == -1 {
		return nil
	}
	if n < 0 || n > int64(len(c.b)) {
		c.fault()
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) fault() {
	c.b, c.bad = nil, true
}
