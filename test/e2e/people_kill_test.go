package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema"

	"github.com/millrace/millrace/test/process"
)

// maxIDs is people.max_ids of the servers that are killed: few enough to be reached.
const maxIDs = 8

// settings have the job at work nearly always, and a kill find announcements half sent.
var settings = []string{
	"--people.interval=30ms", "--people.max-ids=" + strconv.Itoa(maxIDs), "--people.profile-chunk=7",
	"--segments.poll-interval=100ms", "--segments.send-batch=3", "--segments.retry-interval=200ms", "--segments.resume-wait=5s", "--sink.block-age=100ms",
}

// sets are the segments of each project, in an order in which they can be built.
var sets = []struct{ name, definition string }{
	{"pros", `{"every":"1m","where":{"profile":{"field":"plan","op":"is","values":["pro"]}}}`},
	{"buyers", `{"every":"","where":{"did":{"event":"purchase","at_least":3}}}`},
	{"idle", `{"every":"","where":{"not":{"did":{"event":"purchase"}}}}`},
	{"mixed", `{"every":"","where":{"any":[{"all":[{"segment":"pros"},{"did":{"event":"view","at_least":2}}]},{"profile":{"field":"score","op":"gte","values":["5"]}}]}}`},
}

// crowd is a server that dies again and again, and all who use it meanwhile.
type crowd struct {
	t      *testing.T
	dir    string
	keys   map[int]string // by project
	server atomic.Pointer[server]
	wave   atomic.Int64 // which ids are about
	calm   atomic.Bool  // nobody says any longer who is whom

	mu     sync.Mutex
	sent   map[string]bool // ids of events that were taken
	resent int             // requests that were sent more than once
	asked  int             // builds
}

