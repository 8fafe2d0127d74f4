package version

import (
	"runtime/debug"
	"testing"
)

func TestFill(t *testing.T) {
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     Info
	}{
		{nil, Info{}},
		{[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, Info{}},
		{[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "T"}, {Key: "vcs.modified", Value: "false"}}, Info{Commit: "abc", Date: "T"}},
		{[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "abc"}}, Info{Commit: "abc+dirty"}},
	} {
		var got Info
		got.fill(&debug.BuildInfo{Settings: c.settings})
		if got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.settings, got, c.want)
		}
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct {
		info Info
		want string
	}{
		{Info{Version: "dev", Go: "go1", Platform: "os/arch"}, "millrace dev (go1, os/arch)"},
		{Info{Version: "1.2.3", Commit: "0123456789abcdef", Date: "D", Go: "go1", Platform: "p"}, "millrace 1.2.3 (0123456789ab, D, go1, p)"},
		{Info{Version: "1", Commit: "0123456789abcdef+dirty", Go: "go1", Platform: "p"}, "millrace 1 (0123456789ab+dirty, go1, p)"},
	} {
		if got := c.info.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := Get(); got.Version != Version || got.Go == "" || got.Platform == "" {
		t.Errorf("got %+v", got)
	}
}
