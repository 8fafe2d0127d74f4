package sink

import (
	"strings"
	"testing"
	"time"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateReportsEveryProblem(t *testing.T) {
	c := DefaultConfig()
	c.Group = ""
	c.BlockRows = 0
	c.BlockBytes = 1 << 40
	c.BlockAge = 0
	c.HeartbeatInterval = 5 * time.Second
	c.BackoffMin = time.Second
	c.BackoffMax = time.Millisecond
	c.DecodeWorkers = -1
	err := c.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{"sink.group: ", "sink.block_rows: ", "sink.block_bytes: ", "sink.decode_workers: ", "sink.block_age: ", "sink.heartbeat_interval: ", "sink.backoff_max: "}
	if len(lines) != len(want) {
		t.Fatalf("%d problems, want %d:\n%v", len(lines), len(want), err)
	}
	for i, prefix := range want {
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("problem %d is %q, want %s…", i, lines[i], prefix)
		}
	}
}
