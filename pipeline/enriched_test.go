package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline/enrich"
	"github.com/millrace/millrace/schema"
)

const (
	enrichedAgent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	requestIP     = "193.99.144.80"
	namedIP       = "133.11.93.250"
)

// addFromClient adds an event as a decoder would that found an address and a user agent in it. Its JSON names the request's address, too.
func addFromClient(b *schema.Batch, n int) *schema.Event {
	start := len(b.Buf)
	raw := fmt.Sprintf(`{"event":"Paid","userId":"u%d","properties":{"n":%d,"seen_from":%q},"context":{"ip":%q,"userAgent":%q}}`, n, n, requestIP, namedIP, enrichedAgent)
	at := func(text string) schema.Text {
		i := start + strings.Index(raw, text)
		return schema.TextAt(i, i+len(text), false)
	}
	e := b.Add()
	e.Type = schema.Track
	e.Raw = b.Append([]byte(raw), false)
	e.Set(schema.FieldEvent, at("Paid"))
	e.Set(schema.FieldUserID, at(fmt.Sprintf("u%d", n)))
	e.Set(schema.FieldProperties, at(fmt.Sprintf(`{"n":%d,"seen_from":%q}`, n, requestIP)))
	e.Set(schema.FieldContext, at(fmt.Sprintf(`{"ip":%q,"userAgent":%q}`, namedIP, enrichedAgent)))
	e.ClientAddr, e.ClientAgent = at(namedIP), at(enrichedAgent)
	e.Set(schema.FieldIP, e.ClientAddr)
	e.ClientTime = b.Append([]byte("1795000000"), false)
	return e
}

// overwriteAddress makes the event one that names no address.
func overwriteAddress(b *schema.Batch, e *schema.Event) {
	copy(e.ClientAddr.In(b.Buf), "no address at")
	e.ClientAddr = schema.Text{}
	e.Unset(schema.FieldIP)
}

// TestAddressesThatMustNotBeKept searches every byte of what a real broker has got: accepted and refused events, bodies that could not be read, headers and keys.
func TestAddressesThatMustNotBeKept(t *testing.T) {
	x := newEnricher(t)
	for policy := schema.KeepAddress; policy <= schema.DropAddress; policy++ {
		t.Run(policy.String(), func(t *testing.T) {
			l := newLab(t, options{deps: func(d *Deps) { d.Enrich = x }})
			b := &schema.Batch{Project: 7, KeyID: "k1", RequestID: schema.NewUUIDv7(1), ReceivedAt: 1_795_000_000_000, AddressPolicy: policy}
			b.ClientIP, b.UserAgent = netip.MustParseAddr(requestIP), []byte(enrichedAgent)
			b.IdempotencyKey = []byte("once")
			addFromClient(b, 0)
			addFromClient(b, 1).Unset(schema.FieldEvent) // refused by the pipeline
			addFromClient(b, 2).Refuse(schema.TooDeep, "/properties", "40 deep")
			own := addFromClient(b, 3) // of no address of its own
			overwriteAddress(b, own)
			body := b.Add() // could not be read
			body.Raw = b.Append(fmt.Appendf(nil, `[{"context":{"ip":%q}},{"x":%q`, namedIP, requestIP), false)
			body.Refuse(schema.InvalidJSON, "", "cut off")
			if err := l.Submit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			events, refused := l.stored(testTopic), l.stored(testQuarantine)
			if len(events) != 2 || len(refused) != 3 {
				t.Fatalf("%d events, %d refused", len(events), len(refused))
			}
			found := 0
			for _, r := range append(events, refused...) {
				all := bytes.Join([][]byte{r.Key, r.Value}, []byte("\n"))
				for _, h := range r.Headers {
					all = append(append(append(all, '\n'), h.Key...), h.Value...)
				}
				// A truncated address is a prefix of what it was made of, so whole ones are looked for.
				found += bytes.Count(all, []byte(requestIP)) + bytes.Count(all, []byte(namedIP))
			}
			// Without a policy they are everywhere, so the search would see them.
			if keep := policy == schema.KeepAddress; keep != (found > 0) || keep && found < 12 {
				t.Errorf("addresses stand in %d places", found)
			}
			for _, r := range events {
				if !json.Valid(r.Value) {
					t.Errorf("no JSON: %s", r.Value)
				}
				want, country := "193.99.144.0", "DE"
				if text := r.Text(schema.FieldUserID).In(r.Value); string(text) == "u0" {
					want, country = "133.11.93.0", "JP"
				}
				ip := string(r.Text(schema.FieldIP).In(r.Value))
				switch policy {
				case schema.TruncateAddress:
					if ip != want {
						t.Errorf("ip %q, want %q", ip, want)
					}
				case schema.HashAddress:
					if addr, err := netip.ParseAddr(ip); err != nil || !netip.MustParsePrefix("fd00::/8").Contains(addr) {
						t.Errorf("ip %q is no hash", ip)
					}
				case schema.DropAddress:
					if r.Has(schema.FieldIP) {
						t.Errorf("ip %q", ip)
					}
				}
				for f, want := range map[schema.Field]string{schema.FieldCountry: country, schema.FieldBrowser: "Mobile Safari", schema.FieldDeviceType: "mobile"} {
					if got := string(r.Text(f).In(r.Value)); got != want {
						t.Errorf("%v is %q, want %q", f, got, want)
					}
				}
				if r.SessionID == (schema.UUID{}) {
					t.Error("no session")
				}
			}
			for _, r := range refused {
				if want := map[schema.AddressPolicy]string{schema.KeepAddress: requestIP, schema.TruncateAddress: "193.99.144.0"}[policy]; want != "" && r.rejection().ClientIP != want {
					t.Errorf("quarantine has client %q, want %q", r.rejection().ClientIP, want)
				}
			}
		})
	}
}

