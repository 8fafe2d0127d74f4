package schema

// Span is where the text stands in its buffer: buf[start:end].
func (t Text) Span() (start, end int) { return int(t.off), int(t.off) + t.Len() }