// schedule is how long a test of the job goes on, and the seed of what happens in it.
func schedule(t *testing.T) (rounds int, seed uint64) {
	t.Helper()
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("MILLRACE_PEOPLE_ROUNDS"), "1"))
	if err != nil {
		t.Fatal(err)
	}
	if seed, err = strconv.ParseUint(cmp.Or(os.Getenv("MILLRACE_PEOPLE_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64); err != nil {
		t.Fatal(err)
	}
	t.Logf("MILLRACE_PEOPLE_SEED=%d", seed)
	return rounds, seed
}

// A person is the same whoever works it out, however often that one is killed: with ids that are named together and taken apart, properties, and segments that are built and announced, for some
// 150 ids in two projects, what is in the tables in the end is what follows from table events alone. MILLRACE_PEOPLE_ROUNDS makes the test longer, MILLRACE_PEOPLE_SEED repeats the schedule of one.
func TestPeopleSurviveKillNine(t *testing.T) {
	enginetest.Long(t, "kills servers again and again")
	rounds, seed := schedule(t)
	random := rand.New(rand.NewPCG(seed, 0))
	c := &crowd{t: t, dir: t.TempDir(), keys: map[int]string{}, sent: map[string]bool{}}
	for _, project := range []int{1, 2} {
		c.keys[project] = newKey(t, c.dir, project, "ingest,query,manage")
	}
	c.server.Store(start(t, c.dir, settings...))
	c.declare()
	eventually(t, minute, "a leader", func() bool { return c.server.Load().metric("millrace_people_leader") == 1 })
	bit := 0
	for round := range rounds {
		c.calm.Store(false)
		stop := c.crowd(seed, uint64(2*round))
		bit += c.killAll(random, []string{"tree", "tree", "clickhouse", []string{"server", "start", "broker"}[random.IntN(3)]}, 3)
		stop()
		was := c.judge()
		// From here on everybody stays who they are, so that those who enter and leave can be told from those who become others.
		c.calm.Store(true)
		stop = c.crowd(seed, uint64(2*round+1))
		bit += c.killAll(random, []string{"tree", "clickhouse"}, 2)
		stop()
		c.follow(was, c.judge())
	}
	t.Logf("%d events, %d requests repeated, %d builds asked for, %d kills bit", len(c.sent), c.resent, c.asked, bit)
	if least := 5 * rounds; bit < least {
		t.Errorf("%d kills met the job at work, want %d: the others show nothing", bit, least)
	}
	if c.resent == 0 {
		t.Error("no request was repeated")
	}
}

// declare declares the segments of all projects.
func (c *crowd) declare() {
	c.t.Helper()
	for project := range c.keys {
		for _, s := range sets {
			if status, raw, err := c.manage(project, http.MethodPut, "/v1/segments/"+s.name, s.definition); err != nil || status != http.StatusCreated {
				c.t.Fatalf("segment %s: %d %s %v", s.name, status, raw, err)
			}
		}
	}
}

// crowd starts those who send events and ask for builds; stop ends them, when all that they sent was taken.
func (c *crowd) crowd(seed, phase uint64) (stop func()) {
	ended := make(chan struct{})
	var all sync.WaitGroup
	for i := range uint64(4) {
		all.Go(func() { c.send(ended, int(i%2)+1, rand.New(rand.NewPCG(seed, phase<<8|1+i))) })
	}
	all.Go(func() { c.build(ended, rand.New(rand.NewPCG(seed, phase<<8|99))) })
	return func() {
		close(ended)
		all.Wait()
	}
}

// send posts events of a project, the same ones again and again until they are taken.
func (c *crowd) send(ended <-chan struct{}, project int, r *rand.Rand) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		var events []map[string]any
		var ids []string
		for range 1 + r.IntN(6) {
			e := c.event(r)
			e["id"] = schema.NewUUIDv7(time.Now().UnixMilli()).String()
			ids = append(ids, e["id"].(string))
			events = append(events, e)
		}
		body, err := json.Marshal(map[string]any{"events": events})
		if err != nil {
			c.t.Error(err)
			return
		}
		times := 0
		for giveUp := time.After(2 * time.Minute); ; times++ {
			a, err := c.server.Load().tryPost("/v1/events", body, "Authorization: Bearer "+c.keys[project])
			if err == nil && a.Status == http.StatusOK && a.Accepted == len(ids) {
				break
			}
			// While a server is down another one may have its port, which does not know the key.
			if err == nil && !strings.Contains(a.Raw, `"retry"`) && a.Status < 500 && a.Status != http.StatusUnauthorized {
				c.t.Errorf("%d %s of %s", a.Status, a.Raw, body)
				return
			}
			select {
			case <-giveUp:
				c.t.Errorf("not taken within two minutes: %v %s", err, a.Raw)
				return
			case <-tick.C:
			}
		}
		c.mu.Lock()
		for _, id := range ids {
			c.sent[id] = true
		}
		c.resent += min(times, 1)
		c.mu.Unlock()
	}
}

// event is a new event of somebody who is about. Half of the events are of earlier: what was first and what was last changes in any order.
func (c *crowd) event(r *rand.Rand) map[string]any {
	at := time.Now()
	if r.IntN(2) == 0 {
		at = at.Add(-time.Duration(r.Int64N(int64(2 * time.Hour))))
	}
	e := map[string]any{"ts": at.UTC().Format("2006-01-02T15:04:05.000Z07:00")}
	near := func(kind string) string { return fmt.Sprint(kind, c.wave.Load()+r.Int64N(8)) }
	anybody := func() string { return near([]string{"user-", "visitor-"}[r.IntN(2)]) }
	what := r.IntN(100)
	if c.calm.Load() {
		what = 40 + r.IntN(60)
	}
	switch {
	case what < 12:
		e["type"], e["user_id"] = "identify", near("user-")
		if r.IntN(3) > 0 {
			e["anonymous_id"] = near("visitor-")
		}
		if r.IntN(3) == 0 {
			e["distinct_id"] = anybody()
		}
	case what < 18:
		e["type"], e["user_id"], e["previous_id"] = "alias", near("user-"), anybody()
	case what < 24:
		e["type"], e["distinct_id"], e["previous_id"] = "merge", anybody(), anybody()
	case what < 36:
		e["type"], e["distinct_id"], e["previous_id"] = "unmerge", anybody(), anybody()
	case what < 44:
		e["type"], e["distinct_id"], e["group_id"] = "group", anybody(), near("group-")
	default:
		e["event"] = []string{"view", "view", "purchase"}[r.IntN(3)]
		e["distinct_id"] = anybody()
		if r.IntN(4) == 0 {
			e["distinct_id"] = fmt.Sprint("steady-", r.IntN(12)) // is never anybody else
		}
	}
	if what < 36 && r.IntN(4) > 0 || what > 75 {
		return e
	}
	deeds := map[string]any{}
	for range 1 + r.IntN(2) {
		deed(r, deeds)
	}
	maps.Copy(e, deeds)
	return e
}

