package observe

import (
	"cmp"
	"os"
	"runtime"
	"strconv"
	"strings"
)

func readMachine(e *Environment) {
	e.OS = cmp.Or(osName(readText("/etc/os-release")), osName(readText("/usr/lib/os-release")), runtime.GOOS)
	e.Kernel = strings.TrimSpace("Linux " + strings.TrimSpace(readText("/proc/sys/kernel/osrelease")))
	e.CPU = cmp.Or(value(readText("/proc/cpuinfo"), "model name", ":"), runtime.GOARCH) // ARM has no names there
	e.Memory = memTotal(readText("/proc/meminfo"))
	if f := strings.Fields(readText("/proc/loadavg")); len(f) > 0 {
		e.LoadBefore, _ = strconv.ParseFloat(f[0], 64)
	}
}

// readText returns nothing when there is nothing to read.
func readText(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// value returns what stands behind the first line's key and separator.
func value(text, key, separator string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, separator); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// osName takes the name out of os-release(5), which quotes like a shell.
func osName(release string) string {
	return strings.NewReplacer(`\"`, `"`, `\$`, `$`, `\\`, `\`, "\\`", "`", `"`, "", `'`, "").Replace(value(release, "PRETTY_NAME", "="))
}

// memTotal returns bytes; the table counts in units of 1,024.
func memTotal(meminfo string) int64 {
	number, _, _ := strings.Cut(value(meminfo, "MemTotal", ":"), " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
