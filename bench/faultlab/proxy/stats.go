package proxy

// Stats is what has gone through a proxy since New.
type Stats struct {
	// Accepted connections, those that Refuse turned away included. Open are those that have not ended, upstream's side included.
	Accepted, Open int64
	// Refused counts connections that a Refuse turned away.
	Refused int64
	// Unreachable counts connections that were reset because upstream could not be dialled.
	Unreachable int64
	// ToUpstream and ToClient are the bytes passed on.
	ToUpstream, ToClient int64
	// Rewritten counts answers in which addresses of brokers were replaced.
	Rewritten int64
	// Malformed counts connections that were ended because a frame could not be read; Problem is the last reason, empty without one.
	Malformed int64
	Problem   string
	// Undrained counts connections whose upstream did not end in time after its half-close, so that its side may have been reset.
	Undrained int64
	// Faults that fired, by kind; kinds without any are left out.
	Faults map[Kind]int64
}

// Stats reads the counters. They are read one after another, so they may be apart by what happens meanwhile.
func (p *Proxy) Stats() Stats {
	s := Stats{
		Accepted: p.accepted.Load(), Open: p.open.Load(), Refused: p.refused.Load(), Unreachable: p.unreachable.Load(),
		ToUpstream: p.passed[ToUpstream].Load(), ToClient: p.passed[ToClient].Load(),
		Rewritten: p.rewritten.Load(), Malformed: p.malformed.Load(), Undrained: p.undrained.Load(),
		Faults: make(map[Kind]int64),
	}
	if problem := p.problem.Load(); problem != nil {
		s.Problem = *problem
	}
	for k := range p.faults {
		if n := p.faults[k].Load(); n > 0 {
			s.Faults[Kind(k)] = n
		}
	}
	return s
}
