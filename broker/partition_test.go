package broker

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The vectors of Kafka's own UtilsTest.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

// franz-go's partitioner is the same one, written by others.
func TestPartitionForAgreesWithFranz(t *testing.T) {
	p := kgo.StickyKeyPartitioner(nil).ForTopic("events")
	for _, n := range []int{1, 2, 4, 12, 13, 1000} {
		for i := range 300 {
			key := fmt.Append(nil, i%7, ":user-", i*i)[:1+i%12]
			want := p.Partition(&kgo.Record{Key: key}, n)
			if got := PartitionFor(key, n); int(got) != want {
				t.Fatalf("PartitionFor(%q, %d) = %d, want %d", key, n, got, want)
			}
		}
	}
}

func BenchmarkPartitionFor(b *testing.B) {
	key := []byte("1:01890a5d-ac96-774b-bcce-b302099a8057")
	for b.Loop() {
		PartitionFor(key, 12)
	}
}
