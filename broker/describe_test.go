package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDescribeGroup(t *testing.T) {
	cluster, c := connected(t)
	d, err := c.DescribeGroup(within(t), "never was")
	if err != nil || len(d.Members) != 0 || d.State != "Dead" {
		t.Errorf("a group that never was: %+v, %v", d, err)
	}
	g := joinGroup(t, c, GroupConfig{})
	nextGeneration(t, g)
	if d, err = c.DescribeGroup(within(t), "sink"); err != nil || len(d.Members) != 1 || d.State != "Stable" || d.Members[0].ID == "" || d.Members[0].ClientID == "" || d.Members[0].Host == "" {
		t.Errorf("a group of one: %+v, %v", d, err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = c.DescribeGroup(within(t), "sink"); err != nil || len(d.Members) != 0 || d.State != "Empty" {
		t.Errorf("a group that was left: %+v, %v", d, err)
	}
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Err: kerr.NotCoordinator})
	if _, err := c.DescribeGroup(within(t), "sink"); Classify(err) != ClassRetriable || fault.Hits() == 0 {
		t.Errorf("the coordinator moved: %v", err)
	}
}
