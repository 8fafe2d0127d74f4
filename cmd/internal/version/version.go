package version

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/millrace/millrace/sink/failpoint"
)

// Set with -ldflags "-X …"; a build without them says so.
var (
	// Version is the release, such as 0.1.0; builds of other revisions carry the next one with -dev.
	Version = "0.1.0-dev"
	// Commit is the revision the program was built from, with "+dirty" when files differed from it; empty when unknown.
	Commit = ""
	// Date is the time of that revision in RFC 3339, not of the build: two builds of one revision are identical. Empty when unknown.
	Date = ""
)

// Info is what "millrace version --json" prints.
type Info struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Failpoints: a build for tests, which can be told to stop, die or leave protections out.
	Failpoints bool `json:"failpoints,omitempty"`
}

// Get returns the version of the running program. What the linker did not set is taken from the build information that the Go tool
// records, if it did.
func Get() Info {
	i := Info{Version: Version, Commit: Commit, Date: Date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Failpoints: failpoint.Enabled}
	if i.Commit == "" {
		if build, ok := debug.ReadBuildInfo(); ok {
			i.fill(build)
		}
	}
	return i
}

func (i *Info) fill(build *debug.BuildInfo) {
	dirty := false
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Commit = s.Value
		case "vcs.time":
			i.Date = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if i.Commit != "" && dirty {
		i.Commit += "+dirty"
	}
}

// String is one line for people: "millrace 0.1.0 (1a2b3c4d5e6f, 2026-11-21T20:00:00Z, go1.26.0, linux/amd64)".
func (i Info) String() string {
	s := "millrace " + i.Version + " ("
	if i.Commit != "" {
		const short = 12
		commit, dirty := strings.CutSuffix(i.Commit, "+dirty")
		s += commit[:min(short, len(commit))]
		if dirty {
			s += "+dirty"
		}
		s += ", "
	}
	if i.Date != "" {
		s += i.Date + ", "
	}
	s += i.Go + ", " + i.Platform
	if i.Failpoints {
		s += ", with failpoints: for tests only"
	}
	return s + ")"
}
