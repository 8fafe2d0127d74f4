package exact

import (
	"context"
	"errors"
	"time"
)

// Row is a row of the table as far as the protocol looks at it.
type Row struct {
	Offset int64
	ID     [16]byte
	TS     int64 // of the column that the table is partitioned by, Unix milliseconds
	// Part names the part of the table that holds the row. Only of rows that were read from the table.
	Part string
}

// Span is a range of Row.TS, both ends included.
type Span struct{ From, To int64 }

// Part is the rows of a block that belong to one partition of the table, a month: what one INSERT carries.
type Part interface {
	Month() int32  // YYYYMM
	Rows() int     // 1 or more
	Row(i int) Row // in the order of offsets
	Span() Span    // of all rows
}

// Block is the rows of the records at offsets [First, Next). Next is above First. Offsets may have no record, and records may have no row.
type Block struct {
	First, Next int64
	Parts       []Part // by month, none empty; no part at all when no record has a row
	Refused     int    // records that were refused; they have been produced to the quarantine topic already
	Hash        Hash   // over the rows of all parts, in the order of offsets
	Newest      int64  // the highest time of arrival of any row up to the end of the block, Unix milliseconds: see IDs; 0: none
}

// IDs says how ids that clients repeat were looked for: among the last Keep rows, of those that had arrived not longer than Window before the newest.
// It is written into each intent, so that a replay decides with the same numbers.
type IDs struct {
	Keep   int
	Window time.Duration
}

// Errors of a Port.
var (
	// ErrFenced: the group has a newer generation. Whoever sees it stops and touches nothing more.
	ErrFenced = errors.New("fenced by a newer generation")
	// ErrTrimmed: the topic does not hold all of the records any longer.
	ErrTrimmed = errors.New("records were removed from the topic")
)

// Class says what a failed INSERT means.
type Class uint8

// The classes.
const (
	Retriable Class = iota // the server is busy, full or away; or the connection broke
	Schema                 // nobody's row: a table, view, right or setting does not fit
	BadRow                 // perhaps a row that the table does not take
	Unknown                // a code that is not on the lists
)

// String returns the class as it stands in metrics.
func (c Class) String() string {
	return [...]string{"retriable", "schema", "bad_row", "unknown"}[c]
}

// InsertError is the only error of Port.Insert but that of its context.
type InsertError struct {
	Class Class
	Cure  string // for people; may be empty
	// Unsent: the INSERT never reached the server, so its outcome is known.
	Unsent bool
	Err    error
}

func (e *InsertError) Error() string { return e.Err.Error() }
func (e *InsertError) Unwrap() error { return e.Err }

// Parked says why a partition cannot go on without people.
type Parked struct {
	Reason string // stable, snake_case: rows_lost, other_log, intent_mismatch, schema, unknown_error, bad_rows, trimmed, codec, …
	Detail string // in words, with the numbers
	Cure   string
	// Retry: trying again by itself is harmless and may help, as after somebody has mended a table.
	Retry bool
	// Table is the highest offset that the table holds, -1 none; where a rewind would begin is derived from it.
	Table int64
}

// Decision is how a parked partition goes on. The zero value: try again.
type Decision struct {
	Rewind bool
	To     int64 // the first offset that is not to be taken as stored
}

// Port is what the protocol needs of the world, for one partition in one generation. Every call may take long and returns soon after its context has
// ended. Errors that are not named mean that the outcome is not known.
type Port interface {
	// Step tells that a named step is reached, before it happens.
	Step(Step)
	// Now is the time, Unix milliseconds.
	Now() int64

	// Committed returns what the group has committed; offset -1: nothing.
	Committed(ctx context.Context) (offset int64, metadata string, err error)
	// Bounds returns the offsets [start, end) that the topic holds.
	Bounds(ctx context.Context) (start, end int64, err error)
	// Commit commits in this generation. ErrFenced; any other error: unknown, may be repeated.
	Commit(ctx context.Context, offset int64, metadata string) error

	// Restore makes the ids that clients may repeat those of the rows below offset. newest is Block.Newest of the last block below it, or below 0
	// when that is not known and must be asked of the table.
	Restore(ctx context.Context, offset int64, ids IDs, newest int64) error
	// Read reads the records [first, next), decides as the first time which of them have rows, with the ids as they are, adds the new ones, and
	// produces the refused ones to the quarantine topic. A Read that fails leaves the ids as they were. ErrTrimmed.
	Read(ctx context.Context, first, next int64) (*Block, error)
	// ReadSome is Read, but it may end earlier, so as not to hold more than a block of records: Block.Next is above first and next at most.
	ReadSome(ctx context.Context, first, next int64) (*Block, error)
	// Select reads the records at these offsets (sorted, within [first, next)) and makes rows of all of them, without a look at ids.
	// The Block's First and Next are those given. ErrTrimmed.
	Select(ctx context.Context, first, next int64, offsets []int64) (*Block, error)
	// RecordID is the id that the row of the record at offset has; ok is false when there is no such record (any longer) or it has no row.
	RecordID(ctx context.Context, offset int64) (id [16]byte, ok bool, err error)

	// Insert sends one part in one INSERT under the token; empty: without one. nil: the server has it. Else an *InsertError.
	Insert(ctx context.Context, p Part, token string) error
	// Highest is the highest offset, at or above from, of a row of this log and partition; -1: none.
	Highest(ctx context.Context, from int64) (int64, error)
	// Stored lists the rows at offsets [first, next) with a time within span (nil: any), sorted by offset.
	Stored(ctx context.Context, first, next int64, span *Span) ([]Row, error)
	// Kill asks the server to end the INSERTs of tokens with this prefix that older generations have under way, and waits a second at most.
	Kill(ctx context.Context, tokenPrefix string) error
	// Unstage drops the staging tables of this partition, whichever generation made them. Afterwards an Attach of an older one fails.
	Unstage(ctx context.Context) error
	// Stage puts the rows, and only these, into staging tables of this generation. It makes them anew: like the table, constraints included, without
	// views. An *InsertError of class BadRow: the table does not take one of the rows.
	Stage(ctx context.Context, b *Block) error
	// Attach moves what was staged into the table, so that a second Attach moves nothing. No view sees it. The staging tables stay.
	Attach(ctx context.Context) error
	// Delete deletes the rows at offsets [first, next) that lie in the named parts, and waits for it. Parts that were merged away hold nothing.
	Delete(ctx context.Context, first, next int64, parts []string) error
	// Audit queues the rollup buckets that the block's rows belong to, durably.
	Audit(ctx context.Context, b *Block) error
	// Quarantine produces the record at offset to the quarantine topic, acknowledged, as one that the table does not take.
	Quarantine(ctx context.Context, offset int64, why error) error

	// Trimmed tells people that the topic begins at start and that what lay between is lost, as far as the table does not hold it.
	Trimmed(wanted, start int64)
	// Incident tells people of something that must not happen and was mended.
	Incident(what string, args ...any)
	// Pause waits before the next attempt, longer each time since the last Fine. Its error says that there will be none.
	Pause(ctx context.Context, why error) error
	// Fine tells that an attempt has succeeded.
	Fine()
	// Park tells people and waits until they decide, or, with Parked.Retry, for a while. Its error says that the generation has ended.
	Park(ctx context.Context, p Parked) (Decision, error)
}
