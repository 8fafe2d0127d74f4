// Package erased knows who was erased, for gateways: Set answers whether an id of a project is among those of table erasures, as hashes, within a few seconds of a request.
//
// The table is read every 5 s, in as far as it has changed, and kept in DATA/erased.bin, so that a gateway that starts while ClickHouse is away refuses whom it refused before:
//
//	"MRERASE1", then per id project (4 bytes) and hash (8 bytes), big endian, then the CRC-32C (Castagnoli) of all before (4 bytes)
//
// A file that is damaged is not trusted: the set is empty until the table answers, and the log says so. Run starts no goroutine.
package erased
