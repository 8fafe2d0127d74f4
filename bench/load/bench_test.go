package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

// serverVariable makes the test's program a small server, so that its processor time is not the generator's.
const serverVariable = "MILLRACE_LOAD_TEST_SERVER"

// serveBench answers every request as accepted until its standard input ends.
func serveBench(events string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	body := fmt.Sprintf(`{"success":true,"request_id":"01890a5d-ac96-774b-bcce-b302099a8057","accepted":%s,"rejected":0,"durability":"broker","results":[]}`, events)
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: x\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\nX-Request-Id: 01890a5d-ac96-774b-bcce-b302099a8057\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	fmt.Println(l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				in := bufio.NewReaderSize(c, 64<<10)
				for {
					length := 0
					for {
						line, err := in.ReadSlice('\n')
						if err != nil {
							return
						}
						if len(line) == 2 {
							break
						}
						if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
							length, _ = strconv.Atoi(strings.TrimSpace(value))
						}
					}
					if _, err := in.Discard(length); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startBench starts the server as a process and returns its address.
func startBench(b *testing.B, events int) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"="+strconv.Itoa(events))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// BenchmarkSend is what a request costs the generator: user and system time of this process, against a server in another one.
func BenchmarkSend(b *testing.B) {
	for _, c := range []struct {
		mode        scenario.Mode
		batch       int
		connections int
		rate        float64
	}{{scenario.Saturate, 1, 1, 0}, {scenario.Saturate, 1, 64, 0}, {scenario.Saturate, 100, 16, 0}, {scenario.Saturate, 1000, 4, 0}, {scenario.Rate, 1, 64, 10_000}, {scenario.Rate, 100, 64, 200_000}} {
		name := fmt.Sprintf("%s/batch=%d/connections=%d", c.mode, c.batch, c.connections)
		if c.mode == scenario.Rate {
			name += fmt.Sprintf("/rate=%.0f", c.rate)
		}
		b.Run(name, func(b *testing.B) {
			s := scenario.Default()
			s.Load.Mode, s.Load.Batch, s.Load.Connections = c.mode, c.batch, c.connections
			s.Load.Stages = []scenario.Stage{{Duration: time.Hour, Rate: c.rate}}
			s.Events.Invalid, s.Events.PoolBytes = 0, 16<<20
			pool, err := generate.New(&s)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			var n atomic.Int64
			r, err := New(Options{
				URL: "http://" + startBench(b, c.batch), Key: "dev_key", Scenario: &s, Pool: pool, Run: run, ParseAnswers: true,
				Record: func(*ledger.Entry) error {
					if n.Add(1) == int64(b.N) {
						cancel()
					}
					return nil
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			var before, after syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			summary, err := r.Run(ctx)
			b.StopTimer()
			if err != nil || summary.Counts.Errors > 0 {
				b.Fatalf("error %v, kinds %v", err, summary.ErrorKinds)
			}
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
				b.Fatal(err)
			}
			requests := float64(summary.Counts.Requests)
			b.SetBytes(int64(summary.Counts.BytesSent / summary.Counts.Requests))
			b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano())/1e3/requests, "user-µs/req")
			b.ReportMetric(float64(after.Stime.Nano()-before.Stime.Nano())/1e3/requests, "sys-µs/req")
		})
	}
}
