package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/cmd/internal/datadir"
)

// The test binary is the child too: these variables say which kind, and name the file that the child locks, so that a test
// sees its end even when it is no child of the test.
const (
	roleEnv = "EMBEDDED_TEST_ROLE"
	lockEnv = "EMBEDDED_TEST_LOCK"
)

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := playRole(role); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func playRole(role string) error {
	if role == "parent" {
		return parentRole()
	}
	timeout := StopTimeout
	if role == "stubborn" {
		timeout = 50 * time.Millisecond
	}
	life, err := childLife(timeout)
	if err != nil {
		return err
	}
	log := ChildLogger()
	if role == "broken" {
		return fmt.Errorf("port 1 is in use")
	}
	lock, err := datadir.Acquire(context.Background(), os.Getenv(lockEnv), datadir.DefaultWait, log)
	if err != nil {
		return err
	}
	if role != "silent" {
		log.Warn("structured line", "n", 7)
		fmt.Println("plain line")
		if err := life.Ready(map[string]string{"engine": "127.0.0.1:1"}); err != nil {
			return err
		}
	}
	<-life.Done()
	switch role {
	case "stubborn":
		select {}
	case "bad-stop":
		return fmt.Errorf("disk full")
	}
	log.Info("stopped gracefully")
	return lock.Release()
}

// parentRole supervises a good child and says so on fd 3; it never ends by itself.
func parentRole() error {
	s, err := New(roleConfig("good", os.Getenv(lockEnv)), slog.New(slog.DiscardHandler), metrics.NewSet())
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGUSR1)
	defer cancel()
	go func() {
		<-s.Ready()
		if _, err := fmt.Fprintln(os.NewFile(3, "report"), "ready"); err != nil {
			panic(err)
		}
	}()
	return s.Run(ctx)
}

func roleConfig(role, lock string) Config {
	cfg := DefaultConfig()
	cfg.Name = "engine"
	cfg.Env = append(os.Environ(), roleEnv+"="+role, lockEnv+"="+lock)
	cfg.BackoffMin = time.Millisecond
	return cfg
}
