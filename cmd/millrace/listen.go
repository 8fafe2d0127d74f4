package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// portsTried is how far listen looks beyond a busy port.
const portsTried = 100

// listen opens address. A busy port means the next free one when flexible, which the default ports are and a port that somebody chose is not.
func listen(key, address string, flexible bool) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err == nil {
		return ln, nil
	}
	host, portText, splitErr := net.SplitHostPort(address)
	port, portErr := strconv.Atoi(portText)
	if !errors.Is(err, syscall.EADDRINUSE) || !flexible || splitErr != nil || portErr != nil {
		return nil, fmt.Errorf("%s: %w: choose another address with --%s", key, err, key)
	}
	for p := port + 1; p <= min(port+portsTried, 65535); p++ {
		if ln, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p))); err == nil {
			return ln, nil
		}
	}
	return nil, fmt.Errorf("%s: the ports %d to %d are busy: choose another address with --%s", key, port, port+portsTried, key)
}

// reachable is the address by which this machine reaches a listener: loopback where it listens on every address.
func reachable(ln net.Listener) string {
	a := ln.Addr().(*net.TCPAddr)
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port))
}
