package query

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// members reads the members of one JSON object from a stream and copies their values byte for byte, whatever their size. It follows strings and brackets only: the
// object is written by ClickHouse, and what matters is where each value ends and that it does end.
type members struct {
	in    *bufio.Reader
	begun bool
}

var (
	errMembers = errors.New("the result is no JSON object")
	// errEnd is the end of the stream where the object has not ended. It is not what a connection that was cut off gives.
	errEnd = fmt.Errorf("%w: it breaks off", errMembers)
)

// next moves to the value of the next member and returns its name, or io.EOF at the end of the object. The value before must have been copied.
func (m *members) next() (name string, err error) {
	want := byte(',')
	if !m.begun {
		m.begun, want = true, '{'
	}
	c, err := m.skip()
	switch {
	case err != nil:
		return "", err
	case c == '}' && want == ',':
		return "", io.EOF
	case c != want:
		return "", fmt.Errorf("%w: %q where %q belongs", errMembers, c, want)
	}
	if c, err = m.skip(); err != nil {
		return "", err
	}
	if c == '}' && want == '{' {
		return "", io.EOF
	}
	if err := m.in.UnreadByte(); err != nil {
		return "", err
	}
	var raw buffer
	if _, err := m.copy(&raw); err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, &name); err != nil {
		return "", fmt.Errorf("%w: name of a member: %w", errMembers, err)
	}
	if c, err = m.skip(); err != nil || c != ':' {
		return "", errors.Join(err, fmt.Errorf("%w: no value for %q", errMembers, name))
	}
	return name, nil
}

// end reads to the end of the stream, where nothing but white space may follow. A response that is not read to its end costs its connection, and ClickHouse takes
// that for a client who has gone.
func (m *members) end() error {
	c, err := m.skip()
	switch {
	case err == nil:
		return fmt.Errorf("%w: %q behind it", errMembers, c)
	case errors.Is(err, errEnd):
		return nil
	}
	return err
}

// skip returns the first byte that is no white space.
func (m *members) skip() (byte, error) {
	for {
		c, err := m.in.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, nil
		}
	}
}

// unexpected turns the end of the stream into an error of its own: io.EOF is what next returns at the end of the object.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return errEnd
	}
	return err
}

// copy writes the value that comes next to out and returns how many elements it has when it is an array. White space before it is left out, that inside is kept.
func (m *members) copy(out io.Writer) (elements int, err error) {
	c, err := m.skip()
	if err != nil {
		return 0, err
	}
	if err := m.in.UnreadByte(); err != nil {
		return 0, err
	}
	v := value{array: c == '['}
	for {
		if _, err := m.in.Peek(1); err != nil {
			return 0, unexpected(err)
		}
		chunk, err := m.in.Peek(m.in.Buffered())
		if err != nil {
			return 0, err
		}
		n, done := v.scan(chunk)
		if _, err := out.Write(chunk[:n]); err != nil {
			return 0, err
		}
		if _, err := m.in.Discard(n); err != nil {
			return 0, err
		}
		if done {
			return v.elements, nil
		}
	}
}

// value follows one JSON value through chunks.
type value struct {
	array    bool // its elements are counted
	depth    int
	elements int
	begun    bool
	inString bool
	escaped  bool
}

// scan returns how much of chunk belongs to the value, and whether it ends there.
func (v *value) scan(chunk []byte) (n int, done bool) {
	for i, c := range chunk {
		if v.inString {
			switch {
			case v.escaped:
				v.escaped = false
			case c == '\\':
				v.escaped = true
			case c == '"':
				v.inString = false
				if v.depth == 0 {
					return i + 1, true
				}
			}
			continue
		}
		switch c {
		case ' ', '\n', '\t', '\r':
			if v.depth == 0 && v.begun {
				return i, true
			}
			continue
		case ',':
			if v.depth == 0 {
				return i, true
			}
			if v.depth == 1 && v.array {
				v.elements++
			}
			continue
		case '}', ']':
			if v.depth == 0 {
				return i, true // of a number at the end of the object
			}
			if v.depth--; v.depth == 0 {
				return i + 1, true
			}
			continue
		}
		// Something of an element: an array that has any has one more than commas.
		if v.depth == 1 && v.array && v.elements == 0 {
			v.elements = 1
		}
		v.begun = true
		switch c {
		case '"':
			v.inString = true
		case '{', '[':
			v.depth++
		}
	}
	return len(chunk), false
}

// buffer is a Writer that keeps what is small.
type buffer []byte

// maxMemberBytes bounds what is kept: names and types of columns.
const maxMemberBytes = 1 << 20

func (b *buffer) Write(p []byte) (int, error) {
	if len(*b)+len(p) > maxMemberBytes {
		return 0, fmt.Errorf("%w: a part of it is longer than %d bytes", errMembers, maxMemberBytes)
	}
	*b = append(*b, p...)
	return len(p), nil
}
