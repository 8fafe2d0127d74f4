package ledger

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testHeader(producers int) Header {
	h := Header{Run: NewRunID().String(), Started: time.Unix(1730000000, 0).UTC(), Scenario: "quick", Dialect: "segment", Target: "http://127.0.0.1:1", Database: "millrace", ProbeEvent: "p"}
	for p := range producers {
		h.Producers = append(h.Producers, []Slot{{Hash: uint64(p) << 40, User: 7}, {Kind: Invalid, Late: 1000}, {Kind: Duplicate, Back: 2, Hash: 1 << 63}})
	}
	return h
}

// anyEntries are entries of one producer in order, with gaps.
func anyEntries(t *rapid.T, producer uint16) []Entry {
	n := rapid.IntRange(0, 40).Draw(t, "entries")
	var all []Entry
	next := uint64(0)
	for range n {
		e := Entry{
			Producer: producer,
			Seq:      next + rapid.Uint64Range(0, 3).Draw(t, "gap"),
			Events:   rapid.Uint16Range(1, 65535).Draw(t, "events"),
			Stamp:    rapid.Int64().Draw(t, "stamp"),
			Intended: rapid.Int64().Draw(t, "intended"),
			Sent:     rapid.Int64().Draw(t, "sent"),
			Done:     rapid.Int64().Draw(t, "done"),
			Status:   rapid.Uint16().Draw(t, "status"),
			Answer:   Answer(rapid.IntRange(0, int(Unknown)).Draw(t, "answer")),
		}
		for range rapid.IntRange(0, min(5, int(e.Events))).Draw(t, "results") {
			e.Results = append(e.Results, Result{rapid.Uint16Range(0, e.Events-1).Draw(t, "index"), Answer(rapid.IntRange(0, int(Unknown)).Draw(t, "result"))})
		}
		next = e.Seq + uint64(e.Events)
		all = append(all, e)
	}
	return all
}

// read returns what a ledger holds, by producer.
func read(t testing.TB, r *Reader) [][]Entry {
	t.Helper()
	all := make([][]Entry, len(r.Header().Producers))
	for p := range all {
		for e, err := range r.Entries(uint16(p)) {
			if err != nil {
				t.Fatal(err)
			}
			c := *e
			c.Results = append([]Result(nil), e.Results...)
			all[p] = append(all[p], c)
		}
	}
	return all
}

func open(t testing.TB, path string) *Reader {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, string(rune('a'+n%26))+strings.Repeat("x", n/26))
		h := testHeader(rapid.IntRange(1, 4).Draw(rt, "producers"))
		if rapid.Bool().Draw(rt, "many slots") {
			for range slotsPerFrame + 3 {
				h.Producers[0] = append(h.Producers[0], Slot{Hash: 5, User: 1<<32 - 1, Late: 1<<63 - 1})
			}
		}
		w, err := Create(path, h)
		if err != nil {
			rt.Fatal(err)
		}
		want := make([][]Entry, len(h.Producers))
		left, events := 0, uint64(0)
		for p := range want {
			want[p] = anyEntries(rt, uint16(p))
			left += len(want[p])
		}
		at := make([]int, len(want))
		for left > 0 {
			p := rapid.IntRange(0, len(want)-1).Draw(rt, "producer")
			if at[p] == len(want[p]) {
				continue
			}
			e := &want[p][at[p]]
			if err := w.Append(e); err != nil {
				rt.Fatal(err)
			}
			events += uint64(e.Events)
			at[p]++
			left--
		}
		if err := w.Close(); err != nil {
			rt.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close() //nolint:errcheck // read only
		if !r.Complete() || r.Torn() != 0 || r.Totals().Events != events {
			rt.Fatalf("complete %v, torn %d, %+v, want %d events", r.Complete(), r.Torn(), r.Totals(), events)
		}
		if err := h.complete(); err != nil {
			rt.Fatal(err)
		}
		if got := *r.Header(); !reflect.DeepEqual(got, h) {
			rt.Fatalf("header %+v\nwant %+v", got, h)
		}
		for p, got := range read(t, r) {
			if len(got) != len(want[p]) {
				rt.Fatalf("producer %d: %d entries, want %d", p, len(got), len(want[p]))
			}
			for i := range got {
				if !reflect.DeepEqual(got[i], want[p][i]) {
					rt.Fatalf("producer %d: entry %d is %+v, want %+v", p, i, got[i], want[p][i])
				}
			}
			if len(got) > 0 && r.End(uint16(p)) != got[len(got)-1].Seq+uint64(got[len(got)-1].Events) {
				rt.Fatalf("end of producer %d: %d", p, r.End(uint16(p)))
			}
		}
	})
}

