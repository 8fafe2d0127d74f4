package relay

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"
)

// serveNative is the whole life of a native connection.
func (r *Relay) serveNative(client *net.TCPConn) {
	defer client.Close() //nolint:errcheck // nothing is left to be written
	_ = client.SetDeadline(time.Now().Add(loginTimeout))
	in := bufio.NewReader(client)
	h, ok := r.login(client, in)
	if !ok {
		return
	}
	engine, err := r.dialEngine()
	if err != nil {
		refuse(client, networkError, "the engine cannot be reached: "+err.Error())
		return
	}
	defer r.closeEngine(engine)
	// From here on answer sets the deadlines, and nobody must lift them: the addendum has a timer instead.
	_ = client.SetDeadline(time.Time{})
	late := time.AfterFunc(loginTimeout, func() { _ = client.SetReadDeadline(time.Now()) })
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		answer(client, engine)
	}()
	defer func() { <-answers }()
	// The engine goes without the addendum, if it must, but not with half of it.
	_, err = engine.Write(h.append(nil))
	var addendum []byte
	if err == nil {
		addendum, err = readAddendum(in, h.revision)
	}
	late.Stop()
	if err != nil {
		r.log.Debug("a client went away while it logged in", "client", h.client, "err", err)
		hangUp(client, engine)
		return
	}
	ahead, _ := in.Peek(in.Buffered()) // never fails: so much is there
	if _, err := engine.Write(append(addendum, ahead...)); err != nil {
		hangUp(client, engine)
		return
	}
	ask(engine, client)
}

// login reads the Hello and refuses what the engine would refuse; the connection is closed then.
func (r *Relay) login(client *net.TCPConn, in *bufio.Reader) (h hello, ok bool) {
	first, err := in.ReadByte()
	if err != nil {
		return hello{}, false // it asked for nothing, as somebody who only looks whether the port is open
	}
	switch first {
	case packetHello:
	case 'G', 'P':
		say(client, []byte("HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n"+
			"This is the port of ClickHouse's native protocol. Use that for HTTP, "+r.cfg.HTTP+" of the same machine.\r\n"))
		return hello{}, false
	default:
		refuse(client, unexpectedPacket, fmt.Sprintf("unexpected packet from client (expected Hello, got %d)", first))
		return hello{}, false
	}
	if h, err = readHello(in); err != nil {
		refuse(client, unexpectedPacket, "the Hello cannot be read: "+err.Error())
		return hello{}, false
	}
	if !r.cfg.Accounts.admits(h.user, h.password) {
		r.log.Debug("a login was refused", "user", h.user, "client", h.client)
		refuse(client, authenticationFailed, h.user+": Authentication failed: password is incorrect, or there is no user with such name.")
		return hello{}, false
	}
	if h.database == "" {
		return h, true // the engine knows one that is always there
	}
	ctx, cancel := context.WithTimeout(context.Background(), loginTimeout)
	defer cancel()
	switch exists, err := r.engine.DatabaseExists(ctx, h.database); {
	case err != nil:
		r.log.Warn("a client was refused, because the engine did not tell whether its database exists", "database", h.database, "err", err)
		refuse(client, networkError, "the engine does not answer: try again")
		return hello{}, false
	case !exists:
		refuse(client, unknownDatabase, "Database "+h.database+" does not exist")
		return hello{}, false
	}
	return h, true
}

// refuse answers with an exception and closes the connection.
func refuse(client *net.TCPConn, code int32, message string) {
	say(client, appendException(nil, code, message))
}

// say sends the last that a client is told, and closes the connection so that it can be read: what the client still sends would otherwise reset it.
func say(client *net.TCPConn, last []byte) {
	_ = client.SetDeadline(time.Now().Add(lingerTimeout))
	if _, err := client.Write(last); err == nil && client.CloseWrite() == nil {
		drain(client)
	}
	_ = client.Close()
}
