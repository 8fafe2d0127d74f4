package ledger

import "time"

// Verdict is what comes of comparing a ledger with ClickHouse. Counts are of events.
type Verdict struct {
	Run      string    `json:"run"`
	Checked  time.Time `json:"checked"`
	Complete bool      `json:"complete"` // the ledger was closed; else what it lacks cannot be told from what was never sent
	Drained  bool      `json:"drained"`  // everything accepted arrived, or nothing more was to come, before the comparison

	Sent        uint64 `json:"sent"` // duplicates sent on purpose included
	Accepted    uint64 `json:"accepted"`
	Quarantined uint64 `json:"quarantined"`
	Dropped     uint64 `json:"dropped"`
	Unknown     uint64 `json:"unknown"`

	Rows             uint64 `json:"rows"`              // of the run in table events
	UnknownStored    uint64 `json:"unknown_stored"`    // events without a clear answer that are stored, which is allowed
	ClientDuplicates uint64 `json:"client_duplicates"` // rows beyond the first of events that the client sent twice, up to the number of times it did
	Unrecorded       uint64 `json:"unrecorded"`        // rows beyond the end of a ledger that was not closed

	Lost           Finding `json:"lost"`            // accepted, not stored
	Duplicated     Finding `json:"duplicated"`      // stored more often than sent
	Invented       Finding `json:"invented"`        // stored, never sent
	RefusedStored  Finding `json:"refused_stored"`  // answered as refused, yet stored
	Corrupted      Finding `json:"corrupted"`       // the stored fields or the time differ from what was sent
	Misordered     Finding `json:"misordered"`      // stored before an event of the same user that was sent earlier
	Misjudged      Finding `json:"misjudged"`       // valid but refused, or invalid but accepted
	QuarantineLost Finding `json:"quarantine_lost"` // answered as quarantined, not in table quarantine

	Seconds float64 `json:"seconds"` // how long the comparison took
}

// Finding is one kind of fault: how often, and where.
type Finding struct {
	Count  uint64  `json:"count"`
	Ranges []Range `json:"ranges,omitempty"` // at most MaxRanges, by producer and sequence number
	More   uint64  `json:"more,omitempty"`   // ranges beyond those

	last Range // the latest that Add extends, listed or not
}

// Range is a run of sequence numbers of one producer, both ends included.
type Range struct {
	Producer uint16 `json:"producer"`
	From     uint64 `json:"from"`
	To       uint64 `json:"to"`
}

// MaxRanges bounds the list of one finding.
const MaxRanges = 1000
