package schema

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

// builder makes an envelope and the buffer of its texts.
type builder struct {
	e   Envelope
	buf []byte
}

func (b *builder) set(f Field, text string) {
	start := len(b.buf)
	b.buf = append(b.buf, text...)
	b.e.Set(f, TextAt(start, len(b.buf), fieldSpecs[f].form == formText && strings.Contains(text, `\`)))
}

func mustUUID(text string) UUID {
	u, ok := ParseUUID([]byte(text))
	if !ok {
		panic("bad UUID " + text)
	}
	return u
}

// minimal has only what every record has, full has every field.
func minimal() *builder {
	b := &builder{}
	b.e = Envelope{
		ID: mustUUID("0192b6c1-7d2e-7a3b-9c1f-0123456789ab"), RequestID: mustUUID("0192b6c1-7d2f-7000-8000-000000000001"), Project: 1, Type: Track,
		TS: 1793527872131, ReceivedAt: 1793527872131, TSSource: TSReceived, Dialect: DialectNative,
	}
	b.set(FieldEvent, "Hello")
	b.set(FieldDistinctID, "u1")
	return b
}

func full() *builder {
	b := &builder{}
	b.e = Envelope{
		ID: mustUUID("0192b6c1-7d2e-7a3b-9c1f-0123456789ab"), RequestID: mustUUID("0192b6c1-7d2f-7000-8000-000000000001"),
		SessionID: mustUUID("0192b6c1-0000-7000-8000-00000000beef"), Project: 4294967295, Type: Page, TS: 1793527872131, ReceivedAt: 1793527873000,
		TSSource: TSCorrected, Dialect: DialectSegment, Hops: 3, ScreenW: 1920, ScreenH: 65535, Bot: true,
	}
	b.e.SetClientTS(minMillis)
	b.e.SetSentAt(maxMillis)
	for f := FieldVersion; f < NumFields; f++ {
		switch fieldSpecs[f].form {
		case formText:
			b.set(f, fmt.Sprintf(`%s é 漢 \"\\\u0000\ud800`, f))
		case formJSON:
			b.set(f, fmt.Sprintf(`{"%s":[1,{"a":"\n é"},1e400]}`, f))
		}
	}
	return b
}

func TestGoldenRecords(t *testing.T) {
	for name, b := range map[string]*builder{"minimal": minimal(), "full": full()} {
		value, ix := b.e.AppendRecord(nil, nil, b.buf)
		for ext, got := range map[string][]byte{"value.json": value, "ix.raw": ix, "ix.hex": []byte(hex.Dump(ix))} {
			path := filepath.Join("testdata", name+"."+ext)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s changed, which breaks every reader of the topic:\n got %s\nwant %s", path, got, want)
			}
		}
		if !json.Valid(value) {
			t.Errorf("%s: value is not JSON: %s", name, value)
		}
	}
}

