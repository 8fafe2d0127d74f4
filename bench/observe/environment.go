package observe

import (
	"os"
	"runtime"
)

// ReadEnvironment returns where this process runs. What cannot be found out stays empty. CPUs is how many the process may be scheduled on; a limit on CPU time is not
// taken off. Versions and Config are empty maps for the caller to fill.
func ReadEnvironment() Environment {
	e := Environment{Go: runtime.Version(), CPUs: runtime.NumCPU(), Versions: make(map[string]string), Config: make(map[string]string)}
	e.Host, _ = os.Hostname()
	readMachine(&e)
	return e
}
