package enrich

import (
	"net/netip"

	"github.com/millrace/millrace/schema"
)

// Place gives the event the country and the city of its address: the one that the event names, else the request's, unless a server's SDK or an HTTP library sent it, whose address is
// not the person's. What the client says itself stays. Stamp must have run, and the address must still be whole.
func (r *Request) Place(b *schema.Batch, e *schema.Event) {
	if r.enricher == nil || (r.enricher.country == nil && r.enricher.city == nil) {
		return
	}
	t := e.Text(schema.FieldIP)
	if t.Len() == 0 {
		return
	}
	at := t.In(b.Buf)
	switch {
	case e.ClientAddr.Len() == 0 && string(at) == string(r.ip.In(b.Buf)):
		if r.header != nil && r.header.kind == agentLibrary {
			return
		}
		if !r.own.known {
			r.own = r.lookUp(b, b.ClientIP.Unmap().WithZone(""))
		}
		r.own.set(e)
	case r.named.known && string(at) == string(r.namedText[:r.namedLen]):
		r.named.set(e)
	default:
		addr, ok := r.parse(at)
		if !ok {
			return
		}
		r.namedLen = copy(r.namedText[:], at) // before at moves with the buffer
		r.named = r.lookUp(b, addr)
		r.named.set(e)
	}
}

// found is where an address is, as texts of the batch.
type found struct {
	country, city schema.Text
	known         bool // it was looked up
}

func (f *found) set(e *schema.Event) {
	if e.Has(schema.FieldCountry) {
		return // and a city of another country would be wrong
	}
	if f.country.Len() > 0 {
		e.Set(schema.FieldCountry, f.country)
	}
	if f.city.Len() > 0 && !e.Has(schema.FieldCity) {
		e.Set(schema.FieldCity, f.city)
	}
}

// maxAddress is the longest text of an address.
const maxAddress = 45

// parse reads an address; one that is none is counted.
func (r *Request) parse(text []byte) (addr netip.Addr, ok bool) {
	if len(text) <= maxAddress {
		var err error
		if addr, err = netip.ParseAddr(view(text)); err == nil {
			return addr.Unmap().WithZone(""), true
		}
	}
	r.tally.failures[stepAddress]++
	return netip.Addr{}, false
}

// shared is what operators of networks use for themselves and share between customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// public tells whether an address can be somebody's in the world.
func public(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !shared.Contains(addr)
}

// lookUp asks the databases, the one with cities first, and writes what they say into the batch. addr is as parse returns it.
func (r *Request) lookUp(b *schema.Batch, addr netip.Addr) found {
	f := found{known: true}
	if p := r.ask(r.enricher.city, stepCity, addr); p != nil {
		f.country, f.city = r.write(b, p.country), r.write(b, p.city)
	}
	if f.country.Len() == 0 {
		if p := r.ask(r.enricher.country, stepCountry, addr); p != nil {
			f.country = r.write(b, p.country)
		}
	}
	return f
}

func (r *Request) ask(d *database, s step, addr netip.Addr) *place {
	if d == nil {
		return nil
	}
	places := d.current.Load()
	if places == nil {
		return nil
	}
	p, err := places.find(addr)
	if err != nil {
		r.tally.failures[s]++
		return nil
	}
	return p
}

// write puts a fact into the batch.
func (r *Request) write(b *schema.Batch, f fact) schema.Text {
	if f.text == "" {
		return schema.Text{}
	}
	start := len(b.Buf)
	b.Buf = append(b.Buf, f.text...)
	return schema.TextAt(start, len(b.Buf), f.escaped)
}
