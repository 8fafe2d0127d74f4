package enrich

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/schema"
)

// sent is a request with one event as it was sent, whose address is that of member ip of its context.
func sent(policy schema.AddressPolicy, request, raw, named string) (*schema.Batch, *schema.Event) {
	b := &schema.Batch{Project: 7, ReceivedAt: arrival, AddressPolicy: policy, Buf: []byte(raw)}
	if request != "" {
		b.ClientIP = netip.MustParseAddr(request)
	}
	e := b.Add()
	e.Type = schema.Track
	e.Raw = schema.TextAt(0, len(raw), false)
	if at := strings.Index(raw, named); named != "" {
		e.ClientAddr = schema.TextAt(at, at+len(named), strings.Contains(named, `\`))
		if !e.ClientAddr.Escaped() {
			e.Set(schema.FieldIP, e.ClientAddr)
		}
	}
	return b, e
}

func masked(x *Enricher, b *schema.Batch, e *schema.Event) (ip, client string) {
	r := new(Request)
	r.Use(x)
	r.Begin(b, schema.DefaultLimits())
	r.Stamp(b, e)
	r.Address(b, e)
	return text(b, e, schema.FieldIP), r.ClientIP(b)
}

func TestAddressPolicies(t *testing.T) {
	x := enricher(t, nil)
	for _, c := range []struct {
		policy          schema.AddressPolicy
		request, raw    string
		named           string
		ip, client, out string
	}{
		{schema.KeepAddress, "192.0.2.77", `{"ip":"198.51.100.23"}`, "198.51.100.23", "198.51.100.23", "192.0.2.77", `{"ip":"198.51.100.23"}`},
		{schema.TruncateAddress, "192.0.2.77", `{"ip":"198.51.100.23"}`, "198.51.100.23", "198.51.100.0", "192.0.2.0", `{"ip":"198.51.100.0" }`},
		{schema.TruncateAddress, "2001:db8:1:2:3:4:5:6", `{"ip":"2001:db8:9:8:7::1"}`, "2001:db8:9:8:7::1", "2001:db8:9::", "2001:db8:1::", `{"ip":"2001:db8:9::"     }`},
		{schema.TruncateAddress, "::ffff:192.0.2.77", `{}`, "", "192.0.2.0", "192.0.2.0", `{}`},
		{schema.TruncateAddress, "192.0.2.77", `{"ip":"1.1.1.1","b":1}`, "1.1.1.1", "1.1.1.0", "192.0.2.0", `{"ip":"1.1.1.0","b":1}`},
		{schema.TruncateAddress, "192.0.2.77", `{"ip":"1.1.\u0031.9"}`, `1.1.\u0031.9`, "192.0.2.0", "192.0.2.0", `{"ip":"1.1.1.0"     }`},
		{schema.DropAddress, "192.0.2.77", `{"ip":"198.51.100.23","x":"198.51.100.23","me":"192.0.2.77"}`, "198.51.100.23", "", "", `{"ip":""             ,"x":""             ,"me":""          }`},
		{schema.DropAddress, "192.0.2.77", `{"v":"198.51.100.234","198.51.100.23":"\"198.51.100.23","ip":"198.51.100.23"}`, "198.51.100.23", "", "", ""},
		{schema.DropAddress, "", `{}`, "", "", "", `{}`},
		{schema.DropAddress, "192.0.2.77", `{"ip":"no address"}`, "no address", "", "", `{"ip":""          }`},
	} {
		b, e := sent(c.policy, c.request, c.raw, c.named)
		ip, client := masked(x, b, e)
		out := string(e.Raw.In(b.Buf))
		if ip != c.ip || client != c.client || (c.out != "" && out != c.out) || !json.Valid([]byte(out)) {
			t.Errorf("%v of %s, %s:\n  ip %q, client %q, %s", c.policy, c.request, c.raw, ip, client, out)
		}
		if c.policy != schema.KeepAddress && c.named != "" && strings.Contains(out, `"`+c.named+`"`) && c.ip != c.named {
			t.Errorf("%v: %s has the address", c.policy, out)
		}
	}
}

func TestHashedAddresses(t *testing.T) {
	x := enricher(t, nil)
	hash := func(x *Enricher, address string, project uint32, day int64) string {
		b, e := sent(schema.HashAddress, address, `{}`, "")
		b.Project, b.ReceivedAt = project, arrival+day*dayMillis
		ip, client := masked(x, b, e)
		if ip != client {
			t.Errorf("the record has %s, quarantine %s", ip, client)
		}
		return ip
	}
	first := hash(x, "192.0.2.77", 7, 0)
	if addr, err := netip.ParseAddr(first); err != nil || !netip.MustParsePrefix("fd00::/8").Contains(addr) {
		t.Errorf("%q is no unique local address", first)
	}
	if got := hash(x, "::ffff:192.0.2.77", 7, 0); got != first {
		t.Errorf("the same address hashes to %s and %s", first, got)
	}
	other, err := New(DefaultConfig(), Deps{AddressSecret: bytes.Repeat([]byte("z"), 32), Logger: x.log, Metrics: metrics.NewSet()})
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]string{
		"address": hash(x, "192.0.2.78", 7, 0), "project": hash(x, "192.0.2.77", 8, 0), "day": hash(x, "192.0.2.77", 7, 1), "secret": hash(other, "192.0.2.77", 7, 0),
	} {
		if got == first || got == "" {
			t.Errorf("another %s gives %q", what, got)
		}
	}
	if got := hash(nil, "192.0.2.77", 7, 0); got != "" {
		t.Errorf("without a secret: %s", got)
	}
	b, e := sent(schema.HashAddress, "192.0.2.77", `{"ip":"2001:db8:1111:2222:3333:4444:5555:6666"}`, "2001:db8:1111:2222:3333:4444:5555:6666")
	if ip, _ := masked(x, b, e); ip[:2] != "fd" || strings.Contains(string(e.Raw.In(b.Buf)), "2001") || strings.Contains(string(e.Raw.In(b.Buf)), "fd") {
		t.Errorf("ip %s, %s", ip, e.Raw.In(b.Buf))
	}
}

// TestIDsThatAreAddressesStay: their text must not move under the fields that are spans of it.
func TestIDsThatAreAddressesStay(t *testing.T) {
	raw := `{"userId":"192.0.2.77","context":{"ip":"192.0.2.77"}}`
	b, e := sent(schema.DropAddress, "192.0.2.77", raw, "")
	e.Set(schema.FieldUserID, schema.TextAt(11, 21, false))
	e.ClientAddr = schema.TextAt(40, 50, false)
	if string(e.ClientAddr.In(b.Buf)) != "192.0.2.77" {
		t.Fatal("the test looks at the wrong place")
	}
	ip, _ := masked(enricher(t, nil), b, e)
	if got := text(b, e, schema.FieldUserID); got != "192.0.2.77" || ip != "" {
		t.Errorf("user %q, ip %q", got, ip)
	}
	if want := `{"userId":"192.0.2.77","context":{"ip":""          }}`; string(e.Raw.In(b.Buf)) != want {
		t.Errorf("%s", e.Raw.In(b.Buf))
	}
}

// TestUnreadBodies: in text that is no event whatever looks like an address is taken out.
func TestUnreadBodies(t *testing.T) {
	x := enricher(t, nil)
	for raw, want := range map[string]string{
		`[{"ip":"198.51.100.23","v":"1.2"}`: `[{"ip":"198.51.100.0" ,"v":"1.2"}`,
		`{"a":"x" "2001:db8::1" oops`:       `{"a":"x" "2001:db8::"  oops`,
		`{"ip":"198.51.100.23`:              `{"ip":"198.51.100.0 `,
		`{'ip': '198.51.100.23', 'a': 1}`:   `{'ip': '198.51.100.0 ', 'a': 1}`,
		`{"ip":198.51.100.23}`:              `{"ip":198.51.100.0 }`,
		`ip:2001:db8:9:8:7::1;`:             `ip:2001:db8:9::     ;`,
		`"198.51.100.23:443, x"`:            `"198.51.100.0     , x"`,
		`12:30:59 is no address, nor 1.2:`:  `12:30:59 is no address, nor 1.2:`,
		`"`:                                 `"`,
		``:                                  ``,
	} {
		b, e := sent(schema.TruncateAddress, "192.0.2.1", raw, "")
		e.Type = schema.TypeNone
		e.Refuse(schema.InvalidJSON, "", `invalid JSON: expected ':' at byte 5, near "198.51.100.2"`)
		masked(x, b, e)
		if e.Detail != "invalid JSON: expected ':' at byte 5" {
			t.Errorf("the detail is %s", e.Detail)
		}
		if got := string(e.Raw.In(b.Buf)); got != want {
			t.Errorf("%s becomes\n%s, want\n%s", raw, got, want)
		}
	}
}

// A client that says that there is no address is believed: the request's is not stored in its place.
func TestNoAddress(t *testing.T) {
	x := enricher(t, nil)
	b, e := sent(schema.KeepAddress, "192.0.2.77", `{"ip":0}`, "")
	e.NoAddress = true
	if ip, _ := masked(x, b, e); ip != "" {
		t.Errorf("the address is %s", ip)
	}
}

// FuzzAddress: whatever the event holds, it stays JSON, keeps its length and loses the address.
func FuzzAddress(f *testing.F) {
	f.Add("198.51.100.23", "a", uint8(1))
	f.Add("2001:db8::1", `\"`, uint8(3))
	f.Add("::", `198.51.100.23`, uint8(2))
	x := enricher(f, nil)
	f.Fuzz(func(t *testing.T, address, other string, policy uint8) {
		if _, err := netip.ParseAddr(address); err != nil || strings.ContainsAny(address, `%"\`) {
			return
		}
		text, err := json.Marshal(other)
		if err != nil {
			return
		}
		raw := fmt.Sprintf(`{"o":%s,"ip":%q,"p":{"again":%q,%s:1}}`, text, address, address, text)
		b, e := sent(schema.AddressPolicy(policy%3)+schema.TruncateAddress, "192.0.2.77", raw, "")
		at := strings.Index(raw, `"ip":"`) + len(`"ip":"`)
		if !strings.HasPrefix(raw[at:], address) {
			return // the other text has such a member
		}
		e.ClientAddr = schema.TextAt(at, at+len(address), false)
		e.Set(schema.FieldIP, e.ClientAddr)
		ip, _ := masked(x, b, e)
		out := e.Raw.In(b.Buf)
		if len(out) != len(raw) || !json.Valid(out) {
			t.Errorf("%s becomes %s", raw, out)
		}
		if ip != address && bytes.Contains(out, []byte(`"`+address+`"`)) && !strings.HasSuffix(address, "::") && !strings.HasSuffix(address, ".0") {
			t.Errorf("%s still has the address", out)
		}
	})
}

func TestSecretFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "address-secret")
	if _, err := ReadSecret(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	first, err := MakeSecret(path)
	if err != nil || len(first) != 64 {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	again, err := MakeSecret(path)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("another secret at the second start: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeSecret(path); err == nil || !strings.Contains(err.Error(), "5 characters, want 32") || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("a short secret: %v", err)
	}
}
