package exact

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIntentText(t *testing.T) {
	in := Intent{
		Log: 3, First: 1200, Next: 2000, Rows: 790, Refused: 2, Codec: 1, Hash: 0xabc, Last: 1199, LastTS: 1763779200000, Newest: 1763779201000,
		IDs: IDs{Keep: 2_000_000, Window: time.Hour}, Turn: 4, Cuts: []Cut{{202611, 1320}, {202611, 1540}, {202612, 1207}}, Excluded: []int64{1233, 1320},
	}
	const want = "1|3|1200|2000|790|2|1|0000000000000abc|1199|1763779200000|1763779201000|2000000|1h0m0s|4|202611:120,340;202612:7|33,120"
	if in.String() != want {
		t.Errorf("got  %s\nwant %s", in, want)
	}
	const confirms = "1|3|0|0|0|0|1|0000000000000000|-1|0|-1|10|1s|0||"
	if got := (Intent{Log: 3, Codec: 1, Last: -1, Newest: -1, IDs: IDs{Keep: 10, Window: time.Second}}).String(); got != confirms {
		t.Errorf("got  %s\nwant %s", got, confirms)
	}
}

func drawIntent(t *rapid.T) Intent {
	in := Intent{
		Log: rapid.Uint16().Draw(t, "log"), First: rapid.Int64Range(0, 1<<61).Draw(t, "first"), Codec: rapid.IntRange(0, 9).Draw(t, "codec"),
		Rows: rapid.IntRange(0, 1e6).Draw(t, "rows"), Refused: rapid.IntRange(0, 1e6).Draw(t, "refused"), Hash: Hash(rapid.Uint64().Draw(t, "hash")),
		LastTS: rapid.Int64Range(-1e12, 1e13).Draw(t, "lastTS"), Newest: rapid.Int64Range(-1, 1e13).Draw(t, "newest"),
		IDs:  IDs{Keep: rapid.IntRange(0, 1e9).Draw(t, "keep"), Window: time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "window"))},
		Turn: rapid.Int64Range(0, 1e13).Draw(t, "turn"),
	}
	in.Last = rapid.Int64Range(-1, in.First-1).Draw(t, "last")
	in.Next = in.First + rapid.Int64Range(0, 1e6).Draw(t, "offsets")
	for at := in.First + 1; at < in.Next && rapid.Bool().Draw(t, "cut"); at += rapid.Int64Range(1, 100).Draw(t, "gap") {
		in.Cuts = append(in.Cuts, Cut{202611, at})
		if rapid.Bool().Draw(t, "out") {
			in.Excluded = append(in.Excluded, at)
		}
	}
	return in
}

func TestIntentRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawIntent(t)
		if !in.fits() {
			t.Skip("too long")
		}
		got, err := ParseIntent(in.String())
		if err != nil || got.String() != in.String() || got.First != in.First || got.IDs != in.IDs || len(got.Cuts) != len(in.Cuts) {
			t.Fatalf("%s: got %+v, %v", in, got, err)
		}
	})
}

func TestIntentWithoutCutsAlwaysFits(t *testing.T) {
	in := Intent{
		Log: math.MaxUint16, First: maxOffset, Next: maxOffset, Rows: math.MaxInt64, Refused: math.MaxInt64, Codec: math.MaxInt32, Hash: math.MaxUint64,
		Last: math.MinInt64, LastTS: math.MinInt64, Newest: math.MinInt64, IDs: IDs{Keep: math.MinInt64, Window: math.MinInt64}, Turn: math.MaxInt64,
	}
	if n := len(in.String()); n > MaxIntentBytes/3 {
		t.Errorf("%d bytes leave too little for cuts: %s", n, in)
	}
}

