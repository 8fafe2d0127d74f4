package generate

import (
	"bytes"
	"context"
	"math/rand/v2"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
	"github.com/millrace/millrace/schema"
)

// maker renders one producer.
type maker struct {
	scenario *scenario.Scenario
	producer *Producer
	budget   int64
	native   bool

	r          *rand.Rand
	shop       *shop
	draft      draft
	call       call
	sizes      sizer
	late       quota
	duplicates quota
	invalid    quota
	nextFault  fault

	patches []patch // of all bodies; offsets in the draft's out until the end
	starts  []int   // of the bodies in out
	recent  [recentEvents]original
	seen    int // valid events so far
}

// original is an event that may be sent again.
type original struct {
	slot       int
	start, end int // in out
	patch      patch
}

// recentEvents is how many valid events back a duplicate reaches: a client sends again what it has just sent.
const recentEvents = 256

func newMaker(s *scenario.Scenario, w *world, number uint16, budget int64) *maker {
	r := rand.New(rand.NewPCG(s.Seed, uint64(number)))
	events := max(budget/int64(s.Events.Bytes), int64(s.Load.Batch))
	m := &maker{
		scenario: s, producer: &Producer{Number: number}, budget: budget, native: s.Load.Dialect == "native",
		r: r, shop: newShop(s, w, r, number),
		draft:      newDraft(w, r),
		sizes:      newSizer(s.Events.Bytes, events),
		late:       newQuota(r, s.Events.Late),
		duplicates: newQuota(r, s.Events.Duplicates),
		invalid:    newQuota(r, s.Events.Invalid),
		nextFault:  fault(uint64(number) % uint64(numFaults)),
	}
	m.draft.out = make([]byte, 0, budget+int64(s.Load.Batch*s.Events.Bytes)*5/4) // the body that no longer fits is rendered too
	return m
}

func newDraft(w *world, r *rand.Rand) draft {
	return draft{world: w, r: r, tail: rand.NewZipf(r, 1.05, 20, uint64(len(w.properties)-1))}
}

// run renders bodies until the budget is used up or ctx ends. The last one, when it does not fit, is given up.
func (m *maker) run(ctx context.Context) *Producer {
	p := m.producer
	for ctx.Err() == nil {
		start, slots := len(m.draft.out), len(p.Slots)
		m.body()
		if int64(len(m.draft.out)) > m.budget && start > 0 {
			m.draft.out, p.Slots, m.patches = m.draft.out[:start], p.Slots[:slots], m.patches[:slots]
			break
		}
		m.starts = append(m.starts, start)
	}
	m.cut()
	return p
}

// body appends one body.
func (m *maker) body() {
	d := &m.draft
	if m.native {
		d.out = append(d.out, `{"events":[`...)
	} else {
		d.out = append(d.out, `{"batch":[`...)
	}
	for i := range m.scenario.Load.Batch {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		m.event()
	}
	d.out = append(d.out, "]}"...)
}

// event appends one event: another one, or one of the last again.
func (m *maker) event() {
	start := len(m.draft.out)
	if m.duplicates.take(m.r) && m.seen > 0 {
		m.again()
	} else {
		m.another()
	}
	m.sizes.done(len(m.draft.out) - start)
}

func (m *maker) another() {
	d, c := &m.draft, &m.call
	m.shop.next(c)
	slot := ledger.Slot{User: c.user.number(c.known)}
	if m.invalid.take(m.r) {
		slot.Kind = ledger.Invalid
		c.spoil(m.shop, m.fault())
	} else if m.late.take(m.r) {
		slot.Late = late(m.r)
	}
	start := len(d.out)
	d.render(c, m.native, m.sizes.draw(m.r))
	at := patch{late: slot.Late, id: uint32(d.id), time: uint32(d.time)}
	if slot.Kind == ledger.Valid {
		slot.Hash = d.hash(c.typ)
		m.recent[m.seen%recentEvents] = original{len(m.producer.Slots), start, len(d.out), at}
		m.seen++
	}
	m.producer.Slots = append(m.producer.Slots, slot)
	m.patches = append(m.patches, at)
}

// fault takes the faults in turn.
func (m *maker) fault() fault {
	if m.nextFault = m.nextFault%(numFaults-1) + 1; m.nextFault == faultless {
		panic("BUG: no fault")
	}
	return m.nextFault
}

// again appends one of the last valid events a second time. It counts back from its own slot to the original's, which stands before it in the pool, so that both are
// of the same round.
func (m *maker) again() {
	d, p := &m.draft, m.producer
	o := &m.recent[m.r.IntN(min(m.seen, recentEvents))]
	slot := p.Slots[o.slot]
	slot.Kind, slot.Back = ledger.Duplicate, uint16(len(p.Slots)-o.slot)
	shift := uint32(len(d.out) - o.start)
	at := o.patch
	at.id, at.time, at.back = at.id+shift, at.time+shift, slot.Back
	d.out = append(d.out, d.out[o.start:o.end]...)
	p.Slots = append(p.Slots, slot)
	m.patches = append(m.patches, at)
}

// cut makes the bodies of what was rendered.
func (m *maker) cut() {
	p, out := m.producer, m.draft.out
	if cap(out)-len(out) > len(out)/8 {
		out = bytes.Clone(out)
	}
	batch := m.scenario.Load.Batch
	p.Bodies = make([]Body, len(m.starts))
	for i, start := range m.starts {
		end := len(out)
		if i+1 < len(m.starts) {
			end = m.starts[i+1]
		}
		first := i * batch
		b := Body{JSON: out[start:end:end], First: first, Events: batch, patches: m.patches[first : first+batch : first+batch]}
		for k := range b.patches {
			at := &b.patches[k]
			at.id -= uint32(start)
			if at.time != noTime {
				at.time -= uint32(start)
			}
		}
		p.Bodies[i] = b
	}
}

// newProbe makes the producer of the probe. It is nobody else's: its user's id is of a form of its own.
func newProbe(s *scenario.Scenario, w *world, number uint16) *Producer {
	u := user{userID: []byte("bench-probe"), client: server, known: true, members: []byte(`"library":{"name":"bench-probe","version":"1.0.0"}`)}
	m := &maker{scenario: s, producer: &Producer{Number: number}, native: s.Load.Dialect == "native"}
	m.r = rand.New(rand.NewPCG(s.Seed, uint64(number)))
	m.draft = newDraft(w, m.r)
	d := &m.draft
	if m.native {
		d.out = append(d.out, `{"events":[`...)
	} else {
		d.out = append(d.out, `{"batch":[`...)
	}
	visit := session{user: &u}
	c := call{user: &u, known: true, session: &visit}
	c.typ, c.event = schema.Track, []byte(ProbeEvent)
	d.render(&c, m.native, 0)
	d.out = append(d.out, "]}"...)
	p := m.producer
	p.Slots = []ledger.Slot{{Hash: d.hash(c.typ), User: u.number(true)}}
	p.Bodies = []Body{{JSON: d.out, Events: 1, patches: []patch{{id: uint32(d.id), time: uint32(d.time)}}}}
	return p
}
