package ingest

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// armor encodes body as badly as clients do: characters of both alphabets, spaces in place of plus signs, lines, and any part of the padding.
func armor(rng *rand.Rand, body []byte) []byte {
	text := []byte(base64.RawStdEncoding.EncodeToString(body))
	var out []byte
	for _, c := range text {
		switch {
		case c == '+':
			c = "+- "[rng.IntN(3)]
		case c == '/':
			c = "/_"[rng.IntN(2)]
		}
		out = append(out, c)
		if rng.IntN(64) == 0 {
			out = append(out, []string{"\n", "\r\n"}[rng.IntN(2)]...)
		}
	}
	return append(out, "=="[:rng.IntN(1+(4-len(text)%4)%4)]...)
}

func TestUnbase64(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		body := make([]byte, rng.IntN(100))
		for i := range body {
			body[i] = byte(rng.IntN(256))
		}
		text := armor(rng, body)
		got := bytes.Clone(text)
		n, bad := unbase64(got)
		if bad != -1 || !bytes.Equal(got[:n], body) {
			t.Fatalf("%q: %q, %d; want %q", text, got[:n], bad, body)
		}
		// A byte that is in no alphabet is found where it is.
		if len(text) == 0 {
			continue
		}
		at := rng.IntN(len(text))
		text[at] = "!\"#$%&'(),.:;<>?@[]^`{|}~\x00\t\x7f\x80\xff"[rng.IntN(30)]
		if _, bad := unbase64(bytes.Clone(text)); bad != at {
			t.Fatalf("%q: the wrong byte is at %d, not %d", text, at, bad)
		}
	}
}

func TestWrongBase64(t *testing.T) {
	for _, c := range []struct {
		text string
		bad  int
	}{
		{"", -1},
		{"\r\n", -1},
		{"AA", -1},
		{"AA=", -1},
		{"AA=\n=\r\n", -1},
		{"AAA=", -1},
		{"A", 1},
		{"AAAAA", 5},
		{"A=", 1},
		{"=", 0},
		{"AAAA=", 4},
		{"AAA==", 4},
		{"AA===", 4},
		{"AA==AA==", 4},
		{"AA= =", 3},
		{"AA\tAA", 2},
	} {
		if _, bad := unbase64([]byte(c.text)); bad != c.bad {
			t.Errorf("%q: %d, want %d", c.text, bad, c.bad)
		}
	}
}

// Whatever the text, the decoder agrees with the standard library's on whether it is base64 and of what.
func FuzzUnbase64(f *testing.F) {
	for _, seed := range []string{"eyJhIjoxfQ==", "H4sI", "e30", "a+b/", "a-b_", "a b\nc", "A", "AA=A", "====", "A\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		plain := strings.NewReplacer("-", "+", "_", "/", " ", "+", "\r", "", "\n", "").Replace(string(text))
		chars := strings.TrimRight(plain, "=")
		want, err := base64.RawStdEncoding.DecodeString(chars)
		if pads := len(plain) - len(chars); pads > 0 && (len(chars)%4 < 2 || pads > 4-len(chars)%4) {
			err = base64.CorruptInputError(len(chars))
		}
		got := bytes.Clone(text)
		n, bad := unbase64(got)
		if (err == nil) != (bad < 0) {
			t.Fatalf("%q: bad at %d; the standard library says %v", text, bad, err)
		}
		if bad > len(text) || n > len(text) {
			t.Fatalf("%q: %d bytes, bad at %d", text, n, bad)
		}
		if err == nil && !bytes.Equal(got[:n], want) {
			t.Fatalf("%q: %q, want %q", text, got[:n], want)
		}
	})
}

func TestIsArmored(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, body := range []string{`{}`, `{"a":1}`, "{\n", `[]`, `[{"a":1}]`, "\n{}", " []", "\xef\xbb\xbf{}", "\x1f\x8b\x08\x00", "\x28\xb5\x2f\xfd", "\x78\x9c\x00", "\x78\xda\x00", "\x78\x01\x00", "\x78\x5e\x00"} {
		if text := armor(rng, []byte(body)); !isArmored(text) {
			t.Errorf("%q, which holds %q, is not seen", text, body)
		}
	}
	for _, text := range []string{"", "e", "5", "77", "-1.5", "true", "null", "false", `"eyJhIjoxfQ"`, "event", "error", "hello world", "<html>", "Internal Server Error", "{", "verbose=1", "\x00"} {
		if isArmored([]byte(text)) {
			t.Errorf("%q is taken for base64", text)
		}
	}
}
