package custom

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(all{m}) }

// all are the tests, and what ends after them.
type all struct{ *testing.M }

func (a all) Run() int {
	code := a.M.Run()
	lasts.failed = code != 0
	for i := len(lasts.ends) - 1; i >= 0; i-- {
		lasts.ends[i]()
	}
	return code
}

// lasting is a testing.TB for what lasts until the last test is over, as far as enginetest needs one.
type lasting struct {
	testing.TB
	ends   []func()
	failed bool
}

var lasts = &lasting{}

func (*lasting) Helper()                     {}
func (l *lasting) Cleanup(f func())          { l.ends = append(l.ends, f) }
func (l *lasting) Failed() bool              { return l.failed }
func (l *lasting) Errorf(f string, v ...any) { l.failed = true; l.Logf(f, v...) }
func (*lasting) Logf(f string, v ...any)     { fmt.Fprintf(os.Stderr, f+"\n", v...) }
func (*lasting) Fatal(v ...any)              { panic(fmt.Sprint(v...)) }
func (*lasting) Fatalf(f string, v ...any)   { panic(fmt.Sprintf(f, v...)) }

func (l *lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "custom")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			l.Logf("%v", err)
		}
	})
	return dir
}

// long tells whether the tests may take long: MILLRACE_TEST_LONG=1.
func long() bool { return os.Getenv("MILLRACE_TEST_LONG") == "1" }

// sharedClickHouse is one for all tests that do not stop it. Each has a database of its own.
var sharedClickHouse = sync.OnceValue(func() *enginetest.Engine { return enginetest.ClickHouse(lasts) })

// databases counts those that were made.
var databases atomic.Int32

// newDatabase is a name that no other test has.
func newDatabase() string { return fmt.Sprintf("world%d", databases.Add(1)) }
