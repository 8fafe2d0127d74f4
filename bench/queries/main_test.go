package queries

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// hostDir is where engineHost has put its program.
var hostDir string

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(hostDir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}

// engineHost builds the program that plays the embedded engine, once.
var engineHost = sync.OnceValues(func() (path string, err error) {
	if hostDir, err = os.MkdirTemp("", "millrace-queries-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(hostDir, "enginehost")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "github.com/millrace/millrace/cmd/internal/embedded/enginehost")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})
