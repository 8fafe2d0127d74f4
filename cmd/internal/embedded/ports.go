package embedded

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
)

// portsTried is how far PickPorts looks beyond a preferred port.
const portsTried = 100

// PickPorts finds a free port of 127.0.0.1 for each preferred one: that port, else the next free one above it; 0 means any.
// The ports differ from each other. They were free a moment ago and are not reserved: whoever uses one must still be ready
// to find it taken.
func PickPorts(preferred ...int) ([]int, error) {
	ports := make([]int, 0, len(preferred))
	// All listeners stay open until the last port is found, so that no port is found twice.
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for _, p := range preferred {
		l, err := listenFrom(p, preferred)
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// listenFrom skips what others prefer: a busy 9000 must not take another engine's 9092 away.
func listenFrom(first int, reserved []int) (net.Listener, error) {
	if first == 0 {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	last := min(first+portsTried, 65535)
	for p := first; p <= last; p++ {
		if p != first && slices.Contains(reserved, p) {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	return nil, fmt.Errorf("find a free port: %d to %d of 127.0.0.1 are all in use", first, last)
}
