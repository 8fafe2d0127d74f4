// Package relay stands between clients and an embedded ClickHouse, on the ports that clients know; the engine listens on others.
//
// It is there because of one weakness: `clickhouse local`, which is what the engine runs as, has no handler for an exception that leaves a connection's thread,
// so each such exception aborts the whole process. A client needs no password for that. These end the engine (all seen on version 26.7):
//
//	native  wrong user or password; a database that does not exist; anything but a Hello; a Hello or its addendum cut short;
//	        a reset while the connection is idle
//	HTTP    headers that do not end within 30 s; an answer to what is no HTTP when the client has gone
//
// and these do not, because they happen inside a query: errors of queries, a reset or an end in the middle of a query's text, of an INSERT's data or of a
// result.
//
// So the relay sees to it that the engine meets well-behaved clients only:
//
//	native.go    reads the Hello itself, within bounds of size and time, checks user, password and database, refuses what the engine would refuse, and hands
//	             on the rest, once the addendum is complete, byte for byte (the kernel moves the bytes: no copy in this process on Linux)
//	http.go      is a reverse proxy, one connection to the engine for each request, so that the engine reads whole headers only
//	pipe.go      closes connections to the engine in order: it says that no more will come, and takes what the engine still sends until that closes, whatever
//	             the client did
//
// Because the proxy sees each request, it also refuses those that a web page of somebody else has a browser send: the account default has no password.
//
// Goroutines: those of Run, two for each native connection, and those of net/http. All have ended when Run returns, which is when the engine has closed its
// connections.
package relay
