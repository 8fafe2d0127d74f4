package promote

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
)

// testColumns are one of each type for an ordinary key, and some for keys that are hard to write.
var testColumns = func() (all []Column) {
	for _, t := range Types {
		all = append(all, Column{Key: "the " + string(t), Type: t, Name: prefix + string(t)})
	}
	for i, key := range []string{`it's`, `back\slash`, `"`, "größe", "a", "\U0001F600", "x.y", "\ufffd", strings.Repeat("long", 40), "`tick`", "{key:String}", "--", "the  string", "$currency"} {
		all = append(all, Column{Key: key, Type: Types[i%len(Types)], Name: fmt.Sprintf("%sk%d", prefix, i)})
	}
	return all
}()

// scalars are values to be given to properties, alone and mixed. Hazards are those that ClickHouse gives up a document for, or whose meaning differs between its versions.
var scalars = []string{
	`""`, `"plan"`, `"a b"`, `"\u0061"`, `"\u00e9\n\t\"\\\/\b\f\r"`, `"\u0000"`, `"\u0000tail"`, `"\ud83d\ude00"`, `"\uD83D\uDE00x"`, `"é漢😀"`, `"\ufffd"`, `"\uffff"`, `"null"`, `"true"`, `"12"`, `"1.5"`, `" "`,
	`true`, `false`, `null`, `0`, `-0`, `1`, `-1`, `42`, `9007199254740993`, `999999999999999999`, `1234567890123456789`, `9223372036854775807`, `-9223372036854775808`, `-123456789012345678`,
	`0.0`, `-0.0`, `1.0`, `-1.0`, `0.1`, `1.5`, `1e3`, `1E3`, `1e+3`, `1e-3`, `12.50`, `3.14159265358979323846`, `0.30000000000000004`, `123456.789e3`, `1e15`, `9007199254740991.0`, `4503599627370497.5`, `0e0`, `0e5`, `-0e-7`,
	`2.5e-9`, `5e-7`, `1e-7`, `0.000001`, `0.0000001`, `1e-200`, `0.12345678901234567890123`, `1.0000000000000002`,
	`{}`, `[]`, `[1]`, `{"a":1}`, `{"the string":"inner"}`, `[{"the number":1}]`, `[[[]]]`, `{"":{"":{"":null}}}`,
	`"2026-01-02"`, `"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.123456789+02:30"`, `"2026-01-02 03:04:05.9999"`, `"2024-02-29"`, `"2023-02-29"`, `"1999-12-31T23:59:59-23:59"`, `"1969-12-31T23:59:59Z"`, `"1910-01-01"`,
	`"2289-12-31T23:59:59.999Z"`, `"1909-12-31"`, `"2290-01-01"`, `"2026-1-2"`, `"2026-01-02T3:04:05Z"`, `"2026-01-02T03:04:60Z"`, `"2026-01-02T24:00:00Z"`, `"2026-01-02T03:04Z"`, `"2026-01-02T03:04:05.Z"`,
	`"2026-01-02T03:04:05.1234567890Z"`, `"2026-01-02T03:04:05z"`, `"2026-01-02T03:04:05+0100"`, `"2026-01-02T03:04:05 Z"`, `"2026-01-02\u0000"`, `"2026-01-0\u0032"`, `"2026-04-31T00:00:00Z"`, `"today"`, `"2100-02-29"`, `"2000-02-29T12:00:00"`,
}

var hazards = []string{
	`18446744073709551616`, `-9223372036854775809`, `123456789012345678901234567890`, `1e400`, `-1e999`, `1e-400`, `0e999`, `1e308`, `1e309`, `1.7976931348623157e308`, `5e-324`, `2e-308`, `1e201`,
	`"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\ud800x"`, `"\udfff\ud800"`, `"\ud83d\ud83d\ude00"`,
	`9223372036854775808`, `18446744073709551615`, `9007199254740993.0`, `1152921504606846976.0`, `1e18`, `1e19`, `1e21`, `1.7e22`, `1e200`, `123456789012345678901234567890.5`, `8.98846567431158e199`,
	`0.` + strings.Repeat("0", 100) + `1`, strings.Repeat("9", 70) + `.5`,
	`"1969-12-31T23:59:59.5Z"`, `"1950-06-01T12:00:00.25+03:00"`,
	strings.Repeat("[", 70) + strings.Repeat("]", 70), strings.Repeat(`{"a":`, 1100) + `1` + strings.Repeat("}", 1100),
}

