package compare

import (
	"bytes"
	"strings"
	"sync"
)

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
	cut  bool
}

// maxTail is how much a tail keeps.
const maxTail = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
		t.cut = true
	}
	return len(p), nil
}

// String is what is kept, without the newline at its end.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(bytes.TrimSpace(t.text))
	if t.cut {
		text = "…" + text
	}
	return text
}

// lines waits for the line "ready …" in what is written to it and hands its other words on, once.
type lines struct {
	ready chan []string // has room for one
	line  []byte
	done  bool
}

// maxLine is more than any ready line needs; what is longer is none.
const maxLine = 4 << 10

func (l *lines) Write(p []byte) (int, error) {
	for rest := p; !l.done && len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		if len(l.line)+len(part) <= maxLine {
			l.line = append(l.line, part...)
		}
		if !ended {
			break
		}
		if words := strings.Fields(string(l.line)); len(words) > 1 && words[0] == "ready" {
			l.ready <- words[1:]
			l.done = true
		}
		l.line = l.line[:0]
	}
	return len(p), nil
}
