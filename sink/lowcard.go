package sink

import (
	"bytes"
	"hash/maphash"
	"math"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/millrace/millrace/schema"
)

// lowCard is a LowCardinality(String) column that is filled without an allocation per value. proto.ColLowCardinality keeps a Go string per row and
// builds a map of them for every block; here the dictionary is found through a hash table of indexes and the keys are written at once in the width
// that the dictionary needs.
//
// Key 0 is the empty string, so an absent value costs one append.
type lowCard struct {
	proto.ColLowCardinalityRaw // Index is &dict
	dict                       proto.ColStr
	hashes                     []uint32 // of each value in dict
	table                      []uint32 // open addressing: key+1 of the value, 0 = free; a power of two, at most half full
	words                      [256]uint32
	last                       uint32 // key of the value before: neighbours are often equal
	scratch                    []byte
}

const smallestTable = 256

// hashSeed only places values in the table; what is sent does not depend on it.
var hashSeed = maphash.MakeSeed()

func newLowCard() *lowCard {
	c := &lowCard{table: make([]uint32, smallestTable)}
	c.Index = &c.dict
	c.Reset()
	return c
}

// Reset empties the column. A table that one block with very many values has grown is given back.
func (c *lowCard) Reset() {
	const keepTable = 1 << 16
	c.ColLowCardinalityRaw.Reset()
	c.Key = proto.KeyUInt8
	c.hashes = c.hashes[:0]
	if len(c.table) > keepTable {
		c.table = make([]uint32, smallestTable)
	} else {
		clear(c.table)
	}
	clear(c.words[:])
	c.last = 0
	c.insert(nil, hash(nil))
}

// appendText adds the string that t stands for.
func (c *lowCard) appendText(t schema.Text, buf []byte) {
	switch {
	case t.Len() == 0:
		c.appendKey(0)
	case !t.Escaped():
		c.append(t.In(buf))
	default:
		c.scratch = t.AppendValue(c.scratch[:0], buf)
		c.append(c.scratch)
	}
}

// appendWord adds one of a fixed set of words, known by its number.
func (c *lowCard) appendWord(number uint8, word string) {
	key := c.words[number]
	if key == 0 && word != "" {
		c.scratch = append(c.scratch[:0], word...)
		key = c.find(c.scratch)
		c.words[number] = key
	}
	c.appendKey(key)
}

func (c *lowCard) appendString(v string) {
	c.scratch = append(c.scratch[:0], v...)
	c.append(c.scratch)
}

func (c *lowCard) append(v []byte) {
	p := c.dict.Pos[c.last]
	if !bytes.Equal(c.dict.Buf[p.Start:p.End], v) {
		c.last = c.find(v)
	}
	c.appendKey(c.last)
}

func hash(v []byte) uint32 { return uint32(maphash.Bytes(hashSeed, v)) }

// find returns the key of v, a new one when v is not in the dictionary yet.
func (c *lowCard) find(v []byte) uint32 {
	h := hash(v)
	mask := uint32(len(c.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		k := c.table[i]
		if k == 0 {
			return c.insert(v, h)
		}
		if k--; c.hashes[k] == h {
			if p := c.dict.Pos[k]; bytes.Equal(c.dict.Buf[p.Start:p.End], v) {
				return k
			}
		}
	}
}

func (c *lowCard) insert(v []byte, h uint32) uint32 {
	key := uint32(len(c.hashes))
	c.dict.AppendBytes(v)
	c.hashes = append(c.hashes, h)
	if 2*len(c.hashes) > len(c.table) {
		c.table = make([]uint32, 2*len(c.table))
		for k, h := range c.hashes {
			c.place(uint32(k), h)
		}
	} else {
		c.place(key, h)
	}
	switch key {
	case math.MaxUint8 + 1:
		c.widen(proto.KeyUInt16)
	case math.MaxUint16 + 1:
		c.widen(proto.KeyUInt32)
	}
	return key
}

func (c *lowCard) place(key, h uint32) {
	mask := uint32(len(c.table) - 1)
	i := h & mask
	for c.table[i] != 0 {
		i = (i + 1) & mask
	}
	c.table[i] = key + 1
}

// widen rewrites the keys so far for a dictionary that has outgrown them.
func (c *lowCard) widen(to proto.CardinalityKey) {
	switch to {
	case proto.KeyUInt16:
		for _, k := range c.Keys8 {
			c.Keys16 = append(c.Keys16, uint16(k))
		}
		c.Keys8 = c.Keys8[:0]
	case proto.KeyUInt32:
		for _, k := range c.Keys16 {
			c.Keys32 = append(c.Keys32, uint32(k))
		}
		c.Keys16 = c.Keys16[:0]
	}
	c.Key = to
}

func (c *lowCard) appendKey(k uint32) {
	switch c.Key {
	case proto.KeyUInt8:
		c.Keys8 = append(c.Keys8, uint8(k))
	case proto.KeyUInt16:
		c.Keys16 = append(c.Keys16, uint16(k))
	default:
		c.Keys32 = append(c.Keys32, k)
	}
}
