package enginetest

import (
	"os"
	"testing"
)

// Long skips a test that takes long, unless MILLRACE_TEST_LONG=1 asks for those, as make test-people and make test-analytics do. why completes "takes long, for it …".
func Long(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("MILLRACE_TEST_LONG") != "1" {
		tb.Skip("takes long, for it " + why + ": MILLRACE_TEST_LONG=1 runs it, as make test-people does")
	}
}