func TestParseIntentRefuses(t *testing.T) {
	const sound = "1|3|10|20|5|0|1|0000000000000abc|9|7|8|10|1s|0|202611:4|4"
	if _, err := ParseIntent(sound); err != nil {
		t.Fatalf("%s: %v", sound, err)
	}
	for _, s := range []string{
		"", "1", "1|", "x|1", "0|3", "-1|3", "{\"by\":\"another tool\"}", strings.Replace(sound, "|10|", "|010|", 1), strings.Replace(sound, "abc", "ABC", 1),
		strings.Replace(sound, "|20|", "|9|", 1), strings.Replace(sound, "|9|7", "|10|7", 1), strings.Replace(sound, ":4", ":10", 1),
		strings.Replace(sound, ":4", ":4,3", 1), strings.Replace(sound, ":4", ":", 1), strings.TrimSuffix(sound, "4") + "10", sound + "|", sound + " ",
		strings.Replace(sound, "1s", "1000ms", 1), strings.Replace(sound, "|3|", "|65536|", 1), sound + strings.Repeat(",5", 500),
	} {
		if in, err := ParseIntent(s); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %+v, %v", s, in, err)
		}
	}
	for _, s := range []string{"2|anything", "17|3|x"} {
		if _, err := ParseIntent(s); !errors.Is(err, ErrNewer) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParseIntent(f *testing.F) {
	f.Add("1|3|1200|2000|790|2|1|0000000000000abc|1199|1763779200000|1763779201000|2000000|1h0m0s|4|202611:120,340;202612:7|33,120")
	f.Add("1|3|0|0|0|0|1|0000000000000000|-1|0|-1|10|1s|0||")
	f.Add("2|x")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		in, err := ParseIntent(s)
		if err != nil {
			return
		}
		if in.String() != s || len(s) > MaxIntentBytes || in.Next < in.First || in.Last >= in.First || in.First < 0 {
			t.Errorf("%q: %+v", s, in)
		}
	})
}

func TestHashStaysTheSame(t *testing.T) {
	var h Hash
	for i := range int64(3) {
		h = h.Add(1200+i, [16]byte{byte(i), 15: 7})
	}
	if want := Hash(0xe8736531459e411b); h != want {
		t.Errorf("got %#x", uint64(h))
	}
	if a, b := Hash(0).Add(1, [16]byte{1}).Add(2, [16]byte{2}), Hash(0).Add(2, [16]byte{2}).Add(1, [16]byte{1}); a == b {
		t.Error("the order of rows does not count")
	}
}

func TestTokens(t *testing.T) {
	part := rows{{Offset: 1201, TS: january}, {Offset: 1300, TS: january}, {Offset: 1900, TS: january}}
	m := New(Options{Log: 3, Partition: 0, MaxOffsets: 1000, Protect: Protections{Token: true}}, nil)
	m.intent = Intent{First: 1200, Next: 2000}
	check := func(want ...string) {
		t.Helper()
		var got []string
		for _, p := range m.pieces(part) {
			got = append(got, m.token(p))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check("3-0-1200-1999-202601")
	m.intent.Cuts = []Cut{{202602, 1500}} // of another month
	check("3-0-1200-1999-202601")
	m.intent.Turn = 2
	check("3-0-1200-1999-202601-t2")
	m.intent.Cuts = []Cut{{202601, 1300}, {202601, 1900}}
	check("3-0-1200-1999-202601-t2-1200-1299", "3-0-1200-1999-202601-t2-1300-1899", "3-0-1200-1999-202601-t2-1900-1999")
	m.leave([]int64{1300})
	check("3-0-1200-1999-202601-t2-1200-1299", "3-0-1200-1999-202601-t2-1900-1999")
	whole := m.pieces(part)[0]
	m.o.Protect.Token = false
	if got := m.token(whole); got != "" {
		t.Errorf("got %q without tokens", got)
	}
}

// What halves are called when they are made, they are called when they are found in the intent.
func TestHalvesAreThePiecesOfTheIntent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(Options{Log: 1, MaxOffsets: 1000, Protect: Protections{Token: true}}, nil)
		var part rows
		offset := int64(100)
		for range rapid.IntRange(2, 40).Draw(t, "rows") {
			offset += rapid.Int64Range(1, 5).Draw(t, "gap")
			part = append(part, Row{Offset: offset, TS: january})
		}
		m.intent = Intent{First: 100, Next: offset + 3}
		for range 6 {
			pieces := m.pieces(part)
			p := rapid.SampledFrom(pieces).Draw(t, "piece")
			if p.len() < 2 {
				continue
			}
			a, b, cut := p.halves()
			m.intent.Cuts = append(m.intent.Cuts, cut)
			slices.SortFunc(m.intent.Cuts, compareCuts)
			found := map[string]int{}
			for _, p := range m.pieces(part) {
				found[m.token(p)] = p.len()
			}
			if found[m.token(a)] != a.len() || found[m.token(b)] != b.len() || len(found) != len(pieces)+1 {
				t.Fatalf("%v: halves %s and %s", found, m.token(a), m.token(b))
			}
		}
	})
}
