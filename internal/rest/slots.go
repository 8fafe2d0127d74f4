package rest

import "sync"

// Slots bound how many requests work at once, in all and for each project.
type Slots struct {
	total, perProject int

	mu       sync.Mutex
	held     int            // guarded by mu
	projects map[uint32]int // held by each project; none is 0. Guarded by mu
}

// NewSlots makes so many.
func NewSlots(total, perProject int) *Slots {
	return &Slots{total: total, perProject: perProject, projects: map[uint32]int{}}
}

// Take takes a slot for the project, which Leave gives back, and returns nil; or it returns TooManyQueries or Overloaded. It does not wait: a queue would only hide that there is too much.
func (s *Slots) Take(project uint32) *Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.projects[project] >= s.perProject:
		return TooManyQueries
	case s.held >= s.total:
		return Overloaded
	}
	s.held++
	s.projects[project]++
	return nil
}

// Leave gives a slot back.
func (s *Slots) Leave(project uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	if s.projects[project]--; s.projects[project] == 0 {
		delete(s.projects, project)
	}
}

// Count is the number of slots taken.
func (s *Slots) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}
