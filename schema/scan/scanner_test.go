package scan

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// walk reads text with Enter/Next on the outer levels and Read below, so that both ways of walking are compared with the oracle.
func walk(s *Scanner, levels int) bool {
	if levels == 0 {
		_, ok := s.Read()
		return ok
	}
	switch s.Peek() {
	case Object:
		s.Enter()
		for first := true; ; first = false {
			if _, ok := s.NextMember(first); !ok {
				return s.Err() == nil
			}
			if !walk(s, levels-1) {
				return false
			}
		}
	case Array:
		s.Enter()
		for first := true; s.NextElement(first); first = false {
			if !walk(s, levels-1) {
				return false
			}
		}
		return s.Err() == nil
	}
	_, ok := s.Read()
	return ok
}

func accepts(text []byte, levels int) (ok bool, flags Flags) {
	var s Scanner
	s.Reset(text, 1<<30)
	ok = walk(&s, levels) && !s.More()
	return ok, s.TakeFlags()
}

func check(t *testing.T, text []byte) {
	t.Helper()
	want := json.Valid(text)
	for levels := range 3 {
		ok, flags := accepts(text, levels)
		if ok != want {
			t.Fatalf("levels %d: accepts(%q) = %v, encoding/json says %v", levels, text, ok, want)
		}
		if ok && (flags&BadUTF8 == 0) != utf8.Valid(text) {
			t.Fatalf("levels %d: %q flagged BadUTF8 %v, utf8.Valid says %v", levels, text, flags&BadUTF8 != 0, utf8.Valid(text))
		}
	}
}

var samples = []string{
	``, ` `, `null`, `true`, `false`, `tru`, `nulll`, `0`, `-0`, `01`, `-`, `1.`, `1.5`, `.5`, `1e`, `1e+`, `1E-7`, `1e400`, `+1`, `0x1`, `NaN`,
	`""`, `"a"`, `"`, `"\`, `"\"`, `"\u12"`, `"\u00e9"`, `"\x"`, "\"\x01\"", "\"\x7f\"", "\"\xff\"", "\"\xed\xa0\x80\"", `"\ud800"`, `"\ud83d\ude00"`, `"0123456\"89abcdef"`,
	`{}`, `[]`, `[,]`, `[1,]`, `[1 2]`, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":[{"b":{}},[],[[]]],"c":"d"}`, `[}`, `{]`, `[[]`, `{"a":{}`,
	"\ufeff{}", "[1]\x00", "[1]x", " \t\r\n[ 1 , 2 ] ", "\v1", `{"a":1}{"b":2}`, `{"":0,"":1}`, `[1,2,{"x":[]}`,
	strings.Repeat("[", 200) + strings.Repeat("]", 200), strings.Repeat(`{"a":`, 130) + "1" + strings.Repeat("}", 130), strings.Repeat(`[{"a":`, 70) + "1" + strings.Repeat("}]", 69) + "]}",
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range samples {
		check(t, []byte(text))
	}
	// Every prefix and every single-byte change of a rich text.
	rich := []byte(`{"batch":[{"type":"track","é\u00e9\n":-1.5e+3,"p":{"a":[true,false,null,{}],"b":"\ud83d\ude00 漢字 \"x\""}}],"sentAt":0}`)
	for i := range rich {
		check(t, rich[:i])
		for _, c := range []byte("\x00 \"\\{}[],:0e.tn\x80\xc3\xff") {
			changed := bytes.Clone(rich)
			changed[i] = c
			check(t, changed)
		}
	}
}

func FuzzAgreesWithEncodingJSON(f *testing.F) {
	for _, text := range samples {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { check(t, text) })
}

// Half a million random changes of rich texts, the same ones each time: bytes overwritten, taken out, put in, doubled, and pieces moved.
func TestAgreesOnMutations(t *testing.T) {
	texts := [][]byte{
		[]byte(`{"batch":[{"type":"track","é\u00e9\n":-1.5e+3,"p":{"a":[true,false,null,{}],"b":"\ud83d\ude00 漢字 \"x\""}}],"sentAt":0}`),
		[]byte("[ 0.5e-7 , \"12345678\" ,\r\n[ [ ] , { \"\" : \"abcdefg\\\\\" } ] ]"),
		realistic,
	}
	mutations := 500_000
	if testing.Short() {
		mutations /= 10
	}
	const tokens = "\x00\x1f \"\\{}[],:0123e.-+tfnu\x7f\x80\xbf\xc3\xe2\xed\xf0\xff"
	random := rand.New(rand.NewPCG(1, 2))
	valid := 0
	for range mutations {
		text := bytes.Clone(texts[random.IntN(len(texts))])
		if len(text) > 200 { // a window, for the speed of it
			at := random.IntN(len(text) - 100)
			text = append(append([]byte("["), text[at:at+100]...), ']')
		}
		for range 1 + random.IntN(3) {
			at, c := random.IntN(len(text)), tokens[random.IntN(len(tokens))]
			switch random.IntN(5) {
			case 0:
				text[at] = c
			case 1:
				text = slices.Delete(text, at, at+1)
			case 2:
				text = slices.Insert(text, at, c)
			case 3:
				text = slices.Insert(text, at, text[at])
			case 4:
				to := random.IntN(len(text))
				text[at], text[to] = text[to], text[at]
			}
		}
		check(t, text)
		if json.Valid(text) {
			valid++
		}
	}
	if valid < mutations/50 || valid > mutations*9/10 {
		t.Errorf("%d of %d mutations are valid: the test looks at one side only", valid, mutations)
	}
}

