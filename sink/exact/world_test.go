package exact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
)

// kind is what a record of the model's topic is.
type kind uint8

const (
	good    kind = iota
	refused      // cannot be read: no row, to quarantine
	poison       // can be read, but the table does not take it
	gap          // an offset without a record
)

type record struct {
	kind     kind
	id       byte // client repeats share it
	ts       int64
	received int64
}

func rowID(id byte) [16]byte { return [16]byte{id, 15: id} }

const hour = int64(time.Hour / time.Millisecond)

// january and february are months of the model's table.
var (
	january  = time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC).UnixMilli()
	february = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
)

func monthOf(ts int64) int32 {
	t := time.UnixMilli(ts).UTC()
	return int32(t.Year()*100 + int(t.Month()))
}

// rows is a Part.
type rows []Row

func (r rows) Month() int32  { return monthOf(r[0].TS) }
func (r rows) Rows() int     { return len(r) }
func (r rows) Row(i int) Row { return r[i] }
func (r rows) Span() Span {
	s := Span{r[0].TS, r[0].TS}
	for _, row := range r {
		s.From, s.To = min(s.From, row.TS), max(s.To, row.TS)
	}
	return s
}

func blockOf(first, next int64, all []Row) *Block {
	b := &Block{First: first, Next: next}
	months := map[int32]rows{}
	for _, row := range all {
		b.Hash = b.Hash.Add(row.Offset, row.ID)
		months[monthOf(row.TS)] = append(months[monthOf(row.TS)], row)
	}
	for _, month := range slices.Sorted(maps.Keys(months)) {
		b.Parts = append(b.Parts, months[month])
	}
	return b
}

// flight is a request that the server will see later than its client believes.
type flight struct {
	part  rows
	token string
}

// world is all that lasts: the topic, the group, the table with its view. One thing happens at a time, in the order that a test decides.
type world struct {
	start   int64
	records []record
	protect Protections
	keep    func(generation int) IDs

	generation int
	committed  int64
	metadata   string

	rows       []Row
	tokens     map[string]bool
	view       map[int64]int // rows by hour
	viewTokens map[string]bool
	parts      int
	staged     map[int][]Row // by generation
	audited    map[int64]bool
	flights    []flight
	quarantine map[int64]bool

	viewBroken, tableBroken, viewSaysBadRow bool
	stagingBroken, attachBroken             bool
	mended                                  bool  // the table takes poison
	lowestLost                              int64 // -1: nothing was lost
	now                                     int64

	revoked   bool // there is no time for another attempt
	people    bool // somebody decided something: whatever was frozen is long dead
	fatal     string
	steps     map[Step]int
	incidents int
	parked    map[string]int
	parks     []Parked
	decision  Decision // of the next park, when it is a rewind
	ttl       time.Duration
	size      int64     // of blocks, 0: depends on the generation
	restored  []restore // what ids were restored by
}

type restore struct {
	offset int64
	ids    IDs
	newest int64
}

func newWorld(records []record) *world {
	return &world{
		records: records, protect: Protections{true, true, true}, keep: func(int) IDs { return IDs{Keep: 100, Window: time.Hour} },
		committed: -1, tokens: map[string]bool{}, view: map[int64]int{}, viewTokens: map[string]bool{}, staged: map[int][]Row{}, audited: map[int64]bool{},
		quarantine: map[int64]bool{}, steps: map[Step]int{}, parked: map[string]int{}, now: february + 10*hour, lowestLost: -1,
	}
}

func (w *world) end() int64 { return int64(len(w.records)) }

func (w *world) newPart() string {
	w.parts++
	return fmt.Sprintf("p%d", w.parts)
}

func (w *world) store(part []Row) {
	name := w.newPart()
	for _, row := range part {
		row.Part = name
		w.rows = append(w.rows, row)
	}
}

