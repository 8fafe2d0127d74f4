package demo

// The plan of somebody who has not had one, and of somebody who will not have another.
const (
	notYet uint8 = 0xff
	noMore uint8 = 0xfe
)

// renewing is how many pay again.
const renewing = 0.9

// bill is what the billing service does by itself: renew, give back, end.
func (s *stream) bill(l *life) {
	at := l.bill
	l.bill = never
	s.dice.set(s.story.seed, uint64(l.number), forBill+uint64(l.events)<<8)
	tell := func(k kind, pause int64, cents int64) *event {
		e := s.tell(l, event{at: at + pause, kind: k, known: true})
		e.set(l.plan, l.year, cents)
		return e
	}
	price := plans[l.plan].price(l.year)
	switch l.due {
	case dueRefund:
		tell(refunded, 0, -price)
		tell(cancelled, 1+int64(s.dice.upTo(2000)), 0).choice2 = uint8(s.dice.upTo(len(leaving)))
		l.stage, l.plan = active, noMore
	case dueRenewal:
		if !s.dice.chance(renewing) {
			tell(cancelled, 0, 0).choice2 = uint8(s.dice.upTo(len(leaving)))
			l.stage, l.plan = active, noMore
			return
		}
		tell(renewed, 0, price)
		l.bill = at + 30*day
		if l.year {
			l.bill = at + 365*day
		}
	}
}
