package pipeline

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) { d.AckTimeout = 400 * time.Millisecond }})
	eventually(t, func() bool { _, err := l.Check(testContext(t)); return err == nil }) // once the producer ids are there, without any traffic
	detail, err := l.Check(testContext(t))
	if err != nil || !strings.Contains(detail, "5 partitions in 2 shards") {
		t.Errorf("Check: %q, %v", detail, err)
	}
	l.wire.freeze()
	if err := l.Submit(context.Background(), eventBatch(1, 1, 0)); err == nil {
		t.Fatal("the freeze did not bite")
	}
	// The batch in flight is older than the ack timeout now, and its exchange goes on.
	if _, err := l.Check(testContext(t)); err == nil || !strings.Contains(err.Error(), "waited") {
		t.Errorf("Check with a frozen broker: %v", err)
	}
	if age := l.metric("millrace_publish_oldest_unacked_seconds"); age < 0.4 {
		t.Errorf("oldest unacknowledged: %v s", age)
	}
	l.wire.thaw()
	eventually(t, func() bool { _, err := l.Check(testContext(t)); return err == nil })
}

func TestCheckNamesTheMissingTopic(t *testing.T) {
	l := newLab(t, options{deps: func(d *Deps) { d.QuarantineTopic = "nowhere" }})
	eventually(t, func() bool {
		_, err := l.Check(testContext(t))
		return err != nil && strings.Contains(err.Error(), "topic nowhere") && strings.Contains(err.Error(), "migrate up")
	})
}
