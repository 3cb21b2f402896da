package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/flink-go/flink-go/core"
)

// Local is a Service of one process (embedded mode, tests): gateways call the served ones directly, without sockets
// or copies. A message passed to a gateway is read-only from then on, for the sender and the receiver, as it may be
// shared by both.
type Local struct {
	Connectors
	name    string
	network *localNetwork
}

// localNetwork is the directory of the Local services that reach each other.
type localNetwork struct {
	mu       sync.Mutex
	services map[string]map[string]served // service name -> endpoint name; no entry: closed
	watches  map[*localWatch]struct{}
}

// localWatch is a watch of the connection to a service.
type localWatch struct {
	server string
	lost   func(error)
}

type served struct {
	token   core.Token
	gateway any
}

// NewLocal returns a service named name, alone in its network.
func NewLocal(name string) *Local {
	n := &localNetwork{
		services: make(map[string]map[string]served),
		watches:  make(map[*localWatch]struct{}),
	}
	return n.join(name)
}

// Peer returns another service in the network of l, as if it were another process. A peer that was closed may be made
// again under its name.
func (l *Local) Peer(name string) *Local { return l.network.join(name) }

func (n *localNetwork) join(name string) *Local {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, exists := n.services[name]; !exists {
		n.services[name] = make(map[string]served)
	}
	return &Local{Connectors{n}, name, n}
}

// Address returns the name of the service.
func (l *Local) Address() string { return l.name }

// Serve makes gateway reachable under an endpoint name.
func (l *Local) Serve(endpoint string, token core.Token, gateway any) error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	endpoints, open := l.network.services[l.name]
	if !open {
		return errClosedService(l.name)
	}
	if _, exists := endpoints[endpoint]; exists {
		return core.E("serve", core.AlreadyExists, endpoint, errors.New("an endpoint of this name is served"))
	}
	endpoints[endpoint] = served{token, gateway}
	return nil
}

// Remove ends what Serve began.
func (l *Local) Remove(endpoint string) {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	delete(l.network.services[l.name], endpoint)
}

// Close removes all endpoints. It does not wait for calls that reached a gateway: their endpoints' Close does.
func (l *Local) Close() error {
	for _, w := range l.network.leave(l.name) {
		w.lost(errClosedService(l.name))
	}
	return nil
}

// leave closes a service and returns those who watched it.
func (n *localNetwork) leave(name string) []*localWatch {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.services, name)
	var gone []*localWatch
	for w := range n.watches {
		if w.server == name {
			gone = append(gone, w)
			delete(n.watches, w)
		}
	}
	return gone
}

// WatchConnection implements ConnectionWatcher: lost is called when the service named server is closed.
func (l *Local) WatchConnection(server string, lost func(error)) (stop func()) {
	n := l.network
	w := &localWatch{server, lost}
	n.mu.Lock()
	_, open := n.services[server]
	if open {
		n.watches[w] = struct{}{}
	}
	n.mu.Unlock()
	if !open {
		lost(errClosedService(server))
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watches, w)
	}
}

func errClosedService(name string) error {
	return core.E("connect", core.Unavailable, name, errors.New("no such RPC service in this process"))
}

// Invoke implements Transport.
func (n *localNetwork) Invoke(ctx context.Context, to Address, call *Invocation) (any, error) {
	if ctx.Err() != nil {
		return nil, ContextError(ctx, call.Op(), to.Endpoint)
	}
	n.mu.Lock()
	endpoints, open := n.services[to.Server]
	s, exists := endpoints[to.Endpoint]
	n.mu.Unlock()
	switch {
	case !open:
		return nil, errClosedService(to.Server)
	case !exists:
		return nil, NotServed(call.Op(), to.Endpoint)
	}
	if err := CheckToken(call.Op(), to.Endpoint, s.token, to.Token); err != nil {
		return nil, err
	}
	return call.Do(ctx, s.gateway)
}

// NotServed is the error of a call to an endpoint that the server does not have: it may come, or come back.
func NotServed(op, endpoint string) error {
	return core.E(op, core.Unavailable, endpoint, errors.New("no such endpoint on this server"))
}

// CheckToken compares the token that a call carries with that of the endpoint's leader session: kind Fenced when they
// differ. The zero token accepts all.
func CheckToken(op, endpoint string, have, got core.Token) error {
	if have.IsZero() || have == got {
		return nil
	}
	return core.E(op, core.Fenced, endpoint, fmt.Errorf("the call carries fencing token %s, the endpoint has %s", got, have))
}
