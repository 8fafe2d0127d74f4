package enrich

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/millrace/millrace/schema"
)

// Address does to the event's addresses what the batch's policy wants, in its field and in its own text, so that neither the record nor what quarantine keeps has more. It must run after
// Place, and before ID: an id made of the event's text must not give away what was taken out of it.
func (r *Request) Address(b *schema.Batch, e *schema.Event) {
	if b.AddressPolicy == schema.KeepAddress {
		return
	}
	if t := e.Text(schema.FieldIP); t.Len() > 0 {
		e.Unset(schema.FieldIP)
		if addr, ok := r.parse(t.In(b.Buf)); ok {
			if to := r.maskedText(b, addr); to.Len() > 0 {
				e.Set(schema.FieldIP, to)
			}
		}
	}
	if e.ClientAddr.Len() > 0 {
		r.takeOut(b, e)
	}
	if r.ip.Len() > 0 {
		r.needle = append(r.needle[:0], '"')
		r.needle = append(append(r.needle, r.ip.In(b.Buf)...), '"')
		r.scrub(b, e, r.instead(b, b.ClientIP))
	}
	if e.Refused() && e.Type == schema.TypeNone && e.ClientAddr.Len() == 0 {
		r.scrubUnread(b, e) // nobody has looked for addresses in it
	}
}

// ClientIP is the request's address as the policy wants it kept; "" when none is to be.
func (r *Request) ClientIP(b *schema.Batch) string {
	if !b.ClientIP.IsValid() {
		return ""
	}
	if b.AddressPolicy == schema.KeepAddress {
		return b.ClientIP.String()
	}
	if addr := r.mask(b, b.ClientIP); addr.IsValid() {
		return addr.String()
	}
	return ""
}

// How much of an address truncation leaves, in bits.
const (
	keptBits4 = 24
	keptBits6 = 48
)

const dayMillis = 24 * 60 * 60 * 1000

// mask is the address that the policy leaves of addr; the zero one: none.
func (r *Request) mask(b *schema.Batch, addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	switch b.AddressPolicy {
	case schema.KeepAddress:
		return addr
	case schema.TruncateAddress:
		kept := keptBits4
		if addr.Is6() {
			kept = keptBits6
		}
		if p, err := addr.Prefix(kept); err == nil {
			return p.Addr()
		}
	case schema.HashAddress:
		return r.hashed(b, addr)
	}
	return netip.Addr{}
}

// hashed is a unique local address (RFC 4193) that holds a hash of addr, the project and the day of arrival: the column for addresses holds nothing but addresses, and nobody's is one of
// these.
func (r *Request) hashed(b *schema.Batch, addr netip.Addr) netip.Addr {
	if r.enricher == nil || len(r.enricher.secret) == 0 {
		return netip.Addr{}
	}
	if r.mac == nil {
		r.mac = hmac.New(sha256.New, r.enricher.secret)
	}
	r.mac.Reset()
	r.sum = binary.BigEndian.AppendUint64(r.sum[:0], uint64(b.ReceivedAt/dayMillis))
	r.sum = binary.BigEndian.AppendUint32(r.sum, b.Project)
	whole := addr.As16()
	r.sum = append(r.sum, whole[:]...)
	r.mac.Write(r.sum)
	r.sum = r.mac.Sum(r.sum[:0])
	var to [16]byte
	copy(to[1:], r.sum)
	to[0] = 0xfd
	return netip.AddrFrom16(to)
}

// maskedText is mask as a text of the batch.
func (r *Request) maskedText(b *schema.Batch, addr netip.Addr) schema.Text {
	if addr != r.masked.from {
		r.masked.from, r.masked.to = addr, schema.Text{}
		if to := r.mask(b, addr); to.IsValid() {
			start := len(b.Buf)
			b.Buf = to.AppendTo(b.Buf)
			r.masked.to = schema.TextAt(start, len(b.Buf), false)
		}
	}
	return r.masked.to
}

// instead is what stands in an event's own text in place of addr: what truncation leaves, else nothing. A hash does not stand there, since an id that is made of the text would then change with
// the day.
func (r *Request) instead(b *schema.Batch, addr netip.Addr) []byte {
	if b.AddressPolicy != schema.TruncateAddress || !addr.IsValid() {
		return nil
	}
	r.scratch = r.mask(b, addr).AppendTo(r.scratch[:0])
	return r.scratch
}

