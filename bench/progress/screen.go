package progress

import (
	"fmt"
	"io"
)

// Escape sequences of every terminal in use.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearLine  = "\x1b[2K"
	clearBelow = "\x1b[J"
)

// screen redraws a block of lines in place. The cursor rests at the beginning of the line below the block.
type screen struct {
	out    io.Writer
	color  bool
	block  string // what is being redrawn
	height int    // its lines
	hidden bool
	buf    []byte
}

// draw shows lines where the block of that name is, or below the last one when it is another.
func (s *screen) draw(block string, width int, lines []line) {
	s.buf = s.buf[:0]
	if !s.hidden {
		s.buf = append(s.buf, hideCursor...)
		s.hidden = true
	}
	if block != s.block {
		s.block, s.height = block, 0
	}
	if s.height > 0 {
		s.buf = fmt.Appendf(s.buf, "\x1b[%dA", s.height)
	}
	for _, l := range lines {
		s.buf = append(s.buf, '\r')
		s.buf = append(s.buf, clearLine...)
		s.buf = l.append(s.buf, width, s.color)
		s.buf = append(s.buf, '\n')
	}
	if len(lines) < s.height {
		s.buf = append(s.buf, clearBelow...)
	}
	s.height = len(lines)
	s.flush()
}

// write shows a line that stays.
func (s *screen) write(text string) {
	s.buf = append(append(s.buf[:0], text...), '\n')
	s.flush()
}

// restore gives the cursor back.
func (s *screen) restore() {
	if !s.hidden {
		return
	}
	s.hidden = false
	s.buf = append(s.buf[:0], showCursor...)
	s.flush()
}

// flush writes everything at once, so that nobody sees half a drawing.
func (s *screen) flush() {
	_, _ = s.out.Write(s.buf) // there is nobody to tell
}
