package enginetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

const hostPackage = "github.com/millrace/millrace/cmd/internal/embedded/enginehost"

// buildHost builds the program that the engines run in, once per test program, and returns its path. The go command leaves
// a program that is up to date alone, so the path is the same for all test programs of this checkout.
var buildHost = sync.OnceValues(func() (string, error) {
	module, err := goOutput("env", "GOMOD")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	sum := sha256.Sum256([]byte(module))
	dir := filepath.Join(cache, "millrace", "enginetest", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder for the engines' program: %w", err)
	}
	path := filepath.Join(dir, "enginehost")
	// Another test program may be building or running the same path: with its work beside it, the go command puts the new
	// program in place by renaming it.
	_, err = goOutput("build", "-buildvcs=false", "-o", path, hostPackage)
	return path, err
})

// goOutput runs the go command in the folder of the package under test.
func goOutput(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if args[0] == "build" {
		cmd.Env = append(cmd.Env, "GOTMPDIR="+filepath.Dir(args[len(args)-2]))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return string(bytes.TrimSpace(out)), nil
}
