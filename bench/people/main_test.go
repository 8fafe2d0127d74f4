package people

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// programDir is where millrace has put its program.
var programDir string

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(programDir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}

// millrace builds the program that plays server and engines, once.
var millrace = sync.OnceValues(func() (path string, err error) {
	if programDir, err = os.MkdirTemp("", "millrace-people-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(programDir, "millrace")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "github.com/millrace/millrace/cmd/millrace")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})
