package sink

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/schema/clickhouse/promote"
)

// promotedColumns is the columns of promoted properties, beside the others of table events.
type promotedColumns struct {
	set       *promotedSet
	extractor *promote.Extractor
	columns   []promotedColumn
	input     proto.Input
	// left: ClickHouse is to compute them for these rows. Then they are not filled any further.
	left bool
}

// promotedColumn is one of them. Which of its parts is used is up to the type.
type promotedColumn struct {
	typ      promote.Type
	low      *lowCard
	text     *text
	nulls    *proto.ColUInt8
	floats   *proto.ColFloat64
	integers *proto.ColInt64
	bools    *proto.ColBool
	times    *proto.ColDateTime64
}

func newPromotedColumns(set *promotedSet) *promotedColumns {
	p := &promotedColumns{set: set, extractor: promote.NewExtractor(set.columns)}
	for _, c := range p.extractor.Columns() {
		col, data := newPromotedColumn(c.Type)
		p.columns = append(p.columns, col)
		p.input = append(p.input, proto.InputColumn{Name: c.Name, Data: data})
	}
	return p
}

func newPromotedColumn(t promote.Type) (c promotedColumn, data proto.ColInput) {
	c.typ = t
	switch t {
	case promote.String:
		c.low = newLowCard()
		return c, c.low
	case promote.Text:
		c.text = new(text)
		return c, c.text
	case promote.Number:
		c.floats = new(proto.ColFloat64)
		n := proto.NewColNullable[float64](c.floats)
		c.nulls = &n.Nulls
		return c, n
	case promote.Integer:
		c.integers = new(proto.ColInt64)
		n := proto.NewColNullable[int64](c.integers)
		c.nulls = &n.Nulls
		return c, n
	case promote.Bool:
		c.bools = new(proto.ColBool)
		n := proto.NewColNullable[bool](c.bools)
		c.nulls = &n.Nulls
		return c, n
	case promote.Time:
		times := newTimes()
		c.times = &times
		n := proto.NewColNullable(c.times)
		c.nulls = &n.Nulls
		return c, n
	}
	panic("BUG: no column for properties of type " + string(t))
}

// append adds the values of a row. props is what the row has in column props.
func (p *promotedColumns) append(props []byte) {
	if p.left {
		return
	}
	values, ok := p.extractor.Extract(props)
	if !ok {
		p.left = true
		return
	}
	for i := range p.columns {
		p.columns[i].append(&values[i])
	}
}

func (c *promotedColumn) append(v *promote.Value) {
	switch c.typ {
	case promote.String:
		if len(v.Text) == 0 {
			c.low.appendKey(0)
		} else {
			c.low.append(v.Text)
		}
		return
	case promote.Text:
		c.text.append(v.Text)
		return
	case promote.Number:
		*c.floats = append(*c.floats, v.Float)
	case promote.Integer:
		*c.integers = append(*c.integers, v.Int)
	case promote.Bool:
		*c.bools = append(*c.bools, v.Int != 0)
	case promote.Time:
		c.times.Data = append(c.times.Data, proto.DateTime64(v.Int))
	}
	*c.nulls = append(*c.nulls, bit(!v.Set))
}

func (p *promotedColumns) reset() {
	resetInput(p.input)
	p.left = false
}
