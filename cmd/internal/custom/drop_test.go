package custom

import (
	"errors"
	"strings"
	"testing"
)

// A metric is dropped while events come in and while it is built; no INSERT fails.
func TestDrop(t *testing.T) {
	w := newWorld(t)
	w.history(300)
	m, sales := w.metrics(), parseOne(t, salesYAML)
	w.traffic(0, 1)
	w.apply(m, sales)
	if err := m.Drop(within(t), "sales"); err != nil {
		t.Fatal(err)
	}
	if left := w.leftovers(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if err := m.Drop(within(t), "sales"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("again: %v", err)
	}
	for _, at := range []step{stepWaiting, stepPiece} {
		under := w.metrics()
		reached := false
		under.step = func(s step) {
			if s == at && !reached {
				reached = true
				if err := m.Drop(within(t), "sales"); err != nil {
					t.Error(err)
				}
			}
		}
		if _, err := under.Apply(within(t), sales, nil); err == nil || !reached {
			t.Errorf("%s: applied although it was dropped meanwhile (%v)", at, reached)
		}
		if left := w.leftovers(); len(left) != 0 {
			t.Errorf("%s: left over: %v", at, left)
		}
	}
}
