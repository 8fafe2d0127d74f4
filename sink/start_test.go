package sink

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
)

func TestStartOffset(t *testing.T) {
	r := broker.OffsetRange{Start: 10, End: 20}
	for _, c := range []struct{ committed, want int64 }{{10, 10}, {15, 15}, {20, 20}, {3, 10}, {0, 10}} {
		if got, err := startOffset(c.committed, r); err != nil || got != c.want {
			t.Errorf("startOffset(%d, 10–20) = %d, %v; want %d", c.committed, got, err, c.want)
		}
	}
	// An offset of another life of the topic: neither repeat nor lose, ask.
	if _, err := startOffset(21, r); err == nil || !strings.Contains(err.Error(), "21") || !strings.Contains(err.Error(), "20") {
		t.Errorf("startOffset(21, 10–20): %v", err)
	}
}

func TestMemberFile(t *testing.T) {
	dir := t.TempDir()
	if m, err := loadMember(dir); err != nil || m != (member{}) {
		t.Errorf("no file: %+v, %v", m, err)
	}
	for _, id := range []string{"a", "a-rather-longer-member", "b"} {
		want := member{Group: "g", Member: id}
		if err := saveMember(dir, want); err != nil {
			t.Fatal(err)
		}
		if got, err := loadMember(dir); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	for range 2 {
		if err := removeMember(dir); err != nil {
			t.Error(err)
		}
	}
}
