package compare

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// processors returns those that this process may use, in ascending order; nil where nobody can tell.
func processors() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for the processors: %w", err)
	}
	var all []int
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

func setOf(cpus ...int) *unix.CPUSet {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return &set
}

// limit gives the processors to all threads of this process. Threads and processes made later inherit them from the thread that makes them; one that was made meanwhile
// shows in the next pass.
func limit(cpus []int) error {
	set := setOf(cpus...)
	done := map[int]bool{}
	for more := true; more; {
		more = false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list the threads: %w", err)
		}
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil || done[id] {
				continue
			}
			if err := unix.SchedSetaffinity(id, set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("limit thread %d to processors %v: %w", id, cpus, err)
			}
			done[id], more = true, true
		}
	}
	return nil
}

// onProcessor calls f, which starts a process, on a thread that runs on that processor, so that the process has it from its first instruction on; -1: as it is. The
// thread goes back to where it was: it must not end, because a child is told of its death (Pdeathsig) as if it were that of the process.
func onProcessor(cpu int, f func() error) error {
	if cpu < 0 {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("ask for the processors: %w", err)
	}
	if err := unix.SchedSetaffinity(0, setOf(cpu)); err != nil {
		return fmt.Errorf("move to processor %d: %w", cpu, err)
	}
	err := f()
	if back := unix.SchedSetaffinity(0, &before); back != nil {
		err = errors.Join(err, fmt.Errorf("move back from processor %d: %w", cpu, back))
	}
	return err
}
