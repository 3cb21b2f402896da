package web

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// B-50: idle connections make room for one that asks something, the oldest first; requests under way stay.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	srv := &http.Server{ConnState: newCrowd(4).changed, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			close(entered)
			<-leave
		}
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	dial := func(request string) net.Conn {
		t.Helper()
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, request); err != nil {
			t.Fatal(err)
		}
		return nc
	}
	answered := func(nc net.Conn) bool {
		var b [12]byte
		_, err := io.ReadFull(nc, b[:])
		return err == nil && string(b[:]) == "HTTP/1.1 200"
	}
	long := dial("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	var idle []net.Conn
	for range 100 {
		idle = append(idle, dial(""))
	}
	if !answered(dial("GET / HTTP/1.1\r\nHost: a\r\n\r\n")) {
		t.Error("no answer beside 100 idle connections")
	}
	if answered(idle[0]) {
		t.Error("the oldest idle connection was answered")
	}
	close(leave)
	if !answered(long) {
		t.Error("a request under way was given up")
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
