package scan

import "fmt"

// Kind is the kind of a JSON value, told by its first byte.
type Kind uint8

// The kinds of JSON value. Invalid means that no value can start here (or the text has ended).
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}

// String names the kind as a person would, with its article: "a number".
func (k Kind) String() string { return kindNames[k] }

// Flags say what was wrong inside values whose grammar was right.
type Flags uint8

const (
	// BadUTF8 is set when a string holds bytes that are not UTF-8.
	BadUTF8 Flags = 1 << iota
	// TooDeep is set when containers nest deeper than allowed.
	TooDeep
)

// Value is one scanned value: text[Start:End], for a string without its quotes. It has four fields on purpose: the compiler keeps a struct of more in
// memory, which made decoding a batch a third slower.
type Value struct {
	Start, End int
	// Members counts the members of an object or the elements of an array, at its own level, and the escape sequences of a string.
	Members int
	Kind    Kind
}

// Escaped tells that the value is a string with at least one escape sequence, so that its text is not its value.
func (v Value) Escaped() bool { return v.Kind == String && v.Members > 0 }

// Error is where and why a text is not JSON.
type Error struct {
	Offset int    // bytes from the start of the text
	Reason string // what was found or expected
}

func (e *Error) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// Scanner is a cursor over one JSON text. The zero value is ready after Reset. It is not safe for concurrent use and keeps a
// reference to the text until the next Reset.
type Scanner struct {
	text   []byte
	pos    int
	limit  int // containers that may still be opened below the current one
	flags  Flags
	err    Error
	failed bool
	stack  []uint64 // one bit per open container inside Skip: 1 = object
}

// Reset points the scanner at text. maxDepth bounds the nesting of containers, counted from the outermost one that is opened; deeper
// values are walked over and flagged TooDeep.
func (s *Scanner) Reset(text []byte, maxDepth int) {
	s.text, s.pos, s.limit, s.flags, s.failed = text, 0, maxDepth, 0, false
}

// Pos is the offset of the next byte to be read.
func (s *Scanner) Pos() int { return s.pos }

// Seek moves the cursor to offset, which must be the start of a value or the end of one.
func (s *Scanner) Seek(offset int) { s.pos = offset }

// Flags returns what was flagged since the last TakeFlags or Reset and clears it.
func (s *Scanner) TakeFlags() Flags {
	f := s.flags
	s.flags = 0
	return f
}

// SetLimit sets how many containers may be opened below the current position and returns the former limit.
func (s *Scanner) SetLimit(n int) int {
	old := s.limit
	s.limit = n
	return old
}

// Err returns the grammar error that ended the walk, or nil. The value is valid until the next Reset.
func (s *Scanner) Err() error {
	if !s.failed {
		return nil
	}
	return &s.err
}

func (s *Scanner) fail(at int, reason string) bool {
	if !s.failed {
		s.failed, s.err = true, Error{Offset: at, Reason: reason}
	}
	return false
}

// blank returns the offset of the first byte from i on that is not white space.
func blank(t []byte, i int) int {
	for i < len(t) && t[i] <= ' ' && (t[i] == ' ' || t[i] == '\n' || t[i] == '\r' || t[i] == '\t') {
		i++
	}
	return i
}

// space moves to the next byte that is not white space and returns it, or 0 at the end of the text.
func (s *Scanner) space() byte {
	s.pos = blank(s.text, s.pos)
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// More skips white space and tells whether any text is left.
func (s *Scanner) More() bool {
	s.space()
	return s.pos < len(s.text)
}

// Peek skips white space and tells the kind of the value that starts there without reading it.
func (s *Scanner) Peek() Kind {
	switch c := s.space(); c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number
	}
	return Invalid
}

// Enter opens the object or array at the cursor, which Peek has shown to be one. Walk it with NextMember or NextElement until they
// return false; they leave the cursor behind it.
func (s *Scanner) Enter() {
	s.limit--
	if s.limit < 0 {
		s.flags |= TooDeep
	}
	s.pos++
}

// NextMember moves to the next member of the object that was entered: it returns the key and stands before the member's value, which
// the caller must read. ok is false at the object's end and after an error. first must be true for the first call on an object.
func (s *Scanner) NextMember(first bool) (key Value, ok bool) {
	// The usual case has no white space and no escapes.
	t, i := s.text, s.pos
	if !first && i < len(t) && t[i] == ',' {
		i++
	}
	if (first || i > s.pos) && i < len(t) && t[i] == '"' && !s.failed {
		if end := plain(t, i+1); end+1 < len(t) && t[end] == '"' && t[end+1] == ':' {
			s.pos = end + 2
			return Value{Start: i + 1, End: end, Kind: String}, true
		}
	}
	if !s.separator(first, '}', "expected ',' or '}'") {
		return key, false
	}
	if s.space() != '"' {
		s.fail(s.pos, "expected a string key")
		return key, false
	}
	key, ok = s.string()
	return key, ok && s.colon()
}

// colon consumes what stands between a key and its value.
func (s *Scanner) colon() bool {
	if s.space() != ':' {
		return s.fail(s.pos, "expected ':' after a key")
	}
	s.pos++
	return true
}

// NextElement moves to the next element of the array that was entered; the caller must read it. It returns false at the array's end and
// after an error. first must be true for the first call on an array.
func (s *Scanner) NextElement(first bool) bool {
	return s.separator(first, ']', "expected ',' or ']'")
}

