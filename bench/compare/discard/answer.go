package discard

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	clusterID = "millrace-discard"
	nodeID    = 1
	// maxPartitions bounds what CreateTopics may ask for.
	maxPartitions = 10_000
)

// versions are the requests that are understood, each up to the last version that is not flexible.
var versions = []kmsg.ApiVersionsResponseApiKey{
	{ApiKey: int16(kmsg.Produce), MinVersion: minProduce, MaxVersion: maxProduce},
	{ApiKey: int16(kmsg.Fetch), MinVersion: 4, MaxVersion: 11},
	{ApiKey: int16(kmsg.ListOffsets), MinVersion: 1, MaxVersion: 5},
	{ApiKey: int16(kmsg.Metadata), MinVersion: 1, MaxVersion: 8},
	{ApiKey: int16(kmsg.ApiVersions), MinVersion: 0, MaxVersion: 2},
	{ApiKey: int16(kmsg.CreateTopics), MinVersion: 0, MaxVersion: 4},
	{ApiKey: int16(kmsg.InitProducerID), MinVersion: 0, MaxVersion: 1},
	{ApiKey: int16(kmsg.DescribeConfigs), MinVersion: 0, MaxVersion: 3},
}

// handle answers every request but Produce. An error means that the connection must end.
func (b *Broker) handle(ctx context.Context, local net.Addr, key, version int16, body []byte) (kmsg.Response, error) {
	i := slices.IndexFunc(versions, func(v kmsg.ApiVersionsResponseApiKey) bool { return v.ApiKey == key })
	if i < 0 {
		return nil, fmt.Errorf("%w: key %d is not known here", errMalformed, key)
	}
	if version < versions[i].MinVersion || version > versions[i].MaxVersion {
		if key != int16(kmsg.ApiVersions) {
			return nil, fmt.Errorf("%w: %s has no version %d here", errMalformed, kmsg.NameForKey(key), version)
		}
		// A newer client asks again when it reads this, in the oldest form.
		res := apiVersions()
		res.ErrorCode = codeUnsupportedVersion
		return res, nil
	}
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	if err := req.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errMalformed, kmsg.NameForKey(key), err)
	}
	var res kmsg.Response
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		res = apiVersions()
	case *kmsg.MetadataRequest:
		res = b.metadata(req, local)
	case *kmsg.CreateTopicsRequest:
		res = b.createTopics(req)
	case *kmsg.DescribeConfigsRequest:
		res = describeConfigs(req)
	case *kmsg.ListOffsetsRequest:
		res = b.listOffsets(req)
	case *kmsg.FetchRequest:
		res = b.fetch(ctx, req)
	case *kmsg.InitProducerIDRequest:
		r := kmsg.NewPtrInitProducerIDResponse()
		r.ProducerID = b.producers.Add(1)
		res = r
	}
	res.SetVersion(version)
	return res, nil
}

func apiVersions() *kmsg.ApiVersionsResponse {
	res := kmsg.NewPtrApiVersionsResponse()
	res.ApiKeys = versions
	return res
}