// insert is what the server does with an INSERT. lost: it is killed after it has logged the token and before it has the part.
func (w *world) insert(part rows, token string, lost bool) *InsertError {
	for _, row := range part {
		if monthOf(row.TS) != part.Month() {
			panic("BUG: an INSERT of two months")
		}
		if w.records[row.Offset].kind == poison && !w.mended {
			return &InsertError{Class: BadRow, Err: errors.New("the table does not take the row")}
		}
	}
	if w.tableBroken {
		return &InsertError{Class: Schema, Cure: "mend it", Err: errors.New("no such column")}
	}
	if token == "" || !w.tokens[token] {
		if token != "" {
			w.tokens[token] = true
		}
		if lost {
			return &InsertError{Class: Retriable, Err: errors.New("the server was killed")}
		}
		w.store(part)
	}
	if w.viewBroken {
		class := Schema
		if w.viewSaysBadRow {
			class = BadRow
		}
		return &InsertError{Class: class, Err: errors.New("a view failed")}
	}
	if token == "" || !w.viewTokens[token] {
		if token != "" {
			w.viewTokens[token] = true
		}
		for _, row := range part {
			w.view[row.TS/hour]++
		}
	}
	return nil
}

// land lets the server see a request that was under way.
func (w *world) land(i int) {
	f := w.flights[i]
	w.flights = slices.Delete(w.flights, i, i+1)
	_ = w.insert(f.part, f.token, false) // nobody waits for the answer
}

func (w *world) landAll() {
	for len(w.flights) > 0 {
		w.land(0)
	}
}

// merge makes one part of all those of each month.
func (w *world) merge() {
	names := map[int32]string{}
	for i, row := range w.rows {
		month := monthOf(row.TS)
		if names[month] == "" {
			names[month] = w.newPart()
		}
		w.rows[i].Part = names[month]
	}
}

// heal ends all that is broken and not to be mended by the protocol.
func (w *world) heal() {
	w.viewBroken, w.tableBroken, w.stagingBroken, w.attachBroken = false, false, false, false
}

// expected is what the table must hold, if ids are told from their repeats as in keep(0).
func (w *world) expected() []Row {
	set := idSet{ids: w.keep(0)}
	var all []Row
	for offset, r := range w.records {
		// What the table takes since it was mended may have been given up before.
		taken := w.mended && (!w.quarantine[int64(offset)] || slices.ContainsFunc(w.rows, func(r Row) bool { return r.Offset == int64(offset) }))
		if r.kind == good || r.kind == poison && taken {
			if row, ok := set.decide(int64(offset), r); ok {
				all = append(all, row)
			}
		}
	}
	return all
}

// check compares the end of a history with what it must be.
func (w *world) check() error {
	if w.fatal != "" {
		return errors.New(w.fatal)
	}
	if w.committed != w.end() {
		return fmt.Errorf("offset %d is committed of %d", w.committed, w.end())
	}
	slices.SortFunc(w.rows, func(a, b Row) int { return cmp.Compare(a.Offset, b.Offset) })
	compact := func(all []Row) (s []string) {
		for _, row := range all {
			s = append(s, fmt.Sprintf("%d=%x", row.Offset, row.ID[0]))
		}
		return s
	}
	have, want := compact(w.rows), compact(w.expected())
	if !slices.Equal(have, want) {
		return fmt.Errorf("the table has %v, want %v", have, want)
	}
	for offset, r := range w.records {
		out := w.quarantine[int64(offset)]
		if must := r.kind == refused || r.kind == poison && !w.mended; must && !out || out && r.kind != refused && r.kind != poison {
			return fmt.Errorf("record %d is in quarantine: %v", offset, out)
		}
	}
	return w.checkView()
}

func (w *world) checkView() error {
	recomputed := map[int64]int{}
	for _, row := range w.rows {
		recomputed[row.TS/hour]++
	}
	for h := range int64(200) {
		h += january / hour
		if !w.audited[h] && recomputed[h] != w.view[h] {
			return fmt.Errorf("the view has %d rows of hour %d, the table %d, and nobody looks", w.view[h], h, recomputed[h])
		}
	}
	return nil
}

// idSet is the ids that clients may repeat.
type idSet struct {
	ids    IDs
	last   []record
	newest int64
}

// decide tells whether a record has a row, and remembers its id.
func (s *idSet) decide(offset int64, r record) (Row, bool) {
	if slices.ContainsFunc(s.last, func(old record) bool { return old.id == r.id && old.received >= s.newest-s.ids.Window.Milliseconds() }) {
		return Row{}, false
	}
	s.add(r)
	return Row{Offset: offset, ID: rowID(r.id), TS: r.ts}, true
}

