package sink

import (
	"encoding/binary"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/schema"
)

// text is a String column, kept as the bytes that go over the wire: each value behind its length as a varint. proto.ColStr keeps 16 bytes of position
// per row, most of them for absent values here, and is copied once more when it is sent.
type text struct {
	wire    []byte
	rows    int
	scratch []byte
}

var _ proto.ColInput = (*text)(nil)

// Type is the column's type in ClickHouse.
func (c *text) Type() proto.ColumnType { return proto.ColumnTypeString }

// Rows is the number of values.
func (c *text) Rows() int { return c.rows }

// EncodeColumn appends the column to b.
func (c *text) EncodeColumn(b *proto.Buffer) { b.Buf = append(b.Buf, c.wire...) }

// WriteColumn chains the column to w, which must be flushed before the next change.
func (c *text) WriteColumn(w *proto.Writer) {
	if len(c.wire) > 0 {
		w.ChainWrite(c.wire)
	}
}

// Reset empties the column and keeps its memory.
func (c *text) Reset() { c.wire, c.rows = c.wire[:0], 0 }

func (c *text) append(v []byte) {
	c.wire = binary.AppendUvarint(c.wire, uint64(len(v)))
	c.wire = append(c.wire, v...)
	c.rows++
}

func (c *text) appendString(v string) {
	c.wire = binary.AppendUvarint(c.wire, uint64(len(v)))
	c.wire = append(c.wire, v...)
	c.rows++
}

// appendText adds the string that t stands for.
func (c *text) appendText(t schema.Text, buf []byte) {
	if t.Len() == 0 {
		c.wire = append(c.wire, 0)
		c.rows++
		return
	}
	if !t.Escaped() {
		c.append(t.In(buf))
		return
	}
	// The length stands first and is known only afterwards.
	c.scratch = t.AppendValue(c.scratch[:0], buf)
	c.append(c.scratch)
}
