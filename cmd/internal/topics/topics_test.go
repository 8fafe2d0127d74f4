package topics

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	sound := map[string]string{"cleanup.policy": "delete", "min.insync.replicas": "2", "max.message.bytes": "2000000", "unclean.leader.election.enable": "false"}
	with := func(key, value string) map[string]string {
		m := map[string]string{key: value}
		for k, v := range sound {
			if k != key {
				m[k] = v
			}
		}
		return m
	}
	for name, c := range map[string]struct {
		replicas int
		settings map[string]string
		embedded bool
		relaxed  string // part of the only entry
		err      string
		limit    int64
	}{
		"sound":             {3, sound, false, "", "", 2000000},
		"embedded one copy": {1, nil, true, "", "", defaultMaxMessageBytes},
		"one copy":          {1, sound, false, "replication is 1", "", 2000000},
		"min isr 1":         {3, with("min.insync.replicas", "1"), false, "min.insync.replicas", "", 2000000},
		"min isr unknown":   {3, map[string]string{}, false, "min.insync.replicas", "", defaultMaxMessageBytes},
		"write caching":     {3, with("write.caching", "true"), false, "write.caching", "", 2000000},
		"unclean election":  {3, with("unclean.leader.election.enable", "true"), false, "unclean", "", 2000000},
		"compacted":         {3, with("cleanup.policy", "compact,delete"), false, "", "cleanup.policy", 2000000},
		"tiny messages":     {3, with("max.message.bytes", "1000"), false, "", "max.message.bytes", 1000},
		"odd message limit": {3, with("max.message.bytes", "lots"), false, "", "max.message.bytes", 0},
	} {
		relaxed, limit, err := judge("events", c.replicas, c.settings, c.embedded)
		if (c.err == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v, want %q", name, err, c.err)
		}
		if (c.relaxed == "") != (len(relaxed) == 0) || (c.relaxed != "" && (len(relaxed) != 1 || !strings.Contains(relaxed[0], c.relaxed))) {
			t.Errorf("%s: relaxed %q, want %q", name, relaxed, c.relaxed)
		}
		if limit != c.limit {
			t.Errorf("%s: limit %d, want %d", name, limit, c.limit)
		}
	}
}

func TestPins(t *testing.T) {
	dir := t.TempDir()
	if _, ok, err := LoadPins(dir, "c"); ok || err != nil {
		t.Fatalf("empty directory: %v, %v", ok, err)
	}
	want := Pins{ClusterID: "c", Events: Pin{1, 12}, Quarantine: Pin{2, 4}}
	if err := SavePins(dir, want); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := LoadPins(dir, "c"); got != want || !ok || err != nil {
		t.Errorf("loaded %+v, %v, %v", got, ok, err)
	}
	if _, ok, _ := LoadPins(dir, "other"); ok {
		t.Error("pins of another cluster were taken")
	}
	for name, c := range map[string]struct {
		topics   Topics
		warnings int
		fails    bool
	}{
		"same":  {Topics{Events: 12, Quarantine: 4}, 0, false},
		"more":  {Topics{Events: 24, Quarantine: 4}, 1, false},
		"fewer": {Topics{Events: 6, Quarantine: 2}, 0, true},
	} {
		warnings, err := want.Check(&c.topics)
		if len(warnings) != c.warnings || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, warnings, err)
		}
	}
}