// same compares two envelopes by what they say, each with its own buffer.
func same(a *Envelope, abuf []byte, b *Envelope, bbuf []byte) error {
	x, y := *a, *b
	x.present, y.present, x.texts, y.texts = 0, 0, [NumFields]Text{}, [NumFields]Text{}
	if x != y {
		return fmt.Errorf("typed fields differ: %+v, %+v", x, y)
	}
	if a.mask() != b.mask() {
		return fmt.Errorf("fields differ: %b, %b", a.mask(), b.mask())
	}
	for f := FieldVersion; f < NumFields; f++ {
		s, u := a.Text(f), b.Text(f)
		if form := fieldSpecs[f].form; form != formText && form != formJSON {
			continue
		}
		if s.Escaped() != u.Escaped() || !bytes.Equal(s.In(abuf), u.In(bbuf)) {
			return fmt.Errorf("%s differs: %q, %q", f, s.In(abuf), u.In(bbuf))
		}
	}
	return nil
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	for name, b := range map[string]*builder{"minimal": minimal(), "full": full()} {
		value, ix := b.e.AppendRecord(nil, nil, b.buf)
		var got Envelope
		if err := got.DecodeRecord(value, ix); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := same(&b.e, b.buf, &got, value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var foreign Envelope
		if err := foreign.DecodeForeign(value, 0); err != nil {
			t.Fatalf("%s without index: %v", name, err)
		}
		if err := same(&got, value, &foreign, value); err != nil {
			t.Errorf("%s without index: %v", name, err)
		}
	}
}

// drawEnvelope makes any envelope.
func drawEnvelope(t *rapid.T) *builder {
	b := &builder{buf: []byte("something before")}
	uuid := rapid.Custom(func(t *rapid.T) (u UUID) {
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		return u
	})
	millis := rapid.Int64Range(minMillis, maxMillis)
	b.e = Envelope{
		ID: uuid.Draw(t, "id"), SessionID: uuid.Draw(t, "session"), RequestID: uuid.Draw(t, "request"), Project: rapid.Uint32().Draw(t, "project"),
		Type: Type(rapid.IntRange(1, int(numTypes)-1).Draw(t, "type")), TS: millis.Draw(t, "ts"), ReceivedAt: millis.Draw(t, "received"),
		TSSource: TSSource(rapid.IntRange(0, int(numTSSources)-1).Draw(t, "source")), Dialect: Dialect(rapid.IntRange(0, int(NumDialects)-1).Draw(t, "dialect")),
		Hops: rapid.Uint8().Draw(t, "hops"), ScreenW: rapid.Uint16().Draw(t, "w"), ScreenH: rapid.Uint16().Draw(t, "h"), Bot: rapid.Bool().Draw(t, "bot"),
	}
	if rapid.Bool().Draw(t, "client_ts") {
		b.e.SetClientTS(millis.Draw(t, "ms"))
	}
	if rapid.Bool().Draw(t, "sent_at") {
		b.e.SetSentAt(millis.Draw(t, "ms"))
	}
	for f := FieldVersion; f < NumFields; f++ {
		form := fieldSpecs[f].form
		if (form != formText && form != formJSON) || !rapid.Bool().Draw(t, f.String()) {
			continue
		}
		text, err := json.Marshal(rapid.String().Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		if form == formText {
			b.set(f, string(text[1:len(text)-1]))
		} else {
			b.set(f, fmt.Sprintf(`{"k":%s}`, text))
		}
	}
	return b
}

func TestRoundTripOfAnyEnvelope(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawEnvelope(t)
		value, ix := b.e.AppendRecord([]byte("v"), []byte("i"), b.buf)
		value, ix = value[1:], ix[1:]
		if !json.Valid(value) {
			t.Fatalf("not JSON: %s", value)
		}
		var got Envelope
		if err := got.DecodeRecord(value, ix); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		if err := same(&b.e, b.buf, &got, value); err != nil {
			t.Fatal(err)
		}
		again, ixAgain := got.AppendRecord(nil, nil, value)
		if !bytes.Equal(again, value) || !bytes.Equal(ixAgain, ix) {
			t.Fatalf("encoded again: %s, %s", value, again)
		}
	})
}

// FuzzDecodeRecord feeds damaged records: they are refused, or they are exactly what the codec itself would write.
func FuzzDecodeRecord(f *testing.F) {
	for _, b := range []*builder{minimal(), full()} {
		value, ix := b.e.AppendRecord(nil, nil, b.buf)
		f.Add(value, ix)
		f.Add(value[:len(value)-1], ix)
		f.Add(value, ix[:len(ix)-1])
	}
	f.Add([]byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, value, ix []byte) {
		var e Envelope
		if err := e.DecodeRecord(value, ix); err != nil {
			if !errors.Is(err, ErrIndex) && !errors.Is(err, ErrVersion) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		for f := FieldVersion; f < NumFields; f++ {
			e.Text(f).AppendValue(nil, value) // must not leave its span
		}
		// A length may be written in more than one way and typed fields with leading zeros, so only a second pass is a fixed point.
		value2, ix2 := e.AppendRecord(nil, nil, value)
		var e2 Envelope
		if err := e2.DecodeRecord(value2, ix2); err != nil {
			t.Fatalf("own record refused: %v\n%s", err, value2)
		}
	})
}

