package network

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/internal/frame"
)

// Gate is where everything for one task queues: messages of its channels and actions for its goroutine. Credits bound
// the data in it, and watermarks of one channel that wait behind each other become one, so nothing in it grows
// without bound.
//
// Put and Run may be called from any goroutine and never block. Take, Wait and Close are for the task's goroutine.
type Gate struct {
	token token
	clock clock // nil before the first Wait with an end

	urgent atomic.Bool // there are actions

	mu      sync.Mutex
	in      []operator.Message
	actions []func()
	asleep  sleeper // what the task waits for, nil: it does not
	conn    *conn   // the connection that the task reads itself when it has nothing to do; nil: none
	clocked bool    // the task has waited for an instant
	final   bool    // see Last
	closed  bool
	taken   int64     // messages taken so far: the number of in[0], plus 1
	last    [][]int64 // by input and channel: number of its last message if that is a watermark; 0: none. Made on need.

	net      *Network
	owner    Owner
	attempt  core.ExecutionAttemptID
	edges    []Edge
	channels []int // by input
	local    []localEdge
	remote   []*inbound
}

// Last says that the task has no outputs, so that it waits for no other task: it may read its connection itself. It is
// called before Open.
func (g *Gate) Last() { g.final = true }

// localEdge is an edge with producers in this process.
type localEdge struct {
	exchange *exchange
	consumer *consumer
}

// NewGate makes the gate of a task. Open connects it.
func (n *Network) NewGate(owner Owner, attempt core.ExecutionAttemptID, edges []Edge) *Gate {
	g := &Gate{token: newToken(), net: n, owner: owner, attempt: attempt, edges: edges, taken: 1}
	for _, e := range edges {
		for int(e.Input) >= len(g.channels) {
			g.channels = append(g.channels, 0)
		}
		g.channels[e.Input] = max(g.channels[e.Input], int(e.Base)+e.To-e.From)
	}
	return g
}

// Open asks the producers for their channels: one request for each edge and worker, not one for each channel.
func (g *Gate) Open(l *Locations) error {
	for i := range g.edges {
		e := &g.edges[i]
		if len(e.Location.Worker) < e.To || len(e.Location.Attempt) < e.To {
			return fmt.Errorf("locations of vertex %s name %d subtasks, want %d", e.Producer, len(e.Location.Worker), e.To)
		}
		workers := slices.Clone(e.Location.Worker[e.From:e.To])
		slices.Sort(workers)
		for len(workers) > 0 {
			w := workers[0]
			count := 1
			for count < len(workers) && workers[count] == w {
				count++
			}
			workers = workers[count:]
			if w < 0 || int(w) >= len(l.Workers) {
				return fmt.Errorf("a producer of vertex %s runs on worker %d of %d", e.Producer, w, len(l.Workers))
			}
			if address := l.Workers[w]; address == "" || address == g.net.cfg.Address {
				g.openLocal(e)
			} else if err := g.openRemote(e, address, count); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *Gate) openLocal(e *Edge) {
	x := g.net.exchange(exchangeKey{g.attempt.Graph, e.Producer, e.Output})
	c := &consumer{
		subtask: g.attempt.Subtask, attempt: g.attempt.Attempt, from: e.From, attempts: e.Location.Attempt[e.From:e.To],
		gate: g, input: e.Input, base: e.Base, credits: operator.Credits(e.To - e.From), schema: e.Schema,
	}
	g.local = append(g.local, localEdge{x, c})
	x.add(c)
}

func (g *Gate) openRemote(e *Edge, address string, producers int) error {
	in := &inbound{
		gate: g, edge: e, input: e.Input, base: e.Base, channels: e.To - e.From, credits: operator.Credits(e.To - e.From), remaining: producers,
	}
	g.remote = append(g.remote, in)
	return g.net.connect(address, in)
}

// Put implements operator.Gate.
func (g *Gate) Put(m operator.Message) { g.put(m) }

// put is Put; it tells whether the task had to be woken.
func (g *Gate) put(m operator.Message) (woken bool) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return false
	}
	if m.Kind == frame.Watermark || m.Kind == frame.Idle {
		if g.merge(&m) {
			g.mu.Unlock()
			return false
		}
	} else if g.last != nil {
		if l := g.last[m.Input]; l != nil {
			l[m.Channel] = 0
		}
	}
	g.in = append(g.in, m)
	return g.wake()
}