// separator consumes what stands before a member or an element, or the closing byte.
func (s *Scanner) separator(first bool, end byte, reason string) bool {
	if s.failed {
		return false
	}
	c := s.space()
	if c == end {
		s.pos++
		s.limit++
		return false
	}
	if first {
		return true
	}
	if c != ',' || s.pos >= len(s.text) {
		return s.fail(s.pos, reason)
	}
	s.pos++
	if c := s.space(); c == end {
		return s.fail(s.pos, "unexpected end after ','")
	}
	return true
}

// Read walks over the whole value at the cursor, whatever its kind, and returns it. ok is false after a grammar error.
func (s *Scanner) Read() (v Value, ok bool) {
	if s.failed {
		return v, false
	}
	switch s.Peek() {
	case String:
		return s.string()
	case Object, Array:
		return s.container()
	}
	v.Start = s.pos
	v.Kind = s.Peek()
	if !s.scalar() {
		return v, false
	}
	v.End = s.pos
	return v, true
}

// scalar walks over a number or a literal.
func (s *Scanner) scalar() bool {
	switch c := s.text[s.pos:]; {
	case len(c) == 0:
		return s.fail(s.pos, "unexpected end of text")
	case c[0] == 't':
		return s.literal("true")
	case c[0] == 'f':
		return s.literal("false")
	case c[0] == 'n':
		return s.literal("null")
	case c[0] == '-' || c[0]-'0' <= 9:
		return s.number()
	}
	return s.fail(s.pos, "expected a value")
}

func (s *Scanner) literal(word string) bool {
	if len(s.text)-s.pos < len(word) || string(s.text[s.pos:s.pos+len(word)]) != word {
		return s.fail(s.pos, "invalid literal")
	}
	s.pos += len(word)
	return true
}

// number walks over a number by the grammar of RFC 8259 §6. Its value is never computed.
func (s *Scanner) number() bool {
	t, i := s.text, s.pos
	if t[i] == '-' {
		i++
	}
	switch {
	case i >= len(t) || t[i]-'0' > 9:
		return s.fail(i, "invalid number")
	case t[i] == '0':
		i++
	default:
		i = digits(t, i)
	}
	if i < len(t) && t[i] == '.' {
		j := digits(t, i+1)
		if j == i+1 {
			return s.fail(j, "invalid number")
		}
		i = j
	}
	if i < len(t) && t[i]|0x20 == 'e' {
		i++
		if i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		j := digits(t, i)
		if j == i {
			return s.fail(j, "invalid number")
		}
		i = j
	}
	s.pos = i
	return true
}

func digits(t []byte, i int) int {
	for i < len(t) && t[i]-'0' <= 9 {
		i++
	}
	return i
}

// container walks over the object or array at the cursor without recursion: the kind of each open container is one bit of a stack, so that
// a text nested a million deep costs memory in bits and no goroutine stack. The cursor stays in a register between the calls that need it in
// memory.
func (s *Scanner) container() (v Value, ok bool) {
	t, i := s.text, s.pos
	v.Start = i
	v.Kind = Array
	if t[i] == '{' {
		v.Kind = Object
	}
	s.stack = s.stack[:0]
	depth := 0
	var word uint64 // bits of the innermost 64 levels, lowest = innermost: 1 = object
	for {
		// A value starts here.
		i = blank(t, i)
		var c byte
		if i < len(t) {
			c = t[i]
		}
		opened := false
		switch c {
		case '"':
			end := plain(t, i+1)
			if end < len(t) && t[end] == '"' {
				i = end + 1
				break
			}
			if _, ok := s.unplain(i+1, end); !ok {
				return v, false
			}
			i = s.pos
		case '{', '[':
			if depth > 0 && depth%64 == 0 {
				s.stack = append(s.stack, word)
			}
			word <<= 1
			if c == '{' {
				word |= 1
			}
			if depth++; depth > s.limit {
				s.flags |= TooDeep
			}
			i++
			opened = true
		default:
			s.pos = i
			if !s.scalar() {
				return v, false
			}
			i = s.pos
		}
		// What follows it: the end of one or more containers, a comma, or (in an object) a key.
		for {
			i = blank(t, i)
			if c = 0; i < len(t) {
				c = t[i]
			}
			object := word&1 == 1
			if (object && c == '}') || (!object && c == ']') {
				i++
				if depth == 1 && !opened {
					v.Members++
				}
				depth--
				if depth == 0 {
					s.pos, v.End = i, i
					return v, true
				}
				word >>= 1
				if depth%64 == 0 {
					word = s.stack[len(s.stack)-1]
					s.stack = s.stack[:len(s.stack)-1]
				}
				opened = false
				continue
			}
			if !opened {
				if c != ',' {
					if object {
						s.fail(i, "expected ',' or '}'")
					} else {
						s.fail(i, "expected ',' or ']'")
					}
					return v, false
				}
				i++
				if depth == 1 {
					v.Members++
				}
			}
			if object {
				if i = blank(t, i); i >= len(t) || t[i] != '"' {
					s.fail(i, "expected a string key")
					return v, false
				}
				end := plain(t, i+1)
				if end < len(t) && t[end] == '"' {
					i = end + 1
				} else {
					if _, ok := s.unplain(i+1, end); !ok {
						return v, false
					}
					i = s.pos
				}
				if i = blank(t, i); i >= len(t) || t[i] != ':' {
					s.fail(i, "expected ':' after a key")
					return v, false
				}
				i++
			}
			break
		}
	}
}
