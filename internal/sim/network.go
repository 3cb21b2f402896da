package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
)

// item is something that waits for the driver: a message under way, or a step of a task.
type item struct {
	seq     int    // order of arrival
	what    string // for the trace
	from    string // node; its death takes the item along
	to      string // node, "" for a step of a task
	deliver func() // lets it happen; must not block
	lose    func() // nil: cannot be lost
	repeat  func() // nil: cannot be repeated
	abandon func() // the simulation is over: lets go of who waits for it; may be nil
}

// Network connects the nodes of a simulated cluster.
type Network struct {
	mu      sync.Mutex
	nodes   map[string]*Node // alive ones
	pending []*item
	seq     int
	watches []*watch // in the order of their making
	closed  bool
}

type watch struct {
	owner, server string
	lost          func(error)
}

// Node is the rpc.Service of one simulated process.
type Node struct {
	rpc.Connectors
	network *Network
	name    string
	mu      sync.Mutex
	served  map[string]served
}

type served struct {
	token   core.Token
	gateway any
}

func newNetwork() *Network {
	return &Network{nodes: map[string]*Node{}}
}

// node adds a process. A name is used once.
func (n *Network) node(name string) *Node {
	nd := &Node{network: n, name: name, served: map[string]served{}}
	nd.Connectors = rpc.NewConnectors(nd)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[name] = nd
	return nd
}

// add makes it wait for the driver.
func (n *Network) add(it *item) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		if it.abandon != nil {
			it.abandon()
		}
		return
	}
	n.seq++
	it.seq = n.seq
	n.pending = append(n.pending, it)
}

// take removes what waits at place i.
func (n *Network) take(i int) *item {
	n.mu.Lock()
	defer n.mu.Unlock()
	it := n.pending[i]
	n.pending = append(n.pending[:i], n.pending[i+1:]...)
	return it
}

func (n *Network) alive(name string) (*Node, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	nd, ok := n.nodes[name]
	return nd, ok
}

// kill removes a node as kill -9 does: what it sent and has not arrived is lost, what is sent to it too; those who
// watch a connection to it notice when the driver lets them.
func (n *Network) kill(name string) {
	n.mu.Lock()
	delete(n.nodes, name)
	var keep, dead []*item
	for _, it := range n.pending {
		if it.from == name || it.to == name {
			dead = append(dead, it)
		} else {
			keep = append(keep, it)
		}
	}
	n.pending = keep
	var broken []*watch
	n.watches = slices.DeleteFunc(n.watches, func(w *watch) bool {
		if w.server == name {
			broken = append(broken, w)
		}
		return w.server == name || w.owner == name
	})
	n.mu.Unlock()
	for _, it := range dead {
		if it.lose != nil {
			it.lose()
		}
	}
	for _, w := range broken {
		n.add(&item{what: "connection of " + w.owner + " to " + name + " breaks", from: w.owner, deliver: func() {
			go w.lost(unreachable(name)) // ends with the watcher's own handler, which posts to its mailbox
		}})
	}
}

func unreachable(name string) error {
	return core.E("connect", core.Unavailable, name, errors.New("the process is gone"))
}

// Address implements rpc.Service.
func (nd *Node) Address() string { return nd.name }

// Serve implements rpc.Service.
func (nd *Node) Serve(endpoint string, token core.Token, gateway any) error {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	if _, exists := nd.served[endpoint]; exists {
		return core.E("serve", core.AlreadyExists, endpoint, errors.New("an endpoint of this name is served"))
	}
	nd.served[endpoint] = served{token, gateway}
	return nil
}

// Remove implements rpc.Service.
func (nd *Node) Remove(endpoint string) {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	delete(nd.served, endpoint)
}

// Close implements rpc.Service.
func (nd *Node) Close() error {
	nd.network.mu.Lock()
	defer nd.network.mu.Unlock()
	if nd.network.nodes[nd.name] == nd {
		delete(nd.network.nodes, nd.name)
	}
	return nil
}

// WatchConnection implements rpc.ConnectionWatcher.
func (nd *Node) WatchConnection(server string, lost func(error)) (stop func()) {
	n := nd.network
	w := &watch{nd.name, server, lost}
	n.mu.Lock()
	_, up := n.nodes[server]
	if up {
		n.watches = append(n.watches, w)
	}
	n.mu.Unlock()
	if !up {
		lost(unreachable(server))
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.watches = slices.DeleteFunc(n.watches, func(other *watch) bool { return other == w })
	}
}

// result is what a call comes to.
type result struct {
	out any
	err error
}

// Invoke implements rpc.Transport: the request waits for the driver, then the response does. A call within a process
// goes straight through, as it does in a real one.
func (nd *Node) Invoke(ctx context.Context, to rpc.Address, call *rpc.Invocation) (any, error) {
	if to.Server == nd.name {
		return nd.receive(ctx, to, call)
	}
	if _, up := nd.network.alive(nd.name); !up {
		return nil, unreachable(nd.name) // killed: it takes no leave of anybody
	}
	// Capacity 2: the response to a request that was repeated may come twice, and nobody waits for it when ctx ended.
	answer := make(chan result, 3)
	abandon := func() {
		select {
		case answer <- result{nil, unreachable(to.Server)}:
		default:
		}
	}
	name := fmt.Sprintf("%s %s -> %s/%s", call.Method, nd.name, to.Server, to.Endpoint)
	respond := func(r result) {
		nd.network.add(&item{what: "answer to " + name, from: to.Server, to: nd.name, lose: func() {}, abandon: abandon,
			deliver: func() {
				select {
				case answer <- r:
				default:
				}
			}})
	}
	arrive := func() {
		dest, up := nd.network.alive(to.Server)
		if !up {
			respond(result{nil, unreachable(to.Server)})
			return
		}
		go func() { // ends with the handler of the endpoint, or with the caller's ctx
			out, err := dest.receive(ctx, to, call)
			respond(result{out, err})
		}()
	}
	if _, up := nd.network.alive(to.Server); !up {
		nd.network.add(&item{what: "refusal of " + name, from: nd.name, deliver: abandon, abandon: abandon})
	} else {
		nd.network.add(&item{what: name, from: nd.name, to: to.Server, deliver: arrive, lose: func() {}, repeat: arrive, abandon: abandon})
	}
	select {
	case r := <-answer:
		return r.out, r.err
	case <-ctx.Done():
		return nil, rpc.ContextError(ctx, call.Method, to.Endpoint)
	}
}

func (nd *Node) receive(ctx context.Context, to rpc.Address, call *rpc.Invocation) (any, error) {
	nd.mu.Lock()
	s, ok := nd.served[to.Endpoint]
	nd.mu.Unlock()
	if !ok {
		return nil, rpc.NotServed(call.Method, to.Endpoint)
	}
	if err := rpc.CheckToken(call.Method, to.Endpoint, s.token, to.Token); err != nil {
		return nil, err
	}
	return call.Do(ctx, s.gateway)
}