func (s *idSet) add(r record) {
	s.last = append(s.last, r)
	if len(s.last) > s.ids.Keep {
		s.last = s.last[1:]
	}
	s.newest = max(s.newest, r.received)
}

// verdict is what becomes of one call.
type verdict uint8

const (
	fine    verdict = iota
	fail            // it fails, and nothing has happened
	unknown         // it fails, and has happened
	lost            // an INSERT: the server is killed between token and part
	late            // an INSERT: it fails, and will happen later
	forget          // an INSERT: it fails, has happened, and its token is forgotten
	unsent          // an INSERT: it is known not to have been sent
	odd             // an INSERT: it fails with a code that nobody knows
	numVerdicts
)

func (v verdict) String() string {
	return [...]string{"fine", "fail", "unknown", "lost", "late", "forget", "unsent", "odd"}[v]
}

var (
	errModel   = errors.New("it failed")
	errRevoked = errors.New("the generation has ended")
)

// owner is a Machine, its Port and the worker that drives them. It stops before each call, until it is told what becomes of it.
type owner struct {
	w          *world
	generation int
	size       int64 // of blocks
	m          *Machine
	set        idSet

	ctx     context.Context
	cancel  context.CancelFunc
	resume  func() (string, bool)
	stop    func()
	yield   func(string) bool
	verdict verdict
	call    string // that it stands before
	done    bool
	err     error
}

type crashed struct{}

// newOwner begins a generation.
func (w *world) newOwner() *owner {
	w.generation++
	o := &owner{w: w, generation: w.generation, size: int64(3 + (w.generation*2)%5)}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	if w.size > 0 {
		o.size = w.size
	}
	o.m = New(Options{
		TTL: w.ttl,
		Log: 3, Partition: 1, Topic: "events", Codec: 1, MaxOffsets: 32, IDs: w.keep(w.generation), Protect: w.protect,
	}, o)
	o.resume, o.stop = iter.Pull(func(yield func(string) bool) {
		defer func() {
			if r := recover(); r != nil && r != any(crashed{}) {
				panic(r)
			}
		}()
		o.yield = yield
		o.err = o.run()
	})
	o.step(fine)
	return o
}

// step lets the call that the owner stands before happen, and brings it to the next.
func (o *owner) step(v verdict) {
	o.verdict = v
	call, ok := o.resume()
	o.call, o.done = call, !ok
}

func (o *owner) crash() {
	o.stop()
	o.cancel()
	o.done = true
}

// await stands before a call.
func (o *owner) await(call string) verdict {
	if !o.yield(call) {
		panic(crashed{})
	}
	return o.verdict
}

// plain is a call that only may fail or not.
func (o *owner) plain(call string) error {
	if o.await(call) != fine {
		return errModel
	}
	return nil
}

// act is a call that changes the world.
func (o *owner) act(call string, do func() error) error {
	v := o.await(call)
	if v == fail || v == unsent || v == odd {
		return errModel
	}
	if err := do(); err != nil || v == fine {
		return err
	}
	return errModel
}

// run is what a worker does: everything up to the end of the topic.
func (o *owner) run() error {
	ctx := o.ctx
	for {
		next, err := o.m.Takeover(ctx)
		if err != nil {
			return err
		}
		for next < o.w.end() && err == nil {
			b := o.decode(next, min(o.w.end(), next+o.size))
			for o.plain("reject") != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			o.reject(b)
			next = b.Next
			err = o.m.Store(ctx, b)
		}
		if err == nil {
			err = o.m.Confirm(ctx)
		}
		if !errors.Is(err, ErrRestart) {
			return err
		}
	}
}

func (o *owner) decode(first, next int64) *Block {
	var all []Row
	n := 0
	for offset := first; offset < next; offset++ {
		switch r := o.w.records[offset]; r.kind {
		case refused:
			n++
		case good, poison:
			if row, ok := o.set.decide(offset, r); ok {
				all = append(all, row)
			}
		}
	}
	b := blockOf(first, next, all)
	b.Refused, b.Newest = n, o.set.newest
	return b
}

