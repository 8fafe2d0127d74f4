package dialect

import (
	"bytes"
	"unicode/utf8"

	"github.com/millrace/millrace/schema"
)

// campaignParams are the parameters of a page's address that name the campaign that led there.
var campaignParams = [...]struct {
	name  string
	field schema.Field
}{
	{"source", schema.FieldCampaignSource},
	{"medium", schema.FieldCampaignMedium},
	{"campaign", schema.FieldCampaignName},
}

var campaignPrefix = []byte("utm_")

// setCampaign takes the campaign from the query of the page's address, which is a part of the member's value, unless the client named one: the two are not mixed. Of
// several parameters of one name the first that is not empty counts.
func (d *Decoder) setCampaign(e *schema.Event, m *member, url []byte, query part) {
	text := query.of(url)
	if !bytes.Contains(text, campaignPrefix) || e.Has(schema.FieldCampaignSource) || e.Has(schema.FieldCampaignMedium) || e.Has(schema.FieldCampaignName) {
		return
	}
	for at := query.start; at < query.end; {
		end := query.end
		if i := bytes.IndexByte(url[at:query.end], '&'); i >= 0 {
			end = at + i
		}
		pair := part{at, end}
		at = end + 1
		name, ok := bytes.CutPrefix(pair.of(url), campaignPrefix)
		if !ok {
			continue
		}
		equals := bytes.IndexByte(name, '=')
		if equals < 0 {
			continue
		}
		name = name[:equals]
		for i := range campaignParams {
			if p := &campaignParams[i]; string(name) == p.name {
				pair.start += len(campaignPrefix) + equals + 1
				if pair.start < pair.end && !e.Has(p.field) {
					d.setParam(e, p.field, m, url, pair)
				}
				break
			}
		}
	}
}

// setParam sets a field to the value of a parameter: as a span of the body where it stands there as it is, else decoded.
func (d *Decoder) setParam(e *schema.Event, f schema.Field, m *member, url []byte, p part) {
	text := p.of(url)
	if !m.escaped() && bytes.IndexByte(text, '%') < 0 && bytes.IndexByte(text, '+') < 0 {
		e.Set(f, schema.TextAt(int(m.start)+p.start, int(m.start)+p.end, false))
		return
	}
	d.keyText = appendParam(d.keyText[:0], text)
	if value := d.keyText; utf8.Valid(value) {
		e.Set(f, d.appendText(value))
		return
	}
	e.Set(f, d.appendText(bytes.ToValidUTF8(d.keyText, []byte("\uFFFD"))))
}

// appendParam appends the value of a query's parameter without its encoding: a plus sign is a space, and %XX a byte. A percent sign without two digits stands for itself.
func appendParam(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(text):
			if high, low := hexDigit(text[i+1]), hexDigit(text[i+2]); high|low < 16 {
				c = high<<4 | low
				i += 2
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// hexDigit is the value of a hexadecimal digit, 16 or more for anything else.
func hexDigit(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}
