package people

import (
	"context"
	"fmt"

	"github.com/go-faster/city"

	"github.com/millrace/millrace/people/identity"
	"github.com/millrace/millrace/people/profile"
)

// event is what is read of one.
type event struct {
	identity.Event // its Place is put together from the columns
	group, traits  string
}

// edge is a fact as events name it.
type edge struct {
	identity.Fact
	a, b string
}

// factKey is what makes edges the same fact.
type factKey struct {
	project uint32
	a, b    uint64
	kind    identity.Kind
}

// subject says whose property an operation is about, with the numbers of the table.
type subject int8

const (
	user  subject = 1
	group subject = 2
)

// operation is a row of profile_ops.
type operation struct {
	identity.Key // of the subject
	subject      subject
	id           string
	profile.Row
}

// A page is written out when it holds so much.
const (
	mostEdges      = 50_000
	mostOperations = 50_000
	mostBytes      = 16 << 20 // of texts
)

// page is what was read and is not written yet.
type page struct {
	l          *Leader
	edges      map[factKey]*edge
	operations []operation
	bytes      int
	rows       int // read, in all
}

func newPage(l *Leader) *page { return &page{l: l, edges: make(map[factKey]*edge)} }

// read reads the spans, writes facts and operations, and adds them to the graph and to what is pending. It returns the context to go on with.
func (p *page) read(ctx context.Context, spans []span) (context.Context, error) {
	if len(spans) > 0 {
		reading, stop := context.WithCancel(ctx)
		defer stop()
		var failed error
		err := p.l.store.events(reading, spans, func(e *event) {
			if failed != nil {
				return
			}
			p.add(e)
			if len(p.edges) >= mostEdges || len(p.operations) >= mostOperations || p.bytes >= mostBytes {
				if _, failed = p.flush(ctx); failed != nil {
					stop()
				}
			}
		})
		switch {
		case failed != nil:
			return ctx, failed
		case err != nil:
			return ctx, fmt.Errorf("read events: %w", err)
		}
	}
	return p.flush(ctx)
}

// add takes an event in. Of the same facts the first and the last place count, so a page holds each once.
func (p *page) add(e *event) {
	p.rows++
	for _, said := range identity.Read(e.Event) {
		k := factKey{said.Project, said.AH, said.BH, said.Kind}
		known := p.edges[k]
		if known == nil {
			p.edges[k] = &edge{said.Fact(), said.A, said.B}
			p.bytes += len(said.A) + len(said.B)
			continue
		}
		if said.Place.Compare(known.First) < 0 {
			known.First = said.Place
		}
		if said.Place.Compare(known.Last) > 0 {
			known.Last = said.Place
		}
	}
	if e.traits != "" {
		p.addTraits(e)
	}
}

func (p *page) addTraits(e *event) {
	whose, id := user, e.DistinctID
	if e.Type == "group" {
		whose, id = group, e.group
	}
	if id == "" {
		return
	}
	read, ignored := profile.Read([]byte(e.traits))
	p.l.job.metrics.ignored.Add(ignored)
	key := identity.Key{Project: e.Project, H: city.CH64([]byte(id))}
	for _, o := range read {
		row := profile.Row{Name: o.Name, Op: o.Op, TS: e.Place.TS, Log: e.Place.Log, Partition: e.Place.Partition, Offset: e.Place.Offset, Value: o.Value}
		if o.Op.PerEvent() {
			row.Slot = e.Place.EventID
		}
		p.operations = append(p.operations, operation{key, whose, id, row})
		p.bytes += len(id) + len(o.Name) + len(o.Value)
	}
}

// flush writes what the page holds and empties it.
func (p *page) flush(ctx context.Context) (context.Context, error) {
	l := p.l
	ctx, err := l.passed(ctx, stepRead)
	if err != nil {
		return ctx, err
	}
	if len(p.edges) > 0 {
		if err := l.store.writeEdges(ctx, p.edges); err != nil {
			return ctx, fmt.Errorf("write edges: %w", err)
		}
	}
	if ctx, err = l.passed(ctx, stepEdges); err != nil {
		return ctx, err
	}
	if len(p.operations) > 0 {
		if err := l.store.writeOperations(ctx, p.operations); err != nil {
			return ctx, fmt.Errorf("write operations: %w", err)
		}
	}
	if ctx, err = l.passed(ctx, stepOperations); err != nil {
		return ctx, err
	}
	l.mu.Lock()
	for _, e := range p.edges {
		l.graph.Add(e.Fact)
	}
	l.mu.Unlock()
	for i := range p.operations {
		if o := &p.operations[i]; o.subject == user {
			l.pending.touched[o.Key] = struct{}{}
		} else {
			l.pending.groups[o.Key] = struct{}{}
		}
	}
	clear(p.edges)
	clear(p.operations)
	p.operations, p.bytes = p.operations[:0], 0
	return ctx, nil
}
