package enrich

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// member is a member of a map in a database. The value is a string or a []member.
type member struct {
	key   string
	value any
}

// network is an entry of a database.
type network struct {
	prefix string
	data   []member
}

// writeDatabase writes a file in the format MaxMind DB 2.0 with records of 24 bits: a binary tree over the bits of IPv6 addresses (IPv4 in its first 96 zero bits), 16 zero
// bytes, the data, the metadata.
func writeDatabase(t testing.TB, path string, built time.Time, networks ...network) {
	t.Helper()
	type node [2]int // ≥ 0: a node; -1: nothing; ≤ -2: data -2-n
	tree := []node{{-1, -1}}
	var data []byte
	var offsets []int
	for i, n := range networks {
		offsets = append(offsets, len(data))
		data = appendMap(data, n.data)
		p := netip.MustParsePrefix(n.prefix)
		bits, whole := p.Bits(), p.Addr().As16()
		if p.Addr().Is4() {
			whole = [16]byte{}
			four := p.Addr().As4()
			copy(whole[12:], four[:])
			bits += 96
		}
		at := 0
		for b := range bits {
			side := whole[b/8] >> (7 - b%8) & 1
			switch {
			case b == bits-1:
				tree[at][side] = -2 - i
			case tree[at][side] < 0:
				tree = append(tree, node{-1, -1})
				tree[at][side] = len(tree) - 1
				at = len(tree) - 1
			default:
				at = tree[at][side]
			}
		}
	}
	var out []byte
	for _, n := range tree {
		for _, r := range n {
			v := len(tree)
			switch {
			case r >= 0:
				v = r
			case r <= -2:
				v = len(tree) + 16 + offsets[-2-r]
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = append(out, make([]byte, 16)...)
	out = append(out, data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	out = appendControl(out, 7, 9)
	number := func(key string, kind byte, n uint64) {
		out = appendText(out, key)
		text := binary.BigEndian.AppendUint64(nil, n)
		for len(text) > 0 && text[0] == 0 {
			text = text[1:]
		}
		out = appendControl(out, kind, len(text))
		out = append(out, text...)
	}
	number("binary_format_major_version", 5, 2)
	number("binary_format_minor_version", 5, 0)
	number("build_epoch", 9, uint64(built.Unix()))
	number("ip_version", 5, 6)
	number("node_count", 6, uint64(len(tree)))
	number("record_size", 5, 24)
	out = appendText(appendText(out, "database_type"), "Test")
	out = append(appendText(out, "languages"), 0, 4) // an array of none: extended type 11
	out = appendControl(appendText(out, "description"), 7, 1)
	out = appendText(appendText(out, "en"), "test")
	// A file is replaced as operators do: whole, by a rename.
	beside := path + ".new"
	if err := os.WriteFile(beside, out, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, path); err != nil {
		t.Fatal(err)
	}
}

func appendMap(dst []byte, members []member) []byte {
	dst = appendControl(dst, 7, len(members))
	for _, m := range members {
		dst = appendText(dst, m.key)
		switch v := m.value.(type) {
		case string:
			dst = appendText(dst, v)
		case []member:
			dst = appendMap(dst, v)
		}
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	return append(appendControl(dst, 2, len(text)), text...)
}

// appendControl appends a control byte: kinds up to 7 stand in it, others behind it.
func appendControl(dst []byte, kind byte, size int) []byte {
	first, extended := kind<<5, []byte{}
	if kind > 7 {
		first, extended = 0, []byte{kind - 7}
	}
	if size < 29 {
		return slices.Concat(dst, []byte{first | byte(size)}, extended)
	}
	return slices.Concat(dst, []byte{first | 29}, extended, []byte{byte(size - 29)})
}

// countries is a database with 192.0.2.0/24's neighbours, which are nobody's private ones.
func countries(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	writeDatabase(t, path, time.Now().Add(-48*time.Hour),
		network{"81.2.69.0/24", []member{{"country_code", "gb"}}},
		network{"2.125.160.0/20", []member{{"country_code", "FR"}}},
		network{"2001:db8::/32", []member{{"country_code", "DE"}}},
		network{"10.0.0.0/8", []member{{"country_code", "US"}}}, // what a broken database may say
		network{"100.64.0.0/10", []member{{"country_code", "US"}}},
		network{"9.9.9.0/24", []member{{"country_code", "XYZ"}}},
	)
	return path
}

// cities is a database in MaxMind's layout, with one network in the flat one.
func cities(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cities.mmdb")
	writeDatabase(t, path, time.Now(),
		network{"81.2.69.0/24", []member{{"country", []member{{"iso_code", "GB"}}}, {"city", []member{{"names", []member{{"de", "London-de"}, {"en", `Lon"don`}}}}}}},
		network{"82.0.0.0/8", []member{{"country_code", "SE"}, {"city", "Åkersberga"}}},
	)
	return path
}
