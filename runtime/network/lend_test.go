//go:build linux

package network

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/internal/frame"
)

// pair is a producer and a consumer on workers of their own. The consumer waits without an end, as a task does that
// has no outputs.
type pair struct {
	t         *testing.T
	producers *Network
	consumers *Network
	owner     *fakeTask
	gate      *Gate
	link      operator.Link
	out       *Outlet
	sent      int
	got       chan string // what the consumer read
	ended     chan struct{}
	actions   chan int // results of actions
}

func newPair(t *testing.T) *pair {
	p := &pair{
		t: t, producers: newWorker(t, nil), consumers: newWorker(t, nil), owner: newFakeTask(),
		got: make(chan string, 1000), ended: make(chan struct{}), actions: make(chan int, 10),
	}
	p.gate = p.consumers.NewGate(p.owner, attempt(downstream, 0, 0), oneEdge(0))
	p.gate.Last()
	if err := p.gate.Open(&Locations{Workers: []string{p.producers.Address()}}); err != nil {
		t.Fatal(err)
	}
	p.out = p.producers.NewOutlet(newFakeTask(), attempt(upstream, 0, 0), 0, 0, 7)
	p.link = p.out.Connect(0)
	go p.consume()
	return p
}

// consume is the consumer's task. It ends by an action.
func (p *pair) consume() {
	defer close(p.ended)
	for end := false; !end; {
		messages, actions := p.gate.Take(nil)
		for _, m := range messages {
			f := m.Data.(*operator.Frame)
			p.got <- string(f.Payload)
			f.Home.Release(f, true)
		}
		for _, fn := range actions {
			if fn == nil {
				end = true
			} else {
				fn()
			}
		}
		if len(messages)+len(actions) == 0 {
			p.gate.Wait(time.Time{})
		}
	}
	p.gate.Close()
}

// close ends both sides.
func (p *pair) close() {
	p.gate.Run(nil)
	<-p.ended
	p.out.Close()
}

// send sends one frame and waits until it was read.
func (p *pair) send() {
	p.t.Helper()
	p.post()
	p.read(p.sent - 1)
}

func (p *pair) post() {
	p.link.Stream.Acquire()
	p.link.Stream.Send(append(make([]byte, frame.HeaderSize), strconv.Itoa(p.sent)...), &frame.Header{Kind: frame.Data, Records: 1})
	p.out.Flush()
	p.sent++
}

func (p *pair) read(n int) {
	p.t.Helper()
	select {
	case got := <-p.got:
		if got != strconv.Itoa(n) {
			p.t.Fatalf("got frame %s, want %d", got, n)
		}
	case <-time.After(10 * time.Second):
		p.t.Fatalf("frame %d did not come", n)
	}
}

// conn is the consumer's connection.
func (p *pair) conn() *conn {
	p.t.Helper()
	p.consumers.mu.Lock()
	defer p.consumers.mu.Unlock()
	for c := range p.consumers.conns {
		return c
	}
	p.t.Fatal("no connection")
	return nil
}

// lend sends until the consumer's task reads by itself.
func (p *pair) lend() *conn {
	p.t.Helper()
	c := p.conn()
	for range 10_000 {
		if c.lent.to.Load() == p.gate {
			return c
		}
		p.send()
	}
	p.t.Fatal("the reading was never lent")
	return nil
}

func TestIdleTaskReadsItsConnection(t *testing.T) {
	p := newPair(t)
	c := p.lend()
	for range 1000 {
		p.send()
		p.gate.Run(func() { p.actions <- p.sent }) // what is for the task still wakes it
		if got := <-p.actions; got != p.sent {
			t.Fatalf("action %d after frame %d", got, p.sent)
		}
	}
	p.lend()
	p.close()
	if c.lent.to.Load() != nil {
		t.Error("the reading is lent to a task that has ended")
	}
}

func TestReadingGoesBack(t *testing.T) {
	for name, cause := range map[string]func(t *testing.T, p *pair, c *conn){
		// A producer beside the consumer waits for credits, which come over the same connection.
		"a producer": func(_ *testing.T, p *pair, _ *conn) {
			back := openGate(t, p.producers, newFakeTask(), 1, 0, p.consumers.Address())
			defer back.Close()
			o, err := send(p.consumers, newFakeTask(), attempt(upstream, 0, 0), "back")
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			if got := payload(t, receive(t, back)[0]); got != "back" {
				t.Errorf("got %q", got)
			}
		},
		"another consumer": func(t *testing.T, p *pair, _ *conn) {
			second := p.consumers.NewGate(newFakeTask(), attempt(downstream, 1, 0), oneEdge(0))
			defer second.Close()
			if err := second.Open(&Locations{Workers: []string{p.producers.Address()}}); err != nil {
				t.Fatal(err)
			}
		},
		// With a full connection the goroutine and the task together are faster.
		"much to read": func(_ *testing.T, p *pair, c *conn) {
			first := p.sent
			for range 200 {
				done := make(chan struct{})
				p.gate.Run(func() { <-done }) // the task is busy while more comes
				for range 4 {
					p.post()
				}
				close(done)
				for ; first < p.sent; first++ {
					p.read(first)
				}
				if c.lent.to.Load() == nil {
					break
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			defer p.close()
			c := p.lend()
			cause(t, p, c)
			for deadline := time.Now().Add(10 * time.Second); c.lent.to.Load() != nil; p.gate.Run(func() {}) {
				if time.Now().After(deadline) {
					t.Fatal("the reading is still lent")
				}
			}
			p.send()
		})
	}
}

// P-3: the end of a connection is seen whoever reads it.
func TestLentConnectionEnds(t *testing.T) {
	p := newPair(t)
	c := p.lend()
	p.producers.mu.Lock()
	for other := range p.producers.conns {
		other.fail(errors.New("cut"))
	}
	p.producers.mu.Unlock()
	if err := p.owner.failure(t); core.KindOf(err) != core.Unavailable {
		t.Errorf("got %v", err)
	}
	<-c.done
	p.close()
}

// A task that reads can be canceled while its peer has sent half a frame only.
func TestHalfAFrameHoldsNobody(t *testing.T) {
	p := newPair(t)
	c := p.lend()
	p.producers.mu.Lock()
	for other := range p.producers.conns {
		if _, err := other.nc.Write(make([]byte, frame.HeaderSize/2)); err != nil {
			t.Error(err)
		}
	}
	p.producers.mu.Unlock()
	for range 100 {
		p.gate.Run(func() { p.actions <- 1 })
		<-p.actions
	}
	p.close()
	c.fail(errClosed)
	<-c.done
}
