package compare

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/bench/compare/discard"
	"github.com/millrace/millrace/bench/compare/null"
	"github.com/millrace/millrace/bench/naive"
)

// roleEnv makes this test program play a target: "ROLE ARGUMENT".
const roleEnv = "COMPARE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		name, argument, _ := strings.Cut(role, " ")
		exit(play(name, argument))
	}
	if len(os.Args) > 3 && os.Args[1] == "bench" && os.Args[2] == "peer" {
		exit(peer(os.Args[3], os.Args[4:]))
	}
	goleak.VerifyTestMain(m)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// peer is millrace bench peer NAME --option value ….
func peer(name string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		o[args[i]] = args[i+1]
	}
	switch name {
	case "discard":
		n, err := strconv.Atoi(o["--partitions"])
		if err != nil {
			return err
		}
		return discard.Run(ctx, discard.Options{Listen: o["--listen"], Partitions: n}, os.Stdout)
	case Null:
		return null.Run(ctx, null.Options{Listen: o["--listen"]}, os.Stdout)
	case Naive:
		return naive.Run(ctx, naive.Options{Listen: o["--listen"], Broker: o["--broker"]}, os.Stdout)
	}
	return fmt.Errorf("no peer %q", name)
}

// play is what the roles do.
func play(role, argument string) error {
	switch role {
	case "burn": // so many microseconds of CPU time per request
		cost, err := strconv.Atoi(argument)
		if err != nil {
			return err
		}
		return serve(func(w http.ResponseWriter) { burn(time.Duration(cost) * time.Microsecond) })
	case "fail": // every so many requests
		every, err := strconv.Atoi(argument)
		if err != nil {
			return err
		}
		var n atomic.Int64
		return serve(func(w http.ResponseWriter) {
			if n.Add(1)%int64(every) == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
	case "die": // at that request
		last, err := strconv.Atoi(argument)
		if err != nil {
			return err
		}
		var n atomic.Int64
		return serve(func(w http.ResponseWriter) {
			if n.Add(1) == int64(last) {
				exit(fmt.Errorf("dying of request %d", last))
			}
		})
	case "mute", "deaf": // is never ready, and in the second case ignores SIGTERM
		if role == "deaf" {
			signal.Ignore(syscall.SIGTERM)
		}
		fmt.Println("starting up")
		fmt.Fprintln(os.Stderr, "waiting for", argument)
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGHUP) // which never comes
		<-ended
	case "where": // tells its processors
		all, err := processors()
		if err != nil {
			return err
		}
		return serveAs(strings.Trim(fmt.Sprint(all), "[]")+" "+os.Getenv("GOMAXPROCS"), func(http.ResponseWriter) {})
	case "leave": // has a child that outlives it, whose output is the named pipe
		pipe, err := os.OpenFile(argument, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		child := exec.Command("sleep", "1000")
		child.Stdout = pipe
		if err := child.Start(); err != nil {
			return err
		}
		if _, err := pipe.WriteString("started"); err != nil {
			return err
		}
		return serve(func(http.ResponseWriter) {})
	}
	return fmt.Errorf("no role %q", role)
}

func serve(each func(http.ResponseWriter)) error { return serveAs("", each) }

// serveAs answers every request after its body was read. What is said goes behind the address of the ready line.
func serveAs(said string, each func(http.ResponseWriter)) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("not this line")
	fmt.Println("ready", ln.Addr(), said)
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // a child of this test alone talks to it
		_, _ = io.Copy(io.Discard, r.Body)
		each(w)
		_, _ = w.Write([]byte("{}"))
	}))
}

// player is a target that this test program plays.
func player(t *testing.T, name, role string) Target {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Target{Name: name, Command: []string{self}, Env: []string{roleEnv + "=" + role}}
}

// noChildren fails when this process has any.
func noChildren(t *testing.T) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		f, err := os.Open("/proc/self/task/" + task.Name() + "/children")
		if err != nil {
			continue // the thread has ended
		}
		list, _ := bufio.NewReader(f).ReadString('\n')
		_ = f.Close()
		if list != "" {
			t.Errorf("left running: %s", list)
		}
	}
}
