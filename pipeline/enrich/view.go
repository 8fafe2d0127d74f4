package enrich

import "unsafe"

// view is b as a string without a copy. It is valid as long as b is, and only while b does not change: what it is given to must not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
