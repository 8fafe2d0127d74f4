package sink

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/sink/exact"
)

// heldStore takes blocks and answers when told to.
type heldStore struct {
	blocks    chan *block
	answer    chan error
	confirms  int
	takeovers int
	next      int64 // where a takeover ends
	closed    bool
}

func (s *heldStore) takeover() (int64, error) {
	s.takeovers++
	return s.next, nil
}

func (s *heldStore) block(b *block) error {
	s.blocks <- b
	return <-s.answer
}

func (s *heldStore) confirm() error {
	s.confirms++
	return nil
}

func (s *heldStore) close() { s.closed = true }

// workerTest runs one worker in a synctest bubble.
type workerTest struct {
	*worker
	store   *heldStore
	revoked chan struct{}
	result  chan error
	next    int64
}

func startWorker(t *testing.T, cfg Config) *workerTest {
	m := newMetrics(metrics.NewSet(), eventsTable, quarantineTable)
	f := &fetcher{cfg: &cfg, log: slog.New(slog.DiscardHandler), metrics: m, wake: make(map[int32]chan struct{}), stale: make(chan struct{}, 1)}
	tp := broker.TopicPartition{Topic: "events", Partition: 5}
	stats := m.assign(tp)
	w := &workerTest{
		store:   &heldStore{blocks: make(chan *block), answer: make(chan error), next: 100},
		revoked: make(chan struct{}),
		result:  make(chan error, 1),
		next:    100,
	}
	c := testCutter(cfg)
	w.worker = &worker{src: f.add(tp, stats), fetcher: f, cutter: c, slots: make(chan struct{}, 1), store: w.store, stats: stats, asker: &asker{}}
	go func() { w.result <- w.run(w.revoked) }()
	synctest.Wait() // the takeover is over
	return w
}

// give hands the worker n records. It must have room.
func (w *workerTest) give(t *testing.T, n int) {
	w.fetcher.mu.Lock()
	w.src.state = decoding
	w.fetcher.mu.Unlock()
	w.src.out <- recordSet{records: plainSet(t, w.next, n), from: w.next}
	w.next += int64(n)
	synctest.Wait()
}

// paused tells that the worker has not finished its record set, so that the partition is not fetched.
func (w *workerTest) paused() bool {
	w.fetcher.mu.Lock()
	defer w.fetcher.mu.Unlock()
	return w.src.state == decoding
}

func TestWorkerCutsByAgeWhenNothingMoreComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWorker(t, DefaultConfig())
		<-time.After(10 * time.Minute) // an empty block has no age
		begun := time.Now()
		w.give(t, 3)
		b := <-w.store.blocks
		if age := time.Since(begun); age != time.Second || b.rows != 3 || b.first != 100 || b.next != 103 {
			t.Errorf("block of %d rows, %d to %d, after %v", b.rows, b.first, b.next, age)
		}
		w.store.answer <- nil
		close(w.src.out)
		if err := <-w.result; err != nil || w.left != 0 || !w.store.closed {
			t.Errorf("ended with %v, %d rows left, store closed %v", err, w.left, w.store.closed)
		}
	})
}

func TestWorkerHoldsTwoBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.BlockRows = 10
		w := startWorker(t, cfg)
		w.give(t, 10)
		first := <-w.store.blocks
		w.give(t, 25) // 10 of them are the second block; 15 wait in the record set
		if !w.paused() || w.cutter.forming.rows != 10 {
			t.Fatalf("paused %v with %d rows forming", w.paused(), w.cutter.forming.rows)
		}
		<-time.After(time.Hour) // however old the second block gets, the first is not confirmed
		synctest.Wait()
		select {
		case <-w.store.blocks:
			t.Fatal("two blocks under way")
		default:
		}
		w.store.answer <- nil
		second := <-w.store.blocks
		w.store.answer <- nil
		third := <-w.store.blocks
		synctest.Wait()
		if w.paused() || w.src.offset != 135 {
			t.Errorf("paused %v, next fetch at %d", w.paused(), w.src.offset)
		}
		w.store.answer <- nil
		for i, b := range []*block{first, second, third} {
			if b.first != int64(100+10*i) || b.next != b.first+10 {
				t.Errorf("block %d covers %d to %d", i, b.first, b.next-1)
			}
		}
		// Draining stores the last five at once.
		begun := time.Now()
		close(w.src.out)
		if b := <-w.store.blocks; b.rows != 5 || time.Since(begun) != 0 {
			t.Errorf("last block: %d rows after %v", b.rows, time.Since(begun))
		}
		w.store.answer <- nil
		if err := <-w.result; err != nil {
			t.Error(err)
		}
	})
}

func TestRevokedWorkerFinishesItsBlockAndDropsTheForming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.BlockRows = 10
		w := startWorker(t, cfg)
		w.give(t, 10)
		<-w.store.blocks
		w.give(t, 4)
		close(w.revoked)
		synctest.Wait()
		select {
		case err := <-w.result:
			t.Fatalf("did not wait for the block under way: %v", err)
		default:
		}
		w.store.answer <- nil
		if err := <-w.result; !errors.Is(err, errRevoked) || w.left != 4 {
			t.Errorf("ended with %v, %d rows left", err, w.left)
		}
	})
}

