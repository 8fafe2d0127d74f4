package custom

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestDecide(t *testing.T) {
	r := compile(parseOne(t, salesYAML))
	print, id := r.fingerprint(), uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")
	build := func(n uint32, phase, fingerprint string) record {
		return record{name: "sales", build: n, phase: phase, fingerprint: fingerprint, tableID: id, boundary: boundary{log: 2}}
	}
	there := func(read string, builds ...string) map[string]relation {
		all := map[string]relation{}
		for _, b := range builds {
			all["metric_sales__"+b] = relation{engine: "AggregatingMergeTree", id: id}
			all["metric_sales__"+b+"_mv"] = relation{engine: "MaterializedView"}
		}
		if read != "" {
			all["metric_sales"] = relation{engine: "View", query: "SELECT n FROM millrace.metric_sales__" + read}
		}
		return all
	}
	restored := there("", "1")
	restored["metric_sales__1"] = relation{engine: "AggregatingMergeTree", id: uuid.Max}
	for _, c := range []struct {
		name    string
		records []record
		there   map[string]relation
		log     uint16
		want    Action
		build   uint32
		why     string
	}{
		{"nothing", nil, nil, 2, Create, 0, "none"},
		{"dropped before", []record{build(1, dropped, print)}, nil, 2, Create, 0, "none"},
		{"complete", []record{build(1, complete, print)}, there("1", "1"), 2, Unchanged, 1, "as declared"},
		{"complete, a later log", []record{build(1, complete, print)}, there("1", "1"), 3, Unchanged, 1, "as declared"},
		{"complete, an earlier log", []record{build(1, complete, print)}, there("1", "1"), 1, Rebuild, 0, "log 1 again"},
		{"complete, declared otherwise", []record{build(1, complete, "x")}, there("1", "1"), 2, Rebuild, 0, "otherwise"},
		{"complete, without its view", []record{build(1, complete, print)}, there("1"), 2, Rebuild, 0, "gone"},
		{"complete, not read yet", []record{build(1, complete, print)}, there("", "1"), 2, Resume, 1, "cannot read"},
		{"complete, the one before is read", []record{build(1, complete, "x"), build(2, complete, print)}, there("1", "1", "2"), 2, Resume, 2, "cannot read"},
		{"complete, table brought back by a backup", []record{build(1, complete, print)}, map[string]relation{
			"metric_sales": there("1")["metric_sales"], "metric_sales__1": restored["metric_sales__1"], "metric_sales__1_mv": restored["metric_sales__1_mv"],
		}, 2, Unchanged, 1, "as declared"},
		{"broken", []record{build(1, broken, print)}, there("", "1"), 2, Rebuild, 0, "failed"},
		{"attaching", []record{build(1, attaching, print)}, there("", "1"), 2, Create, 0, "none"},
		{"waiting", []record{build(1, waiting, print)}, there("", "1"), 2, Resume, 1, "begun"},
		{"filling", []record{build(1, filling, print)}, there("", "1"), 2, Resume, 1, "begun"},
		{"filling, declared otherwise", []record{build(1, filling, "x")}, there("", "1"), 2, Create, 0, "none"},
		{"filling, without its table", []record{build(1, filling, print)}, nil, 2, Create, 0, "none"},
		{"filling, table brought back by a backup", []record{build(1, filling, print)}, restored, 2, Create, 0, "none"},
		{"filling beside the one before", []record{build(1, complete, "x"), build(2, filling, print)}, there("1", "1", "2"), 2, Resume, 2, "begun"},
		{"filling another, but declared as before", []record{build(1, complete, print), build(2, filling, "x")}, there("1", "1", "2"), 2, Unchanged, 1, "as declared"},
		{"a view of somebody else", []record{build(1, dropped, print)}, there("9"), 2, refused, 0, "none of its own"},
		{"a view of somebody else beside a build", []record{build(1, waiting, print)}, there("9", "1"), 2, refused, 0, "none of its own"},
		{"a table of somebody else", nil, map[string]relation{"metric_sales": {engine: "MergeTree"}}, 2, refused, 0, "a MergeTree called metric_sales"},
	} {
		if d := r.decide(c.records, c.there, c.log); d.action != c.want || d.build != c.build || !strings.Contains(d.why, c.why) {
			t.Errorf("%s: %+v, want %s of build %d, because %s", c.name, d, c.want, c.build, c.why)
		}
	}
}
