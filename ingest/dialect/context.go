package dialect

import (
	"net/netip"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// contextSlot numbers the members of an event's context that become fields of their own. Members of one inner object stand side by side.
type contextSlot uint8

const (
	contextNone contextSlot = iota
	contextLocale
	contextIP
	contextSessionID
	contextUserAgent
	contextTraits
	contextLibraryName
	contextLibraryVersion
	contextPageURL
	contextPagePath
	contextPageReferrer
	contextCampaignSource
	contextCampaignMedium
	contextCampaignName
	contextScreenWidth
	contextScreenHeight
	contextOSName
	contextOSVersion
	contextDeviceType
	contextBrowserName
	contextBrowserVersion
	contextCountry
	contextCity
	numContextSlots
)

// contextGroup is an object inside the context: its members' slots are first to last.
type contextGroup struct {
	first, last contextSlot
	slot        func(key []byte) contextSlot
}

// outerSlot finds a member at the top level of a context: a value of its own, or a group.
func outerSlot(key []byte) (contextSlot, *contextGroup) {
	switch string(key) {
	case "locale":
		return contextLocale, nil
	case "ip":
		return contextIP, nil
	case "sessionId":
		return contextSessionID, nil
	case "userAgent":
		return contextUserAgent, nil
	case "traits":
		return contextTraits, nil
	case "library":
		return contextNone, &libraryGroup
	case "page":
		return contextNone, &pageGroup
	case "campaign":
		return contextNone, &campaignGroup
	case "screen":
		return contextNone, &screenGroup
	case "os":
		return contextNone, &osGroup
	case "device":
		return contextNone, &deviceGroup
	case "browser":
		return contextNone, &browserGroup
	case "location":
		return contextNone, &locationGroup
	}
	return contextNone, nil
}

var (
	libraryGroup = contextGroup{contextLibraryName, contextLibraryVersion, func(key []byte) contextSlot {
		switch string(key) {
		case "name":
			return contextLibraryName
		case "version":
			return contextLibraryVersion
		}
		return contextNone
	}}
	pageGroup = contextGroup{contextPageURL, contextPageReferrer, func(key []byte) contextSlot {
		switch string(key) {
		case "url":
			return contextPageURL
		case "path":
			return contextPagePath
		case "referrer":
			return contextPageReferrer
		}
		return contextNone
	}}
	campaignGroup = contextGroup{contextCampaignSource, contextCampaignName, func(key []byte) contextSlot {
		switch string(key) {
		case "source":
			return contextCampaignSource
		case "medium":
			return contextCampaignMedium
		case "name":
			return contextCampaignName
		}
		return contextNone
	}}
	screenGroup = contextGroup{contextScreenWidth, contextScreenHeight, func(key []byte) contextSlot {
		switch string(key) {
		case "width":
			return contextScreenWidth
		case "height":
			return contextScreenHeight
		}
		return contextNone
	}}
	osGroup = contextGroup{contextOSName, contextOSVersion, func(key []byte) contextSlot {
		switch string(key) {
		case "name":
			return contextOSName
		case "version":
			return contextOSVersion
		}
		return contextNone
	}}
	deviceGroup = contextGroup{contextDeviceType, contextDeviceType, func(key []byte) contextSlot {
		if string(key) == "type" {
			return contextDeviceType
		}
		return contextNone
	}}
	browserGroup = contextGroup{contextBrowserName, contextBrowserVersion, func(key []byte) contextSlot {
		switch string(key) {
		case "name":
			return contextBrowserName
		case "version":
			return contextBrowserVersion
		}
		return contextNone
	}}
	locationGroup = contextGroup{contextCountry, contextCity, func(key []byte) contextSlot {
		switch string(key) {
		case "country":
			return contextCountry
		case "city":
			return contextCity
		}
		return contextNone
	}}
)

// context walks over the context at the cursor and notes the members that become fields. It returns false after a grammar error.
func (d *Decoder) context() bool {
	d.ctx = [numContextSlots]member{}
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return d.scan.Err() == nil
		}
		sl, group := outerSlot(d.name(key))
		if group != nil {
			if !d.group(group) {
				return false
			}
			continue
		}
		v, ok := d.scan.Read()
		if !ok {
			return false
		}
		d.ctx[sl] = memberOf(v) // contextNone collects what means nothing
	}
}

// group walks over an object inside the context. A second one of the same name replaces the first whole.
func (d *Decoder) group(g *contextGroup) bool {
	clear(d.ctx[g.first : g.last+1])
	if d.scan.Peek() != scan.Object {
		_, ok := d.scan.Read()
		return ok
	}
	d.scan.Enter()
	for first := true; ; first = false {
		key, ok := d.scan.NextMember(first)
		if !ok {
			return d.scan.Err() == nil
		}
		sl := g.slot(d.name(key))
		v, ok := d.scan.Read()
		if !ok {
			return false
		}
		d.ctx[sl] = memberOf(v)
	}
}

