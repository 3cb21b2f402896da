package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/internal/frame"
)

func TestMain(m *testing.M) {
	if os.Getenv(bareSender) != "" {
		if err := sendBare(os.Args[1], os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// fakeTask is an Owner that notes what it is told.
type fakeTask struct {
	done   chan struct{}
	failed chan error
}

func newFakeTask() *fakeTask {
	return &fakeTask{done: make(chan struct{}), failed: make(chan error, 16)}
}

func (f *fakeTask) Done() <-chan struct{} { return f.done }
func (f *fakeTask) Unwind(err error)      { panic(unwound{err}) }
func (f *fakeTask) Fail(err error) {
	select {
	case f.failed <- err:
	default:
	}
}
func (f *fakeTask) Blocked(bool) {}

// unwound is what a fakeTask panics with.
type unwound struct{ err error }

// failure waits for the task to fail.
func (f *fakeTask) failure(t *testing.T) error {
	t.Helper()
	select {
	case err := <-f.failed:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the task did not fail")
		return nil
	}
}

var (
	testJob    = core.NewJobID()
	testGraph  = core.NewGraphID()
	upstream   = core.HashVertexID("up")
	downstream = core.HashVertexID("down")
)

func attempt(v core.VertexID, subtask, n int) core.ExecutionAttemptID {
	return core.ExecutionAttemptID{Graph: testGraph, Vertex: v, Subtask: subtask, Attempt: n}
}

// newWorker starts a Network that listens.
func newWorker(t *testing.T, change func(*Config)) *Network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Job: testJob, Secret: []byte("secret"), Address: l.Addr().String(), Listener: l, HandshakeTimeout: 2 * time.Second}
	if change != nil {
		change(&c)
	}
	n := New(c)
	t.Cleanup(func() {
		if err := n.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return n
}

// oneEdge is the edge of a consumer that reads producer 0 of upstream, attempt n, on a worker.
func oneEdge(n int) []Edge {
	return []Edge{{Producer: upstream, To: 1, Location: VertexLocation{Worker: []int32{0}, Attempt: []int32{int32(n)}}, Schema: 7}}
}

func openGate(t *testing.T, n *Network, owner Owner, consumer, producer int, address string) *Gate {
	t.Helper()
	g := n.NewGate(owner, attempt(downstream, 0, consumer), oneEdge(producer))
	if err := g.Open(&Locations{Workers: []string{address}}); err != nil {
		t.Fatal(err)
	}
	return g
}

// receive waits for the next messages of a gate.
func receive(t *testing.T, g *Gate) []operator.Message {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); g.Wait(deadline) {
		if m, _ := g.Take(nil); len(m) > 0 {
			return m
		}
	}
	t.Fatal("nothing came")
	return nil
}

// send sends one frame of one record from a producer attempt.
func send(n *Network, owner Owner, at core.ExecutionAttemptID, text string) (o *Outlet, err error) {
	defer func() {
		if u, ok := recover().(unwound); ok {
			err = errors.Join(u.err, errors.New("unwound"))
		}
	}()
	o = n.NewOutlet(owner, at, 0, 0, 7)
	l := o.Connect(0)
	l.Stream.Acquire()
	l.Stream.Send(append(make([]byte, frame.HeaderSize), text...), &frame.Header{Kind: frame.Data, Records: 1})
	o.Flush()
	return o, nil
}

func payload(t *testing.T, m operator.Message) string {
	t.Helper()
	f, ok := m.Data.(*operator.Frame)
	if !ok {
		t.Fatalf("got %+v", m)
	}
	s := string(f.Payload)
	f.Home.Release(f, true)
	return s
}

// the consumer comes first, the producer's worker listens later, and the producer is deployed later still.
func TestProducerMayComeLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	refusedDials := make(chan struct{}, 1000)
	consumers := newWorker(t, func(c *Config) {
		c.Dial = func(ctx context.Context, a string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", a)
			if err != nil {
				refusedDials <- struct{}{}
			}
			return nc, err
		}
	})
	owner := newFakeTask()
	g := openGate(t, consumers, owner, 0, 0, address)
	defer g.Close()
	for range 3 {
		<-refusedDials
	}
	producers := newWorker(t, func(c *Config) {
		_ = c.Listener.Close() // the one of newWorker; this test needs the address that was refused
		if c.Listener, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		c.Address = address
	})
	o, err := send(producers, newFakeTask(), attempt(upstream, 0, 0), "late")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if got := payload(t, receive(t, g)[0]); got != "late" {
		t.Fatalf("got %q", got)
	}
	select {
	case err := <-owner.failed:
		t.Fatalf("the consumer failed: %v", err)
	default:
	}
}

// L-1, P-3: a producer of an older attempt reaches nobody, and an older consumer does not replace a newer one.
func TestOldAttemptsAreFenced(t *testing.T) {
	n := New(Config{Job: testJob})
	defer func() { _ = n.Close() }()
	g := n.NewGate(newFakeTask(), attempt(downstream, 0, 1), oneEdge(1))
	if err := g.Open(&Locations{Workers: []string{""}}); err != nil {
		t.Fatal(err)
	}
	defer g.Close()

	stale := newFakeTask()
	close(stale.done) // so that the wait for a consumer ends at once
	if _, err := send(n, stale, attempt(upstream, 0, 0), "stale"); err == nil {
		t.Error("the old attempt found a consumer")
	}
	old := n.NewGate(newFakeTask(), attempt(downstream, 0, 0), oneEdge(1))
	if err := old.Open(&Locations{Workers: []string{""}}); err != nil {
		t.Fatal(err)
	}
	o := n.NewOutlet(newFakeTask(), attempt(upstream, 0, 1), 0, 0, 7)
	defer o.Close()
	if l := o.Connect(0); l.Gate != operator.Gate(g) {
		t.Error("the old consumer took the place of the new one")
	}
	old.Close()
	if l := o.Connect(0); l.Gate != operator.Gate(g) {
		t.Error("the end of the old consumer removed the new one")
	}
}

// A layout that differs is refused before a record is sent.
func TestSchemasMustAgree(t *testing.T) {
	n := New(Config{Job: testJob})
	defer func() { _ = n.Close() }()
	g := openGate(t, n, newFakeTask(), 0, 0, "")
	defer g.Close()
	defer func() {
		u, _ := recover().(unwound)
		if u.err == nil || core.KindOf(u.err) != core.Invalid {
			t.Errorf("got %v", u.err)
		}
	}()
	o := n.NewOutlet(newFakeTask(), attempt(upstream, 0, 0), 0, 0, 8)
	defer o.Close()
	o.Connect(0)
}

// Two workers that need each other dial at the same time: one connection stays.
func TestOneConnectionPerPairOfWorkers(t *testing.T) {
	for range 20 {
		a, b := newWorker(t, nil), newWorker(t, nil)
		var gates [2]*Gate
		var wg sync.WaitGroup
		for i, n := range []*Network{a, b} {
			other := []*Network{b, a}[i]
			gates[i] = n.NewGate(newFakeTask(), attempt(downstream, i, 0), oneEdge(0))
			wg.Go(func() {
				if err := gates[i].Open(&Locations{Workers: []string{other.Address()}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i, n := range []*Network{b, a} {
			owner := newFakeTask()
			o := n.NewOutlet(owner, attempt(upstream, 0, 0), 0, i, 7)
			if l := o.Connect(0); l.Stream == nil {
				t.Fatal("no stream")
			}
			o.Close()
		}
		for _, n := range []*Network{a, b} {
			n.mu.Lock()
			if len(n.conns) != 1 {
				t.Errorf("%d connections", len(n.conns))
			}
			n.mu.Unlock()
		}
		for _, g := range gates {
			g.Close()
		}
		var ends sync.WaitGroup
		ends.Go(func() { _ = a.Close() })
		ends.Go(func() { _ = b.Close() })
		ends.Wait()
	}
}

// B-50: what is no peer is refused, costs nothing lasting and disturbs nobody.
func TestForeignConnections(t *testing.T) {
	n := newWorker(t, func(c *Config) { c.HandshakeTimeout = 200 * time.Millisecond })
	greetings := map[string]string{
		"random bytes":        "\x8f\x01\x99\xfe\x00\x00\x10\x20\x30\x40\x50\x60",
		"http":                "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"http2":               "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"tls":                 "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"half a preface":      "FLINKGO\x00\x01\x00",
		"preface of 4 GiB":    "FLINKGO\x00\x01\x00\x01\x00\xff\xff\xff\xff\x00\x00\x00\x00",
		"nothing":             "",
		"preface, bad digest": string(append(frame.AppendPreface(nil, make([]byte, 40))[:59], 1)),
	}
	for name, greeting := range greetings {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", n.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			if _, err := io.WriteString(nc, greeting); err != nil {
				t.Fatal(err)
			}
			// The worker closes it, at the latest after the handshake timeout.
			if err := nc.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(nc); err != nil && errors.As(err, new(net.Error)) && strings.Contains(err.Error(), "timeout") {
				t.Errorf("connection stays open: %q, %v", b, err)
			}
		})
	}
	t.Run("many idle ones", func(t *testing.T) {
		var idle []net.Conn
		for range 2 * maxHandshakes {
			nc, err := net.Dial("tcp", n.Address())
			if err != nil {
				t.Fatal(err)
			}
			idle = append(idle, nc)
		}
		consumers := newWorker(t, nil)
		g := openGate(t, consumers, newFakeTask(), 0, 0, n.Address())
		defer g.Close()
		o, err := send(n, newFakeTask(), attempt(upstream, 0, 0), "still there")
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if got := payload(t, receive(t, g)[0]); got != "still there" {
			t.Errorf("got %q", got)
		}
		for _, nc := range idle {
			_ = nc.Close()
		}
	})
}

// B-51, B-52: a peer of another job, without the secret, or of another version is refused with the reason.
func TestWrongPeersAreRefusedWithTheReason(t *testing.T) {
	n := newWorker(t, nil)
	cases := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"other job", func(c *Config) { c.Job = core.NewJobID() }, "serves job"},
		{"wrong secret", func(c *Config) { c.Secret = []byte("guess") }, "wrong credentials"},
		{"no secret", func(c *Config) { c.Secret = nil }, "wrong credentials"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			owner := newFakeTask()
			g := openGate(t, newWorker(t, tc.change), owner, 0, 0, n.Address())
			defer g.Close()
			if err := owner.failure(t); core.KindOf(err) != core.Unavailable || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), n.Address()) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("other version", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			nc, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = nc.Close() }()
			b := frame.AppendPreface(nil, nil)
			b[8], b[10] = 2, 3
			_, _ = nc.Write(b)
			_, _ = io.Copy(io.Discard, nc)
		}()
		owner := newFakeTask()
		g := openGate(t, newWorker(t, nil), owner, 0, 0, l.Addr().String())
		defer g.Close()
		if err := owner.failure(t); !strings.Contains(err.Error(), "version 2 to 3, this process 1 to 1") {
			t.Errorf("got %v", err)
		}
		_ = l.Close()
		<-served
	})
}

