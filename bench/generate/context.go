package generate

import (
	"strconv"

	"github.com/millrace/millrace/schema"
)

// describe makes the context of a call in d.context. It is made before the event, so that what it takes is known when properties fill the rest.
func (d *draft) describe(c *call, native bool) {
	out, v := d.out, c.session
	d.out = append(d.context[:0], '{')
	d.out = append(d.out, c.user.members...)
	if c.user.withPage && v != nil {
		d.key("page")
		d.out = append(d.out, '{')
		d.page(v)
		d.out = append(d.out, '}')
	}
	if v != nil && v.campaign != "" && !c.user.terse {
		d.out = append(append(d.out, ','), v.campaign...)
	}
	if v != nil && c.user.sessionID && !native && !c.user.terse {
		d.number("sessionId", int64(1_700_000_000_000+v.id%100_000_000_000))
	}
	if c.known && len(c.user.groupID) > 0 && !native && !c.user.terse {
		d.text("groupId", string(c.user.groupID))
	}
	if c.typ == schema.Alias {
		d.special(c) // it has no other place
	}
	d.context, d.out = append(d.out, '}'), out
}

// page appends what a page is, as browsers' SDKs say it in contexts and page calls.
func (d *draft) page(v *session) {
	d.text("path", string(v.path))
	if v.referrer != "" {
		d.text("referrer", v.referrer)
	}
	if v.search != "" {
		d.text("search", v.search)
	}
	d.text("title", string(v.title))
	d.key("url")
	d.out = append(append(d.out, '"'), host...)
	d.out = append(append(append(d.out, v.path...), v.search...), '"')
}

// sessionText is the id of a visit as native clients send it.
func sessionText(v *session) string { return "s-" + strconv.FormatUint(v.id, 36) }
