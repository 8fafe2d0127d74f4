package ledger

// Kind says what is expected of an event.
type Kind uint8

// The kinds.
const (
	Valid     Kind = iota // must be accepted and stored once
	Invalid               // must be refused
	Duplicate             // the event Back places before it, sent a second time under the same id; its own sequence number is never used
)

// Slot is one event of a producer's pool. A producer sends its slots in order, round and round; each time a slot is sent it takes the producer's next
// sequence number, so that slot = seq mod number of slots.
type Slot struct {
	Hash uint64 // what PayloadHash makes of the row that should come of it; 0 for Invalid
	User uint32 // the number of the event's distinct_id among the producer's; events of one user must stay in order
	Back uint16 // of a Duplicate: how many sequence numbers back the original is
	Kind Kind
	Late int64 // milliseconds that its time lies before the batch's
}

// Answer is what the server said of an event.
type Answer uint8

// The answers. Unknown is everything that leaves open whether the event is stored: no answer, a 5xx, "retry".
const (
	Accepted    Answer = iota
	Quarantined        // refused and kept in quarantine
	Dropped            // refused and not kept (over quarantine's limit, or the whole request was refused with a 4xx)
	Unknown
)

// Result is the answer to one event of a request.
type Result struct {
	Index  uint16
	Answer Answer
}

// Entry is one request and its answer. Times are Unix nanoseconds.
type Entry struct {
	Producer uint16
	Seq      uint64 // of the first event
	Events   uint16
	Stamp    int64 // Unix milliseconds: the time that the events carry, less each slot's Late
	Intended int64 // when it should have been sent
	Sent     int64
	Done     int64  // when the answer was complete, or the attempt failed
	Status   uint16 // HTTP; 0: no answer
	Answer   Answer // of every event that is not in Results
	Results  []Result
}