func TestReadReportsValue(t *testing.T) {
	for _, c := range []struct {
		text string
		want Value
	}{
		{`  12 `, Value{Start: 2, End: 4, Kind: Number}},
		{` "ab" `, Value{Start: 2, End: 4, Kind: String}},
		{`"a\n\u0000"`, Value{Start: 1, End: 10, Kind: String, Members: 2}},
		{`{}`, Value{Start: 0, End: 2, Kind: Object}},
		{`{"a":{"x":1,"y":2},"b":[1,2,3]}`, Value{Start: 0, End: 31, Kind: Object, Members: 2}},
		{`[[],{},1]`, Value{Start: 0, End: 9, Kind: Array, Members: 3}},
	} {
		var s Scanner
		s.Reset([]byte(c.text), 8)
		got, ok := s.Read()
		if !ok || got != c.want {
			t.Errorf("Read(%q) = %+v, %v; want %+v", c.text, got, ok, c.want)
		}
	}
}

func TestDepthIsFlaggedAndTheWalkGoesOn(t *testing.T) {
	for _, c := range []struct {
		text   string
		limit  int
		levels int
		deep   bool
	}{
		{`[[1]]`, 2, 0, false},
		{`[[1]]`, 1, 0, true},
		{`[[1]]`, 2, 1, false},
		{`[[1]]`, 1, 1, true},
		{`{"a":{"b":{}}}`, 3, 2, false},
		{`{"a":{"b":{}}}`, 2, 2, true},
		{`[[],[],[]]`, 2, 1, false},
		{strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000), 32, 0, true},
	} {
		var s Scanner
		s.Reset([]byte(c.text), c.limit)
		if !walk(&s, c.levels) || s.More() {
			t.Fatalf("%.40q: refused: %v", c.text, s.Err())
		}
		if deep := s.TakeFlags()&TooDeep != 0; deep != c.deep {
			t.Errorf("%.40q limit %d levels %d: too deep = %v", c.text, c.limit, c.levels, deep)
		}
	}
}

func TestErrorNamesPlace(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`{"a":1,"b":tru}`), 8)
	if _, ok := s.Read(); ok {
		t.Fatal("accepted")
	}
	if got := s.Err().Error(); got != "invalid literal at byte 11" {
		t.Errorf("error %q", got)
	}
}

func TestUnescapeAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range []string{`plain`, `a\u0062c`, `\ud83d\ude00`, `\ud800`, `\ud800x`, `\ude00`, `\ud800\ud83d\ude00`, `\"\\\/\b\f\n\r\t`, `é\u00e9漢`, `\uFFFF\u0000`} {
		var want string
		if err := json.Unmarshal([]byte(`"`+text+`"`), &want); err != nil {
			t.Fatal(err)
		}
		if got := string(AppendUnescaped(nil, []byte(text))); got != want {
			t.Errorf("AppendUnescaped(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzEscapeRoundTrip(f *testing.F) {
	f.Add("plain")
	f.Add("q\"s\\c\x00\x1f\x7f é 漢 \xff\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, value string) {
		text, escaped := AppendEscaped(nil, []byte(value))
		var want string
		if err := json.Unmarshal(append(append([]byte{'"'}, text...), '"'), &want); err != nil {
			t.Fatalf("%q escaped to %q: %v", value, text, err)
		}
		if want != strings.ToValidUTF8(value, "\ufffd") && utf8.ValidString(value) {
			t.Fatalf("%q came back as %q", value, want)
		}
		got := AppendUnescaped(nil, text)
		if string(got) != want {
			t.Fatalf("AppendUnescaped(%q) = %q, want %q", text, got, want)
		}
		if !escaped && bytes.ContainsRune(text, '\\') {
			t.Fatalf("%q has a backslash and is not said to be escaped", text)
		}
	})
}

var realistic = []byte(`{"type":"track","event":"Checkout Completed","userId":"user-829301","messageId":"0192b6c1-7d2e-7a3b-9c1f-0123456789ab","timestamp":"2026-11-01T10:11:12.131Z",` +
	`"properties":{"order_id":"o-77120","total":129.95,"currency":"EUR","coupon":null,"items":[{"sku":"A-1","name":"Größe \"M\"","qty":2,"price":39.5},{"sku":"B-7","name":"Sneaker","qty":1,"price":50.95}],"note":"Lieferung bitte an die Hintertür"},` +
	`"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"},"locale":"de-DE","page":{"url":"https://shop.example/checkout/done?x=1","path":"/checkout/done","referrer":"https://shop.example/cart","title":"Danke"},` +
	`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36","screen":{"width":1920,"height":1080},"campaign":{"source":"newsletter","medium":"email","name":"november"}}}`)

func TestReadAllocatesNothing(t *testing.T) {
	var s Scanner
	if n := testing.AllocsPerRun(100, func() {
		s.Reset(realistic, 32)
		if _, ok := s.Read(); !ok {
			t.Fatal(s.Err())
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	var s Scanner
	b.ReportAllocs()
	b.SetBytes(int64(len(realistic)))
	for b.Loop() {
		s.Reset(realistic, 32)
		if _, ok := s.Read(); !ok {
			b.Fatal(s.Err())
		}
	}
}
