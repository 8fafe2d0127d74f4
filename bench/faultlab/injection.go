package faultlab

import (
	"fmt"
	"strings"
	"time"
)

// Action is what an injection does.
type Action string

// The actions. Target is a process for the first group, a link for the second.
const (
	Kill        Action = "kill"         // SIGKILL, started again after For
	Term        Action = "term"         // SIGTERM, which must end with status 0; started again after For
	Freeze      Action = "freeze"       // SIGSTOP, let go on after For
	KillAt      Action = "kill-at"      // at the failpoint Point the process kills itself; started again after For
	FreezeAt    Action = "freeze-at"    // at the failpoint Point the process freezes; goes on when another has taken over and For has passed
	ServerAt    Action = "server-at"    // while a process waits at the failpoint Point, Target is killed; then the process goes on
	StatementAt Action = "statement-at" // while a process waits at the failpoint Point, SQL changes the rows of its block; then it kills itself
	Leave       Action = "leave"        // SIGKILL (Hard) or SIGTERM without a start
	Join        Action = "join"         // start of one that had left

	Cut       Action = "cut"        // the connection is cut after After bytes
	DropReply Action = "drop-reply" // the request is acted upon, the answer is thrown away
	Latency   Action = "latency"    // everything is late by Delay for For
	HalfOpen  Action = "half-open"  // nothing passes in one direction for For

	Statement Action = "statement" // SQL, undone after For
	RewindAt  Action = "rewind-at" // the sinks are killed, the committed offsets are put back by a tool that writes no metadata, and at the failpoint Point the next owner kills itself
	BadRow    Action = "bad-row"   // an event is sent that a constraint of the table refuses; at the failpoint Point the sink kills itself
	Poison    Action = "poison"    // records that nobody can read are written to topic events
	Repeats   Action = "repeats"   // the clients go on sending every request twice
)

// Injection is one fault. All of a run are drawn from the seed before it begins.
type Injection struct {
	Number int           `json:"number"`
	Action Action        `json:"action"`
	Target string        `json:"target,omitempty"` // process or link; of a failpoint: empty for any
	Wait   time.Duration `json:"wait"`             // before it, once the one before is over
	For    time.Duration `json:"for,omitempty"`    // how long it lasts; of a kill: how long the process stays away

	Point string `json:"point,omitempty"` // failpoint
	Then  string `json:"then,omitempty"`  // failpoint at which the next life kills itself, too
	Hard  bool   `json:"hard,omitempty"`

	APIKeys    []int16       `json:"api_keys,omitempty"` // of requests of the Kafka protocol; empty: any
	ToClient   bool          `json:"to_client,omitempty"`
	After      int64         `json:"after,omitempty"`
	MinRequest int           `json:"min_request,omitempty"`
	Delay      time.Duration `json:"delay,omitempty"`
	Jitter     time.Duration `json:"jitter,omitempty"`

	SQL      []string `json:"sql,omitempty"`      // {database} is filled in; at a failpoint {partition}, {offset} and {number}, too
	Undo     []string `json:"undo,omitempty"`     //
	Evidence string   `json:"evidence,omitempty"` // counter that must move for a statement to have bitten

	Records []string `json:"records,omitempty"` // of Poison: what each record is
}

// String says in words what is planned.
func (i *Injection) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#%d %s", i.Number, i.Action)
	if i.Target != "" {
		fmt.Fprintf(&b, " %s", i.Target)
	}
	if i.Point != "" {
		fmt.Fprintf(&b, " at %s", i.Point)
	}
	if i.Then != "" {
		fmt.Fprintf(&b, ", then at %s", i.Then)
	}
	if i.After > 0 {
		way := "to upstream"
		if i.ToClient {
			way = "to client"
		}
		fmt.Fprintf(&b, " after %d bytes %s", i.After, way)
	}
	if i.Delay > 0 {
		fmt.Fprintf(&b, " by %v ± %v", i.Delay, i.Jitter)
	}
	if len(i.Records) > 0 {
		fmt.Fprintf(&b, " %s", strings.Join(i.Records, ", "))
	}
	if i.For > 0 {
		fmt.Fprintf(&b, " for %v", i.For)
	}
	return b.String()
}

// Outcome is what became of an injection.
type Outcome struct {
	Injection
	At      float64 `json:"at"`                // seconds since the load began
	Bit     bool    `json:"bit"`               // it took effect, as What says
	What    string  `json:"what,omitempty"`    //
	Seconds float64 `json:"seconds,omitempty"` // from the injection until everything in the topic at its end, and something newer, was confirmed; 0: not waited for
	Problem string  `json:"problem,omitempty"` // why it did not bite, or what did not recover

	stuck bool // nothing moved in time
}
