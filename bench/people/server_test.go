package people

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	schema "github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// filled is a history with persons and profiles that SQL wrote.
func filled(t *testing.T, users int) *run {
	t.Helper()
	ctx := within(t)
	o := Options{Users: users}.withDefaults(time.Now())
	cfg := schema.DefaultConfig()
	cfg.Addresses = []string{enginetest.ClickHouse(t).TCP}
	s, err := openServer(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := schema.Up(ctx, s.db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r := &run{o: &o, lab: new(lab), server: s, result: new(Result)}
	if r.result.Data, err = s.load(ctx, &o); err != nil {
		t.Fatal(err)
	}
	if err := r.fill(ctx); err != nil {
		t.Fatal(err)
	}
	mustExec(t, r, "SYSTEM RELOAD DICTIONARY {db}.identity")
	return r
}

func mustExec(t *testing.T, r *run, statement string) {
	t.Helper()
	if _, _, err := r.server.exec(within(t), statement, nil); err != nil {
		t.Fatal(err)
	}
}

// TestWrongAnswersAreNoticed: persons and profiles that are not as the history has them end a run, whoever wrote them.
func TestWrongAnswersAreNoticed(t *testing.T) {
	r := filled(t, 500)
	ctx := within(t)
	if n := len(r.result.Job.Fill); n != 2 || r.result.Job.Overrides != 500 || r.result.Job.Profiles != 500 {
		t.Errorf("filled as %+v", r.result.Job)
	}
	_, statements, err := r.pairs()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.compare(ctx, statements); err != nil {
		t.Fatal(err)
	}
	if f := r.result.Funnel; f[1][2] != 0 || f[0][2] <= 250 {
		t.Errorf("the funnel has %d persons and %d ids", f[0], f[1])
	}
	var j Job
	for _, mistake := range []struct{ name, make, mend string }{
		{
			"a profile of its own for one id", "INSERT INTO {db}.profiles SELECT 1, 7, 'x', '{}', 1, now64(3), now64(3), 2, 0",
			"INSERT INTO {db}.profiles SELECT 1, 7, 'x', '{}', 1, now64(3), now64(3), 3, 1",
		},
		{
			"a profile without its properties", "INSERT INTO {db}.profiles SELECT * REPLACE ('{}' AS props, 2 AS version) FROM {db}.profiles FINAL WHERE distinct_id = 'user-7'",
			"INSERT INTO {db}.profiles SELECT * REPLACE (3 AS version) FROM {db}.profiles WHERE distinct_id = 'user-7' AND props != '{}'",
		},
		{
			"two persons that became one", "INSERT INTO {db}.identity_overrides SELECT 1, cityHash64('user-7'), cityHash64('user-8'), 2",
			"INSERT INTO {db}.identity_overrides SELECT 1, cityHash64('user-7'), cityHash64('user-7'), 3",
		},
	} {
		mustExec(t, r, mistake.make)
		if err := r.server.counted(ctx, r.o, &j); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", mistake.name, err)
		}
		mustExec(t, r, mistake.mend)
		if err := r.server.counted(ctx, r.o, &j); err != nil {
			t.Errorf("after %s: %v", mistake.name, err)
		}
	}
	mustExec(t, r, "INSERT INTO {db}.identity_overrides SELECT 1, cityHash64('user-7'), cityHash64('user-8'), 4")
	mustExec(t, r, "SYSTEM RELOAD DICTIONARY {db}.identity")
	if err := r.compare(ctx, statements); !errors.Is(err, ErrWrong) {
		t.Errorf("two persons that became one for the views: %v", err)
	}
}

// TestBuilds: all definitions can be built, and a build that the server has no memory for is told from other errors.
func TestBuilds(t *testing.T) {
	r := filled(t, 500)
	r.o.Builds = 2
	ctx := within(t)
	if err := r.segments(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.result.Segments {
		if s.Members == 0 || len(s.Builds) != 2 || s.Tight.Rows == 0 {
			t.Errorf("%+v", s)
		}
	}
	sequence, err := question.ParseSegment([]byte(definitions[2].definition))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.build(ctx, sequence, 1<<20); !outOfMemory(err) {
		t.Errorf("a build with a MiB: %v", err)
	}
	if _, _, err := r.server.exec(ctx, "SELECT x", nil); err == nil || outOfMemory(err) {
		t.Errorf("a statement that is none: %v", err)
	}
}
