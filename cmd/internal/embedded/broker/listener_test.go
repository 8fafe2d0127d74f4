package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// What is no Kafka request is hung up on, and the broker lives.
func TestStrangersAreRefused(t *testing.T) {
	cfg := testConfig(t)
	p := startProcess(t, cfg)
	addr := p.awaitReady()
	c := newClient(t, addr)
	request := func(size uint32, key int16, rest ...byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, size)
		b = binary.BigEndian.AppendUint16(b, uint16(key))
		return append(append(b, rest...), make([]byte, 64)...)
	}
	for name, bytes := range map[string][]byte{
		"HTTP":          []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"TLS":           {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
		"SSH":           []byte("SSH-2.0-OpenSSH_9.2\r\n"),
		"unknown key":   request(60, 999),
		"negative key":  request(60, -1),
		"huge":          request(1<<31-1, 0),
		"tiny":          request(3, 0),
		"version 32767": request(60, 0, 0x7f, 0xff),
		"garbage":       request(60, 3, 0xff, 0xff, 0xff, 0xff, 0xff),
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, p.output)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(bytes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		var timeout net.Error
		if _, err := io.Copy(io.Discard, conn); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the broker keeps the connection", name)
		}
		_ = conn.Close()
		if _, err := c.Metadata(within(t)); err != nil {
			t.Fatalf("%s: the broker is gone: %v\n%s", name, err, p.output)
		}
	}
	select {
	case <-p.done:
		t.Errorf("the child ended:\n%s", p.output)
	default:
	}
}

// The guard passes requests on byte for byte, in pieces of any size.
func TestGuardPassesRequests(t *testing.T) {
	l, err := listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	l.open()
	var sent []byte
	for i := range 20 {
		size := 10 + i*i*500
		sent = binary.BigEndian.AppendUint32(sent, uint32(size))
		sent = binary.BigEndian.AppendUint16(sent, uint16(i%4))
		sent = append(sent, bytes.Repeat([]byte{byte(i)}, size-2)...)
	}
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := out.Write(append(sent, "HTTP/1.1"...))
		wrote <- errors.Join(err, out.Close())
	}()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for size := 1; err == nil; size = size%7777 + 13 {
		b := make([]byte, size)
		var n int
		n, err = in.Read(b)
		got = append(got, b[:n]...)
	}
	if !errors.Is(err, errNoKafka) || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
	}
	if err := errors.Join(<-wrote, in.Close()); err != nil {
		t.Error(err)
	}
}

// A closed gate takes nobody in, and closing ends the wait.
func TestGate(t *testing.T) {
	l, err := listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	select {
	case err := <-accepted:
		t.Errorf("accepted before the gate was open: %v", err)
	default:
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
