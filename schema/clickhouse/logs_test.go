package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestAllotLogNumbersLives(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "l1")
	for _, c := range []struct {
		cluster, topic string
		partitions     int
		want           Log
	}{
		{"c1", "events", 4, Log{1, 4}},
		{"c1", "quarantine", 2, Log{2, 2}},
		{"c1", "events", 4, Log{1, 4}},
		{"c1", "events", 12, Log{1, 4}}, // more than pinned: the pinned ones are used
		{"c2", "events", 3, Log{3, 3}},  // another cluster is another life
		{"c1'; DROP TABLE logs", `e"\`, 1, Log{4, 1}},
		{"c1'; DROP TABLE logs", `e"\`, 1, Log{4, 1}},
	} {
		got, err := AllotLog(within(t), db, c.cluster, c.topic, c.partitions)
		if err != nil || got != c.want {
			t.Errorf("%s on %s with %d partitions: %+v, %v, want %+v", c.topic, c.cluster, c.partitions, got, err, c.want)
		}
	}
	if got := text(t, db, "SELECT toString(count()) FROM {db}.logs"); got != "4" {
		t.Errorf("%s rows, want 4", got)
	}
}

func TestAllotLogRefuses(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "l2")
	if _, err := AllotLog(within(t), db, "c", "events", 4); err != nil {
		t.Fatal(err)
	}
	_, err := AllotLog(within(t), db, "c", "events", 3)
	if !errors.Is(err, ErrPartitions) {
		t.Fatalf("fewer partitions: %v, want ErrPartitions", err)
	}
	mustContain(t, err, "events has 3", "has 4", "broker.topic")
	for _, partitions := range []int{0, -1, math.MaxUint16 + 1} {
		if _, err := AllotLog(within(t), db, "c", "other", partitions); err == nil {
			t.Errorf("%d partitions were taken", partitions)
		}
	}
	exec(t, db, "INSERT INTO {db}.logs SELECT 65535, 'c', 'last', 1, now64(3)")
	_, err = AllotLog(within(t), db, "c", "one more", 1)
	mustContain(t, err, "65535", "l2.logs")
}

// Gateways and sinks start at once: those of one topic must agree, those of different topics must differ.
func TestAllotLogAtOnce(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	migrated(t, engine, "l3")
	const topics, callers = 4, 4
	var (
		mu  sync.Mutex
		got = map[string]map[Log]int{}
		wg  sync.WaitGroup
	)
	begin := make(chan struct{})
	for i := range topics * callers {
		topic := fmt.Sprint("topic", i%topics)
		db := openDB(t, engine, "l3")
		wg.Go(func() {
			<-begin
			l, err := AllotLog(within(t), db, "c", topic, 4)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if got[topic] == nil {
				got[topic] = map[Log]int{}
			}
			got[topic][l]++
		})
	}
	close(begin)
	wg.Wait()
	owner := map[uint16]string{}
	for topic, logs := range got {
		if len(logs) != 1 {
			t.Errorf("%s: callers got different logs: %v", topic, logs)
		}
		for l := range logs {
			if other, taken := owner[l.Number]; taken {
				t.Errorf("log %d was given to %s and %s", l.Number, topic, other)
			}
			owner[l.Number] = topic
		}
	}
	if len(owner) != topics {
		t.Errorf("%d numbers for %d topics: %v", len(owner), topics, owner)
	}
}

// The server may note a token and die before the row is stored; the number is lost then, and the next one is given.
func TestAllotLogSkipsLostNumbers(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "l4")
	for number := uint16(1); number <= 2; number++ {
		if err := db.insertLog(within(t), number, "c", "gone", 1); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db, "ALTER TABLE {db}.logs DELETE WHERE 1") // takes the rows and leaves the tokens
	got, err := AllotLog(within(t), db, "c", "events", 4)
	if err != nil || got != (Log{3, 4}) {
		t.Errorf("got %+v, %v, want number 3", got, err)
	}
}

func TestAdoptLogBeginsANewLife(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "l5")
	for _, c := range []struct {
		call       func(context.Context, *DB, string, string, int) (Log, error)
		cluster    string
		partitions int
		want       Log
	}{
		{AllotLog, "c1", 4, Log{1, 4}},
		{AdoptLog, "c1", 2, Log{2, 2}}, // fewer than were pinned: they were those of another life
		{AllotLog, "c1", 2, Log{2, 2}},
		{AdoptLog, "c1", 2, Log{3, 2}}, // again, although nothing seems to have changed
		{AllotLog, "c1", 3, Log{3, 2}},
		{AdoptLog, "c2", 7, Log{4, 7}}, // one that had no life yet
		{AllotLog, "c2", 7, Log{4, 7}},
	} {
		got, err := c.call(within(t), db, c.cluster, "events", c.partitions)
		if err != nil || got != c.want {
			t.Errorf("cluster %s, %d partitions: %+v, %v, want %+v", c.cluster, c.partitions, got, err, c.want)
		}
	}
	if _, err := AdoptLog(within(t), db, "c1", "events", 0); err == nil {
		t.Error("no partitions were taken")
	}
	exec(t, db, "INSERT INTO {db}.logs SELECT 65535, 'c', 'last', 1, now64(3)")
	_, err := AdoptLog(within(t), db, "c1", "events", 1)
	mustContain(t, err, "65535", "l5.logs")
}

// People adopt at once, while another topic gets its first life: all get new lives, and no topic gets another's.
func TestAdoptLogAtOnce(t *testing.T) {
	engine := enginetest.ClickHouse(t)
	db := migrated(t, engine, "l6")
	first, err := AllotLog(within(t), db, "c", "events", 4)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	begin := make(chan struct{})
	got := make([]Log, 6)
	for i := range got {
		db := openDB(t, engine, "l6")
		wg.Go(func() {
			<-begin
			var err error
			if i%3 == 0 {
				got[i], err = AllotLog(within(t), db, "c", "quarantine", 1)
			} else {
				got[i], err = AdoptLog(within(t), db, "c", "events", 4)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	wg.Wait()
	for i, l := range got {
		switch {
		case i%3 == 0 && l != got[0]:
			t.Errorf("quarantine got %+v and %+v", got[0], l)
		case i%3 != 0 && (l.Number <= first.Number || l.Number == got[0].Number || l.Partitions != 4):
			t.Errorf("events got %+v after %+v, quarantine %+v", l, first, got[0])
		}
	}
}
