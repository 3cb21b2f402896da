package network

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// TestQuickIO sends more than the buffers of a connection hold, both ways at once, and looks at both ends of it.
func TestQuickIO(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	echoed := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			r, w := quickIO(nc)
			_, err = io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{r})
			nc.Close()
		}
		echoed <- err
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r, w := quickIO(nc)
	sent := make([]byte, 16<<20)
	for i := range sent {
		sent[i] = byte(i >> 8 * i)
	}
	written := make(chan error, 1)
	go func() {
		_, err := w.Write(sent)
		if err == nil {
			err = nc.(*net.TCPConn).CloseWrite()
		}
		written <- err
	}()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came back of %d, or others: %v", len(got), len(sent), err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := <-echoed; err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if _, err := r.Read(got); err == nil {
		t.Error("read from a closed connection")
	}
	if _, err := w.Write(sent); err == nil {
		t.Error("wrote to a closed connection")
	}
}
