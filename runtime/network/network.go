package network

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// Config is what a Network is made from.
type Config struct {
	Job core.JobID
	// Secret is the job's credential: a peer must show the same. It may be empty.
	Secret []byte
	// Address is where other workers reach Listener; it also names this worker in Locations. "" if there is no other.
	Address string
	// Listener accepts the connections of other workers; the Network closes it. nil: everything runs in this process.
	Listener net.Listener
	// Dial connects to another worker, nil: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// ConnectTimeout is how long a consumer tries to reach the worker of its producer, 0: 2 minutes. That the
	// producer itself is not deployed yet is no failure, however long it takes.
	ConnectTimeout time.Duration
	// StallTimeout is how long one write may take before the connection counts as lost (B-53), 0: 1 minute.
	StallTimeout time.Duration
	// HandshakeTimeout is how long a new connection may take to say who it is (B-50), 0: 5 seconds.
	HandshakeTimeout time.Duration
	Log              *slog.Logger
}

const maxHandshakes = 256 // connections that have not said yet who they are

// Network is the data plane of one worker. All methods may be called from any goroutine.
type Network struct {
	cfg      Config
	log      *slog.Logger
	identity core.Token // of this process, so that a peer tells it from its predecessor at the same address
	ctx      context.Context
	stop     context.CancelCauseFunc
	wg       sync.WaitGroup
	start    time.Time
	clocks   atomic.Int32 // of gates
	frames   sync.Pool    // of *operator.Frame whose payload may be used again

	handshakes chan struct{} // capacity: how many may be under way at once

	mu        sync.Mutex
	closed    bool
	exchanges map[exchangeKey]*exchange
	peers     map[string]*peer
	conns     map[*conn]struct{}
	lastID    uint32 // of an inbound
}

// New starts a Network. Close ends it.
func New(cfg Config) *Network {
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = 2 * time.Minute
	}
	if cfg.StallTimeout <= 0 {
		cfg.StallTimeout = time.Minute
	}
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	n := &Network{
		cfg: cfg, log: cfg.Log, identity: core.NewToken(), start: time.Now(),
		frames:     sync.Pool{New: func() any { return new(operator.Frame) }},
		handshakes: make(chan struct{}, maxHandshakes),
		exchanges:  map[exchangeKey]*exchange{},
		peers:      map[string]*peer{},
		conns:      map[*conn]struct{}{},
	}
	n.ctx, n.stop = context.WithCancelCause(context.Background())
	if cfg.Listener != nil {
		n.wg.Go(n.accept)
		n.wg.Go(n.watch)
	}
	return n
}

// Address is the worker's own data address.
func (n *Network) Address() string { return n.cfg.Address }

var errClosed = errors.New("this worker's data plane is closed")

// drainTimeout is how long Close waits for peers to read what was sent.
const drainTimeout = 3 * time.Second

// Close ends the Network after its tasks have ended. What tasks have sent still reaches the peers: each connection is
// closed for writing and read until the peer has closed it too.
func (n *Network) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		n.wg.Wait()
		return nil
	}
	n.closed = true
	conns := make([]*conn, 0, len(n.conns))
	for c := range n.conns {
		conns = append(conns, c)
	}
	n.mu.Unlock()
	var err error
	if n.cfg.Listener != nil {
		err = n.cfg.Listener.Close()
	}
	var drain sync.WaitGroup
	for _, c := range conns {
		drain.Go(c.drain)
	}
	drain.Wait()
	n.stop(errClosed)
	n.wg.Wait()
	return err
}

// elapsed is the time since the Network's start on the monotonic clock, never 0.
func (n *Network) elapsed() time.Duration { return max(time.Since(n.start), 1) }

// watch breaks connections whose peer does not read: after the stall timeout, or after a second if the task that
// writes has to end.
func (n *Network) watch() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
			n.mu.Lock()
			for c := range n.conns {
				c.checkStall(n.cfg.StallTimeout)
			}
			n.mu.Unlock()
		}
	}
}

// exchange returns the meeting point of the producers and consumers of an edge, with one more reference.
func (n *Network) exchange(k exchangeKey) *exchange {
	n.mu.Lock()
	defer n.mu.Unlock()
	x := n.exchanges[k]
	if x == nil {
		x = &exchange{net: n, key: k}
		n.exchanges[k] = x
	}
	x.refs++
	return x
}

// release gives back a reference.
func (n *Network) release(x *exchange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if x.refs--; x.refs == 0 {
		delete(n.exchanges, x.key)
	}
}
