package observe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// treeAttempts is how often a tree is read again because it changed meanwhile.
const treeAttempts = 8

// errChanged says that a child ended between being listed and being read.
var errChanged = errors.New("the processes changed while they were read")

// ReadUsage reads what the process has used. With Tree that includes its descendants: those alive now, also such as started later than the last call, and those
// that ended, whose CPU time their parents took over when they waited for them; so the sum does not fall while the process lives. Only a descendant whose
// parent ended before it is out of sight. Resident counts pages that several processes share once for each. The error is ErrEnded when the process is gone.
func ReadUsage(p Process) (Usage, error) {
	u, _, err := readUsage(p)
	return u, err
}

// readUsage also returns when the process started, in ticks since boot.
func readUsage(p Process) (u Usage, started uint64, err error) {
	for range treeAttempts {
		var t tree
		t.tree = p.Tree
		if started, err = t.add(p.PID); !errors.Is(err, errChanged) {
			u = t.usage()
			break
		}
	}
	if err != nil {
		return Usage{}, 0, fmt.Errorf("process %s (%d): %w", p.Name, p.PID, err)
	}
	return u, started, nil
}

// tree sums up processes.
type tree struct {
	tree         bool
	user, system uint64
	pages        int64
	threads      int
}

func (t *tree) usage() Usage {
	return Usage{
		User:     float64(t.user) / ticksPerSecond,
		System:   float64(t.system) / ticksPerSecond,
		Resident: t.pages * int64(os.Getpagesize()),
		Threads:  t.threads,
	}
}

// add reads a process and, of a tree, its children. The order counts: children are listed first, the parent is read, then the children. One that ends before the
// parent is read is in the parent's own figures; one that ends after that and before it is read itself would be nowhere, which shows as errChanged.
func (t *tree) add(pid int) (started uint64, err error) {
	var below []int
	if t.tree {
		if below, err = children(pid); err != nil {
			return 0, err
		}
	}
	s, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	if s.ended() {
		return 0, ErrEnded
	}
	if err := t.count(pid, &s); err != nil {
		return 0, err
	}
	for _, child := range below {
		if err := t.addChild(child, pid); err != nil {
			return 0, err
		}
	}
	return s.started, nil
}

// addChild is add for a child, which may have ended and wait for its parent to look; its figures count then as before.
func (t *tree) addChild(pid, parent int) error {
	below, err := children(pid)
	var s stat
	if err == nil {
		s, err = readStat(pid)
	}
	if errors.Is(err, ErrEnded) || err == nil && s.parent != parent {
		return errChanged
	}
	if err == nil {
		err = t.count(pid, &s)
	}
	if err != nil {
		return err
	}
	for _, child := range below {
		if err := t.addChild(child, pid); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) count(pid int, s *stat) error {
	t.user += s.user
	t.system += s.system
	if t.tree {
		t.user += s.childUser
		t.system += s.childSyst
	}
	t.threads += s.threads
	if s.ended() {
		return nil
	}
	pages, err := resident(pid)
	if errors.Is(err, ErrEnded) {
		return nil // just now: its times are read, and it holds no memory any more
	}
	t.pages += pages
	return err
}

func readStat(pid int) (stat, error) {
	line, err := readProc(pid, "stat")
	if err != nil {
		return stat{}, err
	}
	s, err := parseStat(line)
	if err != nil {
		return stat{}, fmt.Errorf("stat: %w", err)
	}
	return s, nil
}

// resident returns the second field of statm: pages in memory.
func resident(pid int) (int64, error) {
	line, err := readProc(pid, "statm")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm: %q, want seven fields", line)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("statm: %w", err)
	}
	return pages, nil
}

// children returns the ids of the children of all threads.
func children(pid int) ([]int, error) {
	tasks, err := os.ReadDir(procPath(pid, "task"))
	if err != nil {
		return nil, gone(err)
	}
	var all []int
	for _, task := range tasks {
		list, err := readProc(pid, "task/"+task.Name()+"/children")
		if errors.Is(err, ErrEnded) {
			continue // a thread that ended: its children are another thread's now
		}
		if err != nil {
			return nil, err
		}
		for _, field := range bytes.Fields(list) {
			child, err := strconv.Atoi(string(field))
			if err != nil {
				return nil, fmt.Errorf("children: %w", err)
			}
			all = append(all, child)
		}
	}
	return all, nil
}

func procPath(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

func readProc(pid int, name string) ([]byte, error) {
	data, err := os.ReadFile(procPath(pid, name))
	return data, gone(err)
}

// gone turns the two ways in which the kernel says that there is no such process into ErrEnded.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return ErrEnded
	}
	return err
}
