package rest

import (
	"errors"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	type shape struct {
		A int               `json:"a"`
		B []string          `json:"b"`
		P map[string]string `json:"p"`
		S int               `json:"some"`
		K int               `json:"kind"`
	}
	for _, c := range []struct {
		text, want string
		malformed  bool
	}{
		{`{"a":1,"b":["x"]}`, "", false},
		{` {"a":1} `, "", false},
		{`{"p":{"x":"1","X":"2"}}`, "", false}, // its names are somebody else's
		{`{"P":{"x":"1","X":"2"}}`, "", false},
		{``, "empty", true},
		{`[1]`, "must begin with {", true},
		{`{"a":1}x`, "more behind", true},
		{`{"a":1,"A":2}`, "twice", true},
		{`{"p":{"x":"1","x":"2"}}`, "twice", true},
		{"{\"some\":1,\"\u017fome\":2}", "twice", true},
		{"{\"kind\":1,\"\u212aind\":2}", "twice", true},
		{"{\"a\":\"\xff\"}", "UTF-8", true},
		{`{"a":1,"c":2}`, "unknown field", false},
		{`{"a":"x"}`, "cannot unmarshal", false},
	} {
		err := Decode([]byte(c.text), "p", new(shape))
		var malformed Malformed
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || errors.As(err, &malformed) != c.malformed) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	if err := Decode([]byte(`{"p":{"x":"1","X":"2"}}`), "", new(shape)); err == nil {
		t.Error("without a field whose names count exactly, x and X are the same")
	}
}

func TestJSONMedia(t *testing.T) {
	for media, want := range map[string]bool{
		"": true, "application/json": true, "application/json; charset=UTF-8": true, "application/vnd.x+json": true, "application/x-www-form-urlencoded": true,
		"application/json; charset=latin1": false, "text/csv": false, "/": false,
	} {
		if JSONMedia(media) != want {
			t.Errorf("%q: %v", media, !want)
		}
	}
}
