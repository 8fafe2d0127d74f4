package enrich

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ua-parser/uap-go/uaparser"

	"github.com/millrace/millrace/schema/scan"
)

// agentKind is what a user agent stands for.
type agentKind uint8

const (
	agentUnknown agentKind = iota
	agentPerson            // a browser or an app: its system or its name is known
	agentBot
	agentLibrary // a server's SDK or an HTTP library
)

// fact is one thing that an agent says, as the text of a JSON string.
type fact struct {
	text    string
	escaped bool
}

// The facts of an agent.
const (
	factBrowser = iota
	factBrowserVersion
	factOS
	factOSVersion
	factDevice
	numFacts
)

// agent is a user agent as it was understood. It is immutable but for used.
type agent struct {
	text  string // what was looked at
	hash  uint64
	kind  agentKind
	facts [numFacts]fact
	// used is when it was last looked up, in Unix seconds. It publishes nothing.
	used atomic.Uint32
}

// library stands for all agents that are libraries: nothing is known of the person.
var library = &agent{kind: agentLibrary}

const (
	// maxAgent is how much of an agent is looked at, in bytes: real ones are shorter, and reading takes time in proportion.
	maxAgent = 512
	// maxFact and maxVersion are the longest facts, in bytes.
	maxFact    = 64
	maxVersion = 24
)

// agentReader reads agents with the library, one at a time, and no longer than its share of the time: each takes about a millisecond, and whoever sends events can think of as many as
// he likes.
type agentReader struct {
	mu     sync.Mutex
	parser *uaparser.Parser
	level  time.Duration // may be used up now
	at     time.Time     // when level was that
	now    func() time.Time
}

const (
	// readShare is the share of one processor that reading may take in the long run.
	readShare = 0.25
	// readBurst is what it may take at once.
	readBurst = time.Second
)

func newAgentReader() (*agentReader, error) {
	// Its cache locks for each look, so ours stands before it.
	p, err := uaparser.New(uaparser.WithCacheSize(1))
	if err != nil {
		return nil, fmt.Errorf("read the patterns of user agents: %w", err)
	}
	p.Device = nil // brands and models are not asked for, and take the most memory
	return &agentReader{parser: p, level: readBurst, at: time.Now(), now: time.Now}, nil
}

// readLocked understands an agent. It returns nil and why not when there is no time left for that, or when the library broke.
func (r *agentReader) readLocked(text string) (a *agent, failed step) {
	begun := r.now()
	r.level = min(r.level+time.Duration(float64(begun.Sub(r.at))*readShare), readBurst)
	r.at = begun
	if r.level <= 0 {
		return nil, stepAgentLimit
	}
	defer func() {
		if recover() != nil {
			a, failed = nil, stepAgent
		}
		r.level -= r.now().Sub(begun)
	}()
	return r.understand(text), 0
}

// understand never fails; the library may panic.
func (r *agentReader) understand(text string) *agent {
	a := &agent{text: text}
	_, implied := isLibrary(text)
	browser, system := r.parser.ParseUserAgent(text), r.parser.ParseOs(text)
	name, version := known(browser.Family), version(browser.Major, browser.Minor)
	osName, osVersion := known(system.Family), versionOf(system)
	if osName == "" {
		osName, osVersion = implied, ""
	}
	switch {
	case strings.HasPrefix(text, "Dalvik/"):
		name, version = "", "" // an app that does not say its name
	case strings.Contains(name, "WKWebView") && !strings.HasPrefix(text, "Mozilla/"):
		name, version = ownName(text)
	}
	a.facts[factBrowser], a.facts[factBrowserVersion] = factOf(name, maxFact), factOf(version, maxVersion)
	a.facts[factOS], a.facts[factOSVersion] = factOf(osName, maxFact), factOf(osVersion, maxVersion)
	a.facts[factDevice] = factOf(deviceOf(text, osName), maxFact)
	switch {
	case isBot(text):
		a.kind = agentBot
	case name != "" || osName != "":
		a.kind = agentPerson
	}
	return a
}

// known is the name, unless it is the library's word for none.
func known(name string) string {
	if name == "Other" {
		return ""
	}
	return name
}

// version is a version's first two numbers, the second left out when it is 0: rows of one version should be one group.
func version(major, minor string) string {
	if minor == "" || minor == "0" || major == "" {
		return major
	}
	return major + "." + minor
}

func versionOf(o *uaparser.Os) string { return version(o.Major, o.Minor) }

// ownName is the name at an agent's beginning and the version after it: MyShop/4.12.0 (iPhone; iOS 17.5).
func ownName(text string) (name, v string) {
	word, _, _ := strings.Cut(text, " ")
	name, rest, _ := strings.Cut(word, "/")
	parts := strings.SplitN(rest, ".", 3)
	if len(parts) > 1 {
		return name, version(parts[0], parts[1])
	}
	return name, parts[0]
}

// factOf makes a fact of text that came from outside: bounded, without control characters, valid UTF-8.
func factOf(text string, limit int) fact {
	clean := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\ufffd' {
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, ""))
	if len(clean) > limit {
		clean = strings.ToValidUTF8(clean[:limit], "")
	}
	escaped, any := scan.AppendEscaped(nil, bytes.TrimSpace([]byte(clean)))
	return fact{text: string(escaped), escaped: any}
}
