package proxy

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// answers are the three answers that name brokers, with something in every part.
func answers() []kmsg.Response {
	rack, text := "rack-a", "some text"
	metadata := kmsg.NewPtrMetadataResponse()
	for i := range int32(2) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = i, "broker-with-a-long-name.example", 9092+i, &rack
		b.UnknownTags.Set(7, []byte("new"))
		metadata.Brokers = append(metadata.Brokers, b)
	}
	metadata.ClusterID, metadata.ControllerID = &text, 1
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic = &text
	part := kmsg.NewMetadataResponseTopicPartition()
	part.Replicas, part.ISR = []int32{0, 1}, []int32{1}
	topic.Partitions = append(topic.Partitions, part)
	metadata.Topics = append(metadata.Topics, topic)

	coordinator := kmsg.NewPtrFindCoordinatorResponse()
	coordinator.NodeID, coordinator.Host, coordinator.Port = 3, "h", 1
	coordinator.ErrorMessage = &text
	one := kmsg.NewFindCoordinatorResponseCoordinator()
	one.Key, one.Host, one.Port = "group", "elsewhere", 77
	coordinator.Coordinators = append(coordinator.Coordinators, one, kmsg.FindCoordinatorResponseCoordinator{Key: "none", NodeID: -1, Port: -1, ErrorCode: 15})

	cluster := kmsg.NewPtrDescribeClusterResponse()
	node := kmsg.NewDescribeClusterResponseBroker()
	node.Host, node.Port, node.Rack = "x", 5, &rack
	cluster.ClusterID, cluster.Brokers = "id", append(cluster.Brokers, node)
	return []kmsg.Response{metadata, coordinator, cluster}
}

// framed is an answer on the wire, with a tagged field in the header where there can be one.
func framed(a kmsg.Response) []byte {
	b := []byte{0, 0, 0, 0, 0, 0, 0, 17}
	if a.IsFlexible() {
		b = append(b, 1, 9, 2, 'h', 'i')
	}
	b = a.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-sizeBytes))
	return b
}

// In every version the rewritten answer is the original but for the addresses.
func TestRewritesEveryVersion(t *testing.T) {
	for _, a := range answers() {
		for v := int16(0); v <= a.MaxVersion(); v++ {
			a.SetVersion(v)
			r := request{key: a.Key(), version: v, correlation: 17}
			frame := framed(a)
			got, err := appendRewritten([]byte("before"), frame, r, "127.0.0.1", 4321)
			if err != nil {
				t.Fatalf("%s version %d: %v", kmsg.NameForKey(r.key), v, err)
			}
			want := kmsg.ResponseForKey(r.key)
			want.SetVersion(v)
			head := answerBytes
			if a.IsFlexible() {
				head += 5
			}
			if err := want.ReadFrom(frame[head:]); err != nil {
				t.Fatal(err)
			}
			switch w := want.(type) {
			case *kmsg.MetadataResponse:
				for i := range w.Brokers {
					w.Brokers[i].Host, w.Brokers[i].Port = "127.0.0.1", 4321
				}
			case *kmsg.FindCoordinatorResponse:
				if v < 4 {
					w.Host, w.Port = "127.0.0.1", 4321
				} else {
					w.Coordinators[0].Host, w.Coordinators[0].Port = "127.0.0.1", 4321
				}
			case *kmsg.DescribeClusterResponse:
				w.Brokers[0].Host, w.Brokers[0].Port = "127.0.0.1", 4321
			}
			if !bytes.Equal(got, append([]byte("before"), framed(want)...)) {
				t.Errorf("%s version %d:\n%q\nwant\n%q", kmsg.NameForKey(r.key), v, got, framed(want))
			}
			// An answer of which something is missing or left over is not passed on in part.
			for _, bad := range [][]byte{frame[:len(frame)-1], append(bytes.Clone(frame), 0)} {
				if _, err := appendRewritten(nil, bad, r, "127.0.0.1", 4321); err == nil {
					t.Errorf("%s version %d: %d bytes of %d were understood", kmsg.NameForKey(r.key), v, len(bad), len(frame))
				}
			}
		}
		if _, err := appendRewritten(nil, framed(a), request{key: a.Key(), version: a.MaxVersion() + 1}, "h", 1); err == nil {
			t.Errorf("%s: a version that is not known was rewritten", kmsg.NameForKey(a.Key()))
		}
	}
}

// FuzzRewrite: no bytes of a broker make the proxy panic.
func FuzzRewrite(f *testing.F) {
	for _, a := range answers() {
		for v := int16(0); v <= a.MaxVersion(); v++ {
			a.SetVersion(v)
			f.Add(framed(a), a.Key(), v)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, key, version int16) {
		if !namesBrokers(key) || len(frame) < answerBytes {
			return
		}
		out, err := appendRewritten(nil, frame, request{key: key, version: version}, "127.0.0.1", 1)
		if err == nil && int(binary.BigEndian.Uint32(out)) != len(out)-sizeBytes {
			t.Errorf("size field %d of %d bytes", binary.BigEndian.Uint32(out), len(out))
		}
	})
}