// broken are not JSON, or not objects. They reach the table only in records that others forged.
var broken = []string{
	``, ` `, `null`, `[]`, `"the string"`, `12`, `[{"the string":"a"}]`, `{"the string":"a"`, `{"the string":"a"} x`, `{"the string":"a",}`, `{"the string":"a" "a":1}`, `{"the string":tru}`, `{"the number":01}`, `{"the number":1.}`,
	"{\"the string\":\"\x01\"}", "{\"the string\":\"\xff\"}", "{\"\xff\":\"a\",\"the string\":\"b\"}", "\ufeff{\"the string\":\"a\"}", `{"the string":"a"}{}`, "{\"the string\":\"a\"}\x00", `{"the string":'a'}`, `{"the string":"\x"}`,
	"{\"the string\":\"\xed\xa0\x80\"}", "{\"the string\":\"\xc0\x80\"}", `{"the number":NaN}`, `{"the number":+1}`, `{"the number":1}/**/`, `{}`, `{"a":{}}`,
}

// document writes a random object. hazard tells that it holds one of hazards.
func document(r *rand.Rand, odds int) (doc string, hazard bool) {
	var b strings.Builder
	blank := func() {
		if r.IntN(12) == 0 {
			b.WriteString([]string{" ", "\n", "\t\r\n", "  "}[r.IntN(4)])
		}
	}
	var value func(depth int)
	members := func(depth int) {
		b.WriteByte('{')
		for i := range r.IntN(9) {
			if i > 0 {
				b.WriteByte(',')
			}
			blank()
			key := []string{"other", "x", "", "the str", "THE STRING"}[r.IntN(5)]
			if r.IntN(3) > 0 {
				key = testColumns[r.IntN(len(testColumns))].Key
			}
			b.WriteString(quote(r, key))
			blank()
			b.WriteByte(':')
			blank()
			value(depth + 1)
			blank()
		}
		b.WriteByte('}')
	}
	value = func(depth int) {
		switch n := r.IntN(20); {
		case n == 0 && depth < 5:
			members(depth)
		case n == 1 && depth < 5:
			b.WriteByte('[')
			for i := range r.IntN(4) {
				if i > 0 {
					b.WriteByte(',')
				}
				value(depth + 1)
			}
			b.WriteByte(']')
		case n < 5:
			b.WriteString(number(r))
		case n < 8:
			fmt.Fprintf(&b, `"%04d-%02d-%02dT%02d:%02d:%02d.%0*dZ"`, 1970+r.IntN(325), r.IntN(14), r.IntN(33), r.IntN(26), r.IntN(62), r.IntN(62), 1+r.IntN(3), r.IntN(10))
		case r.IntN(odds) == 0:
			hazard = true
			b.WriteString(hazards[r.IntN(len(hazards))])
		default:
			b.WriteString(scalars[r.IntN(len(scalars))])
		}
	}
	blank()
	members(0)
	blank()
	return b.String(), hazard
}

// number writes a number that every version reads alike.
func number(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprint(r.Int64() >> r.IntN(63))
	case 1:
		return fmt.Sprint(-(r.Int64() >> r.IntN(63)))
	case 2:
		return fmt.Sprintf("%.*f", r.IntN(12), r.NormFloat64()*math.Pow10(r.IntN(12)))
	}
	return fmt.Sprintf("%.*fe%d", r.IntN(17), 1+8*r.Float64(), r.IntN(45)-30)
}

