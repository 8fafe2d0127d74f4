package queries

import (
	"container/heap"

	"github.com/go-faster/city"
)

// partitions of the topic that the events might have come through: the sink makes its blocks of one partition each.
const partitions = 4

// stream makes all events of a run in the order of time. The same Rows, Seed and Until make the same events. Not safe for concurrent use.
type stream struct {
	rows    int // to make
	made    int
	planned int // rows of the visits that have begun
	world   *world
	crowd   *crowd
	rhythm  rhythm
	open    visits
	offsets [partitions]uint64

	sessions int
	// example is the event in the middle of those of askedProject: the questions about one event and one user ask for it.
	example   example
	propBytes int64
	contexts  int64 // bytes
}

// example names an event and who did it.
type example struct {
	id, user string
}

func newStream(o *Options) *stream {
	visits := float64(o.Rows) / meanLength
	return &stream{
		rows: o.Rows, world: newWorld(o.Seed), crowd: newCrowd(o.Seed, int(visits*newcomers/4)), rhythm: newRhythm(o.from().UnixMilli(), Days),
	}
}

// people is how many different ones there can be: all who have come, and some who came before and not again.
func (s *stream) people() int { return len(s.crowd.last) }

// next makes the next event, false when there are no more.
func (s *stream) next(e *event) bool {
	if s.made == s.rows {
		return false
	}
	for s.planned < s.rows {
		// Visits are spread by the events they bring, so that the last one ends the last day.
		at := s.rhythm.at(float64(s.planned) / float64(s.rows))
		if len(s.open) > 0 && s.open[0].at <= at {
			break
		}
		s.begin(at)
	}
	v := s.open[0]
	s.emit(v, e)
	v.seen++
	if v.left--; v.left == 0 {
		heap.Pop(&s.open)
	} else {
		v.at += pause(s.world.r)
		heap.Fix(&s.open, 0)
	}
	s.made++
	return true
}

// begin lets somebody come.
func (s *stream) begin(at int64) {
	r := s.world.r
	v := &visit{left: min(length(r), s.rows-s.planned)}
	v.person, v.first = s.crowd.visitor(r)
	v.source = &sources[s.world.bySource.draw(r)]
	v.at = max(at, s.crowd.last[v.person.number]+1)
	v.session = timedUUID(r, v.at)
	v.beginContext()
	s.planned += v.left
	s.sessions++
	heap.Push(&s.open, v)
}

func (s *stream) emit(v *visit, e *event) {
	w, r := s.world, s.world.r
	if v.batch == 0 {
		v.request, v.batch = randomUUID(r), 1+r.IntN(5)
	}
	v.batch--
	e.visit, e.person, e.request, e.landing, e.cents = v, v.person, v.request, v.seen == 0, 0
	e.ts = s.crowd.tick(v.person, v.at)
	v.at = e.ts
	e.sent = e.ts + 5 + r.Int64N(4000)
	e.received = e.sent + 20 + r.Int64N(200)
	e.id = timedUUID(r, e.ts)
	e.kind = w.step(v)
	e.props = w.appendProperties(e.props[:0], e)
	e.context = e.appendContext(e.context[:0])
	e.partition = uint16(city.CH64([]byte(v.person.distinct())) % partitions)
	e.offset = s.offsets[e.partition]
	s.offsets[e.partition]++

	s.propBytes += int64(len(e.props))
	s.contexts += int64(len(e.context))
	if e.person.project == askedProject && s.made <= s.rows/2 {
		s.example = example{id: e.id.String(), user: v.person.distinct()}
	}
}

// visits is a heap by the time of the next event; of two at the same time the person with the lower number is first.
type visits []*visit

func (h visits) Len() int { return len(h) }
func (h visits) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].person.number < h[j].person.number
}
func (h visits) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *visits) Push(v any)   { *h = append(*h, v.(*visit)) }
func (h *visits) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
