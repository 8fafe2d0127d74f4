package people

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/people/identity"
	"github.com/millrace/millrace/schema/clickhouse"
)

// The key that is worked out here is the one that the dictionary has.
func TestDictionaryKeyIsThatOfTheDictionary(t *testing.T) {
	cfg := clickhouse.DefaultConfig()
	cfg.Addresses = []string{enginetest.ClickHouse(t).TCP}
	db, err := clickhouse.Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read from
	var k identity.Key
	var want uint64
	rows := 0
	err = db.Query(within(t), clickhouse.Call{ID: "keys"}, "SELECT p, h, bitXor(h, intHash64(p)) FROM (SELECT toUInt32(number * 715827883) AS p, cityHash64(number) AS h FROM numbers(1000))", func() {
		if rows++; dictionaryKey(k) != want {
			t.Errorf("%+v: %d, want %d", k, dictionaryKey(k), want)
		}
	}, &k.Project, &k.H, &want)
	if err != nil || rows != 1000 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// Whoever chooses ids may make one that takes the place of an id of another project: it is told, whichever was there first.
func TestMeetingsAreSeen(t *testing.T) {
	for name, first := range map[string]uint32{"the victim was there first": 7, "the other was there first": 3} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			log := slog.New(slog.NewTextHandler(&text, nil))
			set := metrics.NewSet()
			l := &Leader{
				job:   &Job{cfg: DefaultConfig(), metrics: newMetrics(set), alerts: &alerts{log: log, now: time.Now}},
				graph: identity.New(1000), projects: make(map[uint32]struct{}), pending: newPending(),
			}
			const victim, person = 4711, 1
			made := dictionaryKey(identity.Key{Project: 7, H: victim}) ^ intHash64(3)
			say := func(project uint32) {
				h := uint64(victim)
				if project == 3 {
					h = made
				}
				l.graph.Add(identity.Fact{Project: project, AH: person, BH: h, Kind: identity.Identify})
				l.graph.Add(identity.Fact{Project: project, AH: person, BH: 12345, Kind: identity.Identify}) // meets nobody
				l.settle()
			}
			say(first)
			if text.Len() > 0 {
				t.Errorf("one project met %s", text.String())
			}
			say(7 + 3 - first)
			if n := set.GetOrCreateCounter("millrace_people_dictionary_collisions_total").Get(); n != 1 {
				t.Errorf("%d were counted", n)
			}
			if !strings.Contains(text.String(), "project=7 user_h=4711 other_project=3 ") || strings.Count(text.String(), "\n") != 1 {
				t.Error(text.String())
			}
		})
	}
}
