package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateReportsEverything(t *testing.T) {
	c := Config{Shards: -1, RingEntries: 1, Linger: -time.Second, QuarantineBytesPerSecond: -1, QuarantineBurstBytes: -1}
	err := c.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, key := range []string{"shards", "ring_bytes", "ring_entries", "linger", "max_batch_bytes", "quarantine_bytes_per_second", "quarantine_burst_bytes", "drain_timeout"} {
		if !strings.Contains("\n"+err.Error(), "\npipeline."+key+": ") {
			t.Errorf("nothing about pipeline.%s in:\n%v", key, err)
		}
	}
}

func TestNewReportsEverything(t *testing.T) {
	_, err := New(Config{}, schema.Limits{}, Deps{})
	if err == nil {
		t.Fatal("made")
	}
	for _, what := range []string{"pipeline.ring_bytes", "limits.max_event_bytes", "no broker", "no ack timeout"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("nothing about %s in:\n%v", what, err)
		}
	}
}
