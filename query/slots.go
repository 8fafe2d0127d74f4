package query

import (
	"fmt"
	"sync"
)

// slots bound how many queries run at once, in all and for each project.
type slots struct {
	total, perProject int

	mu       sync.Mutex
	held     int
	projects map[uint32]int // held by each project; none is 0
}

func newSlots(total, perProject int) *slots {
	return &slots{total: total, perProject: perProject, projects: map[uint32]int{}}
}

// take takes a slot for the project, which leave gives back, or says why there is none. It does not wait: a queue would only hide that there is too much.
func (s *slots) take(project uint32) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.projects[project] >= s.perProject:
		return refuse(codeTooManyQueries, fmt.Sprintf("%d queries of the project are running (limit query.max_concurrent_per_project): ask again when one has ended", s.perProject))
	case s.held >= s.total:
		return refuse(codeOverloaded, fmt.Sprintf("%d queries are running (limit query.max_concurrent): ask again later", s.total))
	}
	s.held++
	s.projects[project]++
	return nil
}

func (s *slots) leave(project uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	if s.projects[project]--; s.projects[project] == 0 {
		delete(s.projects, project)
	}
}

// count is the number of slots taken.
func (s *slots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}
