package wire

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

// The limits of SEC-10.
const (
	MaxMessage     = 16 << 20 // bytes, of any message in either direction
	maxStreams     = 256      // concurrent calls per connection
	maxHeaders     = 64 << 10 // bytes of metadata of a call
	connectTimeout = 5 * time.Second
	keepaliveEvery = 20 * time.Second // a silent connection is asked whether it lives
	keepaliveWait  = 10 * time.Second
	keepaliveLeast = 5 * time.Second // clients that ask more often are disconnected
	maxIdle        = 5 * time.Minute // a connection without calls is closed; the next call makes it again
)

// Options adjust a Service; the zero value is right for plain TCP.
type Options struct {
	// Address is what Service.Address returns: how others reach the listener. Default: the listener's own address.
	Address string
	// ServerCredentials and ClientCredentials secure incoming and outgoing connections (TLS). Default: none, which
	// is for loopback and trusted networks.
	ServerCredentials credentials.TransportCredentials
	ClientCredentials credentials.TransportCredentials
	// Dial replaces TCP for outgoing connections.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	Log  *slog.Logger
}

// Service hosts endpoints on one gRPC server and connects to those of others.
type Service struct {
	rpc.Connectors
	opts   Options
	server *grpc.Server
	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the accept loop and connection watches

	mu        sync.Mutex
	closed    bool
	endpoints map[string]served
	conns     map[string]*conn // by address
}

// conn is a pooled connection.
type conn struct {
	*grpc.ClientConn
	used time.Time // last call
}

// NewService serves on ln, which it owns from now on.
func NewService(ln net.Listener, opts Options) *Service {
	opts.Address = cmp.Or(opts.Address, ln.Addr().String())
	if opts.ServerCredentials == nil {
		opts.ServerCredentials = insecure.NewCredentials()
	}
	if opts.ClientCredentials == nil {
		opts.ClientCredentials = insecure.NewCredentials()
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Service{
		opts:      opts,
		ctx:       ctx,
		cancel:    cancel,
		endpoints: make(map[string]served),
		conns:     make(map[string]*conn),
		server: grpc.NewServer(
			grpc.Creds(opts.ServerCredentials),
			grpc.MaxRecvMsgSize(MaxMessage),
			grpc.MaxSendMsgSize(MaxMessage),
			grpc.MaxConcurrentStreams(maxStreams),
			grpc.MaxHeaderListSize(maxHeaders),
			grpc.ConnectionTimeout(connectTimeout),
			grpc.InitialWindowSize(1<<20),
			grpc.InitialConnWindowSize(4<<20),
			grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveEvery, Timeout: keepaliveWait}),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveLeast, PermitWithoutStream: true}),
			grpc.WaitForHandlers(true),
		),
	}
	s.Connectors = rpc.NewConnectors(s)
	for _, d := range s.services() {
		s.server.RegisterService(&d, s)
	}
	s.wg.Go(func() { // ends at Close
		if err := s.server.Serve(ln); err != nil && ctx.Err() == nil {
			opts.Log.Error("RPC server ended", "address", opts.Address, "err", err)
		}
	})
	return s
}

// Address is how others reach this service.
func (s *Service) Address() string { return s.opts.Address }

// Close stops the server, breaks connections and returns after the last handler. It is idempotent. Calls within this
// process end with their endpoints, not here.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	conns := s.conns
	s.conns = nil
	clear(s.endpoints)
	s.mu.Unlock()
	s.cancel()
	s.server.Stop()
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.Close())
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

func errClosed(op, id string) error {
	return core.E(op, core.Unavailable, id, errors.New("the RPC service is closed"))
}