// deed adds an operation on a property. Some of them can do nothing, as adding to a text.
func deed(r *rand.Rand, deeds map[string]any) {
	with := func(op, name string, value any) {
		if deeds[op] == nil {
			deeds[op] = map[string]any{}
		}
		deeds[op].(map[string]any)[name] = value
	}
	switch n := r.IntN(16); {
	case n < 4:
		with("set", "plan", []string{"pro", "free"}[r.IntN(2)])
	case n < 7:
		with("add", "score", []any{1, 2, -1, -3, 0.5}[r.IntN(5)])
	case n < 9:
		with("append", "tags", []any{r.IntN(100), "é\"\n", nil, []int{1}}[r.IntN(4)])
	case n < 11:
		with("set_once", fmt.Sprint("source-", r.IntN(3)), r.IntN(1000))
	case n == 11:
		with("set", []string{"score", "tags"}[r.IntN(2)], []any{r.IntN(7)})
	case n == 12:
		with("set", "score", r.IntN(7))
	case n == 13:
		with("add", []string{"plan", "tags", "visits"}[r.IntN(3)], 1)
	default:
		deeds["unset"] = []string{[]string{"plan", "score", "tags", "source-1"}[r.IntN(4)]}
	}
}

// build asks for builds of segments. That nobody answers is no matter.
func (c *crowd) build(ended <-chan struct{}, r *rand.Rand) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		status, raw, err := c.manage(1+r.IntN(2), http.MethodPost, "/v1/segments/"+sets[r.IntN(len(sets))].name+"/build", "")
		if err == nil && status/100 == 4 && status != http.StatusUnauthorized {
			c.t.Errorf("a build is refused: %d %s", status, raw)
			return
		}
		if err == nil && status == http.StatusAccepted {
			c.mu.Lock()
			c.asked++
			c.mu.Unlock()
		}
	}
}

// manage sends a request to the query listener.
func (c *crowd) manage(project int, method, path, body string) (status int, raw string, err error) {
	req, err := http.NewRequest(method, "http://"+c.server.Load().ports["query"]+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+c.keys[project])
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// killAll kills in some order, and then goes on with the first kind until as many kills as wanted have met the job at work, or it has tried often. It returns how many did.
func (c *crowd) killAll(r *rand.Rand, kinds []string, want int) (bit int) {
	first := kinds[0]
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for n := 0; n < len(kinds) || bit < want && n < 4*len(kinds); n++ {
		kind := first
		if n < len(kinds) {
			kind = kinds[n]
		}
		c.wave.Add(3)
		<-time.After(time.Duration(r.Int64N(int64(2500 * time.Millisecond)))) // the fault's moment is any
		began := time.Now()
		proof := c.kill(kind, r)
		c.t.Logf("killed: %s; %s; led again after %v", kind, cmp.Or(proof, "nothing was under way"), time.Since(began).Round(time.Millisecond))
		if proof != "" {
			bit++
		}
	}
	return bit
}

// kill kills, has everything run again, and returns what shows that the job was met at work; empty: nothing does.
func (c *crowd) kill(kind string, r *rand.Rand) (proof string) {
	s := c.server.Load()
	switch kind {
	case "clickhouse", "broker":
		failures, led := s.metric("millrace_people_cycle_failures_total"), strings.Count(s.log.String(), `"msg":"leads"`)
		before := engine(c.t, s, kind)
		signal(c.t, before, syscall.SIGKILL)
		eventually(c.t, minute, kind+" restarted", func() bool {
			for _, pid := range process.Descendants(s.cmd.Process.Pid) {
				if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(text), "embedded\x00"+kind) && pid != before {
					return s.count("SELECT 1") == 1
				}
			}
			return false
		})
		cycles := s.metric("millrace_people_cycles_total")
		eventually(c.t, minute, "the job goes on", func() bool {
			return s.metric("millrace_people_cycles_total") > cycles && s.metric("millrace_people_leader") == 1
		})
		if n := s.metric("millrace_people_cycle_failures_total") - failures; n > 0 {
			proof = fmt.Sprintf("%v cycles failed", n)
		}
		if n := strings.Count(s.log.String(), `"msg":"leads"`) - led; n > 0 {
			proof = fmt.Sprintf("led %d times anew; %s", n, proof)
		}
		return proof
	case "server":
		signal(c.t, s.cmd.Process.Pid, syscall.SIGKILL) // its engines end by themselves, a moment later
		<-s.done
	default:
		s.kill()
	}
	if kind == "start" {
		again := launch(c.t, c.dir, settings...)
		<-time.After(time.Duration(r.Int64N(int64(4 * time.Second))))
		again.kill()
	}
	return c.restart()
}

