package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Codes of ClickHouse's errors.
const (
	unknownDatabase      = 81
	unexpectedPacket     = 101
	tooManyConnections   = 203
	networkError         = 210
	authenticationFailed = 516
)

// Packets of the native protocol: the first byte of each.
const (
	packetHello     = 0
	packetException = 2
)

// Revisions of the protocol from which on a client sends an addendum to its Hello, and what came to be in it.
const (
	revisionQuotaKey         = 54458
	revisionChunks           = 54470
	revisionParallelReplicas = 54471
)

// maxText bounds each text of a Hello. A name or password is shorter, and a longer text is read no further.
const maxText = 16 << 10

var errTooLong = errors.New("text is too long")

// hello is the first packet of a client.
type hello struct {
	client                   string
	major, minor, revision   uint64
	database, user, password string
}

// readHello reads what follows the packet's first byte.
func readHello(r *bufio.Reader) (h hello, err error) {
	for _, field := range []any{&h.client, &h.major, &h.minor, &h.revision, &h.database, &h.user, &h.password} {
		if err := readField(r, field); err != nil {
			return hello{}, err
		}
	}
	return h, nil
}

// append writes the packet anew, so that the engine reads what was understood here and nothing else.
func (h hello) append(b []byte) []byte {
	b = append(b, packetHello)
	b = appendText(b, h.client)
	for _, n := range []uint64{h.major, h.minor, h.revision} {
		b = binary.AppendUvarint(b, n)
	}
	for _, s := range []string{h.database, h.user, h.password} {
		b = appendText(b, s)
	}
	return b
}

// readAddendum reads what a client of this revision sends after the server's Hello, and returns it written anew; nil for older clients.
func readAddendum(r *bufio.Reader, revision uint64) ([]byte, error) {
	var quotaKey, send, receive string
	var replicas uint64
	var b []byte
	for _, f := range []struct {
		since uint64
		into  any
	}{{revisionQuotaKey, &quotaKey}, {revisionChunks, &send}, {revisionChunks, &receive}, {revisionParallelReplicas, &replicas}} {
		if revision < f.since {
			break
		}
		if err := readField(r, f.into); err != nil {
			return nil, err
		}
		switch v := f.into.(type) {
		case *string:
			b = appendText(b, *v)
		case *uint64:
			b = binary.AppendUvarint(b, *v)
		}
	}
	return b, nil
}

// readField reads a number or a text.
func readField(r *bufio.Reader, into any) error {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	switch v := into.(type) {
	case *uint64:
		*v = n
	case *string:
		if n > maxText {
			return fmt.Errorf("%w: %d bytes, %d at most", errTooLong, n, maxText)
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			return err
		}
		*v = string(text)
	default:
		panic("BUG: no field of the protocol")
	}
	return nil
}

// appendException is the packet by which a server refuses.
func appendException(b []byte, code int32, message string) []byte {
	b = append(b, packetException)
	b = binary.LittleEndian.AppendUint32(b, uint32(code))
	b = appendText(b, "DB::Exception")
	b = appendText(b, "DB::Exception: "+message)
	b = appendText(b, "") // stack trace
	return append(b, 0)   // no further exception inside
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