func (o *owner) reject(b *Block) {
	for offset := b.First; offset < b.Next; offset++ {
		if o.w.records[offset].kind == refused {
			o.w.quarantine[offset] = true
		}
	}
}

func (o *owner) Step(s Step) { o.w.steps[s]++ }

func (o *owner) Now() int64 {
	o.w.now++
	return o.w.now
}

func (o *owner) Committed(context.Context) (int64, string, error) {
	err := o.plain("committed")
	return o.w.committed, o.w.metadata, err
}

func (o *owner) Bounds(context.Context) (int64, int64, error) {
	err := o.plain("bounds")
	return o.w.start, o.w.end(), err
}

func (o *owner) Commit(_ context.Context, offset int64, metadata string) error {
	return o.act("commit", func() error {
		if o.generation != o.w.generation {
			return ErrFenced
		}
		o.w.committed, o.w.metadata = offset, metadata
		return nil
	})
}

func (o *owner) Restore(_ context.Context, offset int64, ids IDs, newest int64) error {
	if err := o.plain("restore"); err != nil {
		return err
	}
	o.w.restored = append(o.w.restored, restore{offset, ids, newest})
	o.set = idSet{ids: ids}
	byOffset := map[int64]record{}
	var most int64
	for _, row := range o.w.rows {
		if row.Offset < offset {
			byOffset[row.Offset] = o.w.records[row.Offset]
			most = max(most, o.w.records[row.Offset].received)
		}
	}
	if newest >= 0 && newest != most && o.w.lowestLost < 0 && o.generation == o.w.generation && o.w.keep(1) == o.w.keep(2) {
		o.w.fatal = fmt.Sprintf("newest below offset %d is said to be %d, and is %d", offset, newest, most)
	}
	for _, at := range slices.Sorted(maps.Keys(byOffset)) {
		o.set.add(byOffset[at])
	}
	o.set.newest = max(most, newest)
	return nil
}

func (o *owner) Read(_ context.Context, first, next int64) (*Block, error) {
	if err := o.plain("read"); err != nil {
		return nil, err
	}
	if first < o.w.start {
		return nil, ErrTrimmed
	}
	b := o.decode(first, next)
	o.reject(b)
	return b, nil
}

func (o *owner) ReadSome(ctx context.Context, first, next int64) (*Block, error) {
	return o.Read(ctx, first, min(next, first+3))
}

func (o *owner) Select(_ context.Context, first, next int64, offsets []int64) (*Block, error) {
	if err := o.plain("select"); err != nil {
		return nil, err
	}
	if first < o.w.start {
		return nil, ErrTrimmed
	}
	var all []Row
	for _, offset := range offsets {
		r := o.w.records[offset]
		all = append(all, Row{Offset: offset, ID: rowID(r.id), TS: r.ts})
	}
	return blockOf(first, next, all), nil
}

func (o *owner) RecordID(_ context.Context, offset int64) ([16]byte, bool, error) {
	err := o.plain("record")
	if r := o.w.records[offset]; offset >= o.w.start && (r.kind == good || r.kind == poison) {
		return rowID(r.id), true, err
	}
	return [16]byte{}, false, err
}

func (o *owner) Insert(_ context.Context, p Part, token string) error {
	o.Step(MidSend)
	part := p.(rows)
	v := o.await("insert")
	switch v {
	case fail:
		return &InsertError{Class: Retriable, Err: errModel}
	case unsent:
		return &InsertError{Class: Retriable, Unsent: true, Err: errModel}
	case odd:
		return &InsertError{Class: Unknown, Err: errModel}
	case late:
		o.w.flights = append(o.w.flights, flight{part, token})
		return &InsertError{Class: Retriable, Err: errModel}
	}
	if err := o.w.insert(part, token, v == lost); err != nil {
		return err
	}
	if v == forget {
		delete(o.w.tokens, token)
		delete(o.w.viewTokens, token)
	}
	if v != fine {
		return &InsertError{Class: Retriable, Err: errModel}
	}
	return nil
}

func (o *owner) Highest(_ context.Context, from int64) (int64, error) {
	err := o.plain("highest")
	high := int64(-1)
	for _, row := range o.w.rows {
		if row.Offset >= from {
			high = max(high, row.Offset)
		}
	}
	return high, err
}