// maxContextText is the longest value that is taken out of the context into a field, in bytes. It stands in the record twice then, and all of them together must fit
// the room that the event's size limit leaves below the broker's. A longer one stays in the context alone.
const maxContextText = 2048

// contextTexts are the members of the context that become fields as they stand.
var contextTexts = [...]struct {
	slot  contextSlot
	field schema.Field
}{
	{contextLocale, schema.FieldLocale},
	{contextLibraryName, schema.FieldLib},
	{contextLibraryVersion, schema.FieldLibVersion},
	{contextPagePath, schema.FieldPagePath},
	{contextCampaignSource, schema.FieldCampaignSource},
	{contextCampaignMedium, schema.FieldCampaignMedium},
	{contextCampaignName, schema.FieldCampaignName},
	{contextOSName, schema.FieldOS},
	{contextOSVersion, schema.FieldOSVersion},
	{contextDeviceType, schema.FieldDeviceType},
	{contextBrowserName, schema.FieldBrowser},
	{contextBrowserVersion, schema.FieldBrowserVersion},
	{contextCountry, schema.FieldCountry},
	{contextCity, schema.FieldCity},
}

// text tells whether the member is a string that can become a field.
func (m *member) text() bool {
	return m.kind == scan.String && m.start < m.end && m.end-m.start <= maxContextText
}

// setContext fills the fields that are read from the context. Members of the wrong kind are ignored: the context is full of things that nobody
// wrote by hand, and none is worth an event.
func (d *Decoder) setContext(e *schema.Event) {
	for i := range contextTexts {
		t := &contextTexts[i]
		if m := &d.ctx[t.slot]; m.text() {
			e.Set(t.field, m.span())
		}
	}
	if m := &d.ctx[contextPageURL]; m.text() {
		url := d.valueOf(m)
		host, path, query := splitURL(url)
		d.setHost(e, schema.FieldPageHost, m, url, host)
		if !e.Has(schema.FieldPagePath) {
			d.setPath(e, schema.FieldPagePath, m, url, path)
		}
		if query.start < query.end {
			d.setCampaign(e, m, url, query)
		}
	}
	if m := &d.ctx[contextPageReferrer]; m.text() {
		url := d.valueOf(m)
		host, _, _ := splitURL(url)
		d.setHost(e, schema.FieldReferrerHost, m, url, host)
	}
	e.ScreenW = d.pixels(&d.ctx[contextScreenWidth])
	e.ScreenH = d.pixels(&d.ctx[contextScreenHeight])
	if m := &d.ctx[contextSessionID]; m.kind == scan.Number || m.text() {
		e.ClientSession = m.span()
	}
	if m := &d.ctx[contextUserAgent]; m.text() {
		e.ClientAgent = m.span()
	}
	d.setIP(e, &d.ctx[contextIP])
}

// pixels reads a length in pixels, cut to what the field can hold; 0 when it is none.
func (d *Decoder) pixels(m *member) uint16 {
	if m.kind != scan.Number {
		return 0
	}
	return saturate(d.text[m.start:m.end])
}

// maxAddress is the longest text of an IP address: IPv6 with an IPv4 tail.
const maxAddress = 45

// setIP takes the address that the context names, which a server's SDK sends for the user it speaks for. Whatever text the client gave as address is noted, so that a
// policy on addresses finds it. The address that the request came from is not known here: it fills the field later.
func (d *Decoder) setIP(e *schema.Event, m *member) {
	if m.kind == scan.String && m.start < m.end {
		e.ClientAddr = m.span()
	}
	if m.text() {
		text := d.valueOf(m)
		if !m.escaped() && plainIPv4(text) {
			e.Set(schema.FieldIP, m.span())
			return
		}
		if len(text) <= maxAddress {
			if addr, err := netip.ParseAddr(view(text)); err == nil && addr.Zone() == "" {
				e.Set(schema.FieldIP, d.appendAddr(addr))
				return
			}
		}
	}
}

func (d *Decoder) appendAddr(addr netip.Addr) schema.Text {
	buf := &d.batch.Buf
	start := len(*buf)
	*buf = addr.Unmap().AppendTo(*buf)
	return schema.TextAt(start, len(*buf), false)
}

// plainIPv4 tells whether text is an IPv4 address in its canonical form.
func plainIPv4(text []byte) bool {
	parts, digits, value := 1, 0, 0
	for _, c := range text {
		switch {
		case c-'0' <= 9:
			if digits > 0 && value == 0 {
				return false // a leading zero
			}
			value = value*10 + int(c-'0')
			digits++
			if value > 255 {
				return false
			}
		case c == '.' && digits > 0:
			parts++
			digits, value = 0, 0
		default:
			return false
		}
	}
	return parts == 4 && digits > 0
}