// rawPeer speaks to a worker as another one would, byte by byte.
func rawPeer(t *testing.T, n *Network) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", n.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	h := hello{testJob, core.NewToken(), "127.0.0.1:9", n.Address(), []byte("secret")}
	if _, err := nc.Write(frame.AppendPreface(nil, h.encode())); err != nil {
		t.Fatal(err)
	}
	if _, err := frame.ReadPreface(nc); err != nil {
		t.Fatal(err)
	}
	if h, _ := readFrame(t, nc); h.Kind != frame.Answer || h.Arg != welcome {
		t.Fatalf("answer is %+v", h)
	}
	return nc
}

func readFrame(t *testing.T, nc net.Conn) (frame.Header, []byte) {
	t.Helper()
	var head [frame.HeaderSize]byte
	h, payload, err := frame.Read(nc, &head, maxControl, func(h *frame.Header) []byte { return make([]byte, h.Length) })
	if err != nil {
		t.Fatal(err)
	}
	return h, payload
}

// B-51, B-53: whatever a producer's worker sends wrongly ends the connection, and the consumer fails with the cause
// and the peer's name; it neither hangs nor takes the bytes for data.
func TestWrongFramesFailTheConsumer(t *testing.T) {
	data := func(change func(*frame.Header)) func(uint32) []byte {
		return func(id uint32) []byte {
			h := frame.Header{Kind: frame.Data, Gate: id, Records: 1}
			change(&h)
			return frame.Append(nil, h, []byte("payload"))
		}
	}
	cases := []struct {
		name string
		send func(id uint32) []byte
		want string
	}{
		{"wrong checksum", func(id uint32) []byte {
			b := frame.Append(nil, frame.Header{Kind: frame.Data, Gate: id}, []byte("payload"))
			b[len(b)-1]++
			return b
		}, "wrong checksum"},
		{"length of 2^31", func(id uint32) []byte {
			b := frame.Append(nil, frame.Header{Kind: frame.Data, Gate: id}, nil)
			b[3] = 0x80
			return b
		}, "over the size limit"},
		{"length of -1", func(id uint32) []byte {
			b := frame.Append(nil, frame.Header{Kind: frame.Data, Gate: id}, nil)
			copy(b, "\xff\xff\xff\xff")
			return b
		}, "over the size limit"},
		{"kind 0", data(func(h *frame.Header) { h.Kind = 0 }), "unknown kind"},
		{"kind 200", data(func(h *frame.Header) { h.Kind = 200 }), "unknown kind"},
		{"kind of the handshake", data(func(h *frame.Header) { h.Kind = frame.Answer }), "unknown kind"},
		{"channel that is not there", data(func(h *frame.Header) { h.Channel = 5 }), "channel 5"},
		{"sequence with a gap", data(func(h *frame.Header) { h.Seq = 3 }), "frame 3 where 0 was due"},
		{"open request too short", data(func(h *frame.Header) { h.Kind = frame.Open }), "open request of 7 bytes"},
		{"more frames than credits", func(id uint32) []byte {
			var b []byte
			for i := range 9 {
				b = frame.Append(b, frame.Header{Kind: frame.Data, Gate: id, Seq: uint64(i)}, []byte("payload"))
			}
			return b
		}, "more frames than its 8 credits"},
		{"cut in the header", func(id uint32) []byte {
			return frame.Append(nil, frame.Header{Kind: frame.Data, Gate: id}, nil)[:20]
		}, "ended inside a frame"},
		{"cut in the payload", func(id uint32) []byte {
			return frame.Append(nil, frame.Header{Kind: frame.Data, Gate: id}, []byte("payload"))[:frame.HeaderSize+3]
		}, "ended inside a frame: 3 of 7 bytes of a data frame"},
		{"end of the connection", func(uint32) []byte { return nil }, "the peer closed it"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			n := newWorker(t, nil)
			nc := rawPeer(t, n)
			owner := newFakeTask()
			g := openGate(t, n, owner, 0, 0, "127.0.0.1:9")
			defer g.Close()
			h, _ := readFrame(t, nc)
			if h.Kind != frame.Open {
				t.Fatalf("got %+v", h)
			}
			if _, err := nc.Write(tc.send(h.Gate)); err != nil {
				t.Fatal(err)
			}
			_ = nc.(*net.TCPConn).CloseWrite()
			err := owner.failure(t)
			if core.KindOf(err) != core.Unavailable || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "127.0.0.1:9") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// rawConsumer opens a channel as a consumer on another worker would and returns the connection.
func rawConsumer(t *testing.T, n *Network, id uint32) net.Conn {
	t.Helper()
	nc := rawPeer(t, n)
	in := &inbound{
		gate: &Gate{attempt: attempt(downstream, 0, 0)}, edge: &oneEdge(0)[0], channels: 1, credits: 8,
	}
	if _, err := nc.Write(frame.Append(nil, frame.Header{Kind: frame.Open, Gate: id}, encodeOpen(in))); err != nil {
		t.Fatal(err)
	}
	return nc
}

// B-51: a consumer that grants more than there is ends the connection and fails the producer.
func TestCreditOverflowFailsTheProducer(t *testing.T) {
	n := newWorker(t, nil)
	nc := rawConsumer(t, n, 3)
	owner := newFakeTask()
	o, err := send(n, owner, attempt(upstream, 0, 0), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := nc.Write(frame.Append(nil, frame.Header{Kind: frame.Credit, Gate: 3, Arg: 2}, nil)); err != nil {
		t.Fatal(err)
	}
	if err := owner.failure(t); core.KindOf(err) != core.Unavailable || !strings.Contains(err.Error(), "more credits") {
		t.Errorf("got %v", err)
	}
}

// B-53: a peer that has stopped to read does not hold a task for ever.
func TestPeerThatDoesNotReadIsGivenUp(t *testing.T) {
	n := newWorker(t, func(c *Config) { c.StallTimeout = 700 * time.Millisecond })
	rawConsumer(t, n, 3)
	_, err := send(n, newFakeTask(), attempt(upstream, 0, 0), strings.Repeat("x", 100<<20))
	if err == nil || core.KindOf(errors.Unwrap(err)) == core.Canceled || !strings.Contains(err.Error(), "reads nothing") {
		t.Errorf("got %v", err)
	}
}

// The same if the task has to end, long before the stall timeout.
func TestCanceledWriterIsFreed(t *testing.T) {
	n := newWorker(t, nil)
	rawConsumer(t, n, 3)
	owner := newFakeTask()
	cancel := time.AfterFunc(100*time.Millisecond, func() { close(owner.done) })
	defer cancel.Stop()
	if _, err := send(n, owner, attempt(upstream, 0, 0), strings.Repeat("x", 100<<20)); err == nil {
		t.Error("the write went through")
	}
}

// What was sent arrives although the sender's worker ends right after: nothing is cut off.
func TestCloseDrains(t *testing.T) {
	consumers, producers := newWorker(t, nil), newWorker(t, nil)
	owner := newFakeTask()
	g := openGate(t, consumers, owner, 0, 0, producers.Address())
	defer g.Close()
	text := strings.Repeat("y", 1<<20)
	o, err := send(producers, newFakeTask(), attempt(upstream, 0, 0), text)
	if err != nil {
		t.Fatal(err)
	}
	l := o.Connect(0)
	l.Stream.Send(make([]byte, frame.HeaderSize), &frame.Header{Kind: frame.End})
	o.Flush()
	o.Close()
	closed := make(chan error)
	go func() { closed <- producers.Close() }()
	var got []operator.Message
	for len(got) < 2 {
		got = append(got, receive(t, g)...)
	}
	if payload(t, got[0]) != text || got[1].Kind != frame.End {
		t.Errorf("got %d messages", len(got))
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	select {
	case err := <-owner.failed:
		t.Errorf("the consumer failed: %v", err)
	default:
	}
}

// Watermarks that wait behind each other become one, so a gate that nobody empties does not grow.
func TestWaitingWatermarksMerge(t *testing.T) {
	n := New(Config{Job: testJob})
	defer func() { _ = n.Close() }()
	e := oneEdge(0)
	e[0].To, e[0].Location = 3, VertexLocation{Worker: []int32{0, 0, 0}, Attempt: []int32{0, 0, 0}}
	g := n.NewGate(newFakeTask(), attempt(downstream, 0, 0), e)
	for i := range int64(1000) {
		for c := range int32(3) {
			g.Put(operator.Message{Kind: frame.Watermark, Channel: c, Arg: i})
		}
	}
	g.Put(operator.Message{Kind: frame.Idle, Channel: 1})
	g.Put(operator.Message{Kind: frame.Data, Channel: 2})
	g.Put(operator.Message{Kind: frame.Watermark, Channel: 2, Arg: 2000})
	m, _ := g.Take(nil)
	if len(m) != 5 || m[0].Arg != 999 || m[0].ThenIdle || !m[1].ThenIdle || m[1].Arg != 999 || m[2].Arg != 999 || m[4].Arg != 2000 {
		t.Errorf("got %+v", m)
	}
	g.Put(operator.Message{Kind: frame.Watermark, Channel: 2, Arg: 2001})
	if m, _ := g.Take(m); len(m) != 1 || m[0].Arg != 2001 {
		t.Errorf("after a take got %+v", m)
	}
}

func FuzzOpen(f *testing.F) {
	in := &inbound{gate: &Gate{attempt: attempt(downstream, 3, 1)}, edge: &oneEdge(2)[0], credits: 8}
	f.Add(encodeOpen(in))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, c, err := decodeOpen(b)
		if err == nil && len(c.attempts) > core.UpperMaxParallelism {
			t.Errorf("%d attempts", len(c.attempts))
		}
	})
}

func FuzzHello(f *testing.F) {
	h := hello{testJob, core.NewToken(), "a:1", "b:2", []byte("s")}
	f.Add(h.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err == nil && !bytes.HasPrefix(b, h.encode()) {
			t.Errorf("%x became %x", b, h.encode())
		}
	})
}

func TestOpenRoundTrip(t *testing.T) {
	e := Edge{Producer: upstream, Output: 2, From: 1, To: 6, Location: VertexLocation{Attempt: []int32{9, 1, 1, 1, 2, 1}}, Schema: 77}
	in := &inbound{gate: &Gate{attempt: attempt(downstream, 3, 1)}, edge: &e, credits: 4}
	k, schema, c, err := decodeOpen(encodeOpen(in))
	if err != nil || k != (exchangeKey{testGraph, upstream, 2}) || schema != 77 || c.subtask != 3 || c.attempt != 1 || c.from != 1 || c.credits != 4 {
		t.Fatalf("%v %v %+v %v", k, schema, c, err)
	}
	if fmt.Sprint(c.attempts) != "[1 1 1 2 1]" {
		t.Errorf("attempts %v", c.attempts)
	}
}
