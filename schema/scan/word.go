//go:build amd64 || arm64 || loong64 || ppc64le || riscv64

package scan

import "unsafe"

// word is the eight bytes of t at i, the first one lowest. i must not be negative and i+8 not beyond len(t): the caller has compared it, and
// this spares the comparisons that the compiler would add.
func word(t []byte, i int) uint64 {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(t)), i))
}
