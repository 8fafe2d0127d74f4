package erased

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const (
	magic     = "MRERASE1"
	entrySize = 4 + 8
	sumSize   = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode writes the set as the package comment has it, in no order.
func encode(all ids) []byte {
	b := []byte(magic)
	for project, of := range all {
		for h := range of {
			b = binary.BigEndian.AppendUint32(b, project)
			b = binary.BigEndian.AppendUint64(b, h)
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decode reads what encode wrote.
func decode(b []byte) (ids, error) {
	n := len(b) - len(magic) - sumSize
	if n < 0 || string(b[:len(magic)]) != magic || n%entrySize != 0 {
		return nil, errors.New("it is not as this program writes it")
	}
	body := b[:len(b)-sumSize]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[len(body):]) {
		return nil, errors.New("its checksum is wrong")
	}
	all := ids{}
	for e := body[len(magic):]; len(e) > 0; e = e[entrySize:] {
		project := binary.BigEndian.Uint32(e)
		if all[project] == nil {
			all[project] = map[uint64]struct{}{}
		}
		all[project][binary.BigEndian.Uint64(e[4:])] = struct{}{}
	}
	return all, nil
}
