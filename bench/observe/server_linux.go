package observe

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Names that Server gives.
const gatewayName = "gateway"

// Listener returns the process that listens on the port of 127.0.0.1, of all addresses, or of their IPv6 likes. When several share the socket it is the one that
// started first. Processes of other users can only be looked into by root.
func Listener(port int) (pid int, err error) {
	sockets, err := listening(port)
	if err != nil {
		return 0, err
	}
	if len(sockets) == 0 {
		return 0, fmt.Errorf("nothing listens on 127.0.0.1:%d", port)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	type holder struct {
		pid     int
		started uint64
	}
	var holders []holder
	hidden := 0
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		holds, err := holdsSocket(pid, sockets)
		if err != nil {
			hidden++
			continue
		}
		if !holds {
			continue
		}
		if s, err := readStat(pid); err == nil {
			holders = append(holders, holder{pid, s.started})
		}
	}
	if len(holders) == 0 {
		return 0, fmt.Errorf("somebody listens on 127.0.0.1:%d, but it is none of this user's processes (%d could not be looked into): run as the user of the server or as root", port, hidden)
	}
	first := slices.MinFunc(holders, func(a, b holder) int {
		return cmp.Or(cmp.Compare(a.started, b.started), cmp.Compare(a.pid, b.pid))
	})
	return first.pid, nil
}

// Server returns the processes of a running millrace: "gateway", which listens on the port, and its embedded engines by their names ("broker", "clickhouse"), each with
// its own children. An engine that the server starts again later is another process and will be missing. See Listener for errors.
func Server(ingestPort int) ([]Process, error) {
	gateway, err := Listener(ingestPort)
	if err != nil {
		return nil, err
	}
	all := []Process{{Name: gatewayName, PID: gateway}}
	below, err := children(gateway)
	if err != nil {
		return nil, fmt.Errorf("children of process %d: %w", gateway, err)
	}
	for _, pid := range below {
		line, err := readProc(pid, "cmdline")
		if errors.Is(err, ErrEnded) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		if name := engineName(line); name != "" {
			all = append(all, Process{Name: name, PID: pid, Tree: true})
		}
	}
	return all, nil
}

// engineName returns which embedded engine a command line is of. The server runs its own program with the arguments: embedded NAME --config-json=JSON.
func engineName(cmdline []byte) string {
	args := strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
	if len(args) < 4 || args[1] != "embedded" || !strings.HasPrefix(args[3], "--config-json=") {
		return ""
	}
	return args[2]
}

// holdsSocket looks through the descriptors of a process. One that ended holds none.
func holdsSocket(pid int, sockets map[string]bool) (bool, error) {
	fds, err := os.ReadDir(procPath(pid, "fd"))
	if err = gone(err); errors.Is(err, ErrEnded) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, fd := range fds {
		target, err := os.Readlink(procPath(pid, "fd/"+fd.Name()))
		if err == nil && sockets[target] {
			return true, nil
		}
	}
	return false, nil
}

// listening returns the sockets that listen on the port as /proc/PID/fd names them: socket:[INODE].
func listening(port int) (map[string]bool, error) {
	found := make(map[string]bool)
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		for _, inode := range listenersIn(table, port) {
			found["socket:["+inode+"]"] = true
		}
	}
	return found, nil
}

// Columns of /proc/net/tcp and tcp6, see proc_pid_net(5).
const (
	columnLocal = 1
	columnState = 3
	columnInode = 9
	stateListen = "0A"
)

// listenersIn returns the inodes of sockets that take connections to the port of 127.0.0.1 or ::1.
func listenersIn(table []byte, port int) []string {
	var inodes []string
	for line := range bytes.Lines(table) {
		f := strings.Fields(string(line))
		if len(f) <= columnInode || f[columnState] != stateListen {
			continue
		}
		addr, err := parseAddr(f[columnLocal])
		if err != nil || int(addr.Port()) != port {
			continue
		}
		if a := addr.Addr(); a.IsLoopback() || a.IsUnspecified() {
			inodes = append(inodes, f[columnInode])
		}
	}
	return inodes
}

// parseAddr reads ADDRESS:PORT in hexadecimal digits. The address stands as 32-bit words in the machine's order of bytes: little-endian on all but two of the
// architectures that Go knows Linux on; there only addresses of all zeros are recognised.
func parseAddr(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q has %d bytes", s, len(b))
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}
