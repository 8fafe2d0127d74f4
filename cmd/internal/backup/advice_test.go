package backup

import (
	"strings"
	"testing"
)

func TestAdvice(t *testing.T) {
	manifest := &Manifest{ClusterID: "c1"}
	events := func(log uint16, p Partition) []Topic {
		return []Topic{{Name: "events", Log: log, Partitions: []Partition{p}}}
	}
	for _, c := range []struct {
		what   string
		r      Report
		has    []string
		hasNot []string
	}{
		{
			"loading went on",
			Report{Manifest: manifest, ClusterID: "c1", Topics: events(1, Partition{StoredBelow: 100, Committed: 500, Start: 50, End: 600}), Highest: map[string]map[int32]int64{"events": {0: 149}}},
			[]string{"restored up to offset 149, confirmed up to 499, the topic holds 50 to 599", "sink rewind --topic events --partition 0 --to 100\n", "none twice", "reconcile"},
			[]string{"gone from"},
		},
		{
			"nothing was loaded since",
			Report{Manifest: manifest, ClusterID: "c1", Topics: events(1, Partition{StoredBelow: 100, Committed: 100, Start: 0, End: 100}), Highest: map[string]map[int32]int64{"events": {0: 99}}},
			[]string{"Nothing was loaded since"},
			[]string{"rewind"},
		},
		{
			"records are gone",
			Report{Manifest: manifest, ClusterID: "c1", Topics: events(1, Partition{StoredBelow: 100, Committed: 500, Start: 300, End: 600}), Highest: map[string]map[int32]int64{"events": {0: 149}}},
			[]string{"up to 150 records before offset 300 are gone from the topic", "--to 300\n"},
			nil,
		},
		{
			"nothing was committed at the backup",
			Report{Manifest: manifest, ClusterID: "c1", Topics: events(1, Partition{StoredBelow: -1, Committed: 500, Start: 0, End: 600})},
			[]string{"restored up to offset -1", "--to 0\n"},
			nil,
		},
		{
			"nothing was ever committed",
			Report{Manifest: manifest, ClusterID: "c1", Topics: events(1, Partition{StoredBelow: -1, Committed: -1})},
			[]string{"nothing was ever confirmed"},
			[]string{"rewind"},
		},
		{
			"without a manifest the sink finds the place",
			Report{ClusterID: "c1", Topics: events(1, Partition{StoredBelow: -1, Committed: 500, End: 600}), Highest: map[string]map[int32]int64{"events": {0: 149}}},
			[]string{"sink rewind --topic events --partition 0\n"},
			[]string{"--to "},
		},
		{
			"another broker",
			Report{Manifest: manifest, ClusterID: "c2", Topics: events(0, Partition{Committed: -1})},
			[]string{"cluster c1 then, c2 now", "new log number", "earliest record"},
			[]string{"rewind"},
		},
		{
			"no log number",
			Report{Manifest: manifest, ClusterID: "c1", Topics: events(0, Partition{Committed: 5})},
			[]string{"no log number"},
			[]string{"rewind"},
		},
	} {
		got := c.r.Advice()
		for _, text := range c.has {
			if !strings.Contains(got, text) {
				t.Errorf("%s: lacks %q:\n%s", c.what, text, got)
			}
		}
		for _, text := range c.hasNot {
			if strings.Contains(got, text) {
				t.Errorf("%s: has %q:\n%s", c.what, text, got)
			}
		}
	}
}
