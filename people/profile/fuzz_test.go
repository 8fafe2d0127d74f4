package profile

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRead: any traits are read without a panic into operations that can be stored as they are, the same that encoding/json finds.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `{"a":1}`, `{"a":{"b":[1,2]},"c":null}`, `{"$set":{"a":1},"$set_once":{"b":2},"$add":{"c":3},"$append":{"d":[4]},"$unset":["e"]}`, `{"$clear":true,"$concat":{"a":[1,2]},"$prepend":{"b":"x"},"$union":{"c":[{"k":1},null]},"$remove":{"d":1.0}}`, `{"$clear":false}`, `{"$clear":1,"$union":[]}`, `{"$unset":{"a":null}}`, `{"$set":{"a":1},"b":2}`,
		`{"$add":{"a":"x","b":1e999}}`, `{"\u0024set":{"a":1,"a":2}}`, "{ \"a\" :\t\"\\ud800\\ud83d\\ude00 \\\\ \\\" é\" }", `{"a":123456789012345678901234567890.5e-7}`, "{\"\xff\":1}", `[]`, `{"a":1}x`, `{"$set":[],"$unset":[1,"x"]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, traits []byte) {
		before := bytes.Clone(traits)
		ops, ignored := Read(traits)
		if !bytes.Equal(before, traits) {
			t.Fatalf("Read changed %q to %q", before, traits)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(traits, &members) != nil || members == nil || !utf8.Valid(traits) {
			if len(ops)+ignored > 0 {
				t.Fatalf("Read(%q) = %v, %d, of no object", traits, ops, ignored)
			}
			return
		}
		met := map[Operation]bool{}
		for i, o := range ops {
			checkOperation(t, traits, o)
			if i > 0 && ranks[ops[i-1].Op] > ranks[o.Op] {
				t.Fatalf("Read(%q) has %v after %v", traits, o.Op, ops[i-1].Op)
			}
			only := Operation{Name: o.Name, Op: o.Op}
			if met[only] {
				t.Fatalf("Read(%q) has %v of %q twice", traits, o.Op, o.Name)
			}
			met[only] = true
		}
		if len(members) > MaxNames || ignored > 0 || len(ops) == 0 {
			return
		}
		plain := false
		for name := range members {
			plain = plain || !slices.Contains(opKeys, name)
		}
		if !plain {
			return
		}
		// Plain traits: each member is set, to what encoding/json makes of it.
		if len(ops) != len(members) {
			t.Fatalf("Read(%q) has %d operations, of %d members", traits, len(ops), len(members))
		}
		for _, o := range ops {
			raw, there := members[o.Name]
			if !there || o.Op != Set || !sameValue(raw, o.Value) {
				t.Fatalf("Read(%q) %vs %q to %s, want %s", traits, o.Op, o.Name, o.Value, raw)
			}
		}
	})
}

func checkOperation(t *testing.T, traits []byte, o Operation) {
	t.Helper()
	bare := o.Op == Unset || o.Op == Clear
	if !o.Op.valid() || !legalName(o.Name) || len(o.Value) > MaxValueBytes || bare != (o.Value == "") || o.Op == Clear && o.Name != "" {
		t.Fatalf("Read(%q) has %+v", traits, o)
	}
	if bare {
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(o.Value)); err != nil || compact.String() != o.Value {
		t.Fatalf("Read(%q) has value %q: %v", traits, o.Value, err)
	}
	again, ok := appendValue(nil, []byte(o.Value))
	if !ok || string(again) != o.Value {
		t.Fatalf("value %q becomes %q", o.Value, again)
	}
	if o.Op == Add && o.Value[0] != '-' && (o.Value[0] < '0' || o.Value[0] > '9') {
		t.Fatalf("Read(%q) adds %s", traits, o.Value)
	}
}

// sameValue tells whether two texts are the same to a reader that has floats for numbers.
func sameValue(a json.RawMessage, b string) bool {
	var x, y any
	must(json.Unmarshal(a, &x))
	must(json.Unmarshal([]byte(b), &y))
	p, err := json.Marshal(x)
	must(err)
	q, err := json.Marshal(y)
	must(err)
	return bytes.Equal(p, q)
}

// FuzzFold: any rows, in any order and however often, make one and the same canonical object.
func FuzzFold(f *testing.F) {
	for _, text := range []string{
		"", "\x01a\x01\x05\x0012\n", "\x01a\x01\x05\x001\x00\x02a\x02\x06\x00\x00", "\x03n\x01\x01\x001\x00\x03n\x01\x02\x002.5\x00\x03n\x02\x01\x00-7\x00", "\x04l\x01\x01\x00[1]\x00\x04l\x02\x02\x00null\x00\x04l\x03\x02\x00\"x\"\x00",
		"\x01a\x01\x05\x00\xff\x00\x00a\x01\x05\x001\x00\x07a\x01\x01\x01 \x00", "\x02\"\x01\x01\x00{ \"\\ud800\" : 1e999 }\x00\x02\"\x01\x01\x00{ \"\\ud800\" : [ 1 , 2 ] }\x00",
		"\x01l\x01\x01\x00[1 ,2]\x00\x06l\x01\x02\x00[3,[4]]\x00\x07l\x01\x03\x00[5]\x00\x08l\x01\x04\x00[1,6]\x00\x09l\x01\x05\x00[ 2 ]\x00", "\x01l\x01\x01\x001\x00\x0al\x01\x02\x00\x00\x03l\x01\x02\x002\x00\x08l\x02\x03\x003\x00",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows := rowsOf(data)
		before := slices.Clone(rows)
		props, first, updated, ignored := Fold(rows)
		if !slices.Equal(before, rows) {
			t.Fatalf("Fold changed %+v", before)
		}
		if ignored < 0 || ignored > len(rows) || first > updated {
			t.Fatalf("from %d to %d, %d of %d rows ignored", first, updated, ignored, len(rows))
		}
		checkCanonical(t, props)
		r := rand.New(rand.NewPCG(uint64(len(data)), 9))
		more := append(slices.Clone(rows), rows...)
		r.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
		again, first2, updated2, _ := Fold(more)
		if !bytes.Equal(props, again) || first != first2 || updated != updated2 {
			t.Fatalf("%+v make %s from %d to %d, shuffled and twice %s from %d to %d", rows, props, first, updated, again, first2, updated2)
		}
	})
}

// rowsOf makes rows of bytes: op, name, slot, ts, offset, and a value that ends with a zero byte, too short to nest deeper than Read goes.
func rowsOf(data []byte) (rows []Row) {
	for len(data) >= 5 && len(rows) < 200 {
		value, rest, _ := bytes.Cut(data[5:], []byte{0})
		value = value[:min(len(value), maxDepth/2)]
		rows = append(rows, Row{Op: Op(data[0] % 12), Name: name(data), Slot: [16]byte{data[2] % 8}, TS: int64(data[3]%16) - 3, Offset: uint64(data[4] % 4), Value: string(value)})
		data = rest
	}
	return rows
}

// name is the second byte; of Clear, nothing.
func name(data []byte) string {
	if Op(data[0]%12) == Clear && data[1] != 0 {
		return ""
	}
	return string(data[1:2])
}

// checkCanonical makes sure that props is an object without white space and with names that ascend, and that setting it makes it again.
func checkCanonical(t *testing.T, props []byte) {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, props); err != nil || compact.String() != string(props) || !utf8.Valid(props) {
		t.Fatalf("%q: %v", props, err)
	}
	ops, ignored := Read([]byte(`{"$set":` + string(props) + `}`))
	if ignored != 0 || !slices.IsSortedFunc(ops, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) }) {
		t.Fatalf("%s reads as %v, %d ignored", props, ops, ignored)
	}
	var rows []Row
	for _, o := range ops {
		rows = append(rows, Row{Name: o.Name, Op: o.Op, Value: o.Value})
	}
	if again, _, _, _ := Fold(rows); !bytes.Equal(again, props) {
		t.Fatalf("%s becomes %s", props, again)
	}
}