// TestIDsDoNotGiveAddressesAway: an id that is made of the event's text must be that of the text that is kept, or trying all addresses would find the one that was taken out.
func TestIDsDoNotGiveAddressesAway(t *testing.T) {
	r := newRequest(idlePipeline(t, "127.0.0.1:1"))
	id := func(policy schema.AddressPolicy, last string) schema.UUID {
		b := &schema.Batch{Project: 7, ReceivedAt: 1_795_000_000_000, AddressPolicy: policy, ClientIP: netip.MustParseAddr(requestIP)}
		e := addFromClient(b, 0)
		b.Buf = bytes.ReplaceAll(b.Buf, []byte(namedIP), []byte("133.11.93."+last))
		r.encode(b)
		r.reset()
		return e.ID
	}
	for policy := schema.KeepAddress; policy <= schema.DropAddress; policy++ {
		if same := id(policy, "250") == id(policy, "251"); same != (policy != schema.KeepAddress) {
			t.Errorf("%v: ids of two addresses are the same: %v", policy, same)
		}
	}
}

// TestEnrichedEncodeAllocatesNothing is TestEncodeAllocatesNothing with all of enrichment.
func TestEnrichedEncodeAllocatesNothing(t *testing.T) {
	p := idlePipeline(t, "127.0.0.1:1")
	p.deps.Enrich = newEnricher(t)
	for _, server := range []bool{false, true} {
		src := newSource(100)
		src.enriched(server)
		r := newRequest(p)
		run := func() {
			r.encode(src.next())
			r.reset()
		}
		run()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("server %v: %v allocations per request of 100 events", server, n)
		}
	}
}

// TestNoEnricher: a pipeline without one completes events as far as they and their requests go.
func TestNoEnricher(t *testing.T) {
	r := newRequest(idlePipeline(t, "127.0.0.1:1"))
	r.enrich.Use((*enrich.Enricher)(nil))
	b := &schema.Batch{Project: 7, ReceivedAt: 1_795_000_000_000, ClientIP: netip.MustParseAddr(requestIP), UserAgent: []byte(enrichedAgent)}
	e := addFromClient(b, 0)
	r.encode(b)
	if e.Refused() || e.Has(schema.FieldBrowser) || e.Has(schema.FieldCountry) || e.SessionID != (schema.UUID{}) || e.ID == (schema.UUID{}) {
		t.Errorf("%+v", e.Envelope)
	}
}