// left is what a killed server has left undone: events whose facts are not taken in, and builds that are begun or not wholly announced.
const left = `SELECT
    (SELECT countIf(_offset >= next) FROM (SELECT _log, _partition, _offset FROM millrace.events WHERE type IN ('identify', 'alias', 'merge', 'unmerge') OR traits != '') AS e
        LEFT ANY JOIN (SELECT _log, _partition, next FROM millrace.people_progress FINAL) AS p USING (_log, _partition)) AS behind,
    (SELECT countIf(state = 'building' AND version >= 4294967296) FROM millrace.segment_builds FINAL) AS building,
    (SELECT countIf(state = 'active') FROM millrace.segment_builds FINAL) AS announcing,
    (SELECT toString(max(version)) FROM millrace.people_progress) AS version`

// What the log of a server says.
var (
	answers     = regexp.MustCompile(`"clickhouse_http":"([^"]+)"`)
	differences = regexp.MustCompile(`"differences":([1-9][0-9]*)`)
)

// restart starts a server in place of a dead one, and returns what that left undone, as seen before anybody can have gone on with it.
func (c *crowd) restart() (proof string) {
	s := launch(c.t, c.dir, settings...)
	var found []map[string]any
	eventually(c.t, minute, "ClickHouse answers", func() bool {
		m := answers.FindStringSubmatch(s.log.String())
		if m == nil {
			return false
		}
		s.ports = map[string]string{"clickhouse_http": m[1]}
		rows, err := s.trySQL(left)
		found = rows
		return err == nil && len(rows) == 1
	})
	s.waitReady()
	c.server.Store(s)
	epoch := func(rows []map[string]any) uint64 {
		version, err := strconv.ParseUint(rows[0]["version"].(string), 10, 64)
		if err != nil {
			c.t.Fatal(err)
		}
		return version >> 32
	}
	eventually(c.t, minute, "a new leader", func() bool {
		rows, err := s.trySQL(left)
		return err == nil && len(rows) == 1 && epoch(rows) > epoch(found) && s.metric("millrace_people_leader") == 1
	})
	var proofs []string
	for _, what := range []string{"behind", "building", "announcing"} {
		if n := found[0][what].(float64); n > 0 {
			proofs = append(proofs, fmt.Sprintf("%s %v", what, n))
		}
	}
	if m := differences.FindStringSubmatch(s.log.String()); m != nil {
		proofs = append(proofs, "overrides that lacked "+m[1])
	}
	return strings.Join(proofs, ", ")
}

// metric is a number that the server tells of itself, -1 when it does not.
func (s *server) metric(name string) float64 {
	resp, err := client.Get("http://" + s.ports["admin"] + "/metrics")
	if err != nil {
		return -1
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			if n, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return n
			}
		}
	}
	return -1
}

// mustMatch reports what is in one of two lists only.
func mustMatch(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	var diff []string
	count := map[string]int{}
	for _, row := range got {
		count[row]++
	}
	for _, row := range want {
		count[row]--
	}
	for _, row := range slices.Sorted(maps.Keys(count)) {
		if n := count[row]; n != 0 && len(diff) < 20 {
			diff = append(diff, fmt.Sprintf("%+d %s", n, row))
		}
	}
	t.Errorf("%s: %d rows, want %d; in the tables (+) and what follows from the events (-):\n%s", what, len(got), len(want), strings.Join(diff, "\n"))
}
