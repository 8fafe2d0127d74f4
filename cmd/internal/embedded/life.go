package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// StopTimeout is what a child has from the end of its life pipe to its own end.
const StopTimeout = 5 * time.Second

const (
	lifeFD  = 3
	readyFD = 4
)

// Life is the child's side of the two pipes. Its methods are safe for concurrent use.
type Life struct {
	done  chan struct{}
	mu    sync.Mutex
	ready *os.File // nil once used
}

// ChildLife turns this process into a child: it ignores the signals that are not for it, takes over the two pipes, so
// that no process started from here inherits them, and starts to watch the life pipe. Call it once, first thing. It fails
// when the process was not started by a Supervisor.
func ChildLife() (*Life, error) { return childLife(StopTimeout) }

func childLife(stopTimeout time.Duration) (*Life, error) {
	// SIGPIPE: with the parent gone, a log line must not end the process before it has closed its files.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	for _, fd := range []int{lifeFD, readyFD} {
		var st syscall.Stat_t
		if err := syscall.Fstat(fd, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFIFO {
			return nil, errors.New("this command is for millrace itself, which starts it with two pipes: run `millrace serve` instead")
		}
		syscall.CloseOnExec(fd)
	}
	l := &Life{done: make(chan struct{}), ready: os.NewFile(readyFD, "ready")}
	go l.watch(os.NewFile(lifeFD, "life"), stopTimeout)
	return l, nil
}

// Ready tells the parent, once, that the engine can be used, and under which addresses (name to host:port). A parent that
// is gone is no error: Done tells.
func (l *Life) Ready(addrs map[string]string) error {
	line, err := json.Marshal(readyLine{Addrs: addrs})
	if err != nil {
		return fmt.Errorf("encode ready line: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready == nil {
		panic("BUG: Ready called twice")
	}
	_, err = l.ready.Write(append(line, '\n'))
	err = errors.Join(err, l.ready.Close())
	l.ready = nil
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("write ready line: %w", err)
	}
	return nil
}

// Done is closed when the parent stopped this child or is gone. From then on the process has StopTimeout to end by
// itself; what it has not done by then is cut off by SIGKILL.
func (l *Life) Done() <-chan struct{} { return l.done }

// watch reads until end of file; nobody ever writes. An error means the same: there is no parent to be heard of any more.
func (l *Life) watch(life *os.File, stopTimeout time.Duration) {
	_, _ = io.Copy(io.Discard, life)
	// The watchdog is a signal and not os.Exit: exit handlers of a loaded library can hang.
	time.AfterFunc(stopTimeout, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	close(l.done)
}

// readyLine is what goes through fd 4.
type readyLine struct {
	Addrs map[string]string `json:"addrs"`
}

// ChildLogger returns the logger of a child: JSON lines on standard error, of every level. The parent reads them and
// logs them again through its own handler, which filters.
func ChildLogger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
