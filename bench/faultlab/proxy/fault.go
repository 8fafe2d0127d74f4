package proxy

import (
	"fmt"
	"slices"
	"time"
)

// Kind is what a fault does.
type Kind uint8

const (
	// Cut passes on exactly After bytes and then closes both sides. On a Kafka link they are counted from the start of the next matching frame, and a
	// frame that is no longer is cut at its end, before its answer can come through. On a raw link they are counted from the start of a burst in Direction, or from when the fault was
	// armed if that was in its midst; a burst that ends earlier is left alone, and the next one counted.
	// A client that does not read gets what has arrived within a second; What then names the smaller number.
	Cut Kind = iota + 1
	// DropReply passes the request on whole, reads the answer and throws it away, then closes both sides. On a raw link the answer is over when
	// upstream has been silent for a quarter of a second.
	DropReply
	// Latency holds every read in Direction, of all connections, for Delay ± Jitter; on a Kafka link every matching frame, and every further read
	// that it takes. It lasts For from the first one on.
	Latency
	// HalfOpen passes nothing on in Direction any more, on the one connection that matches first, and closes nothing until For is over. Then both
	// sides are closed, and what was held is gone.
	HalfOpen
	// Refuse accepts new connections and resets them, for For from the first one on. Those that are open stay.
	Refuse

	kinds = int(Refuse) + 1
)

// String returns the kind in lower case, as used in the names of runs.
func (k Kind) String() string {
	switch k {
	case Cut:
		return "cut"
	case DropReply:
		return "drop-reply"
	case Latency:
		return "latency"
	case HalfOpen:
		return "half-open"
	case Refuse:
		return "refuse"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Direction is the way that bytes go.
type Direction uint8

const (
	// ToUpstream is the way of requests.
	ToUpstream Direction = iota
	// ToClient is the way of answers.
	ToClient
)

// String returns "to upstream" or "to client".
func (d Direction) String() string {
	if d == ToClient {
		return "to client"
	}
	return "to upstream"
}

// Fault is one thing that is to go wrong. Fields that its Kind does not name are ignored.
type Fault struct {
	Kind Kind
	// After is how many bytes a Cut lets pass.
	After int64
	// Direction of Cut, Latency and HalfOpen.
	Direction Direction
	// APIKeys restricts all kinds but Refuse to frames of these requests and their answers, on Kafka links only. Nil: any.
	APIKeys []int16
	// MinRequest restricts DropReply on raw links to the reply to at least so many bytes, counted since the last byte of a reply. 0: any reply.
	MinRequest int
	// Delay and Jitter of Latency: each read is held for Delay - Jitter to Delay + Jitter, evenly spread.
	Delay, Jitter time.Duration
	// For is how long Latency, HalfOpen and Refuse last. 0: Latency holds one read, Refuse turns one connection away.
	For time.Duration
}

// matches tells whether the fault is of this kind and concerns bytes of this direction and API.
func (f *Fault) matches(kind Kind, dir Direction, key int16) bool {
	return f.Kind == kind && (f.Kind == DropReply || f.Kind == Refuse || f.Direction == dir) && (f.APIKeys == nil || slices.Contains(f.APIKeys, key))
}

// check returns what is wrong with the fault on such a link.
func (f *Fault) check(kafka bool) error {
	switch {
	case f.Kind < Cut || f.Kind > Refuse:
		return fmt.Errorf("unknown %v", f.Kind)
	case f.Direction > ToClient:
		return fmt.Errorf("unknown direction %d", f.Direction)
	case f.After < 0 || f.MinRequest < 0 || f.Delay < 0 || f.Jitter < 0 || f.For < 0:
		return fmt.Errorf("negative size or duration in %+v", *f)
	case f.APIKeys != nil && (!kafka || f.Kind == Refuse):
		return fmt.Errorf("%v by API key, which needs the frames of a Kafka link", f.Kind)
	case f.MinRequest > 0 && kafka:
		return fmt.Errorf("%v by size of the request, which is for raw links; a Kafka link has API keys", f.Kind)
	}
	return nil
}
