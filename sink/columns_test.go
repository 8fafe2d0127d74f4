package sink

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// roundTrip sends a column as a block and reads it back with ch-go's own column.
func roundTrip(t *testing.T, c proto.ColInput, into proto.ColResult) {
	t.Helper()
	var wire bytes.Buffer
	w := proto.NewWriter(&wire, new(proto.Buffer))
	block := proto.Block{Columns: 1, Rows: c.Rows()}
	if err := block.WriteBlock(w, proto.Version, []proto.InputColumn{{Name: "c", Data: c}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var b proto.Buffer
	if err := block.EncodeBlock(&b, proto.Version, []proto.InputColumn{{Name: "c", Data: c}}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Buf, wire.Bytes()) {
		t.Fatal("EncodeColumn and WriteColumn differ")
	}
	var got proto.Block
	if err := got.DecodeBlock(proto.NewReader(&wire), proto.Version, proto.Results{{Name: "c", Data: into}}); err != nil {
		t.Fatal(err)
	}
}

func TestLowCardReadsBackAsWritten(t *testing.T) {
	c := newLowCard()
	// Through both widenings, and again with a column that was used before.
	for _, distinct := range []int{1, 3, 255, 256, 257, 300, 65_534, 65_536, 66_000, 2} {
		var want []string
		for i := range max(distinct, 300) * 3 / 2 {
			v := ""
			if n := i % distinct; n > 0 {
				v = fmt.Sprintf("v%d", n)
			}
			if rand.N(4) == 0 {
				v = ""
			}
			want = append(want, v)
			switch rand.N(3) {
			case 0:
				c.appendString(v)
			case 1:
				text, escaped := scan.AppendEscaped(nil, []byte(v))
				c.appendText(schema.TextAt(0, len(text), escaped), text)
			default:
				c.append([]byte(v))
			}
		}
		got := new(proto.ColStr).LowCardinality()
		roundTrip(t, c, got)
		if !slices.Equal(got.Values, want) {
			t.Fatalf("%d distinct values: read back others than were written", distinct)
		}
		c.Reset()
		if c.Rows() != 0 || len(c.table) > 1<<16 {
			t.Fatalf("after Reset: %d rows, table of %d", c.Rows(), len(c.table))
		}
	}
}

func TestLowCardWords(t *testing.T) {
	c := newLowCard()
	for range 2 {
		for _, n := range []uint8{3, 0, 3, 255, 0} {
			c.appendWord(n, strings.Repeat("w", int(n)))
		}
		got := new(proto.ColStr).LowCardinality()
		roundTrip(t, c, got)
		if want := []string{"www", "", "www", strings.Repeat("w", 255), ""}; !slices.Equal(got.Values, want) {
			t.Fatalf("%q", got.Values)
		}
		c.Reset()
	}
}

func TestTextReadsBackAsWritten(t *testing.T) {
	var c text
	for range 2 {
		want := []string{"", "a", "quote \" slash \\ line \n é 漢 \x00", strings.Repeat("x", 127), strings.Repeat("y", 128), strings.Repeat("z", 1<<20), ""}
		for i, v := range want {
			if i%2 == 0 {
				text, escaped := scan.AppendEscaped([]byte("xx"), []byte(v))
				c.appendText(schema.TextAt(2, len(text), escaped), text)
			} else {
				c.appendString(v)
			}
		}
		var got proto.ColStr
		roundTrip(t, &c, &got)
		for i, v := range want {
			if got.Row(i) != v {
				t.Errorf("row %d: %.40q, want %.40q", i, got.Row(i), v)
			}
		}
		c.Reset()
	}
}

func TestDecodeColumnsAllocatesNothing(t *testing.T) {
	const rows = 2000
	set := realisticSet(t, rows, true)
	c := benchCutter(rows)
	block := func() {
		c.forming.first, c.forming.next, c.forming.rows, c.forming.bytes = 0, 0, 0, 0
		c.accept(recordSet{records: set})
		if err := c.advance(testNow); err != nil || c.forming.rows != rows {
			t.Fatal(c.forming.rows, err)
		}
		for _, p := range c.forming.parts {
			p.Reset()
		}
	}
	if n := testing.AllocsPerRun(10, block); n != 0 {
		t.Errorf("%v allocations for %d rows", n, rows)
	}
}
