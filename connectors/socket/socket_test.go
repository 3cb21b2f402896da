package socket

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/connectors/internal/connectortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers each connection with the next of texts and closes it.
func serve(t *testing.T, texts ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, text := range texts {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := c.Write([]byte(text)); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func TestTextLines(t *testing.T) {
	var text strings.Builder
	var want []string
	for i := range 50_000 {
		want = append(want, fmt.Sprint("line ", i))
		fmt.Fprintf(&text, "line %d\r\n", i)
	}
	res, err := connectortest.Read(t, TextLines(serve(t, text.String()+"last")), 1, 0)
	if err != nil || !slices.Equal(res.Values(), append(want, "last")) {
		t.Error(err, len(res.Values()))
	}
}

func TestReconnect(t *testing.T) {
	address := serve(t, "a\nb\n", "c\n", "d\n")
	res, err := connectortest.Read(t, TextLines(address, Reconnect(-1, time.Millisecond)), 1, 4)
	if err != nil || strings.Join(res.Values(), "") != "abcd" {
		t.Error(err, res.Values())
	}
}

// TestNobodyListens holds B-69: the source says what it could not reach.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, opts := range [][]Option{nil, {Reconnect(2, time.Millisecond)}} {
		_, err := connectortest.Read(t, TextLines(address, opts...), 1, 0)
		if err == nil || !strings.Contains(err.Error(), "socket "+address) || !strings.Contains(err.Error(), "refused") {
			t.Error(err)
		}
	}
}

func TestLongLine(t *testing.T) {
	_, err := connectortest.Read(t, TextLines(serve(t, "ok\n"+strings.Repeat("x", 1000)+"\n"), LineLimit(10)), 1, 0)
	if err == nil || !strings.Contains(err.Error(), "line is longer than 10 bytes") {
		t.Error(err)
	}
}

// TestCloseWhileReceiving: a cancellation ends the goroutine, whether it waits for the other side or for the task.
func TestCloseWhileReceiving(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		block := []byte(strings.Repeat("0123456789\n", 1000))
		for err == nil {
			_, err = c.Write(block)
		}
		_ = c.Close()
	})
	res, err := connectortest.Read(t, TextLines(l.Addr().String()), 1, 10)
	if err != nil || len(res.Values()) < 10 {
		t.Error(err)
	}
	_ = l.Close()
	wg.Wait()
}
