package segment

import (
	"time"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// State is how far a build is. The texts are those of the table.
type State string

// The states of a build, in their order.
const (
	Building  State = "building"  // asked for, or at work
	Active    State = "active"    // its members are read; its events are on their way
	Announced State = "announced" // its members are read; there is nothing left to send
	Failed    State = "failed"    // Build.Note says why; the members stay those of the build before
)

// Readable tells whether members of a build in this state may be read.
func (s State) Readable() bool { return s == Active || s == Announced }

// Build is one build of a segment.
type Build struct {
	Project    uint32
	Segment    string
	ID         schema.UUID // also the causation_id of its events
	Definition uint64      // version of the definition that was built
	At         time.Time   // the moment that it is of
	State      State
	Size       uint64
	Entered    uint64
	Left       uint64
	Announced  uint64 // events of these that were taken
	Took       time.Duration
	Memory     uint64 // peak of its statements, in bytes
	Note       string
	Version    uint64
}

// askedVersions is above the versions of builds that were asked for and not begun: those of a leader are higher.
const askedVersions = 1 << 32

// askedVersion is that of a row by which somebody asks for a build.
const askedVersion = 1

// Definition is a segment as it was declared.
type Definition struct {
	Project uint32
	Text    string // JSON, as question.ParseSegment reads it
	Version uint64 // microseconds since 1970 of the change
	*question.Segment
}

// ChangedAt is when the segment was declared so.
func (d Definition) ChangedAt() time.Time { return time.UnixMicro(int64(d.Version)).UTC() }

// key names a segment.
type key struct {
	project uint32
	segment string
}

func (d Definition) key() key { return key{d.Project, d.Name} }
func (b Build) key() key      { return key{b.Project, b.Segment} }

// Member is a person in a segment.
type Member struct {
	Person uint64
	// DistinctID is the id that the person goes by; empty when none is stored any longer.
	DistinctID string
}

// Begun tells whether a leader has begun the build.
func (b Build) Begun() bool { return b.Version >= askedVersions }

// Replaced tells whether the build was given up because its leader ended, and another one was asked for in its place. Store.Follow finds it.
func (b Build) Replaced() bool { return isBroken(b) }
