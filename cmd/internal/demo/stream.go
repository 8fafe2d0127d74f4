package demo

// stream is a story told event by event, in the order of time. It belongs to one goroutine.
type stream struct {
	story  *Story
	dice   *dice // of the visit that is made up
	other  *dice // of what is looked up on the side
	people queue[life]
	told   queue[event]
	fresh  []event // what the life that goes on has just brought
	day    int     // the next whose arrivals are to come
	payer  person  // whom the billing service speaks of
}

// stream begins the story.
func (s *Story) stream() *stream {
	return &stream{
		story: s, dice: newDice(), other: newDice(),
		people: queue[life]{before: func(a, b *life) bool { return a.at < b.at || a.at == b.at && a.number < b.number }},
		told: queue[event]{before: func(a, b *event) bool {
			return a.at < b.at || a.at == b.at && (a.number < b.number || a.number == b.number && a.seq < b.seq)
		}},
	}
}

// next returns the next event; false at the end of the story.
func (s *stream) next() (event, bool) {
	for {
		// What is known to come first may still be preceded by somebody who is not there yet.
		soonest := never
		if s.people.len() > 0 {
			soonest = s.people.first().at
		}
		if s.told.len() > 0 {
			soonest = min(soonest, s.told.first().at)
		}
		switch {
		case s.day < s.story.days && soonest >= s.story.start(s.day):
			s.arrive()
		case s.told.len() > 0 && s.told.first().at == soonest:
			return s.told.pop(), true
		case s.people.len() > 0:
			s.live(s.people.pop())
		default:
			return event{}, false
		}
	}
}

// arrive brings those who come first on the next day.
func (s *stream) arrive() {
	midnight := s.story.start(s.day)
	first, last := s.story.arrivals(s.day, s.story.users)
	for number := first; number < last; number++ {
		p := s.story.person(s.other, uint32(number))
		s.other.set(s.story.seed, uint64(number), forArrival)
		l := life{number: uint32(number), visit: moment(s.other, midnight, p.country.east), bill: never, plan: notYet}
		l.schedule()
		s.people.push(l)
	}
	s.day++
}

// live lets the next thing of a life happen, and keeps the life while there is more to come.
func (s *stream) live(l life) {
	if l.bill <= l.visit {
		s.bill(&l)
	} else {
		s.visit(&l)
	}
	for _, e := range s.fresh {
		if e.at < s.story.end() { // the rest is another story
			s.told.push(e)
		}
	}
	s.fresh = s.fresh[:0]
	if l.schedule(); l.at < s.story.end() {
		s.people.push(l)
	}
}

// tell adds an event of a life, which may be completed until the next one is added.
func (s *stream) tell(l *life, e event) *event {
	e.number, e.seq = l.number, l.events
	l.events++
	s.fresh = append(s.fresh, e)
	return &s.fresh[len(s.fresh)-1]
}

// who is the person that an event is about, valid until the next call.
func (s *stream) who(e *event) *person {
	if e.visit != nil {
		return &e.visit.person
	}
	s.payer = s.story.person(s.other, e.number)
	return &s.payer
}