// merge puts a watermark into the last message of its channel, if that is one and still waits. Else it notes where
// the new message will be.
func (g *Gate) merge(m *operator.Message) bool {
	if g.last == nil {
		g.last = make([][]int64, len(g.channels))
	}
	l := g.last[m.Input]
	if l == nil {
		l = make([]int64, g.channels[m.Input])
		g.last[m.Input] = l
	}
	if at := l[m.Channel] - g.taken; l[m.Channel] != 0 && at >= 0 {
		old := &g.in[at]
		switch {
		case m.Kind == frame.Watermark:
			*old = *m
		case old.Kind == frame.Watermark:
			old.ThenIdle = true
		}
		return true
	}
	l[m.Channel] = g.taken + int64(len(g.in))
	return false
}

// wake unlocks and wakes the task if it sleeps.
func (g *Gate) wake() (woken bool) {
	asleep := g.asleep
	g.asleep = nil
	g.mu.Unlock()
	if asleep == nil {
		return false
	}
	asleep.interrupt()
	return true
}

// Run queues fn for the task's goroutine; after Close it is dropped.
func (g *Gate) Run(fn func()) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return
	}
	g.actions = append(g.actions, fn)
	g.urgent.Store(true)
	g.wake()
}

// Urgent tells whether there are actions, without a lock.
func (g *Gate) Urgent() bool { return g.urgent.Load() }

// Take moves everything that waits out of the gate. done is an earlier result that is no longer needed: its memory is
// used for what comes next.
func (g *Gate) Take(done []operator.Message) (messages []operator.Message, actions []func()) {
	clear(done)
	g.mu.Lock()
	defer g.mu.Unlock()
	messages, g.in = g.in, done[:0]
	g.taken += int64(len(messages))
	if len(g.actions) > 0 {
		actions, g.actions = g.actions, nil
		g.urgent.Store(false)
	}
	return messages, actions
}

// Actions takes only the actions.
func (g *Gate) Actions() []func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	actions := g.actions
	g.actions = nil
	g.urgent.Store(false)
	return actions
}

// Wait returns when something is in the gate, or at the instant until, unless that is zero; rarely for nothing.
func (g *Gate) Wait(until time.Time) { g.wait(until, true) }

// WaitAction is Wait for actions only; every message ends it too, but those that are there already do not.
func (g *Gate) WaitAction(until time.Time) { g.wait(until, false) }

func (g *Gate) wait(until time.Time, messages bool) {
	g.mu.Lock()
	if messages && len(g.in) > 0 || len(g.actions) > 0 {
		g.mu.Unlock()
		return
	}
	if c := g.conn; c != nil {
		if until.IsZero() && messages {
			g.asleep = c.frames
			g.mu.Unlock()
			c.readFor(g)
			return
		}
		g.mu.Unlock()
		c.reclaim()
		g.mu.Lock()
		if messages && len(g.in) > 0 || len(g.actions) > 0 {
			g.mu.Unlock()
			return
		}
	}
	if until.IsZero() {
		g.asleep = g.token
		g.mu.Unlock()
		<-g.token
		return
	}
	g.clocked = true
	if g.clock == nil {
		g.clock = g.net.newClock()
	}
	g.asleep = g.clock
	g.mu.Unlock()
	g.clock.wait(until)
	g.mu.Lock()
	g.asleep = nil
	g.mu.Unlock()
}

// Close takes the gate from the network. Producers in other processes are told, unless their channels have ended.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	g.in, g.actions = nil, nil
	g.mu.Unlock()
	if g.clock != nil {
		g.net.closeClock(g.clock)
	}
	for _, e := range g.local {
		e.exchange.remove(e.consumer)
		g.net.release(e.exchange)
	}
	for _, in := range g.remote {
		in.close()
	}
}