// connection returns the pooled connection to address.
func (s *Service) connection(address string) (*grpc.ClientConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed("connect", address)
	}
	now := time.Now()
	if c := s.conns[address]; c != nil {
		c.used = now
		return c.ClientConn, nil
	}
	for old, c := range s.conns { // those of processes that are long gone
		if now.Sub(c.used) > 2*maxIdle && c.GetState() == connectivity.Idle {
			delete(s.conns, old)
			_ = c.Close() // an idle one has nothing to lose
		}
	}
	dialOptions := []grpc.DialOption{
		grpc.WithTransportCredentials(s.opts.ClientCredentials),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveEvery, Timeout: keepaliveWait, PermitWithoutStream: true}),
		grpc.WithInitialWindowSize(1 << 20),
		grpc.WithInitialConnWindowSize(4 << 20),
		grpc.WithIdleTimeout(maxIdle),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
	}
	if s.opts.Dial != nil {
		dialOptions = append(dialOptions, grpc.WithContextDialer(s.opts.Dial))
	}
	// passthrough: the name is resolved when dialing, each time, not by a resolver beside.
	c, err := grpc.NewClient("passthrough:///"+address, dialOptions...)
	if err != nil {
		return nil, core.E("connect", core.Invalid, address, err)
	}
	s.conns[address] = &conn{c, now}
	return c, nil
}

// Invoke implements rpc.Transport. An endpoint of this very service is called directly; a message passed to it is
// read-only from then on.
func (s *Service) Invoke(ctx context.Context, to rpc.Address, call *rpc.Invocation) (any, error) {
	if to.Server == s.opts.Address {
		return s.invokeHere(ctx, to, call)
	}
	c, err := s.connection(to.Server)
	if err != nil {
		return nil, err
	}
	headers := []string{headerEndpoint, to.Endpoint}
	if !to.Token.IsZero() {
		headers = append(headers, headerToken, hex.EncodeToString(to.Token.Bytes()))
	}
	ctx = metadata.AppendToOutgoingContext(ctx, headers...)
	if call.Piece != nil {
		return nil, stream(ctx, c, to, call)
	}
	out := call.NewOut()
	if err := c.Invoke(ctx, call.Method, call.In, out); err != nil {
		return nil, fromStatus(ctx, call.Method, to.Endpoint, err)
	}
	return out, nil
}

// invokeHere calls an endpoint of this process.
func (s *Service) invokeHere(ctx context.Context, to rpc.Address, call *rpc.Invocation) (any, error) {
	op := call.Op()
	if ctx.Err() != nil {
		return nil, rpc.ContextError(ctx, op, to.Endpoint)
	}
	s.mu.Lock()
	target, exists := s.endpoints[to.Endpoint]
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed(op, to.Endpoint)
	case !exists:
		return nil, rpc.NotServed(op, to.Endpoint)
	}
	if err := rpc.CheckToken(op, to.Endpoint, target.token, to.Token); err != nil {
		return nil, err
	}
	return call.Do(ctx, target.gateway)
}

// stream receives the pieces of a response; the error of call.Piece is returned as it is.
func stream(ctx context.Context, c *grpc.ClientConn, to rpc.Address, call *rpc.Invocation) error {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel() // lets go of the stream when it was not read to its end
	fail := func(err error) error { return fromStatus(ctx, call.Method, to.Endpoint, err) }
	in, err := c.NewStream(streamCtx, &grpc.StreamDesc{ServerStreams: true}, call.Method)
	if err != nil {
		return fail(err)
	}
	if err := in.SendMsg(call.In); err != nil && !errors.Is(err, io.EOF) { // EOF: RecvMsg has the cause
		return fail(err)
	}
	if err := in.CloseSend(); err != nil {
		return fail(err)
	}
	for {
		piece := call.NewOut()
		if err := in.RecvMsg(piece); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fail(err)
		}
		if err := call.Piece(piece); err != nil {
			return err
		}
	}
}

// WatchConnection implements rpc.ConnectionWatcher. A connection that breaks is made again at once; lost is called
// when that is refused.
func (s *Service) WatchConnection(server string, lost func(error)) (stop func()) {
	if server == s.opts.Address {
		return func() {} // lost with this process
	}
	c, err := s.connection(server)
	if err != nil {
		lost(err)
		return func() {}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		cancel()
		return cancel
	}
	s.wg.Go(func() { // ends with lost, stop or Close
		defer cancel()
		for {
			state := c.GetState()
			switch state {
			case connectivity.Idle:
				c.Connect()
			case connectivity.TransientFailure:
				lost(core.E("connect", core.Unavailable, server, errors.New("the connection is broken and was refused again")))
				return
			case connectivity.Shutdown:
				return
			case connectivity.Connecting, connectivity.Ready:
			}
			if !c.WaitForStateChange(ctx, state) {
				return
			}
		}
	})
	return cancel
}
