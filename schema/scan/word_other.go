//go:build !(amd64 || arm64 || loong64 || ppc64le || riscv64)

package scan

import "encoding/binary"

// word is the eight bytes of t at i, the first one lowest.
func word(t []byte, i int) uint64 { return binary.LittleEndian.Uint64(t[i:]) }
