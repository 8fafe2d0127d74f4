package relay

import (
	"io"
	"net"
	"time"
)

// The two directions of a connection. They end each other: ask by telling the engine that no more will come, upon which it closes; answer by a deadline for
// the client. Errors are of no interest: whatever happened to one side, the other is closed in order.

// ask carries the client's bytes to the engine until the client ends or is gone, and closes the client when answer is through with it.
func ask(engine, client *net.TCPConn) {
	_, _ = io.Copy(engine, client)
	hangUp(client, engine)
}

// hangUp tells the engine that no more will come, and takes what the client still sends until that ends or answer sets it a deadline.
func hangUp(client, engine *net.TCPConn) {
	_ = engine.CloseWrite()
	drain(client)
	_ = client.CloseRead()
}

// answer carries the engine's bytes to the client until the engine closes. When the client is gone before that, they are taken all the same: to the engine, a
// reset is no different from an attack.
func answer(client, engine *net.TCPConn) {
	_, _ = io.Copy(client, engine)
	drain(engine)
	_ = client.CloseWrite()
	_ = client.SetReadDeadline(time.Now().Add(lingerTimeout))
}

// drain takes what still comes.
func drain(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }
