package admin

import (
	"fmt"
	"net"
	"strconv"
)

// Config is the section admin.
type Config struct {
	// Listen is the host:port of the admin listener. Default 127.0.0.1:7081. Metrics name topics, addresses and versions: on another
	// host than loopback keep it inside the network of those who run millrace.
	Listen string `yaml:"listen"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:7081"} }

// Validate reports every value that cannot work.
func (c Config) Validate() error {
	_, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("admin.listen: %q is not host:port: set for example 127.0.0.1:7081", c.Listen)
	}
	return nil
}
