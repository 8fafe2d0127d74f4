package sdk

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/test/process"
)

// update writes the table into the documentation.
var update = flag.Bool("update", false, "write the table of SDKs and scenarios into docs/sdks.md when all is well")

// millrace is the one server of all tests.
var millrace *server

const howToRun = "the real SDKs run only on request: make test-sdk (it installs them and sets MILLRACE_TEST_SDK=1)"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	flag.Parse()
	if os.Getenv("MILLRACE_TEST_SDK") != "1" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "millrace-sdk-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	if err := prepare(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer millrace.kill()
	code := m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "log of the server:\n%s\n", process.Tail(millrace.log.String(), 60))
	}
	fmt.Print(results.text())
	if *update && code == 0 {
		if err := results.write(filepath.Join("..", "..", "docs", "sdks.md")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// prepare looks whether everything is there, builds the program and starts the server.
func prepare(dir string) error {
	if err := installed(); err != nil {
		return err
	}
	binary := os.Getenv("MILLRACE_TEST_SDK_BINARY")
	if binary == "" {
		binary = filepath.Join(dir, "millrace")
		build := exec.Command("go", "build", "-o", binary, "github.com/millrace/millrace/cmd/millrace")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build: %w", err)
		}
	}
	var err error
	millrace, err = startServer(binary, filepath.Join(dir, "data"))
	return err
}

// python is the interpreter of the environment that make test-sdk makes.
const python = ".venv/bin/python"

// installed reports everything that is missing at once.
func installed() error {
	var missing []error
	if _, err := exec.LookPath("node"); err != nil {
		missing = append(missing, errors.New("node is missing: install Node 20.20 or later"))
	}
	if _, err := os.Stat("node_modules/.installed-lock"); err != nil {
		missing = append(missing, errors.New("test/sdk/node_modules is missing: run make test-sdk, which installs it"))
	}
	if _, err := os.Stat(python); err != nil {
		missing = append(missing, errors.New("test/sdk/.venv is missing: run make test-sdk, which makes it (it needs python3 with venv)"))
	}
	if _, err := exec.LookPath(chromium()); err != nil {
		missing = append(missing, errors.New("Chromium is missing: apt-get install chromium, or set CHROMIUM to where it is"))
	}
	return errors.Join(missing...)
}

// chromium is the browser's program.
func chromium() string {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	return "/usr/bin/chromium"
}