// Cut off anywhere, a ledger gives a beginning of what was written, in whole blocks, and never claims to be complete.
func TestTornTailAtEveryByte(t *testing.T) {
	h := testHeader(2)
	preamble, err := h.appendPreamble(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Blocks of one entry each, so that there are many places to stop at.
	full := append([]byte(nil), preamble...)
	ends := map[int]int{len(full): 0} // length of the file → entries
	blocks := make([]block, 2)
	for i := range 10 {
		p := i % 2
		blocks[p].append(&Entry{Seq: uint64(i / 2 * 3), Events: 3, Stamp: 5, Results: []Result{{Index: 2, Answer: Dropped}}})
		full = blocks[p].seal(full, uint16(p))
		ends[len(full)] = i + 1
	}
	last := len(full)
	full = appendFrame(full, []byte{kindEnd, 10, 30})
	path := filepath.Join(t.TempDir(), "ledger")
	want := 0
	for n := range len(full) + 1 {
		if err := os.WriteFile(path, full[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if n < len(preamble) {
			if err == nil || !(strings.Contains(err.Error(), "is no ledger") || strings.Contains(err.Error(), "ends within its header")) {
				t.Fatalf("cut at %d of the header: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if at, ok := ends[n]; ok {
			want = at
		}
		got := 0
		for _, entries := range read(t, r) {
			got += len(entries)
		}
		if got != want || int(r.Totals().Entries) != want || r.Complete() != (n == len(full)) {
			t.Errorf("cut at %d: %d entries, want %d; complete %v", n, got, want, r.Complete())
		}
		if _, whole := ends[n]; (r.Torn() == 0) != (whole || n == len(full)) {
			t.Errorf("cut at %d: torn %d", n, r.Torn())
		}
		_ = r.Close()
	}
	if last == len(full) || want != 10 {
		t.Fatal("BUG: the test saw no block")
	}
	for name, tail := range map[string][]byte{"zeros": make([]byte, 100), "garbage": []byte("garbage behind it all")} {
		if err := os.WriteFile(path, append(full[:len(full):len(full)], tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := open(t, path); r.Complete() || r.Totals().Entries != 10 {
			t.Errorf("%s after the mark: complete %v, %+v", name, r.Complete(), r.Totals())
		}
	}
	damaged := append([]byte(nil), full...)
	damaged[len(preamble)+frameHead+3]++
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := open(t, path); r.Complete() || r.Totals().Entries != 0 {
		t.Errorf("damage in the first block: complete %v, %+v", r.Complete(), r.Totals())
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	h := testHeader(1)
	good, err := h.appendPreamble(nil)
	if err != nil {
		t.Fatal(err)
	}
	other := append([]byte(nil), good...)
	other[len(magic)] = 9
	var b block
	b.append(&Entry{Seq: 5, Events: 2})
	one := b.seal(nil, 0)
	b.next = 0
	b.append(&Entry{Seq: 6, Events: 2})
	overlap := b.seal(nil, 0)
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for want, data := range map[string][]byte{
		"is no ledger: it does not begin with":             []byte(`{"run":"x"}`),
		"format 9: this program reads 1":                   other,
		"ends within its header":                           good[:len(good)-1],
		"begins with 6 after 6 was recorded":               join(good, one, overlap),
		"closing mark counts 3 entries":                    join(good, one, appendFrame(nil, []byte{kindEnd, 3, 2})),
		"is not what must come here":                       join(good, appendFrame(nil, []byte("?"))),
		"block: its checksum is right":                     join(good, appendFrame(nil, []byte{kindEntries, 0, 200, 0})),
		"header: producer 0 has -1 slots":                  join(good[:preambleLen], appendFrame(nil, []byte(`H{"run":"000000000001","slots":[-1]}`))),
		"are not those that the header names":              join(good[:preambleLen], appendFrame(nil, []byte(`H{"run":"000000000001","slots":[1]}`)), appendFrame(nil, []byte{kindSlots, 0, 1})),
		"0 producers: must be 1 to 4096":                   join(good[:preambleLen], appendFrame(nil, []byte(`H{"run":"000000000001"}`))),
		`"x" is no run id: 12 hexadecimal digits are`:      join(good[:preambleLen], appendFrame(nil, []byte(`H{"run":"x"}`))),
		"producer 0: slot 0 is of kind 2, 0 ms late and 1": join(good[:preambleLen], appendFrame(nil, []byte(`H{"run":"000000000001","slots":[1]}`)), appendFrame(nil, (&Slot{Kind: Duplicate, Back: 1}).append([]byte{kindSlots, 0}))),
	} {
		path := filepath.Join(t.TempDir(), "ledger")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err == nil {
			_ = r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want %q with the path", err, want)
		}
	}
}

func TestCreateAndAppendRefuse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	for want, change := range map[string]func(*Header){
		"0 producers":                     func(h *Header) { h.Producers = nil },
		"4097 producers":                  func(h *Header) { h.Producers = make([][]Slot, 4097) },
		"producer 1 has no slots":         func(h *Header) { h.Producers[1] = nil },
		"is no run id":                    func(h *Header) { h.Run = "" },
		"slot 0 is of kind 2":             func(h *Header) { h.Producers[0][0] = Slot{Kind: Duplicate, Back: 1} },
		"slot 2 is of kind 2":             func(h *Header) { h.Producers[0][2].Back = 1 }, // an Invalid one
		"slot 1 is of kind 1, -5 ms late": func(h *Header) { h.Producers[0][1].Late = -5 },
	} {
		h := testHeader(2)
		change(&h)
		if _, err := Create(path, h); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for want, e := range map[string]Entry{
		"producer 2: the header has 2":     {Producer: 2, Seq: 10, Events: 1},
		"no events":                        {Seq: 10},
		"5 comes after 9 was recorded":     {Seq: 5, Events: 1},
		"an id has no room":                {Seq: 1 << 48, Events: 1},
		"answer 4 is none":                 {Seq: 10, Events: 1, Answer: 4},
		"result 0 for event 1 of 1":        {Seq: 10, Events: 1, Results: []Result{{Index: 1}}},
		"result 4 for event 0 of 1":        {Seq: 10, Events: 1, Results: []Result{{Answer: 4}}},
		"2 results for 1 events":           {Seq: 10, Events: 1, Results: make([]Result, 2)},
		"producer 65535: the header has 2": {Producer: 65535, Seq: 10, Events: 1},
	} {
		path := filepath.Join(t.TempDir(), "ledger")
		w, err := Create(path, testHeader(2))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(&Entry{Seq: 9, Events: 1}); err != nil {
			t.Fatal(err)
		}
		err = w.Append(&e)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if again := w.Append(&Entry{Seq: 10, Events: 1}); !errors.Is(again, err) {
			t.Errorf("the next Append: %v, want %v again", again, err)
		}
		if closing := w.Close(); !errors.Is(closing, err) {
			t.Errorf("Close: %v, want %v", closing, err)
		}
		if r := open(t, path); r.Complete() || r.Totals().Entries != 1 {
			t.Errorf("after an error: complete %v, %+v", r.Complete(), r.Totals())
		}
		if _, err := Create(path, testHeader(2)); !errors.Is(err, os.ErrExist) {
			t.Errorf("over an old ledger: %v", err)
		}
	}
}

// lab is a file whose disk can be full.
type lab struct {
	mu      sync.Mutex
	data    []byte
	synced  []byte
	err     error
	syncErr error
	closed  bool
}

func (l *lab) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		l.data = append(l.data, b[:len(b)/2]...)
		return len(b) / 2, l.err
	}
	l.data = append(l.data, b...)
	return len(b), nil
}

func (l *lab) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = append(l.synced[:0], l.data...)
	return l.syncErr
}

func (l *lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// state is what was written, what of it is on disk, and whether the file is closed.
func (l *lab) state() (data, synced []byte, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.data), slices.Clone(l.synced), l.closed
}

// repair makes room on the disk.
func (l *lab) repair() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.syncErr = nil, nil
}

func TestEntriesAreSyncedEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{}
		w := newWriter(l, t.TempDir(), 1)
		go w.run()
		if err := w.Append(&Entry{Events: 1, Stamp: 77}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if data, _, _ := l.state(); len(data) > 0 {
			t.Fatalf("%d bytes written before the second is over", len(data))
		}
		<-time.After(syncEvery)
		synctest.Wait()
		var b block
		b.append(&Entry{Events: 1, Stamp: 77})
		want := b.seal(nil, 0)
		if _, synced, _ := l.state(); !bytes.Equal(synced, want) {
			t.Errorf("on disk after a second: %x, want %x", synced, want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		want = appendFrame(want, []byte{kindEnd, 1, 1})
		if _, synced, closed := l.state(); !bytes.Equal(synced, want) || !closed {
			t.Errorf("on disk after Close: %x, want %x; closed %v", synced, want, closed)
		}
		if err := w.Append(&Entry{Seq: 1, Events: 1}); !errors.Is(err, errClosed) {
			t.Errorf("Append after Close: %v", err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

func TestDiskErrorsStay(t *testing.T) {
	full := errors.New("disk is full")
	for name, broken := range map[string]*lab{"write": {err: full}, "sync": {syncErr: full}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWriter(broken, t.TempDir(), 1)
			go w.run()
			if err := w.Append(&Entry{Events: 1}); err != nil {
				t.Fatal(err)
			}
			<-time.After(syncEvery)
			synctest.Wait()
			broken.repair() // there is room again, but a piece is missing
			before, _, _ := broken.state()
			if err := w.Append(&Entry{Seq: 1, Events: 1}); !errors.Is(err, full) {
				t.Errorf("%s: Append: %v", name, err)
			}
			if err := w.Close(); !errors.Is(err, full) {
				t.Errorf("%s: Close: %v", name, err)
			}
			if after, _, closed := broken.state(); len(after) != len(before) || !closed {
				t.Errorf("%s: %d bytes written after the error, closed %v", name, len(after)-len(before), closed)
			}
		})
	}
}

// With a disk that is far behind Append waits rather than to take all memory, and goes on when there is room.
func TestAppendWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{}
		w := newWriter(l, t.TempDir(), 1)
		w.pending = make([]byte, waitBytes) // what the disk did not take yet
		go w.run()
		appended := make(chan error, 1)
		go func() { appended <- w.Append(&Entry{Events: 1}) }()
		synctest.Wait()
		select {
		case err := <-appended:
			t.Fatalf("went into memory: %v", err)
		default:
		}
		<-time.After(syncEvery)
		if err := <-appended; err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, synced, _ := l.state(); len(synced) <= waitBytes {
			t.Errorf("%d bytes on disk: the entry is not among them", len(synced))
		}
	})
}

// An Append that waits ends with the ledger.
func TestCloseEndsAppendsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(&lab{}, t.TempDir(), 1)
		w.pending = make([]byte, waitBytes)
		appended := make(chan error, 1)
		go func() { appended <- w.Append(&Entry{Events: 1}) }()
		synctest.Wait()
		go w.run()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := <-appended; err != nil && !errors.Is(err, errClosed) {
			t.Error(err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	w, err := Create(filepath.Join(b.TempDir(), "ledger"), testHeader(32))
	if err != nil {
		b.Fatal(err)
	}
	var seq [32]uint64
	now := time.Now().UnixNano()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := i % 32
		at := now + int64(i)*20_000
		e := Entry{Producer: uint16(p), Seq: seq[p], Events: 100, Stamp: at / 1e6, Intended: at, Sent: at + 31_000, Done: at + 5_300_000, Status: 200}
		seq[p] += 100
		if err := w.Append(&e); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(w.dir, "ledger")); err == nil {
		b.ReportMetric(float64(info.Size())/float64(w.entries), "B/entry")
	}
}

// Fuzzing makes little progress unless -fuzzminimizetime is short.
func FuzzOpen(f *testing.F) {
	h := testHeader(2)
	good, err := h.appendPreamble(nil)
	if err != nil {
		f.Fatal(err)
	}
	var b block
	b.append(&Entry{Seq: 5, Events: 2, Results: []Result{{Index: 1, Answer: Dropped}}})
	b.append(&Entry{Seq: 7, Events: 2})
	f.Add(appendFrame(b.seal(good, 1), []byte{kindEnd, 2, 4}))
	f.Add(good)
	f.Add(appendFrame(good[:preambleLen:preambleLen], []byte(`H{"run":"000000000001","slots":[1000000000]}`)))
	path := filepath.Join(f.TempDir(), "ledger")
	f.Fuzz(func(t *testing.T, data []byte) {
		// The fuzzer cannot guess checksums: they are put right, so that it reaches what lies behind them.
		if len(data) > preambleLen {
			fixed := append([]byte(nil), data[:preambleLen]...)
			for rest := data[preambleLen:]; len(rest) > frameHead; {
				n := min(max(int(rest[0])|int(rest[1])<<8, 1), len(rest)-frameHead)
				fixed = appendFrame(fixed, rest[frameHead:frameHead+n])
				rest = rest[frameHead+n:]
			}
			fuzzOne(t, path, fixed)
		}
		fuzzOne(t, path, data)
	})
}

func fuzzOne(t *testing.T, path string, data []byte) {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := Open(path)
	runtime.ReadMemStats(&after)
	// The read buffer, a body, and tables for every producer; then what the bytes of the file can stand for.
	if limit := uint64(4<<20 + 64*len(data)); after.TotalAlloc-before.TotalAlloc > limit {
		t.Errorf("%d bytes allocated for a file of %d", after.TotalAlloc-before.TotalAlloc, len(data))
	}
	if err != nil {
		return
	}
	defer r.Close() //nolint:errcheck // read only
	var totals Totals
	broken := false
	for p := range r.Header().Producers {
		next := uint64(0)
		for e, err := range r.Entries(uint16(p)) {
			if err != nil {
				broken = true
				break
			}
			if e.Seq < next || e.Events == 0 || e.Answer > Unknown {
				t.Fatalf("producer %d: %+v after %d", p, e, next)
			}
			next = e.Seq + uint64(e.Events)
			totals.Entries++
			totals.Events += uint64(e.Events)
		}
	}
	if !broken && totals.Entries != r.Totals().Entries {
		t.Fatalf("read %+v, the index says %+v", totals, r.Totals())
	}
}
