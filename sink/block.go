package sink

import (
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/sink/exact"
)

// Ceilings of one block, which the server's pinned settings must be above: see TestBlockFitsPinnedSettings.
const (
	maxBlockRows  = 1_000_000
	maxBlockBytes = 256 << 20
	// maxOffsets is how many offsets a block covers, those without a row included: how far back a partition without a commit is looked through.
	maxOffsets = 2_000_000
)

// maxParts bounds how many INSERTs one block takes: a back-fill may touch a hundred months.
const maxParts = 16

// columns is rows of one table, column by column.
type columns interface {
	// Input is the native block of all rows. It aliases the columns.
	Input() proto.Input
	Rows() int
	// Row is offset, id and time of the i-th row.
	Row(i int) exact.Row
	// Reset takes all rows away and keeps the memory.
	Reset()
}

// part is the rows of a block that belong to one partition of the table. Each becomes one INSERT of one native block: an insert of several blocks or
// several table partitions under one token can lose rows.
type part struct {
	yyyymm   int32
	from, to int64 // the month in Unix milliseconds, to not included
	columns
}

// Month is YYYYMM, as toYYYYMM has it.
func (p *part) Month() int32 { return p.yyyymm }

// sendsPromoted is the set of promoted properties whose columns are sent with the rows; nil: none.
func (p *part) sendsPromoted() *promotedSet {
	if c, ok := p.columns.(*eventColumns); ok {
		return c.sendsPromoted()
	}
	return nil
}

// leavePromoted leaves these columns to ClickHouse. It returns false when none are sent.
func (p *part) leavePromoted() bool {
	c, ok := p.columns.(*eventColumns)
	return ok && c.leavePromoted()
}

// Span is from the earliest to the latest row.
func (p *part) Span() exact.Span {
	s := exact.Span{From: p.to, To: p.from}
	for i := range p.Rows() {
		ts := p.Row(i).TS
		s.From, s.To = min(s.From, ts), max(s.To, ts)
	}
	return s
}

// block is what one commit confirms: the rows of the records at offsets [first, next) of one partition of the topic.
type block struct {
	first, next int64
	parts       []*part
	rows        int
	bytes       int64 // of the records
	refused     []refusal
	since       time.Time // when the block began to hold something
	oldest      int64     // Kafka timestamp of its first record, Unix milliseconds
	newest      *part     // the part of the last row: the next is likely to be there too
	hash        exact.Hash
	repeats     int    // records left out because their id was stored before
	position    uint64 // of the ids when the block began
	arrived     int64  // dedup.Set.Newest behind the block
}

// announced is the block as the protocol sees it.
func (b *block) announced() *exact.Block {
	e := &exact.Block{First: b.first, Next: b.next, Refused: len(b.refused), Hash: b.hash, Newest: b.arrived}
	for _, p := range b.parts {
		e.Parts = append(e.Parts, p)
	}
	slices.SortFunc(e.Parts, func(a, b exact.Part) int { return int(a.Month()) - int(b.Month()) })
	return e
}

// held tells whether a commit would move the offset. A block without rows can be: of refused records, or of offsets that hold no record.
func (b *block) held() bool { return b.next > b.first }

// part returns the rows of the month of ms, which must be within clampTime.
func (b *block) part(ms int64, spare *spares) *part {
	if p := b.newest; p != nil && ms >= p.from && ms < p.to {
		return p
	}
	for _, p := range b.parts {
		if ms >= p.from && ms < p.to {
			b.newest = p
			return p
		}
	}
	p := newPart(ms, spare.get())
	b.parts = append(b.parts, p)
	b.newest = p
	return p
}

func newPart(ms int64, c columns) *part {
	y, m, _ := time.UnixMilli(ms).UTC().Date()
	return &part{
		yyyymm:  int32(y*100 + int(m)),
		from:    time.Date(y, m, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
		to:      time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
		columns: c,
	}
}

// spares keeps columns between blocks. It belongs to one goroutine.
type spares struct {
	make  func() columns
	begin func(columns) // called with empty columns that rows are about to be added to; nil: nothing is to be done
	free  []columns
}

// keepSpares is a forming block and one under way, of two months each.
const keepSpares = 4

func (s *spares) get() (c columns) {
	if n := len(s.free); n > 0 {
		c = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		c = s.make()
	}
	if s.begin != nil {
		s.begin(c)
	}
	return c
}

// put takes the columns of a block that is done with.
func (s *spares) put(b *block) {
	for _, p := range b.parts {
		if len(s.free) < keepSpares {
			p.Reset()
			s.free = append(s.free, p.columns)
		}
	}
	b.parts, b.newest = nil, nil
}