func TestWorkerStoresNothingAfterABlockThatWasNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.BlockRows = 10
		w := startWorker(t, cfg)
		w.give(t, 10)
		<-w.store.blocks
		w.give(t, 10)
		w.store.answer <- exact.ErrFenced
		if err := <-w.result; !errors.Is(err, exact.ErrFenced) || w.left != 20 {
			t.Errorf("ended with %v, %d rows left", err, w.left)
		}
	})
}

// What is stored is confirmed at once when no block is ready to do it, and by the next block when one is.
func TestStoredBlockIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.BlockRows = 10
		w := startWorker(t, cfg)
		w.give(t, 10)
		<-w.store.blocks
		w.give(t, 10)
		w.store.answer <- nil
		<-w.store.blocks
		if w.store.confirms != 1 {
			t.Error("confirmed alone although the next block was ready")
		}
		w.store.answer <- nil
		synctest.Wait()
		if w.store.confirms != 2 {
			t.Errorf("%d confirmations after that of the takeover", w.store.confirms-1)
		}
		close(w.src.out)
		if err := <-w.result; err != nil {
			t.Error(err)
		}
	})
}

// After a row was given up everything behind it is decoded anew, from where the takeover says.
func TestRestartThrowsAwayWhatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.BlockRows = 10
		w := startWorker(t, cfg)
		w.give(t, 10)
		<-w.store.blocks
		w.give(t, 4)
		w.store.next = 110
		w.store.answer <- exact.ErrRestart
		synctest.Wait()
		w.fetcher.mu.Lock()
		state, offset := w.src.state, w.src.offset
		w.fetcher.mu.Unlock()
		if w.store.takeovers != 2 || state != idle || offset != 110 || w.cutter.forming.first != 110 || w.cutter.forming.rows != 0 {
			t.Errorf("%d takeovers, state %v, next fetch at %d, forming from %d with %d rows", w.store.takeovers, state, offset, w.cutter.forming.first, w.cutter.forming.rows)
		}
		w.next = 110
		w.give(t, 10)
		if b := <-w.store.blocks; b.first != 110 || b.rows != 10 {
			t.Errorf("block from %d with %d rows", b.first, b.rows)
		}
		w.store.answer <- nil
		close(w.src.out)
		if err := <-w.result; err != nil {
			t.Error(err)
		}
	})
}

func TestWorkerDrainsAnEmptyPartitionAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWorker(t, DefaultConfig())
		begun := time.Now()
		close(w.src.out)
		if err := <-w.result; err != nil || time.Since(begun) != 0 {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestDamagedSetIsFetchedAgainBehindTheGoodRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWorker(t, DefaultConfig())
		set := append(plainSet(t, 100, 3), plainSet(t, 103, 3)...)
		set[len(set)-1] ^= 1
		w.src.out <- recordSet{records: set, from: 100}
		synctest.Wait()
		w.fetcher.mu.Lock()
		offset, wait := w.src.offset, time.Until(w.src.notBefore)
		w.fetcher.mu.Unlock()
		if offset != 103 || wait <= 0 || wait > damagedPause {
			t.Errorf("fetched again at %d in %v", offset, wait)
		}
		if why, _ := w.fetcher.metrics.trouble(); why == "" {
			t.Error("nobody is told")
		}
		if b := <-w.store.blocks; b.next != 103 {
			t.Errorf("the good ones are stored up to %d", b.next)
		}
		w.store.answer <- nil
		close(w.revoked)
		if err := <-w.result; !errors.Is(err, errRevoked) {
			t.Error(err)
		}
	})
}

// A broker that cuts the first batch off at the limit is asked for more, up to a limit.
func TestStarvedPartitionIsAskedForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWorker(t, DefaultConfig())
		set := plainSet(t, 100, 3)
		asked := []int32{w.src.maxBytes}
		for w.fetcher.metrics.troubled() == "" && len(asked) < 10 {
			w.src.out <- recordSet{records: set[:len(set)-1], from: 100}
			synctest.Wait()
			asked = append(asked, w.src.maxBytes)
		}
		if got := fmt.Sprint(asked); got != "[1048576 4194304 16777216 67108864 268435456 268435456]" {
			t.Errorf("asked for %s bytes", got)
		}
		w.src.out <- recordSet{records: set, from: 100}
		synctest.Wait()
		if w.src.maxBytes != minPartitionBytes || w.src.offset != 103 {
			t.Errorf("after the batch: %d bytes from %d", w.src.maxBytes, w.src.offset)
		}
		close(w.revoked)
		if err := <-w.result; !errors.Is(err, errRevoked) {
			t.Error(err)
		}
	})
}

// troubled is the words of trouble.
func (m *sinkMetrics) troubled() string {
	why, _ := m.trouble()
	return why
}
