package connect

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Instance is what a recipe is filled with.
type Instance struct {
	// Native and HTTP are the addresses of ClickHouse's two protocols, host:port. One may be empty: the recipes that need it say so then.
	Native, HTTP string
	// TLS tells that both want encryption.
	TLS bool
	// Database is the one of views, which is all that analysts may read; User is the account that they share.
	Database, User string
	// PasswordCommand is a shell command that prints the password and nothing else.
	PasswordCommand string
	// Password returns the password. Nil: it is not shown, and recipes hold the command in its place.
	Password func() (string, error)
}

// endpoint is an address taken apart.
type endpoint struct {
	host string
	port int
}

// loopback tells that nobody but this machine reaches it.
func (e endpoint) loopback() bool {
	ip := net.ParseIP(e.host)
	return e.host == "localhost" || ip != nil && ip.IsLoopback()
}

func (e endpoint) String() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

func parseEndpoint(what, address string) (endpoint, error) {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || n == 0 {
		return endpoint{}, fmt.Errorf("the %s address %q is not host:port", what, address)
	}
	return endpoint{host, int(n)}, nil
}

// ErrNoAddress is among the errors of For when the instance lacks the address that the tool needs.
var ErrNoAddress = errors.New("the address is not known")

// filling is an instance that is known to be usable, for one recipe.
type filling struct {
	Instance
	native, http endpoint // the one that the tool needs is valid
	password     string   // empty: not shown
}

// fill checks what the tool needs.
func (i Instance) fill(needs protocol) (f filling, err error) {
	f = filling{Instance: i}
	var errs []error
	if needs&native != 0 {
		if i.Native == "" {
			errs = append(errs, fmt.Errorf("%w: the native protocol's of ClickHouse, set clickhouse.addresses", ErrNoAddress))
		} else if f.native, err = parseEndpoint("native", i.Native); err != nil {
			errs = append(errs, err)
		}
	}
	if needs&http != 0 {
		if i.HTTP == "" {
			errs = append(errs, fmt.Errorf("%w: ClickHouse's for HTTP, set query.http_addresses", ErrNoAddress))
		} else if f.http, err = parseEndpoint("HTTP", i.HTTP); err != nil {
			errs = append(errs, err)
		}
	}
	if i.Password != nil {
		if f.password, err = i.Password(); err != nil {
			errs = append(errs, fmt.Errorf("read the password: %w", err))
		}
	}
	return f, errors.Join(errs...)
}

// protocol is what a tool speaks.
type protocol uint8

const (
	native protocol = 1 << iota
	http
)

// placeholder stands where a person has to put the password.
const placeholder = "<password>"

// forForm is the password as a person types it into a form.
func (f *filling) forForm() string {
	if f.password == "" {
		return placeholder
	}
	return f.password
}

// forShell is a word of a shell command that becomes the password.
func (f *filling) forShell() string {
	if f.password == "" {
		return `"$(` + f.PasswordCommand + `)"`
	}
	return shellQuote(f.password)
}

// shellQuote makes one word of a POSIX shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// login is user and password as they stand before the host of a URL.
func (f *filling) login() string {
	if f.password == "" {
		return url.User(f.User).String() + ":" + placeholder
	}
	return url.UserPassword(f.User, f.password).String()
}
