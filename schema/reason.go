package schema

// Reason is why an event was not simply accepted: a stable code, the same in the answer, the quarantine row and the metrics.
type Reason uint8

// The codes of one event. Their texts are part of the API and never change.
const (
	ReasonNone Reason = iota
	// Refused for good (result drop).
	MissingEvent
	MissingUser
	InvalidType
	InvalidUTF8
	IllegalID
	IDTooLong
	NameTooLong
	EventTooLarge
	TooManyProperties
	TooDeep
	InvalidTimestamp
	InvalidJSON   // a line of NDJSON, or a whole body, that is not JSON
	InvalidRecord // a record on the topic that is no event; refused by the sink
	Erased        // of a person who was erased: nothing of it is kept, not in quarantine either
	// Accepted with a remark (result warning).
	TimestampAdjusted
	// Not stored, or unknown (result retry).
	Overloaded
	Unknown
	numReasons
)

var reasonCodes = [numReasons]string{
	"", "missing_event", "missing_user", "invalid_type", "invalid_utf8", "illegal_id", "id_too_long", "name_too_long", "event_too_large",
	"too_many_properties", "too_deep", "invalid_timestamp", "invalid_json", "invalid_record", "erased", "timestamp_adjusted", "overloaded", "unknown",
}

// String returns the code, "" for ReasonNone.
func (r Reason) String() string {
	if r < numReasons {
		return reasonCodes[r]
	}
	return "unknown"
}

// Reasons lists every reason but ReasonNone, for metrics and documents.
func Reasons() []Reason {
	all := make([]Reason, 0, numReasons-1)
	for r := ReasonNone + 1; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}

// Result is what became of one event.
type Result uint8

// The results an answer can hold. The zero value is accepted without a remark.
const (
	OK      Result = iota
	Warning        // stored, with a remark
	Drop           // refused for good
	Retry          // not stored, or unknown: send again with the same id
)

var resultNames = [...]string{"ok", "warning", "drop", "retry"}

// String returns the word that stands in answers.
func (r Result) String() string { return resultNames[r] }

// Durability is what an acknowledged event has reached, weakest last.
type Durability uint8

// The promises an answer can make.
const (
	// Broker: replicated by the broker to all in-sync copies.
	Broker Durability = iota
	// Relaxed: in the broker, whose settings do not make that durable.
	Relaxed
	// NotStored: events were only looked at.
	NotStored
)

var durabilityNames = [...]string{"broker", "relaxed", "none"}

// String returns the word that stands in answers.
func (d Durability) String() string { return durabilityNames[d] }
