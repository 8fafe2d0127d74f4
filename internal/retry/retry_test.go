package retry

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	for _, b := range []Backoff{{Least: 100 * time.Millisecond, Most: 30 * time.Second}, {Least: time.Millisecond, Most: time.Millisecond}, {Least: time.Hour, Most: 1 << 62}} {
		for range 3 {
			full := b.Least
			for n := range 100 {
				if b.Attempts() != n {
					t.Fatalf("%d attempts after %d", b.Attempts(), n)
				}
				if d := b.Next(); d < full/2 || d > full {
					t.Fatalf("pause %d of %v to %v is %v, want %v to %v", n, b.Least, b.Most, d, full/2, full)
				}
				if full > b.Most/2 {
					full = b.Most
				} else {
					full *= 2
				}
			}
			b.Reset()
		}
	}
}

func TestReminder(t *testing.T) {
	var r Reminder
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	for i := range 100 {
		if r.Due(begin.Add(time.Duration(i) * time.Second)) {
			n++
		}
	}
	if n != 10 {
		t.Errorf("%d lines in 100 s", n)
	}
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		Pause(t.Context(), time.Minute)
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("a pause of a minute took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		Pause(ctx, time.Minute)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("a pause whose context ended after a second took %v", took)
		}
	})
}