func (o *owner) Stored(_ context.Context, first, next int64, span *Span) ([]Row, error) {
	if err := o.plain("stored"); err != nil {
		return nil, err
	}
	var all []Row
	for _, row := range o.w.rows {
		if row.Offset >= first && row.Offset < next && (span == nil || row.TS >= span.From && row.TS <= span.To) {
			all = append(all, row)
		}
	}
	if o.generation%2 == 0 {
		slices.Reverse(all) // rows of one offset come in any order
	}
	slices.SortStableFunc(all, func(a, b Row) int { return cmp.Compare(a.Offset, b.Offset) })
	return all, nil
}

func (o *owner) Kill(context.Context, string) error { return o.plain("kill") } // too late for all of them

func (o *owner) Unstage(context.Context) error {
	return o.act("unstage", func() error {
		clear(o.w.staged)
		return nil
	})
}

func (o *owner) Stage(_ context.Context, b *Block) error {
	return o.act("stage", func() error {
		if o.w.stagingBroken {
			return errors.New("no such database")
		}
		delete(o.w.staged, o.generation)
		var all []Row
		for _, p := range b.Parts {
			for i := range p.Rows() {
				if o.w.records[p.Row(i).Offset].kind == poison && !o.w.mended {
					return &InsertError{Class: BadRow, Err: errors.New("the table does not take the row")}
				}
				all = append(all, p.Row(i))
			}
		}
		o.w.staged[o.generation] = all
		return nil
	})
}

func (o *owner) Attach(context.Context) error {
	return o.act("attach", func() error {
		all, ok := o.w.staged[o.generation]
		if !ok || o.w.attachBroken {
			return errors.New("no such staging table")
		}
		o.w.store(all)
		o.w.staged[o.generation] = nil
		return nil
	})
}

func (o *owner) Delete(_ context.Context, first, next int64, parts []string) error {
	return o.act("delete", func() error {
		o.w.rows = slices.DeleteFunc(o.w.rows, func(r Row) bool { return r.Offset >= first && r.Offset < next && slices.Contains(parts, r.Part) })
		for i, row := range o.w.rows {
			if slices.Contains(parts, row.Part) {
				o.w.rows[i].Part += "'" // the others may keep their names, or not
			}
		}
		return nil
	})
}

func (o *owner) Audit(_ context.Context, b *Block) error {
	return o.act("audit", func() error {
		for _, p := range b.Parts {
			for i := range p.Rows() {
				o.w.audited[p.Row(i).TS/hour] = true
			}
		}
		return nil
	})
}

func (o *owner) Quarantine(_ context.Context, offset int64, _ error) error {
	return o.act("quarantine", func() error {
		o.w.quarantine[offset] = true
		return nil
	})
}

func (o *owner) Trimmed(int64, int64) { o.w.incidents++ }

func (o *owner) Incident(string, ...any) { o.w.incidents++ }

func (o *owner) Pause(context.Context, error) error {
	if o.w.revoked {
		return errRevoked
	}
	return nil
}
func (o *owner) Fine() {}

func (o *owner) Park(_ context.Context, p Parked) (Decision, error) {
	o.await("park")
	w := o.w
	if w.revoked {
		return Decision{}, errRevoked
	}
	w.parked[p.Reason]++
	w.parks = append(w.parks, p)
	if o.m.State().Parked == nil {
		panic("BUG: State does not say that it is parked")
	}
	if o.generation != w.generation {
		return Decision{}, ErrFenced // whoever waits sees its generation end
	}
	if w.decision.Rewind {
		d := w.decision
		w.decision = Decision{}
		return d, nil
	}
	switch p.Reason {
	case "schema", "unknown_error", "staging", "not_mended":
		w.heal()
		return Decision{}, nil
	case "bad_rows":
		w.mended, w.people = true, true
		w.flights = nil
		return Decision{}, nil
	case "rows_lost":
		w.people = true
		w.flights = nil
		return Decision{Rewind: true, To: w.lowestLost}, nil
	}
	w.fatal = fmt.Sprintf("parked: %+v", p)
	return Decision{}, errModel
}
