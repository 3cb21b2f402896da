package network

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// exchangeKey names one output edge of one vertex in one ExecutionGraph.
type exchangeKey struct {
	graph    core.GraphID
	producer core.VertexID
	output   int
}

// exchange is where the producers of an edge that run in this process find the edge's consumers, wherever those are.
// A consumer is entered once, however many producers it reads.
type exchange struct {
	net  *Network
	key  exchangeKey
	refs int // guarded by Network.mu

	mu        sync.Mutex
	consumers []*consumer       // by subtask; nil: not known yet
	waiting   map[int][]*Outlet // by the subtask that they wait for
}

// consumer is one subtask that reads an edge.
type consumer struct {
	subtask  int
	attempt  int
	from     int     // first producer that it reads
	attempts []int32 // of the producers from there on
	credits  int
	schema   uint64 // of the records that it expects

	gate  *Gate // in this process
	input uint8
	base  int32

	conn *conn // in another
	id   uint32
}

// expects tells whether c reads from this attempt of a producer (L-1).
func (c *consumer) expects(subtask, attempt int) bool {
	i := subtask - c.from
	return i >= 0 && i < len(c.attempts) && int(c.attempts[i]) == attempt
}

// add enters a consumer and wakes the producers that wait. An older attempt does not replace a newer one.
func (x *exchange) add(c *consumer) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.consumers) <= c.subtask {
		x.consumers = append(x.consumers, nil)
	}
	if old := x.consumers[c.subtask]; old != nil && old.attempt > c.attempt {
		return false
	}
	x.consumers[c.subtask] = c
	for _, o := range x.waiting[c.subtask] {
		o.Wake()
	}
	delete(x.waiting, c.subtask)
	return true
}

// remove takes c out, if it is still the one.
func (x *exchange) remove(c *consumer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c.subtask < len(x.consumers) && x.consumers[c.subtask] == c {
		x.consumers[c.subtask] = nil
	}
}

// find returns the consumer that reads from the producer behind o; if it is not there, o is woken when one comes.
func (x *exchange) find(target int, o *Outlet) *consumer {
	x.mu.Lock()
	defer x.mu.Unlock()
	if target < len(x.consumers) {
		if c := x.consumers[target]; c != nil && c.expects(o.attempt.Subtask, o.attempt.Attempt) {
			return c
		}
	}
	if x.waiting == nil {
		x.waiting = map[int][]*Outlet{}
	}
	if w := x.waiting[target]; len(w) == 0 || w[len(w)-1] != o {
		x.waiting[target] = append(w, o)
	}
	return nil
}

// Outlet is one edge out of one task; see operator.Outlet. Close is for the task's goroutine.
type Outlet struct {
	exchange *exchange
	owner    Owner
	attempt  core.ExecutionAttemptID
	from     int // the first target
	schema   uint64
	wake     chan struct{}
	held     []*conn // hold back frames of ours
	streams  []*stream
}

// NewOutlet makes the outlet of an edge whose first target is subtask from of the consumer, for
// records of layout schema.
func (n *Network) NewOutlet(owner Owner, attempt core.ExecutionAttemptID, output, from int, schema uint64) *Outlet {
	return &Outlet{
		exchange: n.exchange(exchangeKey{attempt.Graph, attempt.Vertex, output}), owner: owner, attempt: attempt, from: from, schema: schema,
		wake: make(chan struct{}, 1),
	}
}

// Connect implements operator.Outlet.
func (o *Outlet) Connect(i int) operator.Link {
	for {
		c := o.exchange.find(o.from+i, o)
		if c == nil {
			o.Wait()
			continue
		}
		if c.schema != o.schema {
			o.owner.Unwind(core.E("send records to subtask", core.Invalid, strconv.Itoa(c.subtask),
				fmt.Errorf("it reads records of layout %016x, this program writes %016x", c.schema, o.schema)))
		}
		channel := o.attempt.Subtask - c.from
		if c.gate != nil {
			return operator.Link{Gate: c.gate, Input: c.input, Channel: c.base + int32(channel), Credits: c.credits}
		}
		s, err := c.conn.stream(o, c, uint32(channel))
		if err != nil {
			o.owner.Unwind(err)
		}
		return operator.Link{Stream: s, Credits: c.credits}
	}
}

// Wait implements operator.Outlet.
func (o *Outlet) Wait() {
	select {
	case <-o.wake:
		return
	default:
	}
	o.Flush() // what is held back may be what the consumer waits for
	o.owner.Blocked(true)
	select {
	case <-o.wake:
		o.owner.Blocked(false)
	case <-o.owner.Done():
		o.owner.Unwind(nil)
	}
}

// Wake implements operator.Outlet.
func (o *Outlet) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Fail implements operator.Outlet.
func (o *Outlet) Fail(err error) { o.owner.Unwind(err) }

// Flush implements operator.Outlet.
func (o *Outlet) Flush() {
	for i, c := range o.held {
		o.held[i] = nil
		if err := c.flush(o); err != nil {
			o.held = o.held[:0]
			o.owner.Unwind(err)
		}
	}
	o.held = o.held[:0]
}

// Close takes the outlet from the network. What was sent arrives nevertheless.
func (o *Outlet) Close() {
	for _, s := range o.streams {
		s.conn.forget(s)
	}
	o.streams = nil
	o.exchange.net.release(o.exchange)
}
