package compare

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Names of the built-in targets.
const (
	Gateway = "gateway"
	Null    = "null"
	Naive   = "naive"
)

// brokerMark stands in a command's arguments for the address of the broker that discards.
const brokerMark = "{broker}"

// Target is something that takes requests. With nothing but a name it is a built-in one.
type Target struct {
	Name string
	// Command starts it; empty: it runs already. "{broker}" in an argument becomes the address of a broker that acknowledges and keeps nothing. It is ready
	// when it prints the line "ready ADDRESS" on its standard output, or its ReadyURL answers 200, or, without that, the port of its URL accepts connections.
	Command []string
	// Env are variables on top of this process's, as NAME=VALUE.
	Env []string
	// URL is http://host:port, with a path in front of the dialect's if need be. Empty: it is http:// and the address of the ready line.
	URL string
	// ReadyURL answers 200 once it can be used. Empty: see Command.
	ReadyURL string
	// PID is the process whose CPU time counts, with its descendants, when there is no Command. 0: the one that listens on the port of URL.
	PID int
	// Key is sent as the user of Basic authentication. Empty: none is.
	Key string
	// Topic is where its records must arrive at the broker, as many as events were accepted. Empty: nobody looks.
	Topic string
	// Answers tells that its answers have the gateway's shape and say what became of each event. Otherwise 200 means that all were accepted.
	Answers bool
}

// ParseTarget reads a target off the command line: the name of a built-in one, or NAME=URL, or NAME=URL COMMAND ARGUMENT… with words parted by white space. A user in the URL is the
// key. It does not look whether there is such a target.
func ParseTarget(text string) (Target, error) {
	name, rest, external := strings.Cut(strings.TrimSpace(text), "=")
	t := Target{Name: name}
	if external {
		words := strings.Fields(rest)
		if len(words) == 0 {
			return Target{}, fmt.Errorf("target %q: the URL is missing: write %s=http://host:port", text, name)
		}
		u, err := url.Parse(words[0])
		if err != nil {
			return Target{}, fmt.Errorf("target %s: %w", name, err)
		}
		if u.User != nil {
			t.Key, u.User = u.User.Username(), nil
		}
		t.URL, t.Command = u.String(), words[1:]
	}
	return t, t.validate()
}

// builtIn tells whether there is nothing but a name.
func (t *Target) builtIn() bool { return t.URL == "" && len(t.Command) == 0 && t.PID == 0 }

func (t *Target) validate() error {
	switch {
	case t.Name == "" || strings.ContainsAny(t.Name, "=/ \t\n"):
		return fmt.Errorf("target %q: a name without spaces, = and / is needed", t.Name)
	case t.builtIn() && !slices.Contains([]string{Gateway, Null, Naive}, t.Name):
		return fmt.Errorf("target %s: it is none of %s, %s and %s, so it needs a URL: write %s=http://host:port", t.Name, Gateway, Null, Naive, t.Name)
	case t.builtIn():
		return nil
	case t.URL == "" && len(t.Command) == 0:
		return fmt.Errorf("target %s: without a command it needs a URL", t.Name)
	case t.URL == "" && t.ReadyURL != "":
		return fmt.Errorf("target %s: with a ready URL it needs a URL", t.Name)
	case t.URL != "":
		return t.validateURL()
	}
	return nil
}

func (t *Target) validateURL() error {
	u, err := url.Parse(t.URL)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "") {
		err = errors.New("it must be http://host:port")
	}
	if err != nil {
		return fmt.Errorf("target %s: URL %q: %w", t.Name, t.URL, err)
	}
	return nil
}

// wantsBroker tells whether the target cannot be run without the broker.
func (t *Target) wantsBroker() bool {
	return t.builtIn() && t.Name != Null || t.Topic != "" || slices.ContainsFunc(t.Command, func(word string) bool { return strings.Contains(word, brokerMark) })
}

// address is host:port of the URL.
func (t *Target) address() (string, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return "", err
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // net knows the ports of http and https
	}
	return u.Hostname() + ":" + port, nil
}
