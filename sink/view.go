package sink

import "unsafe"

// view is b as a string without a copy. It may be passed only to code that keeps nothing of it, and is dead as soon as b changes: netip.ParseAddr
// copies the one part it can keep (a zone), and its error is dropped at once.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