// metadata advertises the address under which the client has found us.
func (b *Broker) metadata(req *kmsg.MetadataRequest, local net.Addr) kmsg.Response {
	res := kmsg.NewPtrMetadataResponse()
	res.ClusterID = kmsg.StringPtr(clusterID)
	res.ControllerID = nodeID
	host, text, err := net.SplitHostPort(local.String())
	port, err2 := strconv.Atoi(text)
	if err != nil || err2 != nil {
		panic("BUG: the listener is not one of TCP: " + local.String())
	}
	node := kmsg.NewMetadataResponseBroker()
	node.NodeID, node.Host, node.Port = nodeID, host, int32(port)
	res.Brokers = append(res.Brokers, node)
	var names []string
	if req.Topics == nil { // all
		for name := range b.topics.counts() {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	for i := range req.Topics {
		if name := req.Topics[i].Topic; name != nil {
			names = append(names, *name)
		}
	}
	for _, name := range names {
		t := kmsg.NewMetadataResponseTopic()
		t.Topic = kmsg.StringPtr(name)
		if !legal(name) {
			t.ErrorCode = codeInvalidTopic
			res.Topics = append(res.Topics, t)
			continue
		}
		if req.Version < 4 || req.AllowAutoTopicCreation { // before version 4 asking is creating
			b.topics.open(name, 0)
		}
		for i := range b.topics.size(name) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.LeaderEpoch = int32(i), nodeID, 0
			p.Replicas, p.ISR = []int32{nodeID}, []int32{nodeID}
			t.Partitions = append(t.Partitions, p)
		}
		res.Topics = append(res.Topics, t)
	}
	return res
}

func (b *Broker) createTopics(req *kmsg.CreateTopicsRequest) kmsg.Response {
	res := kmsg.NewPtrCreateTopicsResponse()
	for i := range req.Topics {
		want := &req.Topics[i]
		t := kmsg.NewCreateTopicsResponseTopic()
		t.Topic = want.Topic
		n := int(want.NumPartitions)
		if n == -1 {
			n = max(0, len(want.ReplicaAssignment)) // else the default
		}
		switch {
		case !legal(want.Topic):
			t.ErrorCode = codeInvalidTopic
		case n < 0 || n > maxPartitions:
			t.ErrorCode = codeInvalidPartitions
		case !req.ValidateOnly:
			if _, created := b.topics.open(want.Topic, n); !created {
				t.ErrorCode = codeTopicExists
			}
		}
		res.Topics = append(res.Topics, t)
	}
	return res
}

// settings are the same for every topic; they promise nothing.
var settings = []struct{ name, value string }{
	{"cleanup.policy", "delete"},
	{"max.message.bytes", strconv.Itoa(maxBatchBytes)},
	{"min.insync.replicas", "1"},
	{"retention.ms", "0"},
	{"unclean.leader.election.enable", "false"},
	{"write.caching", "true"},
}

func describeConfigs(req *kmsg.DescribeConfigsRequest) kmsg.Response {
	res := kmsg.NewPtrDescribeConfigsResponse()
	for i := range req.Resources {
		want := &req.Resources[i]
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName = want.ResourceType, want.ResourceName
		if want.ResourceType != kmsg.ConfigResourceTypeTopic {
			r.ErrorCode = codeInvalidRequest
			res.Resources = append(res.Resources, r)
			continue
		}
		for _, s := range settings {
			if want.ConfigNames != nil && !slices.Contains(want.ConfigNames, s.name) {
				continue
			}
			c := kmsg.NewDescribeConfigsResponseResourceConfig()
			c.Name, c.Value = s.name, kmsg.StringPtr(s.value)
			c.ReadOnly, c.IsDefault, c.Source = true, true, kmsg.ConfigSourceDefaultConfig
			r.Configs = append(r.Configs, c)
		}
		res.Resources = append(res.Resources, r)
	}
	return res
}

// listOffsets gives the end for every time: nothing is there before it.
func (b *Broker) listOffsets(req *kmsg.ListOffsetsRequest) kmsg.Response {
	res := kmsg.NewPtrListOffsetsResponse()
	for i := range req.Topics {
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition, p.Timestamp = req.Topics[i].Partitions[j].Partition, -1
			if end, ok := b.topics.end(t.Topic, p.Partition); ok {
				p.Offset, p.LeaderEpoch = end, 0
			} else {
				p.ErrorCode = codeUnknownPartition
			}
			t.Partitions = append(t.Partitions, p)
		}
		res.Topics = append(res.Topics, t)
	}
	return res
}

// fetch has nothing to give: it waits as long as the client lets it, unless there is something to complain of.
func (b *Broker) fetch(ctx context.Context, req *kmsg.FetchRequest) kmsg.Response {
	res := kmsg.NewPtrFetchResponse()
	wait := true
	for i := range req.Topics {
		t := kmsg.NewFetchResponseTopic()
		t.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			want := &req.Topics[i].Partitions[j]
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition = want.Partition
			end, ok := b.topics.end(t.Topic, p.Partition)
			switch {
			case !ok:
				p.ErrorCode = codeUnknownPartition
			case want.FetchOffset != end:
				p.ErrorCode = codeOutOfRange
			}
			wait = wait && p.ErrorCode == 0
			p.HighWatermark, p.LastStableOffset, p.LogStartOffset = end, end, end
			t.Partitions = append(t.Partitions, p)
		}
		res.Topics = append(res.Topics, t)
	}
	if wait {
		timer := time.NewTimer(time.Duration(req.MaxWaitMillis) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return res
}