// quote writes a key, now and then with escapes that need not be.
func quote(r *rand.Rand, key string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range key {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case r.IntN(40) == 0 && c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// documents are some of each kind, and every scalar and hazard as the value of every column. odd counts from where the extractor may have to give up.
func documents(r *rand.Rand, n int) (plain, odd []string) {
	for _, c := range testColumns {
		for _, v := range scalars {
			plain = append(plain, "{"+quote(r, c.Key)+":"+v+"}")
		}
		for _, v := range hazards {
			odd = append(odd, "{"+quote(r, c.Key)+":"+v+"}", "{"+quote(r, c.Key)+`:"a","z":`+v+"}", `{"z":{"y":[`+v+"]},"+quote(r, c.Key)+":1}")
		}
	}
	odd = append(odd, broken...)
	for range n {
		doc, hazard := document(r, 200)
		if hazard {
			odd = append(odd, doc)
		} else {
			plain = append(plain, doc)
		}
	}
	for range n / 4 {
		doc, _ := document(r, 3)
		odd = append(odd, doc)
	}
	// Pieces of documents and changed bytes.
	const tokens = "\x00\x1f \"\\{}[],:0123e.-+tfnu\x7f\x80\xbf\xc3\xe2\xed\xf0\xff"
	for range n / 4 {
		doc := []byte(plain[r.IntN(len(plain))])
		doc[r.IntN(len(doc))] = tokens[r.IntN(len(tokens))]
		odd = append(odd, string(doc[:1+r.IntN(len(doc))]), string(doc))
	}
	return plain, odd
}

// bitsOf writes a value so that equal texts mean equal bits.
func bitsOf(t Type, v Value) string {
	switch {
	case t == String || t == Text:
		return fmt.Sprintf("%q", v.Text)
	case !v.Set:
		return "NULL"
	case t == Number:
		return fmt.Sprintf("%016x", math.Float64bits(v.Float))
	}
	return fmt.Sprint(v.Int)
}

// bitsIn is the expression that writes a column of the table as bitsOf does, but for texts, which it leaves as they are.
func bitsIn(c Column) string {
	name := "`" + c.Name + "`"
	switch c.Type {
	case Number:
		return "ifNull(lower(leftPad(hex(reinterpretAsUInt64(" + name + ")), 16, '0')), 'NULL')"
	case Integer:
		return "ifNull(toString(" + name + "), 'NULL')"
	case Bool:
		return "ifNull(toString(toUInt8(" + name + ")), 'NULL')"
	case Time:
		return "ifNull(toString(toUnixTimestamp64Milli(" + name + ")), 'NULL')"
	}
	return "toString(" + name + ")"
}

// store inserts the documents as the props of events whose offset is their index, from the number first.
func store(t *testing.T, db *schema.DB, docs []string, first int) {
	t.Helper()
	batch, err := db.Conn().PrepareBatch(within(t), "INSERT INTO "+db.Database()+".events (project_id, event, ts, props, _offset)")
	if err != nil {
		t.Fatal(err)
	}
	for i, doc := range docs {
		if err := batch.Append(uint32(1), "e", int64(1_793_491_200_000), doc, uint64(first+i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// selected reads the columns of all rows, by offset, as bitsOf writes them.
func selected(t *testing.T, db *schema.DB, columns []Column) [][]string {
	t.Helper()
	var list []string
	for _, c := range columns {
		list = append(list, bitsIn(c))
	}
	rows, err := db.Conn().Query(within(t), "SELECT ["+strings.Join(list, ", ")+"] FROM "+db.Database()+".events ORDER BY _offset")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for rows.Next() {
		var row []string
		if err := rows.Scan(&row); err != nil {
			t.Fatal(err)
		}
		for i, c := range columns {
			if c.Type == String || c.Type == Text {
				row[i] = fmt.Sprintf("%q", row[i])
			}
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// The extractor must see what ClickHouse sees, in rows that are inserted after the promotion and in those that were there, whose values are computed when they are read.
func TestExtractorAgreesWithClickHouse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 12_000
	if testing.Short() {
		n = 2_000
	}
	plain, odd := documents(r, n)
	docs := slices.Concat(plain, odd)
	db := migrated(t, enginetest.ClickHouse(t), "x1")
	before := len(docs) / 2
	store(t, db, docs[:before], 0)
	for _, c := range testColumns {
		if _, err := Promote(within(t), db, c); err != nil {
			t.Fatal(err)
		}
	}
	columns, err := Columns(within(t), db)
	if err != nil || !slices.Equal(columns, testColumns) {
		t.Fatalf("promoted columns %v, %v; want %v", columns, err, testColumns)
	}
	store(t, db, docs[before:], before)
	// Some ordinary documents on the other side, too.
	store(t, db, docs[:before], len(docs))

	x := NewExtractor(columns)
	rows := selected(t, db, columns)
	if len(rows) != len(docs)+before {
		t.Fatalf("%d rows of %d documents", len(rows), len(docs)+before)
	}
	given, unsure := 0, 0
	for i, row := range rows {
		doc := docs[i%len(docs)]
		values, ok := x.Extract([]byte(doc))
		if !ok {
			unsure++
			if i%len(docs) < len(plain) {
				t.Errorf("the extractor gives up an ordinary document: %.300q", doc)
			}
			continue
		}
		for j, c := range columns {
			got := bitsOf(c.Type, values[j])
			if got != row[j] {
				t.Errorf("%s of %.400q is %s, ClickHouse has %s", c.Expression(), doc, got, row[j])
			}
			if got != "NULL" && got != `""` {
				given++
			}
		}
		if t.Failed() && unsure+given > 1000 {
			t.FailNow()
		}
	}
	t.Logf("%d documents, %d values, %d documents left to ClickHouse", len(rows), given, unsure)
	if given < len(docs)/2 || unsure < len(hazards)*len(columns) {
		t.Errorf("too little was compared: %d values, %d documents given up", given, unsure)
	}
}

// The comparison goes by what bitsOf writes: it must tell apart what is not the same.
func TestBitsTellValuesApart(t *testing.T) {
	seen := map[string]string{}
	for _, doc := range []string{`{"k":-0.0}`, `{"k":0}`, `{"k":0.1}`, `{"k":0.10000000000000002}`, `{"k":null}`} {
		v, _ := NewExtractor([]Column{{Key: "k", Type: Number}}).Extract([]byte(doc))
		bits := bitsOf(Number, v[0])
		if other, ok := seen[bits]; ok {
			t.Errorf("%s and %s are both %s", doc, other, bits)
		}
		seen[bits] = doc
	}
	v, _ := NewExtractor([]Column{{Key: "k", Type: String}}).Extract([]byte(`{"k":"a","k":"b"}`))
	if got := bitsOf(String, v[0]); got != `"a"` {
		t.Errorf("of two members the extractor takes %s, ClickHouse the first", got)
	}
}

// A value of another type is absent, whatever it looks like.
func TestTypesAreStrict(t *testing.T) {
	for _, c := range []struct {
		doc  string
		want map[Type]string
	}{
		{`{"k":"12"}`, map[Type]string{String: `"12"`, Text: `"12"`}},
		{`{"k":12}`, map[Type]string{Number: "4028000000000000", Integer: "12"}},
		{`{"k":12.0}`, map[Type]string{Number: "4028000000000000", Integer: "12"}},
		{`{"k":12.5}`, map[Type]string{Number: "4029000000000000"}},
		{`{"k":true}`, map[Type]string{Bool: "1"}},
		{`{"k":false}`, map[Type]string{Bool: "0"}},
		{`{"k":"2026-01-02"}`, map[Type]string{String: `"2026-01-02"`, Text: `"2026-01-02"`, Time: "1767312000000"}},
		{`{"k":{"k":1}}`, nil},
		{`{"k":[true]}`, nil},
		{`{"k":null}`, nil},
		{`{"j":{"k":1}}`, nil},
		{`{"k":null,"k":1}`, nil},
		{`{"\u006b":false}`, map[Type]string{Bool: "0"}},
	} {
		for _, typ := range Types {
			v, ok := NewExtractor([]Column{{Key: "k", Type: typ}}).Extract([]byte(c.doc))
			want := c.want[typ]
			switch {
			case want == "" && (typ == String || typ == Text):
				want = `""`
			case want == "":
				want = "NULL"
			}
			if got := bitsOf(typ, v[0]); got != want || !ok {
				t.Errorf("%s as %s is %s, %v; want %s", c.doc, typ, got, ok, want)
			}
		}
	}
}

// What does not hold a promoted property is no reason to give up a document.
func TestOddDocumentsWithoutThePropertyAreCertain(t *testing.T) {
	x := NewExtractor([]Column{{Key: "k", Type: String}})
	for _, doc := range append(slices.Clone(broken), hazards...) {
		if _, ok := x.Extract([]byte(`{"z":` + doc + `}`)); !ok {
			t.Errorf("%.80q is given up", doc)
		}
	}
	if _, ok := x.Extract([]byte(`{"k":"a","z":1e400}`)); ok {
		t.Error("a document that ClickHouse cannot read is not given up")
	}
}

var ordinary = []byte(`{"plan":"pro","price":19.99,"quantity":3,"currency":"EUR","product_id":"sku-4711","category":"shoes \u0026 socks","items":[{"id":1,"n":2},{"id":7,"n":1}],` +
	`"coupon":null,"first":true,"note":"some text of a few words, as people write it","at":"2026-01-02T03:04:05.678Z","device":{"os":"Linux","v":6}}`)

func benchmarkColumns(n int) []Column {
	all := []Column{
		{Key: "plan", Type: String}, {Key: "price", Type: Number}, {Key: "quantity", Type: Integer}, {Key: "first", Type: Bool}, {Key: "at", Type: Time}, {Key: "product_id", Type: Text}, {Key: "category", Type: String},
	}
	for len(all) < n {
		all = append(all, Column{Key: fmt.Sprintf("other_%d", len(all)), Type: String})
	}
	return all[:n]
}

func TestExtractDoesNotAllocate(t *testing.T) {
	x := NewExtractor(benchmarkColumns(20))
	values, ok := x.Extract(ordinary)
	if !ok || string(values[6].Text) != "shoes & socks" || values[1].Float != 19.99 || values[4].Int != 1_767_323_045_678 {
		t.Fatalf("extracted %+v, %v", values, ok)
	}
	if n := testing.AllocsPerRun(100, func() { x.Extract(ordinary) }); n != 0 {
		t.Errorf("%v allocations per document", n)
	}
}

func FuzzExtract(f *testing.F) {
	for _, doc := range broken {
		f.Add([]byte(doc))
	}
	for _, v := range slices.Concat(scalars, hazards) {
		f.Add([]byte(`{"the string":` + v + `,"the number":` + v + `,"the integer":` + v + `,"the time":` + v + `,"the bool":` + v + `}`))
	}
	x := NewExtractor(testColumns)
	f.Fuzz(func(t *testing.T, doc []byte) {
		values, ok := x.Extract(doc)
		var first []string
		for i, c := range x.Columns() {
			first = append(first, bitsOf(c.Type, values[i]))
		}
		// A second look, with room behind the text that must not be read, sees the same.
		padded := append(bytes.Clone(doc), binary.LittleEndian.AppendUint64(nil, 0x7d22227b5d5b2c22)...)
		values, again := x.Extract(padded[:len(doc)])
		for i, c := range x.Columns() {
			if got := bitsOf(c.Type, values[i]); got != first[i] || ok != again {
				t.Fatalf("%q: %s %v, then %s %v", doc, first[i], ok, got, again)
			}
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	for _, n := range []int{1, 5, 20} {
		b.Run(fmt.Sprintf("columns=%d", n), func(b *testing.B) {
			x := NewExtractor(benchmarkColumns(n))
			b.SetBytes(int64(len(ordinary)))
			b.ReportAllocs()
			for b.Loop() {
				x.Extract(ordinary)
			}
		})
	}
}