func FuzzDecodeForeign(f *testing.F) {
	for _, b := range []*builder{minimal(), full()} {
		value, _ := b.e.AppendRecord(nil, nil, b.buf)
		f.Add(value)
	}
	f.Add([]byte(`{"id":"0192b6c1-7d2e-7a3b-9c1f-0123456789ab","project":7,"event":"e","distinct_id":"d","source":{"lib":"x"},"other":[1],"ts":"2026-01-02"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		var e Envelope
		if err := e.DecodeForeign(value, 1); err != nil {
			return
		}
		if !json.Valid(value) {
			t.Fatalf("accepted %q", value)
		}
		again, ix := e.AppendRecord(nil, nil, value)
		var e2 Envelope
		if err := e2.DecodeRecord(again, ix); err != nil {
			t.Fatalf("own record refused: %v\n%s", err, again)
		}
		if err := same(&e, value, &e2, again); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDamagedIndexIsRefused(t *testing.T) {
	b := full()
	value, ix := b.e.AppendRecord(nil, nil, b.buf)
	refused := 0
	for i := range ix {
		for bit := range 8 {
			damaged := bytes.Clone(ix)
			damaged[i] ^= 1 << bit
			var e Envelope
			if err := e.DecodeRecord(value, damaged); err != nil {
				refused++
			} else if err := same(&b.e, b.buf, &e, value); err == nil {
				t.Errorf("byte %d bit %d: a damaged index read the same record", i, bit)
			}
		}
	}
	// Only the escape flag of a text can be wrong without a contradiction.
	texts := 0
	for _, spec := range fieldSpecs {
		if spec.form == formText {
			texts++
		}
	}
	if refused != len(ix)*8-texts {
		t.Errorf("%d of %d damaged indexes refused, %d have a text's flag", refused, len(ix)*8, texts)
	}
}

func TestForeignRecords(t *testing.T) {
	const id = `"id":"0192b6c1-7d2e-7a3b-9c1f-0123456789ab"`
	for _, c := range []struct{ value, wrong string }{
		{`{` + id + `,"project":1,"event":"e","distinct_id":"d"}`, ""},
		{`{"distinct\u005fid":"d",` + id + `,"event":"e","x":{"y":[]},"project":1,"campaign":{"name":"n","z":1},"geo":null}`, ""},
		{`{"project":1,"event":"e","distinct_id":"d"}`, "id is missing"},
		{`{` + id + `,"event":"e","distinct_id":"d"}`, "project is missing"},
		{`{` + id + `,"project":1,"distinct_id":"d"}`, "event is missing"},
		{`{` + id + `,"project":1,"event":"e"}`, "distinct_id is missing"},
		{`{` + id + `,"project":"1","event":"e","distinct_id":"d"}`, "project is a string where a number belongs"},
		{`{` + id + `,"project":4294967296,"event":"e","distinct_id":"d"}`, "cannot be read"},
		{`{` + id + `,"project":1,"event":"e","distinct_id":"d","source":[]}`, "an array where an object belongs"},
		{`{` + id + `,"project":1,"event":"e","distinct_id":"d","ts":"yesterday"}`, "is not a time"},
		{`{` + id + `,"project":1,"event":"e","distinct_id":"d","v":2}`, "unknown codec version"},
		{`{` + id + `,"project":1,"event":"` + "\xff" + `","distinct_id":"d"}`, "not UTF-8"},
		{`[]`, "an array where an object belongs"},
		{`{}x`, "text follows"},
		{`{"a":`, "unexpected end"},
		{``, "unexpected end of text"},
		{`null`, "null where an object belongs"},
	} {
		var e Envelope
		err := e.DecodeForeign([]byte(c.value), 1793527872131)
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%s: %v", c.value, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: error %v, want %q", c.value, err, c.wrong)
		case c.wrong == "" && (e.ReceivedAt != 1793527872131 || e.TS != e.ReceivedAt || e.Type != Track):
			t.Errorf("%s: defaults: %+v", c.value, e)
		}
	}
}

func TestRejectionRoundTrip(t *testing.T) {
	want := Rejection{
		Stage: "pipeline", Reason: MissingEvent.String(), Field: "/event", Detail: "event é missing", Dialect: "segment", Index: 7, KeyID: "k", EventID: NewUUIDv7(1),
		RequestID: NewUUIDv7(2), CorrelationID: "c", ReceivedAt: 3, SentAt: 4, ClientIP: "::1", UserAgent: "ua", Size: 5, Truncated: true, From: "1/2/3",
	}
	var got Rejection
	want.EachHeader(func(key string, value []byte) { got.SetHeader([]byte(key), value) })
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	var empty Rejection
	empty.SetHeader([]byte("index"), []byte("x"))
	empty.SetHeader([]byte("other"), []byte("x"))
	if empty != (Rejection{}) {
		t.Errorf("unreadable headers left %+v", empty)
	}
}

func TestEncodeAndDecodeAllocateNothing(t *testing.T) {
	b := full()
	value, ix := b.e.AppendRecord(nil, nil, b.buf)
	key := b.e.AppendKey(nil, b.buf)
	var e Envelope
	if n := testing.AllocsPerRun(100, func() {
		key = b.e.AppendKey(key[:0], b.buf)
		value, ix = b.e.AppendRecord(value[:0], ix[:0], b.buf)
		if err := e.DecodeRecord(value, ix); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// typical is a record of common size: about 900 bytes of value.
func typical() *builder {
	b := minimal()
	b.e.Dialect, b.e.TSSource = DialectSegment, TSClient
	b.e.SetClientTS(b.e.TS)
	b.e.SetSentAt(b.e.TS)
	b.set(FieldUserID, "user-829301")
	b.set(FieldLib, "@segment/analytics-node")
	b.set(FieldLibVersion, "3.1.0")
	b.set(FieldIP, "192.0.2.1")
	b.set(FieldPageHost, "shop.example")
	b.set(FieldPagePath, "/checkout/done")
	b.set(FieldLocale, "de-DE")
	b.set(FieldProperties, `{"order_id":"o-77120","total":129.95,"currency":"EUR","items":[{"sku":"A-1","qty":2,"price":39.5}],"note":"`+strings.Repeat("x", 200)+`"}`)
	b.set(FieldContext, `{"library":{"name":"@segment/analytics-node","version":"3.1.0"},"locale":"de-DE"}`)
	return b
}

func BenchmarkEncode(bm *testing.B) {
	b := typical()
	var value, ix []byte
	bm.ReportAllocs()
	for bm.Loop() {
		value, ix = b.e.AppendRecord(value[:0], ix[:0], b.buf)
	}
	bm.SetBytes(int64(len(value)))
	bm.ReportMetric(float64(bm.Elapsed().Nanoseconds())/float64(bm.N), "ns/event")
	bm.ReportMetric(float64(len(ix)), "ix-bytes")
}

func BenchmarkDecode(bm *testing.B) {
	b := typical()
	value, ix := b.e.AppendRecord(nil, nil, b.buf)
	var e Envelope
	bm.ReportAllocs()
	bm.SetBytes(int64(len(value)))
	for bm.Loop() {
		if err := e.DecodeRecord(value, ix); err != nil {
			bm.Fatal(err)
		}
	}
	bm.ReportMetric(float64(bm.Elapsed().Nanoseconds())/float64(bm.N), "ns/event")
}
