package discard

import (
	"sync"
	"sync/atomic"
)

// topics holds what was produced to or created. A topic that is only asked about is not kept.
type topics struct {
	partitions int // of a topic that nobody created

	mu     sync.RWMutex
	byName map[string]*topic
}

type topic struct {
	name       string
	partitions []partition
}

// partition holds counters that connections add to, once per batch.
type partition struct {
	records, batches, bytes atomic.Uint64
	_                       [40]byte // a cache line of its own
}

// find returns nil for a topic that is not kept. It does not keep name.
func (t *topics) find(name []byte) *topic {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[string(name)]
}

// open returns the topic of that name, made with so many partitions (0 = the default) when it is not there, which created tells.
func (t *topics) open(name string, partitions int) (found *topic, created bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found = t.byName[name]; found != nil {
		return found, false
	}
	if partitions == 0 {
		partitions = t.partitions
	}
	found = &topic{name: name, partitions: make([]partition, partitions)}
	t.byName[name] = found
	return found, true
}

// size is the number of partitions that the topic has or would have.
func (t *topics) size(name string) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if found := t.byName[name]; found != nil {
		return len(found.partitions)
	}
	return t.partitions
}

// end is the offset that the next record of the partition gets; ok is false when there is no such partition.
func (t *topics) end(name string, index int32) (offset int64, ok bool) {
	if index < 0 || int(index) >= t.size(name) {
		return 0, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if found := t.byName[name]; found != nil {
		return int64(found.partitions[index].records.Load()), true
	}
	return 0, true
}

// maxNameLen is Kafka's.
const maxNameLen = 249

// legal tells whether Kafka would take the name.
func legal(name string) bool {
	if name == "" || len(name) > maxNameLen || name == "." || name == ".." {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// Count is what a topic has been sent.
type Count struct {
	Records    uint64   `json:"records"`
	Batches    uint64   `json:"batches"`
	Bytes      uint64   `json:"bytes"`      // of record batches, headers included
	Partitions []uint64 `json:"partitions"` // records of each
}

// counts reads all counters. Each is exact for what was acknowledged before the call.
func (t *topics) counts() map[string]Count {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[string]Count, len(t.byName))
	for name, topic := range t.byName {
		c := Count{Partitions: make([]uint64, len(topic.partitions))}
		for i := range topic.partitions {
			p := &topic.partitions[i]
			c.Partitions[i] = p.records.Load()
			c.Records += c.Partitions[i]
			c.Batches += p.batches.Load()
			c.Bytes += p.bytes.Load()
		}
		all[name] = c
	}
	return all
}
