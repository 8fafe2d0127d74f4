package clickhouse

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

// A statement whose context ends ends in the server, too; its parameters need no escaping.
func TestDoEndsStatements(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "calls")
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- db.Do(ctx, Call{ID: "endless"}, func(ctx context.Context) error {
			return db.Conn().Exec(ctx, "SELECT count() FROM system.numbers WHERE NOT ignore(sipHash128(number)) FORMAT Null")
		})
	}()
	const running = "SELECT toString(count()) FROM system.processes WHERE query_id = 'endless'"
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for text(t, db, running) != "1" {
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("it ended by itself: %v", err)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	// The server tells of the end a moment before it forgets the statement. By itself the statement would go on for ever.
	for patience := time.After(time.Minute); text(t, db, running) != "0"; {
		select {
		case <-tick.C:
		case <-patience:
			t.Fatal("it still runs")
		}
	}
	var got string
	const odd = `a'b\n` + "\n\t\\"
	if err := db.Query(within(t), Call{ID: "odd", Params: map[string]string{"p": odd}, Settings: []Setting{{"max_threads", "1"}}}, "SELECT {p:String}", func() {}, &got); err != nil || got != odd {
		t.Errorf("%q, %v", got, err)
	}
}

// The context of a statement that succeeded does not end, for the driver may still watch it on behalf of a connection that serves another statement; that of one that failed does.
func TestDoEndsContextsOfFailures(t *testing.T) {
	db := migrated(t, enginetest.ClickHouse(t), "contexts")
	failure := errors.New("failed")
	for _, want := range []error{nil, failure} {
		ctx, cancel := context.WithCancel(within(t))
		var seen context.Context
		err := db.Do(ctx, Call{ID: "context"}, func(ctx context.Context) error {
			seen = ctx
			return want
		})
		if cancel(); !errors.Is(err, want) || (seen.Err() != nil) != (want != nil) {
			t.Errorf("want %v, got %v, and the context has %v", want, err, seen.Err())
		}
	}
}
