package observe

import (
	"bytes"
	"fmt"
	"strconv"
)

// ticksPerSecond is the unit of the times in /proc/PID/stat, sysconf(_SC_CLK_TCK). The kernel's USER_HZ is 100 on every architecture that Go runs on; what the
// kernel itself ticks at (CONFIG_HZ) does not show there.
const ticksPerSecond = 100

// stat is what proc_pid_stat(5) tells of a process. Times are in ticks.
type stat struct {
	name                 string // its file name, at most 15 bytes, of any kind
	state                byte
	parent               int
	user, system         uint64 // of all its threads, also those that ended
	childUser, childSyst uint64 // of children that ended and were waited for, with theirs
	threads              int
	started              uint64 // since boot; with the process id it is the identity of a process
}

// ended says that only the entry for the parent is left. A process whose first thread alone has ended looks the same but for its threads.
func (s *stat) ended() bool { return s.state == 'X' || s.state == 'Z' && s.threads <= 1 }

// Positions of the fields behind the name, as proc_pid_stat(5) numbers them less three.
const (
	fieldState     = 0
	fieldParent    = 1
	fieldUser      = 11
	fieldSystem    = 12
	fieldChildUser = 13
	fieldChildSyst = 14
	fieldThreads   = 17
	fieldStarted   = 19
)

// parseStat reads the line. The name stands in parentheses and may hold spaces and parentheses itself, so it ends at the last one.
func parseStat(line []byte) (stat, error) {
	var s stat
	first, last := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if first < 0 || last < first {
		return s, fmt.Errorf("no name in parentheses in %q", line)
	}
	s.name = string(line[first+1 : last])
	fields := bytes.Fields(line[last+1:])
	if len(fields) <= fieldStarted {
		return s, fmt.Errorf("%d fields behind the name, want more than %d, in %q", len(fields), fieldStarted, line)
	}
	s.state = fields[fieldState][0]
	for _, f := range []struct {
		at  int
		int *int
		u64 *uint64
	}{
		{fieldParent, &s.parent, nil},
		{fieldThreads, &s.threads, nil},
		{fieldUser, nil, &s.user},
		{fieldSystem, nil, &s.system},
		{fieldChildUser, nil, &s.childUser},
		{fieldChildSyst, nil, &s.childSyst},
		{fieldStarted, nil, &s.started},
	} {
		var err error
		if f.int != nil {
			*f.int, err = strconv.Atoi(string(fields[f.at]))
		} else {
			*f.u64, err = strconv.ParseUint(string(fields[f.at]), 10, 64)
		}
		if err != nil {
			return s, fmt.Errorf("field %d: %w", f.at+3, err)
		}
	}
	return s, nil
}
