package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range that systems give to outgoing connections: the port of a server that was killed must still be free when it starts again.
const (
	firstPort  = 12_000
	lastPort   = 31_999
	portsTried = 1000
)

// FreePorts returns n different ports of 127.0.0.1 that were free a moment ago. They are not reserved.
func FreePorts(n int) (ports []int, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for range portsTried {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			held = append(held, l)
			ports = append(ports, port)
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d of 127.0.0.1 in %d attempts", n, firstPort, lastPort, portsTried)
}
