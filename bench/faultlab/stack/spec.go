package stack

import (
	"errors"
	"time"
)

// Spec is what a process is. It is the same for all its lives.
type Spec struct {
	Name string // in messages and of its log
	Path string // of the program
	Args []string
	Env  []string // beside the environment of the lab
	Log  string   // path of the file that gets its output, all lives after one another
	// Engine: it lives by the pipes on fd 3 and fd 4, see the package comment. ReadyURL is not asked then.
	Engine bool
	// ReadyURL answers 200 when a server is ready.
	ReadyURL string
	// ReadyTimeout is how long a start may take. Default 30 s.
	ReadyTimeout time.Duration
	// StopTimeout is how long a stop in order may take before it is an error and the process is killed. Default 20 s.
	StopTimeout time.Duration
}

const (
	defaultReadyTimeout = 30 * time.Second
	defaultStopTimeout  = 20 * time.Second
)

func (s *Spec) setDefaults() {
	if s.ReadyTimeout <= 0 {
		s.ReadyTimeout = defaultReadyTimeout
	}
	if s.StopTimeout <= 0 {
		s.StopTimeout = defaultStopTimeout
	}
}

func (s *Spec) validate() error {
	switch {
	case s.Name == "":
		return errors.New("a process without a name")
	case s.Path == "":
		return errors.New(s.Name + ": no program")
	case s.Log == "":
		return errors.New(s.Name + ": no log file")
	case !s.Engine && s.ReadyURL == "":
		return errors.New(s.Name + ": nothing tells when it is ready")
	}
	return nil
}
