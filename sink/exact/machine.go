package exact

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrRestart: the partition must be taken over anew, and whatever was decoded behind the block of the call must be thrown away.
var ErrRestart = errors.New("the partition must be taken over anew")

// Protections can be switched off one by one, to show that what they protect from is then seen. Nothing else may do that.
type Protections struct {
	Intent bool // announce blocks
	Token  bool // give INSERTs tokens
	Verify bool // look at what the table holds after a doubtful INSERT, and mend it
}

// Options say what a Machine works for.
type Options struct {
	Log        uint16        // number of the present life of the topic
	Partition  int32         // of the topic
	Topic      string        // for messages
	Codec      int           // version of the codec that makes rows of records, 0 or more
	MaxOffsets int64         // the most offsets that a block covers
	TTL        time.Duration // rows older than this may be gone from the table; 0: none
	IDs        IDs           // for blocks from now on
	Protect    Protections
}

// State is a view of a Machine.
type State struct {
	Offset int64   // committed, -1: nothing
	Next   int64   // end of the announced block; Offset when there is none
	Last   int64   // the highest offset below Offset that has a row, -1: none is known
	Turn   int64   // see Intent
	Parked *Parked // nil: it is not
}

// Machine is the protocol for one partition in one generation of the group. Its methods are called from one goroutine, but State, which may be
// called from any. After an error other than ErrRestart it must be thrown away.
type Machine struct {
	o Options
	p Port

	intent  Intent // committed, or about to be
	ids     IDs    // by which the ids of the Port were restored
	at      position
	dirty   bool  // at is ahead of what is committed
	doubted bool  // an INSERT of the block under way had an unknown outcome
	behind  bool  // what is being mended lies where offsets are behind the table
	trouble error // of the last mending
	table   int64 // highest offset in the table, as far as known, -1: none
	// left are the offsets of rows that the table does not take: Intent.Excluded, and, while offsets are behind the table, those found then.
	left map[int64]bool

	mu    sync.Mutex
	state State // what State returns
}

// position is what is known of everything below next, all of it stored.
type position struct {
	next   int64
	last   int64 // highest offset with a row, -1: none is known
	lastTS int64
	newest int64 // Block.Newest, below 0: not known
}

// New returns a Machine that knows nothing yet: Takeover is called first.
func New(o Options, p Port) *Machine {
	if o.MaxOffsets < 1 {
		panic(fmt.Sprintf("BUG: MaxOffsets is %d", o.MaxOffsets))
	}
	return &Machine{o: o, p: p, table: -1, state: State{Offset: -1, Next: -1, Last: -1}}
}

// State returns what has been committed, and whether the partition is parked.
func (m *Machine) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// publish lets State see what is committed.
func (m *Machine) publish(offset int64, in Intent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Offset, m.state.Next, m.state.Last, m.state.Turn = offset, max(offset, in.Next), in.Last, in.Turn
}

// until makes a call of the Port until it succeeds. Its error is that the generation or the context has ended, or ErrTrimmed.
func (m *Machine) until(ctx context.Context, what string, call func() error) error {
	for failed := false; ; failed = true {
		err := call()
		switch {
		case err == nil:
			if failed { // else the pauses of somebody around this call would begin anew
				m.p.Fine()
			}
			return nil
		case errors.Is(err, ErrFenced), errors.Is(err, ErrTrimmed):
			return fmt.Errorf("%s: %w", what, err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if err := m.p.Pause(ctx, fmt.Errorf("%s: %w", what, err)); err != nil {
			return err
		}
	}
}

// commit commits an intent and makes it the present one. A commit of the present one proves that the generation is still ours.
func (m *Machine) commit(ctx context.Context, in Intent) error {
	text := in.String()
	if !m.o.Protect.Intent {
		text = ""
	}
	err := m.until(ctx, "commit", func() error { return m.p.Commit(ctx, in.First, text) })
	if err != nil {
		return err
	}
	m.intent = in
	m.publish(in.First, in)
	return nil
}

// confirmation is the intent that confirms everything stored and announces nothing.
func (m *Machine) confirmation() Intent {
	return Intent{
		Log: m.o.Log, First: m.at.next, Next: m.at.next, Codec: m.o.Codec, Last: m.at.last, LastTS: m.at.lastTS, Newest: m.at.newest,
		IDs: m.ids, Turn: m.intent.Turn,
	}
}

// announcement is the intent that confirms everything stored and announces a block.
func (m *Machine) announcement(b *Block) Intent {
	in := m.confirmation()
	in.First, in.Next, in.Refused, in.Hash = b.First, b.Next, b.Refused, b.Hash
	for _, p := range b.Parts {
		in.Rows += p.Rows()
	}
	return in
}

// passed moves the position behind a block of which all rows are stored, but those that are left out.
func (m *Machine) passed(b *Block) {
	m.at.next, m.at.newest, m.dirty = b.Next, b.Newest, true
	for _, p := range b.Parts {
		for i := p.Rows() - 1; i >= 0; i-- {
			row := p.Row(i)
			if m.left[row.Offset] {
				// Its time of arrival may be the newest; the table is asked without it.
				m.at.newest = -1
				continue
			}
			if row.Offset > m.at.last {
				m.at.last, m.at.lastTS = row.Offset, row.TS
				m.table = max(m.table, row.Offset)
			}
			if len(m.left) == 0 {
				break
			}
		}
	}
}

// leave makes offsets those of the rows that are left out of blocks.
func (m *Machine) leave(offsets []int64) {
	m.left = nil
	for _, offset := range offsets {
		if m.left == nil {
			m.left = make(map[int64]bool)
		}
		m.left[offset] = true
	}
}

// park waits for people. nil: try again. After a rewind the error is ErrRestart.
func (m *Machine) park(ctx context.Context, p Parked) error {
	p.Table = m.table
	m.setParked(&p)
	decision, err := m.p.Park(ctx, p)
	m.setParked(nil)
	if err != nil {
		return err
	}
	m.p.Fine()
	if !decision.Rewind {
		return nil
	}
	// What is under way has a token of the turn that ends.
	if err := m.kill(ctx); err != nil {
		return err
	}
	m.intent.Turn++
	m.at = position{next: max(0, decision.To), last: -1, newest: -1}
	if err := m.commit(ctx, m.confirmation()); err != nil {
		return err
	}
	return ErrRestart
}

func (m *Machine) setParked(p *Parked) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Parked = p
}

// Commands that people are told of.
func (m *Machine) rewindCommand(to int64) string {
	return fmt.Sprintf("`millrace sink rewind --topic %s --partition %d --to %d`", m.o.Topic, m.o.Partition, to)
}

func (m *Machine) resumeCommand() string {
	return fmt.Sprintf("`millrace sink resume --topic %s --partition %d`", m.o.Topic, m.o.Partition)
}

func (m *Machine) adoptCommand() string {
	return fmt.Sprintf("`millrace sink adopt --topic %s`", m.o.Topic)
}

// expired tells whether a row of that time may be gone from the table by itself. A day is for clocks, and for the server's way of seeing to it.
func (m *Machine) expired(ts int64) bool {
	return m.o.TTL > 0 && ts < m.p.Now()-(m.o.TTL-24*time.Hour).Milliseconds()
}

// bounds are the offsets that the topic holds.
func (m *Machine) bounds(ctx context.Context) (start, end int64, err error) {
	err = m.until(ctx, "ask for the bounds of the topic", func() error {
		start, end, err = m.p.Bounds(ctx)
		return err
	})
	return start, end, err
}
