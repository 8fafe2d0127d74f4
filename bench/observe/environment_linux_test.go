package observe

import (
	"runtime"
	"strings"
	"testing"
)

func TestReadEnvironment(t *testing.T) {
	e := ReadEnvironment()
	if e.Host == "" || e.OS == "" || e.CPU == "" || !strings.HasPrefix(e.Kernel, "Linux ") || len(e.Kernel) < 9 || e.CPUs < 1 || e.Memory < 64<<20 || e.Go != runtime.Version() || e.LoadBefore < 0 {
		t.Errorf("%+v", e)
	}
	e.Versions["a"], e.Config["b"] = "1", "2" // the caller's to fill
}

func TestEnvironmentTexts(t *testing.T) {
	if got := osName("NAME=x\nPRETTY_NAME=\"Some \\\"Linux\\\" 12 (\\$a)\"\n"); got != `Some "Linux" 12 ($a)` {
		t.Errorf("%q", got)
	}
	if got := osName("PRETTY_NAME=Plain\n"); got != "Plain" {
		t.Errorf("%q", got)
	}
	if got := memTotal("MemFree: 1 kB\nMemTotal:       24684084 kB\n"); got != 24684084<<10 {
		t.Errorf("%d", got)
	}
	if got := memTotal("nothing"); got != 0 {
		t.Errorf("%d", got)
	}
	if got := value("processor\t: 0\nmodel name\t: AMD: EPYC\n", "model name", ":"); got != "AMD: EPYC" {
		t.Errorf("%q", got)
	}
}
