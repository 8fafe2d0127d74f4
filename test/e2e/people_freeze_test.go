package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

var tookEpoch = regexp.MustCompile(`"msg":"leads".*"epoch":([0-9]+)`)

// epoch is the last one that the server's job has led in, 0 when it never did.
func (s *server) epoch() (n int) {
	all := tookEpoch.FindAllStringSubmatch(s.log.String(), -1)
	if len(all) > 0 {
		n, _ = strconv.Atoi(all[len(all)-1][1])
	}
	return n
}

// beside runs one role on the engines of another server.
func (c *crowd) beside(engines *server, role string, args ...string) *server {
	c.t.Helper()
	dir := c.t.TempDir()
	if keys, err := os.ReadFile(filepath.Join(c.dir, "keys.yaml")); err != nil || os.WriteFile(filepath.Join(dir, "keys.yaml"), keys, 0o600) != nil {
		c.t.Fatalf("copy the keys: %v", err)
	}
	s := launch(c.t, dir, append(append([]string{
		"--role=" + role, "--broker.addresses=" + engines.ports["broker"], "--clickhouse.addresses=" + engines.ports["clickhouse_tcp"],
		"--broker.allow-relaxed-durability=true", "--admin.listen=127.0.0.1:0",
	}, settings...), args...)...)
	eventually(c.t, minute, role+" works", func() bool {
		raw, err := os.ReadFile(filepath.Join(dir, "run", "ports.json"))
		if err != nil || json.Unmarshal(raw, &s.ports) != nil {
			return false
		}
		resp, err := client.Get("http://" + s.ports["admin"] + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close() //nolint:errcheck // only read from
		return resp.StatusCode == http.StatusOK
	})
	return s
}

// joining is short, because members come and go: the embedded broker begins to wait anew whenever one joins, and one that has waited for 5 s longer than this joins again.
const joining = "--people.rebalance-timeout=3s"

// tooLate counts rows of an epoch in parts that were written after all of a part with rows of a later one. Those that were merged since are not seen.
const tooLate = `WITH (SELECT min(last) FROM (SELECT toUInt64(splitByChar('_', _part)[3]) AS last FROM millrace.%[1]s WHERE bitShiftRight(version, 32) > %[2]d GROUP BY _part)) AS since
SELECT countIf(toUInt64(splitByChar('_', _part)[2]) > since AND bitShiftRight(version, 32) = %[2]d) FROM millrace.%[1]s`

// Of several processes that run the job one leads. Frozen for longer than its session it leads no longer and does not know: what it still writes when it thaws must count for nothing.
func TestPeopleSurviveAFrozenLeader(t *testing.T) {
	enginetest.Long(t, "waits for sessions to end")
	rounds, seed := schedule(t)
	random := rand.New(rand.NewPCG(seed, 0))
	c := &crowd{t: t, dir: t.TempDir(), keys: map[int]string{}, sent: map[string]bool{}}
	for _, project := range []int{1, 2} {
		c.keys[project] = newKey(t, c.dir, project, "ingest,query,manage")
	}
	base := start(t, c.dir, append([]string{joining}, settings...)...)
	c.server.Store(base)
	keys := filepath.Join(t.TempDir(), "keys")
	var lines strings.Builder
	for project, key := range c.keys {
		fmt.Fprintf(&lines, "%d %s\n", project, key)
	}
	if err := os.WriteFile(keys, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	jobs := func() *server {
		return c.beside(base, "jobs", joining, "--segments.door=http://"+base.ports["ingest"], "--segments.keys-file="+keys)
	}
	all := []*server{base, jobs(), jobs()}
	leader := func() (found *server) {
		eventually(t, minute, "one leads", func() bool {
			for _, s := range all {
				if s.metric("millrace_people_leader") == 1 {
					found = s
				}
			}
			return found != nil
		})
		return found
	}
	c.declare()
	stop := c.crowd(seed, 0)
	for range 2 * rounds {
		frozen := leader()
		for frozen == base { // which must go on, with the door and the sinks
			all[1].stop()
			all[1] = jobs()
			frozen = leader()
		}
		c.wave.Add(3)
		<-time.After(time.Duration(random.Int64N(int64(2 * time.Second)))) // the fault's moment is any
		before := frozen.epoch()
		signal(t, frozen.cmd.Process.Pid, syscall.SIGSTOP)
		rest := slices.DeleteFunc(slices.Clone(all), func(s *server) bool { return s == frozen })
		var next *server
		eventually(t, minute, "another one leads", func() bool {
			for _, s := range rest {
				if s.metric("millrace_people_leader") == 1 && s.epoch() > before {
					next = s
				}
			}
			return next != nil
		})
		<-time.After(time.Duration(random.Int64N(int64(2 * time.Second)))) // and so is that of its end
		signal(t, frozen.cmd.Process.Pid, syscall.SIGCONT)
		eventually(t, minute, "it leads no longer, or anew", func() bool {
			return frozen.metric("millrace_people_leader") == 0 || frozen.epoch() > before
		})
		rows := 0
		for _, table := range []string{"identity_overrides", "profiles", "people_progress", "segment_builds"} {
			rows += base.count(fmt.Sprintf(tooLate, table, before))
		}
		t.Logf("frozen in epoch %d, thawed in epoch %d, after which %d rows of the old one came", before, next.epoch(), rows)
	}
	stop()
	c.judge()
	t.Logf("%d events, %d builds asked for", len(c.sent), c.asked)
}
