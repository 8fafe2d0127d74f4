package observe

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperEnv tells the test program to be a process to look at instead: it obeys the commands on its standard input, one a line, and answers each with a line.
//
//	burn DURATION   use so much CPU time; answers with what it has used in all, in seconds
//	name TEXT       take another process name
//	start           start a child of the same kind
//	child COMMAND   pass a command on to the youngest child
//	end             close the youngest child's input and wait for it
//	kill            kill the youngest child and do not wait for it; the answer comes when it is dead
const helperEnv = "OBSERVE_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) == "" {
		os.Exit(m.Run())
	}
	h := helper{}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		answer, err := h.obey(in.Text())
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Println(answer)
	}
}

// process is a helper as its parent sees it.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(args ...string) (*process, error) {
	p := &process{cmd: exec.Command("/proc/self/exe", args...)}
	p.cmd.Env = append(os.Environ(), helperEnv+"=1")
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

func (p *process) ask(command string) (string, error) {
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return "", err
	}
	answer, err := p.out.ReadString('\n')
	return strings.TrimSpace(answer), err
}

func (p *process) end() error {
	if err := p.in.Close(); err != nil {
		return err
	}
	return p.cmd.Wait()
}

type helper struct{ children []*process }

func (h *helper) obey(line string) (string, error) {
	command, rest, _ := strings.Cut(line, " ")
	var youngest *process
	if n := len(h.children); n > 0 {
		youngest = h.children[n-1]
	}
	switch command {
	case "burn":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return "", err
		}
		for until := cpuTime() + d; cpuTime() < until; {
		}
		return fmt.Sprintf("%.6f", cpuTime().Seconds()), nil
	case "name":
		return "named", os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), []byte(rest), 0)
	case "start":
		p, err := start()
		if err != nil {
			return "", err
		}
		h.children = append(h.children, p)
		return fmt.Sprint(p.cmd.Process.Pid), nil
	case "child":
		return youngest.ask(rest)
	case "end":
		h.children = h.children[:len(h.children)-1]
		return "ended", youngest.end()
	case "kill":
		if err := youngest.cmd.Process.Kill(); err != nil {
			return "", err
		}
		_, err := youngest.out.ReadString('\n') // ends when the kernel closes the child's output
		return "killed", ignoreEOF(err)
	}
	return "", fmt.Errorf("no command %q", command)
}

func ignoreEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // bufio returns it as it is
		return nil
	}
	return err
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// running starts a helper that ends with the test.
func running(t *testing.T, args ...string) *process {
	t.Helper()
	p, err := start(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.end() }) // a second end is an error that does not matter
	return p
}

func (p *process) must(t *testing.T, command string) string {
	t.Helper()
	answer, err := p.ask(command)
	if err != nil || strings.HasPrefix(answer, "error:") {
		t.Fatalf("%s: %q, %v", command, answer, err)
	}
	return answer
}
