package enrich

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// agentWays is how many agents share a place of the cache.
const agentWays = 8

// agentCache remembers agents that were read. Looking one up takes no lock; the least recently used of those that share a place makes room.
type agentCache struct {
	seed    maphash.Seed
	buckets [][agentWays]atomic.Pointer[agent] // a store publishes an agent, which is complete
	mask    uint64
	entries atomic.Int64
	reader  *agentReader
}

func newAgentCache(entries int) (*agentCache, error) {
	reader, err := newAgentReader()
	if err != nil {
		return nil, err
	}
	n := powerOfTwo(entries) / agentWays
	return &agentCache{seed: maphash.MakeSeed(), buckets: make([][agentWays]atomic.Pointer[agent], n), mask: uint64(n - 1), reader: reader}, nil
}

// powerOfTwo is the least one that is not below n.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

// find returns the agent that text stands for, seen at now in Unix seconds. text must not be longer than maxAgent. It returns nil and why not when the agent is not known and cannot be read.
func (c *agentCache) find(text []byte, now uint32, t *tally) *agent {
	h := maphash.Bytes(c.seed, text)
	if a := c.look(h, text, now); a != nil {
		t.hits++
		return a
	}
	if is, _ := isLibrary(view(text)); is {
		return library // recognised by a word: remembering them all would let them push people's agents out
	}
	t.misses++
	a, failed := c.learn(h, string(text), now)
	if a == nil {
		t.failures[failed]++
	}
	return a
}

func (c *agentCache) look(h uint64, text []byte, now uint32) *agent {
	bucket := &c.buckets[h&c.mask]
	for i := range bucket {
		a := bucket[i].Load()
		if a == nil {
			return nil // they fill from the front, and none leaves without another in its place
		}
		if a.hash == h && a.text == string(text) {
			if a.used.Load() != now { // most often it is: reading leaves the line shared between processors
				a.used.Store(now)
			}
			return a
		}
	}
	return nil
}

// learn reads an agent and remembers it.
func (c *agentCache) learn(h uint64, text string, now uint32) (*agent, step) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	if a := c.look(h, []byte(text), now); a != nil {
		return a, 0 // somebody else was faster
	}
	a, failed := c.reader.readLocked(text)
	if a == nil {
		return nil, failed
	}
	a.hash = h
	a.used.Store(now)
	bucket := &c.buckets[h&c.mask]
	oldest := 0
	for i := range bucket {
		old := bucket[i].Load()
		if old == nil {
			oldest = i
			c.entries.Add(1)
			break
		}
		if old.used.Load() < bucket[oldest].Load().used.Load() {
			oldest = i
		}
	}
	bucket[oldest].Store(a)
	return a, 0
}