// takeOut overwrites the address that the client gave, where the decoder found it and wherever else the event has it.
func (r *Request) takeOut(b *schema.Batch, e *schema.Event) {
	start, end := e.ClientAddr.Span()
	text := b.Buf[start:end]
	if bytes.IndexByte(text, '"') >= 0 {
		return // the span of an event before this one, which has overwritten it
	}
	r.needle = append(r.needle[:0], '"')
	r.needle = append(append(r.needle, text...), '"')
	var to []byte
	if addr, err := netip.ParseAddr(view(r.value(b, e.ClientAddr))); err == nil {
		to = r.instead(b, addr)
	}
	overwrite(b.Buf, start, end, to)
	r.scrub(b, e, to)
}

// objects are the fields that hold whole objects of the client's.
var objects = [...]schema.Field{schema.FieldProperties, schema.FieldContext, schema.FieldTraits}

// scrub overwrites each string of the event that is needle with the text.
func (r *Request) scrub(b *schema.Batch, e *schema.Event, to []byte) {
	first, last := e.Raw.Span()
	r.scrubIn(b, e, first, last, to)
	for _, f := range objects {
		// Most are part of the event as it was sent; a decoder may have composed others.
		if start, end := e.Text(f).Span(); end > start && (start < first || end > last) {
			r.scrubIn(b, e, start, end, to)
		}
	}
}

func (r *Request) scrubIn(b *schema.Batch, e *schema.Event, start, end int, to []byte) {
	for {
		i := bytes.Index(b.Buf[start:end], r.needle)
		if i < 0 || r.isID(b, e) {
			return
		}
		overwrite(b.Buf, start+i+1, start+i+len(r.needle)-1, to)
		start += i + len(r.needle)
	}
}

// isID tells whether a field of the event has the needle for its text: an id that is an address stays, since it names a person and its text must not move.
func (r *Request) isID(b *schema.Batch, e *schema.Event) bool {
	text := r.needle[1 : len(r.needle)-1]
	for f := schema.FieldEvent; f < schema.FieldProperties; f++ {
		if t := e.Text(f); f != schema.FieldIP && t.Len() == len(text) && string(t.In(b.Buf)) == string(text) {
			return true
		}
	}
	for _, t := range [...]schema.Text{e.ClientID, e.ClientTime, e.ClientSession, e.ClientAgent} {
		if t.Len() == len(text) && string(t.In(b.Buf)) == string(text) {
			return true
		}
	}
	return false
}

// overwrite puts text between the quotes around buf[start:end], moves the closing one and fills up with spaces, which mean nothing there. Text that does not fit is left out.
func overwrite(buf []byte, start, end int, text []byte) {
	if len(text) > end-start {
		text = nil
	}
	n := start + copy(buf[start:], text)
	if end < len(buf) && buf[end] == '"' {
		buf[n] = '"'
		n++
		end++
	}
	for ; n < end; n++ {
		buf[n] = ' '
	}
}

// scrubUnread overwrites all that is an address in text that could not be read as an event, between quotes or not: what is wrong with it may be the quotes. What the refusal shows of the text
// where it breaks is left out, too: it may be a part of an address.
func (r *Request) scrubUnread(b *schema.Batch, e *schema.Event) {
	e.Detail, _, _ = strings.Cut(e.Detail, ", near ")
	start, end := e.Raw.Span()
	for start < end {
		n := 0
		for start+n < end && addressBytes[b.Buf[start+n]] {
			n++
		}
		if n == 0 {
			start++
			continue
		}
		if from, addr := addressIn(b.Buf[start : start+n]); addr.IsValid() {
			overwrite(b.Buf, start+from, start+n, r.instead(b, addr))
		}
		start += n + 1
	}
}

// addressBytes are the bytes that addresses are made of.
var addressBytes = func() (is [256]bool) {
	for _, c := range []byte("0123456789abcdefABCDEF.:") {
		is[c] = true
	}
	return is
}()

// addressIn finds the address that a run of such bytes is, with or without a port, or ends with behind the colon of a member name.
func addressIn(text []byte) (from int, addr netip.Addr) {
	if len(text) < len("::1") || len(text) > maxAddress+len(":65535") || bytes.IndexByte(text, '.') < 0 && bytes.IndexByte(text, ':') < 0 {
		return 0, addr
	}
	if addr, err := netip.ParseAddr(view(text)); err == nil {
		return 0, addr
	}
	if text[0] == ':' {
		if addr, err := netip.ParseAddr(view(text[1:])); err == nil {
			return 1, addr
		}
		return 0, addr
	}
	if at, err := netip.ParseAddrPort(view(text)); err == nil {
		return 0, at.Addr()
	}
	return 0, addr
}
