package exact

import (
	"cmp"
	"fmt"
	"slices"
)

// piece is the rows of one INSERT: those of one month of a block, or, once an INSERT was bisected, those of them at offsets [from, to].
type piece struct {
	part     Part // of the block
	whole    bool // all rows of part: rows is nil then
	rows     []Row
	from, to int64
}

// token is what the server knows an INSERT by:
//
//	log-partition-first-last-YYYYMM[-tTURN][-FROM-TO]
//
// Equal tokens mean equal rows: in one turn of one log an announced block is never cut anew, its rows are a function of its records, and a piece is
// named by its offsets. A row that is excluded is alone in its piece, which is then not sent at all.
func (m *Machine) token(p piece) string {
	if !m.o.Protect.Token {
		return ""
	}
	t := fmt.Sprintf("%s%d-%d-%06d", m.tokenPrefix(), m.intent.First, m.intent.Next-1, p.part.Month())
	if m.intent.Turn > 0 {
		t += fmt.Sprintf("-t%d", m.intent.Turn)
	}
	if !p.whole {
		t += fmt.Sprintf("-%d-%d", p.from, p.to)
	}
	return t
}

// tokenPrefix begins all tokens of the partition, and of no other.
func (m *Machine) tokenPrefix() string { return fmt.Sprintf("%d-%d-", m.o.Log, m.o.Partition) }

// pieces returns what the rows of a part are sent as, by the cuts of the intent and without the excluded rows. Pieces without rows are left out.
func (m *Machine) pieces(part Part) []piece {
	var cuts []int64
	for _, c := range m.intent.Cuts {
		if c.Month == part.Month() {
			cuts = append(cuts, c.At)
		}
	}
	whole := piece{part: part, whole: true, from: m.intent.First, to: m.intent.Next - 1}
	if len(cuts) == 0 {
		return []piece{whole} // a row is left out only where there are cuts
	}
	var all []piece
	from, rows := whole.from, whole.list()
	for _, at := range append(cuts, m.intent.Next) {
		n, _ := slices.BinarySearchFunc(rows, at, func(r Row, at int64) int { return cmp.Compare(r.Offset, at) })
		here := slices.DeleteFunc(slices.Clone(rows[:n]), func(r Row) bool { return m.left[r.Offset] })
		if len(here) > 0 {
			all = append(all, piece{part: part, rows: here, from: from, to: at - 1})
		}
		from, rows = at, rows[n:]
	}
	return all
}

func (p piece) len() int {
	if p.whole {
		return p.part.Rows()
	}
	return len(p.rows)
}

// list returns the rows of the piece. Those of a whole part are copied: only what has failed is looked at row by row.
func (p piece) list() []Row {
	if !p.whole {
		return p.rows
	}
	rows := make([]Row, p.part.Rows())
	for i := range rows {
		rows[i] = p.part.Row(i)
	}
	return rows
}

// halves divides a piece of two rows or more.
func (p piece) halves() (a, b piece, cut Cut) {
	rows := p.list()
	middle := len(rows) / 2
	at := rows[middle].Offset
	a = piece{part: p.part, rows: rows[:middle], from: p.from, to: at - 1}
	b = piece{part: p.part, rows: rows[middle:], from: at, to: p.to}
	return a, b, Cut{Month: p.part.Month(), At: at}
}
