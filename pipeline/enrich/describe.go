package enrich

import (
	"bytes"

	"github.com/millrace/millrace/schema"
)

// Agent gives the event what its user agent says of browser, system and device, where the client says nothing itself, and the label of bots. The agent is the one that the event
// names, else the request's, unless that is a server's SDK or an HTTP library.
func (r *Request) Agent(b *schema.Batch, e *schema.Event) {
	r.agent = nil
	if r.enricher == nil {
		return
	}
	a := r.agentOf(b, e)
	if r.agent = a; a == nil || a.kind == agentLibrary {
		return
	}
	if a.kind == agentBot {
		e.Bot = true
	}
	if e.Bot {
		r.tally.bots++
	}
	t := r.factsOf(b, a)
	r.pair(b, e, schema.FieldBrowser, schema.FieldBrowserVersion, t[factBrowser], t[factBrowserVersion])
	r.pair(b, e, schema.FieldOS, schema.FieldOSVersion, t[factOS], t[factOSVersion])
	if t[factDevice].Len() > 0 && !e.Has(schema.FieldDeviceType) {
		e.Set(schema.FieldDeviceType, t[factDevice])
	}
}

// pair fills a name and its version. A version without its name, or of another name, says nothing.
func (r *Request) pair(b *schema.Batch, e *schema.Event, name, version schema.Field, n, v schema.Text) {
	if n.Len() == 0 {
		return
	}
	if !e.Has(name) {
		e.Set(name, n)
	} else if e.Has(version) || !bytes.EqualFold(e.Text(name).In(b.Buf), n.In(b.Buf)) {
		return
	}
	if v.Len() > 0 && !e.Has(version) {
		e.Set(version, v)
	}
}

// agentOf is the agent that the event is to be described by; nil: none, or one that could not be read.
func (r *Request) agentOf(b *schema.Batch, e *schema.Event) *agent {
	if e.ClientAgent.Len() > 0 {
		text := r.value(b, e.ClientAgent)
		if len(text) > maxAgent {
			text = text[:maxAgent]
		}
		if r.last != nil && r.last.text == string(text) {
			return r.last
		}
		if !blank(text) {
			a := r.enricher.agents.find(text, r.now, &r.tally)
			if a != nil && a != library { // library has no text of its own
				r.last = a
			}
			return a
		}
	}
	return r.header
}

// memoWays is how many different agents of one request have their texts written once.
const memoWays = 8

// factsOf are the agent's facts as texts of the batch.
func (r *Request) factsOf(b *schema.Batch, a *agent) *[numFacts]schema.Text {
	m := &r.memo[a.hash%memoWays]
	if m.agent != a {
		m.agent = a
		for i := range a.facts {
			m.texts[i] = r.write(b, a.facts[i])
		}
	}
	return &m.texts
}
