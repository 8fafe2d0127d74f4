package progress

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// style is a colour of the terminal's own choice; the zero value is plain text.
type style string

const (
	dim    style = "2"
	bold   style = "1"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// span is text of one style.
type span struct {
	text  string
	style style
}

// line is what stands in one line of the terminal. Every rune takes one column.
type line []span

func (l line) plus(text string, s style) line { return append(l, span{text, s}) }

// append appends l to dst, cut to width.
func (l line) append(dst []byte, width int, color bool) []byte {
	whole := 0
	for _, s := range l {
		whole += utf8.RuneCountInString(s.text)
	}
	room := max(width, 1)
	cut := whole > room
	if cut {
		room-- // for the mark
	}
	for _, s := range l {
		text := s.text
		if n := utf8.RuneCountInString(text); n > room {
			text = string([]rune(text)[:room])
		}
		room -= utf8.RuneCountInString(text)
		if text == "" {
			continue
		}
		if color && s.style != "" {
			dst = fmt.Appendf(dst, "\x1b[%sm%s\x1b[0m", s.style, text)
		} else {
			dst = append(dst, text...)
		}
	}
	if cut {
		dst = append(dst, "…"...)
	}
	return dst
}

// perSecond is a rate; 0 of no time.
func perSecond(n uint64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// milliseconds writes a time that is given in milliseconds, to about three digits.
func milliseconds(ms float64) string {
	switch {
	case ms < 1:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// clock writes a duration as 0:07, 12:34 or 1:02:03.
func clock(d time.Duration) string {
	s := int64(math.Round(max(d, 0).Seconds()))
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// bar is a bar of width columns of which a share is filled, in steps of half a column.
func bar(share float64, width int, s style) line {
	halves := int(max(0, min(share, 1)) * float64(2*width))
	full, half := halves/2, halves%2
	return line{
		{strings.Repeat("━", full) + strings.Repeat("╸", half), s},
		{strings.Repeat("─", width-full-half), dim},
	}
}
