package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSinkCommands: what the sink says of itself, a repeat that is stored once, rollups that somebody has damaged, and what is refused.
func TestSinkCommands(t *testing.T) {
	s := start(t, t.TempDir())
	for i := range 20 {
		body := fmt.Sprintf(`{"event":"Hello","userId":"u%d","messageId":"m-%d"}`, i%10%3, i%10)
		if a := s.post("/v1/track", []byte(body)); a.Status != 200 {
			t.Fatalf("%d: %s", a.Status, a.Raw)
		}
	}
	s.waitRows("events", 10)
	var st struct {
		Partitions []struct {
			Topic, State          string
			Committed, End, Lag   int64
			Partition, Generation int32
		}
	}
	eventually(t, 10*time.Second, "everything is confirmed", func() bool {
		out, code := command(t, "sink", "status", "--data", s.dir, "--json")
		if code != 0 || json.Unmarshal([]byte(out), &st) != nil {
			t.Fatalf("exit code %d: %s", code, out)
		}
		loaded := int64(0)
		for _, p := range st.Partitions {
			if p.Topic == "events" {
				loaded += max(p.Committed, 0)
			}
			if p.State != "loading" || p.Lag != 0 {
				return false
			}
		}
		return len(st.Partitions) == 8 && loaded == 20
	})
	if n := s.count("SELECT count() AS n FROM millrace.events"); n != 10 {
		t.Errorf("%d rows of 10 ids that were sent twice each", n)
	}
	if out, code := command(t, "sink", "status", "--data", s.dir); code != 0 || !strings.Contains(out, "STORED BELOW") || !strings.Contains(out, "loading") {
		t.Errorf("status: exit code %d: %s", code, out)
	}

	reconcile := func(args ...string) (string, int) {
		return command(t, append([]string{"sink", "reconcile", "--data", s.dir}, args...)...)
	}
	if out, code := reconcile("--wait"); code != 0 {
		t.Errorf("reconcile: exit code %d: %s", code, out)
	}
	s.exec("INSERT INTO millrace.rollup_1h (project_id, event, hour, n) SELECT project_id, event, hour, 5 FROM millrace.rollup_1h LIMIT 1")
	if out, code := reconcile("--dry-run"); code != 1 || !strings.Contains(out, "not every rollup is exact") {
		t.Errorf("a damaged rollup: exit code %d: %s", code, out)
	}
	if out, code := reconcile("--wait"); code != 0 {
		t.Errorf("repair: exit code %d: %s", code, out)
	}
	if n := s.count("SELECT sum(n) AS n FROM millrace.rollup_1h"); n != 10 {
		t.Errorf("the rollup counts %d events after its repair", n)
	}

	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"resume", "see `millrace sink status`", 1},
		{"rewind", "say which partition with --topic and --partition", 2},
		{"rewind --topic events --partition 0", "events partition 0: the partition is not parked", 1},
		{"rewind --topic events --partition 99", "events partition 99: the partition is not this process's", 1},
		{"adopt --topic other", `--topic is "other": choose events or quarantine`, 2},
	} {
		out, code := command(t, append([]string{"sink"}, append(strings.Fields(c.args), "--data", s.dir)...)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("sink %s: exit code %d, want %d: %s", c.args, code, c.code, out)
		}
	}
	if out, code := command(t, "sink", "adopt", "--topic", "quarantine", "--data", s.dir); code != 0 || !strings.Contains(out, "is log 3 now") {
		t.Errorf("adopt: exit code %d: %s", code, out)
	}
	s.stop()
	if out, code := command(t, "sink", "status", "--data", s.dir); code != 69 || !strings.Contains(out, "no server runs") {
		t.Errorf("without a server: exit code %d: %s", code, out)
	}
}
