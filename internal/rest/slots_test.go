package rest

import "testing"

func TestSlots(t *testing.T) {
	s := NewSlots(3, 2)
	want := func(project uint32, want *Code) {
		t.Helper()
		if got := s.Take(project); got != want {
			t.Fatalf("project %d: %v, want %v", project, got, want)
		}
	}
	want(1, nil)
	want(1, nil)
	want(1, TooManyQueries)
	want(2, nil)
	want(3, Overloaded)
	s.Leave(1)
	want(3, nil)
	want(1, Overloaded)
	s.Leave(3)
	want(1, nil)
	for _, p := range []uint32{1, 1, 2} {
		s.Leave(p)
	}
	if s.Count() != 0 || len(s.projects) != 0 {
		t.Errorf("%d held, %v", s.Count(), s.projects)
	}
}
