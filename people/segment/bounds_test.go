package segment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// Whoever reads while builds take each other's place sees one of them as a whole.
func testSwitchIsAtomic(w *world) {
	t := w.t
	crowds := map[string]int{"red": 600, "blue": 400}
	whole := map[string]string{}
	for name, n := range crowds {
		var users []string
		var sum uint64
		for i := range n {
			users = append(users, fmt.Sprint(name, i))
			sum += hash(users[i])
		}
		w.did(1, name, users...)
		whole[fmt.Sprint(n, " ", sum)] = name
	}
	declare := func(name string) {
		w.declare(1, `{"name":"crowd","announce":false,"where":{"did":{"event":"`+name+`"}}}`)
		w.pass(time.Second)
		w.mustTurn()
	}
	declare("red")
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	var readers sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for i, statement := range []string{
		"SELECT toString(count()) || ' ' || toString(sum(person_h)) FROM seg.segment_members_q WHERE project_id = 1 AND segment = 'crowd'",
		"SELECT toString(count()) || ' ' || toString(sum(person)) FROM (SELECT person_h AS person FROM seg.events_q WHERE project_id = 1 AND person_h IN (SELECT person_h FROM seg.segment_members_q WHERE project_id = 1 AND segment IN ('crowd')) GROUP BY person)",
	} {
		readers.Go(func() {
			for ctx.Err() == nil {
				var got string
				if err := w.db.Conn().QueryRow(ctx, statement).Scan(&got); err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				if name, ok := whole[got]; ok {
					seen[fmt.Sprint(i, name)]++
				} else {
					t.Errorf("statement %d: %s is neither of %v", i, got, whole)
				}
				mu.Unlock()
			}
		})
	}
	for range 5 {
		declare("blue")
		declare("red")
	}
	stop()
	readers.Wait()
	for _, key := range []string{"0red", "0blue", "1red", "1blue"} {
		if seen[key] < 3 {
			t.Errorf("the readers saw %v: too little to show anything", seen)
		}
	}
}

// A build that needs more than its memory works on disk; one that cannot fails, says so, and leaves the members as they were.
func testMemoryIsBounded(w *world) {
	enginetest.Long(w.t, "needs many persons")
	t := w.t
	const users = 1_100_000
	w.did(1, "buy", "anna")
	w.declare(1, `{"name":"buyers","announce":false,"every":"1m","where":{"all":[{"did":{"event":"buy"}},{"not":{"did":{"event":"buy","at_least":2}}},{"did_not":{"event":"leave"}}]}}`)
	w.mustTurn()
	w.exec(fmt.Sprintf(`INSERT INTO {db}.events (project_id, type, event, ts, event_id, distinct_id, user_h, _offset)
SELECT 1, 'track', 'buy', fromUnixTimestamp64Milli(%d, 'UTC'), toUUID('00000000-0000-4000-8000-000000000000'), who, cityHash64(who), number FROM (SELECT number, 'u' || toString(number) AS who FROM numbers(%d))
SETTINGS max_threads = 1, max_block_size = 65536, min_insert_block_size_rows = 65536, min_insert_block_size_bytes = 0`, w.now().UnixMilli(), users))
	var b *Builder
	build := func(memory int64) Build {
		w.pass(time.Minute)
		b = w.builder()
		b.cfg.MaxMemoryBytes = memory
		if err := w.turn(b); err != nil {
			t.Fatal(err)
		}
		return w.last(1, "buyers")
	}
	if b := build(16 << 20); b.State != Failed || !strings.Contains(b.Note, "16777216 bytes of memory") || !strings.Contains(b.Note, "segments.max_memory_bytes") {
		t.Errorf("%+v", b)
	}
	w.mustHave(1, "buyers", "anna")
	if n := w.strings("SELECT toString(count()) FROM {db}.segment_members"); n[0] != "1" {
		t.Errorf("%s members are left of a build that failed", n)
	}
	const memory = leastMemory
	if b := build(memory); b.State != Announced || b.Size != users+1 || b.Entered != users || b.Left != 0 || b.Memory == 0 || b.Memory > memory {
		t.Errorf("%+v", b)
	}
	if b.gauges.spilled.Get() == 0 {
		t.Error("nothing went through files")
	}
	// The control: without the disk it would not have been enough.
	w.cfg.MaxMemoryBytes = memory
	a := attempt{work: w.builder().newWork(w.leader()), job: job{Definition: Definition{Project: 1, Segment: &question.Segment{Name: "control"}}}, draft: newID()}
	s, err := w.store.Explain(w.ctx, 1, "buyers")
	if err != nil {
		t.Fatal(err)
	}
	inMemory := "\nSETTINGS max_bytes_before_external_group_by = 0, max_bytes_ratio_before_external_group_by = 0"
	var said *clickhouse.Exception
	if err := a.run(w.ctx, "INSERT INTO {db}.segment_members (person_h) SELECT person_h FROM (\n"+s.Statement.Text+"\n)"+inMemory, s.Statement.Params); !errors.As(err, &said) || said.Code != errMemory {
		t.Errorf("without the disk: %v", err)
	}
}

// A build that takes too long fails, and the next one may be quicker.
func testTimeIsBounded(w *world) {
	t := w.t
	w.declare(1, buyers)
	w.did(1, "buy", "anna")
	b := w.builder()
	b.cfg.MaxBuildTime = time.Millisecond
	if err := w.turn(b); err != nil {
		t.Fatal(err)
	}
	if b := w.last(1, "buyers"); b.State != Failed || !strings.Contains(b.Note, "segments.max_build_time") {
		t.Errorf("%+v", b)
	}
	w.pass(15 * time.Minute)
	w.mustTurn()
	w.mustHave(1, "buyers", "anna")
}

// Changes that do not fit into memory at once are looked up in parts.
func testManyChangesGoInSlices(w *world) {
	t := w.t
	w.declare(1, `{"name":"buyers","announce":false,"where":{"did":{"event":"buy"}}}`)
	w.did(1, "buy", "anna", "bert", "carl", "dora", "emil", "fred", "gerd", "hans")
	b := w.builder()
	slices := 0
	b.slice = 1 << 29 // bytes for each change
	b.at = func(s step) error {
		if s == stepSlice {
			slices++
		}
		return nil
	}
	if err := w.turn(b); err != nil {
		t.Fatal(err)
	}
	if slices != 5 {
		t.Errorf("%d slices, want 5", slices)
	}
	w.mustHave(1, "buyers", "anna", "bert", "carl", "dora", "emil", "fred", "gerd", "hans")
	if n := w.strings("SELECT distinct_id FROM {db}.segment_changes WHERE entered = 1 ORDER BY distinct_id"); strings.Join(n, " ") != "anna bert carl dora emil fred gerd hans" {
		t.Errorf("%q", n)
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{SendBatch: 10_000, RetryInterval: time.Hour, MaxRetryInterval: 2 * time.Hour, ResumeWait: -1}.Validate()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, key := range []string{"poll_interval", "max_memory_bytes", "max_build_time", "send_batch", "max_retry_interval", "resume_wait"} {
		if !strings.Contains(err.Error(), "segments."+key+": ") {
			t.Errorf("nothing about %s in\n%v", key, err)
		}
	}
}
