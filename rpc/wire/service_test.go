package wire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/rpc/wire"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ rpc.Service = (*wire.Service)(nil)

func newService(t testing.TB) *wire.Service {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := wire.NewService(ln, wire.Options{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fakeMetrics answers as query says.
type fakeMetrics struct {
	query func(ctx context.Context) (*pb.QueryMetricsResponse, error)
}

func (f fakeMetrics) QueryMetrics(ctx context.Context, _ *pb.QueryMetricsRequest) (*pb.QueryMetricsResponse, error) {
	return f.query(ctx)
}

func answering(err error) fakeMetrics {
	return fakeMetrics{func(context.Context) (*pb.QueryMetricsResponse, error) {
		return &pb.QueryMetricsResponse{Dump: &pb.MetricDump{}}, err
	}}
}

// fakeBlobs sends n pieces of size bytes and then err.
type fakeBlobs struct {
	n, size int
	err     error
}

func (f fakeBlobs) ReadBlob(_ context.Context, _ *pb.ReadBlobRequest, chunk func([]byte) error) error {
	for i := range f.n {
		if err := chunk(bytes.Repeat([]byte{byte(i)}, f.size)); err != nil {
			return err
		}
	}
	return f.err
}

func query(t testing.TB, s *wire.Service, to rpc.Address) error {
	_, err := s.Metrics(to).QueryMetrics(t.Context(), &pb.QueryMetricsRequest{})
	return err
}

// S-216: one server, several endpoints; each call reaches the one that it names.
func TestManyEndpoints(t *testing.T) {
	server, client := newService(t), newService(t)
	for i := range 3 {
		name := fmt.Sprint("metrics", i)
		err := server.Serve(name, core.Token{}, fakeMetrics{func(context.Context) (*pb.QueryMetricsResponse, error) {
			return &pb.QueryMetricsResponse{Dump: &pb.MetricDump{Metrics: []*pb.Metric{{Name: name}}}}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		name := fmt.Sprint("metrics", i)
		out, err := client.Metrics(rpc.Address{Server: server.Address(), Endpoint: name}).QueryMetrics(t.Context(), &pb.QueryMetricsRequest{})
		if err != nil || out.GetDump().GetMetrics()[0].GetName() != name {
			t.Errorf("%s answered %v, %v", name, out, err)
		}
	}
	if err := server.Serve("metrics1", core.Token{}, answering(nil)); core.KindOf(err) != core.AlreadyExists {
		t.Errorf("second Serve: %v", err)
	}
	server.Remove("metrics1")
	if err := query(t, client, rpc.Address{Server: server.Address(), Endpoint: "metrics1"}); core.KindOf(err) != core.Unavailable {
		t.Errorf("removed endpoint: %v", err)
	}
}

// Every kind crosses the wire with operation, id and text.
func TestErrorsKeepTheirKind(t *testing.T) {
	server, client := newService(t), newService(t)
	for k := core.Internal; k.String() != "unknown"; k++ {
		for _, sent := range []*core.Error{
			core.E("stop job", k, "a94f", errors.New("it is gone")),
			core.E("stop job", k, "", nil),
		} {
			_ = server.Serve("metrics", core.Token{}, answering(sent))
			err := query(t, client, rpc.Address{Server: server.Address(), Endpoint: "metrics"})
			server.Remove("metrics")
			got, ok := errors.AsType[*core.Error](err)
			if !ok || got.Kind != k || got.Op != sent.Op || got.ID != sent.ID || got.Error() != sent.Error() {
				t.Errorf("sent %#v, got %#v", sent, err)
			}
		}
	}
	// What is around a core.Error stays in the text; what is none is Internal; size is bounded.
	for _, c := range []struct {
		sent error
		kind core.Kind
		text string
	}{
		{fmt.Errorf("outer: %w", core.E("stop job", core.Conflict, "a94f", errors.New("ended"))), core.Conflict, "QueryMetrics a94f: outer: stop job a94f: ended"},
		{errors.New("plain"), core.Internal, "QueryMetrics: plain"},
		{core.E("op", core.UserCode, "x", errors.New(strings.Repeat("x", 1<<20))), core.UserCode, "op x: " + strings.Repeat("x", 8<<10) + "..."},
		{core.E("op", core.UserCode, "x", errors.New("\xff\xfe")), core.UserCode, "op x: ?"},
	} {
		_ = server.Serve("metrics", core.Token{}, answering(c.sent))
		err := query(t, client, rpc.Address{Server: server.Address(), Endpoint: "metrics"})
		server.Remove("metrics")
		if core.KindOf(err) != c.kind || err.Error() != c.text {
			t.Errorf("got kind %v, %.200s", core.KindOf(err), err)
		}
	}
}

// L-1, B-54: who carries a stale, foreign or malformed token does not reach the gateway.
func TestFencing(t *testing.T) {
	server, client := newService(t), newService(t)
	token := core.NewToken()
	reached := 0
	_ = server.Serve("metrics", token, fakeMetrics{func(context.Context) (*pb.QueryMetricsResponse, error) {
		reached++
		return &pb.QueryMetricsResponse{}, nil
	}})
	at := func(tok core.Token) rpc.Address {
		return rpc.Address{Server: server.Address(), Endpoint: "metrics", Token: tok}
	}
	for _, tok := range []core.Token{{}, core.NewToken()} {
		if err := query(t, client, at(tok)); core.KindOf(err) != core.Fenced {
			t.Errorf("token %v: %v", tok, err)
		}
	}
	if reached != 0 {
		t.Error("a fenced call reached the gateway")
	}
	if err := query(t, client, at(token)); err != nil || reached != 1 {
		t.Errorf("own token: %v", err)
	}
}

// Within a process there is no wire: same checks, same errors, the message itself.
func TestOwnEndpoints(t *testing.T) {
	s := newService(t)
	token := core.NewToken()
	answer := &pb.QueryMetricsResponse{}
	_ = s.Serve("metrics", token, fakeMetrics{func(context.Context) (*pb.QueryMetricsResponse, error) { return answer, nil }})
	_ = s.Serve("blob", core.Token{}, fakeBlobs{n: 2, size: 10})
	got, err := s.Metrics(rpc.Address{Server: s.Address(), Endpoint: "metrics", Token: token}).QueryMetrics(t.Context(), &pb.QueryMetricsRequest{})
	if err != nil || got != answer {
		t.Errorf("got %p, %v, want %p", got, err, answer)
	}
	n := 0
	err = s.Blob(rpc.Address{Server: s.Address(), Endpoint: "blob"}).ReadBlob(t.Context(), &pb.ReadBlobRequest{}, func(b []byte) error { n += len(b); return nil })
	if err != nil || n != 20 {
		t.Errorf("read %d bytes, %v", n, err)
	}
	for _, c := range []struct {
		to   rpc.Address
		want core.Kind
	}{
		{rpc.Address{Server: s.Address(), Endpoint: "metrics"}, core.Fenced},
		{rpc.Address{Server: s.Address(), Endpoint: "nope"}, core.Unavailable},
		{rpc.Address{Server: s.Address(), Endpoint: "blob"}, core.Invalid},
	} {
		if err := query(t, s, c.to); core.KindOf(err) != c.want {
			t.Errorf("%s: %v", c.to.Endpoint, err)
		}
	}
	s.WatchConnection(s.Address(), func(error) { t.Error("lost itself") })()
	_ = s.Close()
	if err := query(t, s, rpc.Address{Server: s.Address(), Endpoint: "metrics", Token: token}); core.KindOf(err) != core.Unavailable {
		t.Errorf("after Close: %v", err)
	}
}

// rawCall invokes any method with any metadata, as a foreign client could.
func rawCall(t *testing.T, address, method string, md metadata.MD, opts ...grpc.CallOption) error {
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(t.Context(), md), 10*time.Second)
	defer cancel()
	return c.Invoke(ctx, method, &pb.QueryMetricsRequest{}, &pb.QueryMetricsResponse{}, opts...)
}

// B-54: unknown methods, missing or wrong metadata.
func TestBadCalls(t *testing.T) {
	server, client := newService(t), newService(t)
	_ = server.Serve("metrics", core.Token{}, answering(nil))
	_ = server.Serve("blob", core.Token{}, fakeBlobs{})
	good := metadata.Pairs("flinkgo-endpoint", "metrics")
	for _, c := range []struct {
		name, method string
		md           metadata.MD
		want         codes.Code
	}{
		{"good", pb.MetricQueryService_QueryMetrics_FullMethodName, good, codes.OK},
		{"unknown method", "/flinkgo.v1.MetricQueryService/Nope", good, codes.Unimplemented},
		{"unknown service", "/flinkgo.v1.Nope/Nope", good, codes.Unimplemented},
		{"reflection is off", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", good, codes.Unimplemented},
		{"path without slash", "nope", good, codes.Unimplemented},
		{"no endpoint", pb.MetricQueryService_QueryMetrics_FullMethodName, nil, codes.InvalidArgument},
		{"two endpoints", pb.MetricQueryService_QueryMetrics_FullMethodName, metadata.Pairs("flinkgo-endpoint", "metrics", "flinkgo-endpoint", "blob"), codes.InvalidArgument},
		{"unknown endpoint", pb.MetricQueryService_QueryMetrics_FullMethodName, metadata.Pairs("flinkgo-endpoint", strings.Repeat("x", 4000)), codes.Unavailable},
		{"endpoint of another kind", pb.MetricQueryService_QueryMetrics_FullMethodName, metadata.Pairs("flinkgo-endpoint", "blob"), codes.InvalidArgument},
		{"token not hex", pb.MetricQueryService_QueryMetrics_FullMethodName, metadata.Pairs("flinkgo-endpoint", "metrics", "flinkgo-token", "zz"), codes.InvalidArgument},
		{"token too short", pb.MetricQueryService_QueryMetrics_FullMethodName, metadata.Pairs("flinkgo-endpoint", "metrics", "flinkgo-token", "abcd"), codes.InvalidArgument},
	} {
		err := rawCall(t, server.Address(), c.method, c.md)
		if c.name == "path without slash" && err != nil {
			continue // the client library may refuse it already
		}
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// Through our own client, too.
	if err := query(t, client, rpc.Address{Server: server.Address(), Endpoint: "blob"}); core.KindOf(err) != core.Invalid {
		t.Errorf("wrong kind of endpoint: %v", err)
	}
	if err := query(t, client, rpc.Address{Server: server.Address(), Endpoint: "metrics"}); err != nil {
		t.Errorf("the server does not serve any more: %v", err)
	}
}

// SEC-10: 16 MiB.
func TestMessageLimit(t *testing.T) {
	server, client := newService(t), newService(t)
	size := 0
	_ = server.Serve("metrics", core.Token{}, fakeMetrics{func(context.Context) (*pb.QueryMetricsResponse, error) {
		return &pb.QueryMetricsResponse{Dump: &pb.MetricDump{Metrics: []*pb.Metric{{Name: strings.Repeat("x", size)}}}}, nil
	}})
	to := rpc.Address{Server: server.Address(), Endpoint: "metrics"}
	for _, c := range []struct {
		size int
		ok   bool
	}{{15 << 20, true}, {17 << 20, false}} {
		size = c.size
		if err := query(t, client, to); (err == nil) != c.ok || err != nil && core.KindOf(err) != core.TooLarge {
			t.Errorf("%d MiB: %v", c.size>>20, err)
		}
	}
	_, err := client.Dispatcher(to).SubmitJob(t.Context(), &pb.SubmitJobRequest{JobGraph: make([]byte, 17<<20)})
	if core.KindOf(err) != core.TooLarge {
		t.Errorf("request of 17 MiB: %v", err)
	}
}

func TestStreaming(t *testing.T) {
	server, client := newService(t), newService(t)
	_ = server.Serve("blob", core.Token{}, fakeBlobs{n: 20, size: 256 << 10})
	_ = server.Serve("broken", core.Token{}, fakeBlobs{n: 2, size: 10, err: core.E("read blob", core.NotFound, "abc", nil)})
	read := func(endpoint string, chunk func([]byte) error) error {
		return client.Blob(rpc.Address{Server: server.Address(), Endpoint: endpoint}).ReadBlob(t.Context(), &pb.ReadBlobRequest{}, chunk)
	}
	total := 0
	if err := read("blob", func(b []byte) error { total += len(b); return nil }); err != nil || total != 20*256<<10 {
		t.Errorf("read %d bytes, %v", total, err)
	}
	total = 0
	if err := read("broken", func(b []byte) error { total += len(b); return nil }); core.KindOf(err) != core.NotFound || total != 20 {
		t.Errorf("read %d bytes, %v", total, err)
	}
	enough := errors.New("enough")
	if err := read("blob", func([]byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the receiver's own error: %v", err)
	}
	if err := read("nowhere", func([]byte) error { return nil }); core.KindOf(err) != core.Unavailable {
		t.Errorf("no endpoint: %v", err)
	}
}

// B-50: bytes that are not gRPC do not disturb those that are.
func TestBadPeers(t *testing.T) {
	server, client := newService(t), newService(t)
	_ = server.Serve("metrics", core.Token{}, answering(nil))
	to := rpc.Address{Server: server.Address(), Endpoint: "metrics"}
	random := make([]byte, 4096)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	var hello bytes.Buffer
	_ = tls.Client(helloConn{Writer: &hello}, &tls.Config{InsecureSkipVerify: true}).Handshake()
	for name, sent := range map[string][]byte{
		"nothing":               nil,
		"random bytes":          random,
		"HTTP request":          []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"TLS hello":             hello.Bytes(),
		"half a preface":        []byte(preface[:10]),
		"preface, then garbage": append([]byte(preface), random...),
		"frame of 16 MB":        append([]byte(preface), 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1),
	} {
		c, err := net.Dial("tcp", server.Address())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(sent)
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = io.Copy(io.Discard, c)
		if err := query(t, client, to); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
		_ = c.Close()
	}
	var idle []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", server.Address())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	if err := query(t, client, to); err != nil {
		t.Errorf("beside idle connections: %v", err)
	}
	for _, c := range idle {
		_ = c.Close()
	}
}

// helloConn takes what a TLS client says first.
type helloConn struct {
	net.Conn
	io.Writer
}

func (c helloConn) Write(b []byte) (int, error)      { return c.Writer.Write(b) }
func (c helloConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (c helloConn) SetWriteDeadline(time.Time) error { return nil }
func (c helloConn) Close() error                     { return nil }

func TestDeadlineAndCancel(t *testing.T) {
	server, client := newService(t), newService(t)
	// Capacity 3: the handler never waits for the test.
	entered, left := make(chan struct{}, 3), make(chan struct{}, 3)
	_ = server.Serve("metrics", core.Token{}, fakeMetrics{func(ctx context.Context) (*pb.QueryMetricsResponse, error) {
		entered <- struct{}{}
		<-ctx.Done()
		left <- struct{}{}
		return nil, rpc.ContextError(ctx, "query", "metrics")
	}})
	gateway := client.Metrics(rpc.Address{Server: server.Address(), Endpoint: "metrics"})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		<-entered
		cancel()
	})
	if _, err := gateway.QueryMetrics(ctx, &pb.QueryMetricsRequest{}); core.KindOf(err) != core.Canceled {
		t.Errorf("cancel: %v", err)
	}
	wg.Wait()
	<-left
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond) // the connection is there by now
	defer cancel()
	if _, err := gateway.QueryMetrics(ctx, &pb.QueryMetricsRequest{}); core.KindOf(err) != core.Unavailable {
		t.Errorf("deadline: %v", err)
	}
	select {
	case <-entered:
		<-left // the deadline has traveled along
	default: // the call did not get there in time
	}
}

func TestNoServer(t *testing.T) {
	client := newService(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	start := time.Now()
	err = query(t, client, rpc.Address{Server: address, Endpoint: "metrics"})
	if core.KindOf(err) != core.Unavailable || !strings.Contains(err.Error(), address) || time.Since(start) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	// Once it is there, it is reached.
	ln, err = net.Listen("tcp", address)
	if err != nil {
		t.Skip("the port was taken by another process")
	}
	server := wire.NewService(ln, wire.Options{})
	defer server.Close()
	_ = server.Serve("metrics", core.Token{}, answering(nil))
	err = rpc.Retry(t.Context(), rpc.Backoff{Initial: time.Millisecond}, func(context.Context) error {
		return query(t, client, rpc.Address{Server: address, Endpoint: "metrics"})
	})
	if err != nil {
		t.Error(err)
	}
}

// A process that ends is noticed by its connection, at once.
func TestWatchConnection(t *testing.T) {
	server, client := newService(t), newService(t)
	_ = server.Serve("metrics", core.Token{}, answering(nil))
	lost := make(chan error, 1)
	stop := client.WatchConnection(server.Address(), func(err error) { lost <- err })
	defer stop()
	never := client.WatchConnection(server.Address(), func(error) { t.Error("lost after stop") })
	never()
	if err := query(t, client, rpc.Address{Server: server.Address(), Endpoint: "metrics"}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-lost:
		t.Fatal("lost while it lives:", err)
	default:
	}
	start := time.Now()
	_ = server.Close()
	if err := <-lost; core.KindOf(err) != core.Unavailable {
		t.Error(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("noticed after %v", took)
	}
	again := make(chan error, 1)
	defer client.WatchConnection(server.Address(), func(err error) { again <- err })()
	if err := <-again; core.KindOf(err) != core.Unavailable {
		t.Error(err)
	}
}

func TestCloseBreaksCalls(t *testing.T) {
	server, client := newService(t), newService(t)
	entered := make(chan struct{})
	_ = server.Serve("metrics", core.Token{}, fakeMetrics{func(ctx context.Context) (*pb.QueryMetricsResponse, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := query(t, client, rpc.Address{Server: server.Address(), Endpoint: "metrics"}); err == nil {
			t.Error("the call succeeded")
		}
	})
	<-entered
	if err := errors.Join(server.Close(), server.Close()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := server.Serve("x", core.Token{}, answering(nil)); core.KindOf(err) != core.Unavailable {
		t.Errorf("Serve after Close: %v", err)
	}
	if err := query(t, server, rpc.Address{Server: client.Address(), Endpoint: "metrics"}); core.KindOf(err) != core.Unavailable {
		t.Errorf("call after Close: %v", err)
	}
}

func BenchmarkUnary(b *testing.B) {
	server, client := newService(b), newService(b)
	_ = server.Serve("metrics", core.Token{}, answering(nil))
	to := rpc.Address{Server: server.Address(), Endpoint: "metrics"}
	b.ReportAllocs()
	for b.Loop() {
		if err := query(b, client, to); err != nil {
			b.Fatal(err)
		}
	}
}
