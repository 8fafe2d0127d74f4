package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func joinGroup(t testing.TB, c *Client, cfg GroupConfig) *Group {
	t.Helper()
	cfg.ID = "sink"
	if cfg.Topics == nil {
		cfg.Topics = []string{"events"}
	}
	g, err := c.JoinGroup(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// nextGeneration waits for a generation, over the errors that a rebalance may bring.
func nextGeneration(t testing.TB, g *Group) *Generation {
	t.Helper()
	for {
		gen, err := g.Next(within(t))
		if err == nil {
			return gen
		}
		if Classify(err) != ClassFenced && Classify(err) != ClassRetriable {
			t.Fatal(err)
		}
	}
}

func commit(t testing.TB, c *Client, generation int32, member string, offsets ...PartitionOffset) map[TopicPartition]error {
	t.Helper()
	outcome, err := c.CommitOffsets(within(t), OffsetCommit{Group: "sink", Generation: generation, Member: member, Offsets: offsets})
	if err != nil {
		t.Fatal(err)
	}
	if len(outcome) != len(offsets) {
		t.Fatalf("%d outcomes of %d offsets", len(outcome), len(offsets))
	}
	return outcome
}

func TestGroupJoinCommitRejoin(t *testing.T) {
	_, c := connected(t)
	g := joinGroup(t, c, GroupConfig{})
	gen := nextGeneration(t, g)
	if gen.GroupID != "sink" || gen.MemberID == "" || !slices.Equal(gen.Assignments["events"], []int32{0, 1, 2, 3}) {
		t.Fatalf("%+v", gen)
	}
	intent := "1|10|19|" + strings.Repeat("x", 900)
	outcome := commit(t, c, gen.ID, gen.MemberID, PartitionOffset{"events", 0, 10, intent}, PartitionOffset{"events", 3, 7, ""}, PartitionOffset{"quarantine", 0, 1, "q"})
	for tp, err := range outcome {
		if err != nil {
			t.Errorf("%v: %v", tp, err)
		}
	}
	check := func() {
		t.Helper()
		offsets, err := c.FetchOffsets(within(t), "sink", "events", []int32{0, 1, 3})
		if err != nil {
			t.Fatal(err)
		}
		if offsets[0] != (PartitionOffset{"events", 0, 10, intent}) || offsets[1].Offset != -1 || offsets[3] != (PartitionOffset{"events", 3, 7, ""}) {
			t.Errorf("%+v", offsets)
		}
		progress, err := c.Progress(within(t), "sink", "events")
		if err != nil {
			t.Fatal(err)
		}
		want := []PartitionProgress{{Partition: 0, Committed: 10, Metadata: intent}, {Partition: 1, Committed: -1}, {Partition: 2, Committed: -1}, {Partition: 3, Committed: 7}}
		if !slices.Equal(progress, want) {
			t.Errorf("%+v, want %+v", progress, want)
		}
	}
	check()
	if _, err := c.Progress(within(t), "sink", "unheard-of"); err == nil {
		t.Error("a topic that does not exist has progress")
	}

	// A function that returns ends the generation for all; the next one keeps the commits.
	ended := make(chan error, 1)
	gen.Start(func(ctx context.Context) { <-ctx.Done(); ended <- ctx.Err() })
	gen.Start(func(context.Context) {})
	if err := <-ended; err == nil {
		t.Error("the context of an ended generation has no error")
	}
	again := nextGeneration(t, g)
	if again.ID <= gen.ID || again.MemberID != gen.MemberID {
		t.Errorf("generation %d of %s after %d of %s", again.ID, again.MemberID, gen.ID, gen.MemberID)
	}
	check()

	// The old generation is fenced, and says so for each partition.
	for tp, err := range commit(t, c, gen.ID, gen.MemberID, PartitionOffset{"events", 0, 99, ""}, PartitionOffset{"events", 1, 99, ""}) {
		if Classify(err) != ClassFenced {
			t.Errorf("%v: a commit of the old generation: %v (%v)", tp, err, Classify(err))
		}
	}
	for tp, err := range commit(t, c, again.ID, "somebody", PartitionOffset{"events", 0, 99, ""}) {
		if Classify(err) != ClassFenced {
			t.Errorf("%v: a commit of an unknown member: %v (%v)", tp, err, Classify(err))
		}
	}
	check()
}

// Two members share, and when one closes the other gets all at once: it has left, nobody waits for its session.
func TestGroupSharesAndLeaves(t *testing.T) {
	cluster, c := connected(t)
	first := joinGroup(t, c, GroupConfig{HeartbeatInterval: 20 * time.Millisecond})
	gen := nextGeneration(t, first)
	waited := make(chan struct{})
	gen.Start(func(ctx context.Context) { <-ctx.Done(); close(waited) })

	second, err := c.JoinGroup(GroupConfig{ID: "sink", Topics: []string{"events"}, HeartbeatInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	gen1, gen2 := nextGeneration(t, first), nextGeneration(t, second)
	select {
	case <-waited:
	default:
		t.Error("a generation came before the functions of the last one had returned")
	}
	both := slices.Sorted(slices.Values(append(slices.Clone(gen1.Assignments["events"]), gen2.Assignments["events"]...)))
	if gen1.ID != gen2.ID || len(gen1.Assignments["events"]) != 2 || !slices.Equal(both, []int32{0, 1, 2, 3}) {
		t.Errorf("generations %+v and %+v", gen1, gen2)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, err := second.Next(within(t)); !errors.Is(err, ErrGroupClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	start := time.Now()
	if gen = nextGeneration(t, first); len(gen.Assignments["events"]) != 4 {
		t.Errorf("%+v", gen)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("the heir waited %v: the session, not the leave", took)
	}
	if info := cluster.GroupInfo("sink"); len(info.Members) != 1 {
		t.Errorf("%d members", len(info.Members))
	}
}

// Close waits for the functions of the generation: they insert and commit what they hold.
func TestGroupCloseWaitsForFunctions(t *testing.T) {
	cluster, c := connected(t)
	g := joinGroup(t, c, GroupConfig{})
	gen := nextGeneration(t, g)
	committed := make(chan error, 1)
	gen.Start(func(ctx context.Context) {
		<-ctx.Done()
		outcome, err := c.CommitOffsets(within(t), OffsetCommit{"sink", gen.ID, gen.MemberID, []PartitionOffset{{"events", 2, 5, "last"}}})
		committed <- errors.Join(err, outcome[TopicPartition{"events", 2}])
	})
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-committed:
		if err != nil {
			t.Errorf("the last commit: %v", err)
		}
	default:
		t.Fatal("Close returned before the function had")
	}
	if info := cluster.GroupInfo("sink"); len(info.Members) != 0 || info.Commits["events"][2].Metadata != "last" {
		t.Errorf("%+v", info)
	}
}

// Close while the join hangs at the coordinator: it does not wait for RebalanceTimeout.
func TestGroupCloseDuringJoin(t *testing.T) {
	cluster, c := connected(t)
	arrived := make(chan struct{}, 8)
	silence(t, cluster, kmsg.JoinGroup, func() { arrived <- struct{}{} })
	g := joinGroup(t, c, GroupConfig{})
	<-arrived
	start := time.Now()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestGroupReportsJoinErrors(t *testing.T) {
	cluster, c := connected(t)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.GroupAuthorizationFailed, TopLevel: true, Count: 1})
	g := joinGroup(t, c, GroupConfig{})
	if _, err := g.Next(within(t)); Classify(err) != ClassFatal {
		t.Errorf("%v (%v)", err, Classify(err))
	}
	if gen := nextGeneration(t, g); len(gen.Assignments["events"]) != 4 {
		t.Errorf("%+v", gen)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := c.JoinGroup(GroupConfig{ID: "sink"}); err == nil {
		t.Error("joined a group of no topics")
	}
}

func TestCommitFaults(t *testing.T) {
	cluster, c := connected(t)
	long := PartitionOffset{"events", 0, 1, strings.Repeat("x", MaxCommitMetadata+1)}
	if _, err := c.CommitOffsets(within(t), OffsetCommit{Group: "sink", Generation: -1, Offsets: []PartitionOffset{long}}); !errors.Is(err, ErrMetadataTooLong) {
		t.Errorf("%v", err)
	}
	long.Metadata = long.Metadata[1:]
	if err := commit(t, c, -1, "", long)[TopicPartition{"events", 0}]; err != nil {
		t.Errorf("metadata of %d bytes: %v", len(long.Metadata), err)
	}
	// One partition of several fails.
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "events", Partitions: []int32{1}, Err: kerr.OffsetMetadataTooLarge})
	outcome := commit(t, c, -1, "", PartitionOffset{"events", 0, 1, ""}, PartitionOffset{"events", 1, 1, ""})
	if outcome[TopicPartition{"events", 0}] != nil || Classify(outcome[TopicPartition{"events", 1}]) != ClassFatal {
		t.Errorf("%v", outcome)
	}
	for err, want := range map[*kerr.Error]Class{
		kerr.NotCoordinator: ClassRetriable, kerr.CoordinatorLoadInProgress: ClassRetriable, kerr.RebalanceInProgress: ClassFenced,
		kerr.RequestTimedOut: ClassAmbiguous, kerr.FencedInstanceID: ClassFenced, kerr.GroupAuthorizationFailed: ClassFatal,
	} {
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "sink", Err: err})
		if got := commit(t, c, -1, "", PartitionOffset{"events", 0, 1, ""})[TopicPartition{"events", 0}]; Classify(got) != want {
			t.Errorf("%v: %v (%v), want %v", err, got, Classify(got), want)
		}
	}
	silence(t, cluster, kmsg.OffsetCommit, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.CommitOffsets(ctx, OffsetCommit{Group: "sink", Generation: -1, Offsets: []PartitionOffset{{"events", 0, 2, ""}}}); Classify(err) != ClassAmbiguous {
		t.Errorf("a coordinator that hangs: %v (%v)", err, Classify(err))
	}
}

func TestFetchOffsetsFaults(t *testing.T) {
	cluster, c := connected(t)
	offsets, err := c.FetchOffsets(within(t), "unheard-of", "events", []int32{0, 1})
	if err != nil || len(offsets) != 2 || offsets[0].Offset != -1 || offsets[1].Offset != -1 {
		t.Errorf("%v, %v", offsets, err)
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "sink", Err: kerr.NotCoordinator, TopLevel: true})
	if _, err = c.FetchOffsets(within(t), "sink", "events", []int32{0}); Classify(err) != ClassRetriable {
		t.Errorf("%v (%v)", err, Classify(err))
	}
}

func TestCoordinatorMoves(t *testing.T) {
	cluster, c := connected(t, kfake.NumBrokers(3))
	for i := range int64(6) {
		cluster.RehashCoordinators()
		if err := commit(t, c, -1, "", PartitionOffset{"events", 0, i, "m"})[TopicPartition{"events", 0}]; err != nil {
			t.Errorf("commit %d after the coordinator moved: %v", i, err)
		}
	}
	offsets, err := c.FetchOffsets(within(t), "sink", "events", []int32{0})
	if err != nil || offsets[0].Offset != 5 {
		t.Errorf("%v, %v", offsets, err)
	}
}

// A former self is thrown out by its successor on the same host.
func TestLeaveGroup(t *testing.T) {
	cluster, c := connected(t)
	g := joinGroup(t, c, GroupConfig{HeartbeatInterval: time.Minute})
	gen := nextGeneration(t, g)
	commit(t, c, gen.ID, gen.MemberID, PartitionOffset{"events", 0, 1, ""}) // so that the group outlives its members
	if err := c.LeaveGroup(within(t), "sink", gen.MemberID); err != nil {
		t.Fatal(err)
	}
	if info := cluster.GroupInfo("sink"); len(info.Members) != 0 {
		t.Errorf("%d members are left", len(info.Members))
	}
	if err := c.LeaveGroup(within(t), "sink", gen.MemberID); err != nil {
		t.Errorf("leaving twice: %v", err)
	}
	if err := c.LeaveGroup(within(t), "unheard-of", "nobody"); err != nil {
		t.Errorf("a group that does not exist: %v", err)
	}
	if err := commit(t, c, gen.ID, gen.MemberID, PartitionOffset{"events", 0, 1, ""})[TopicPartition{"events", 0}]; Classify(err) != ClassFenced {
		t.Errorf("the member that was thrown out commits: %v (%v)", err, Classify(err))
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.LeaveGroup}, Err: kerr.GroupAuthorizationFailed})
	if err := c.LeaveGroup(within(t), "sink", "x"); Classify(err) != ClassFatal {
		t.Errorf("%v (%v)", err, Classify(err))
	}
}
