package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

var _ rpc.Service = (*rpc.Local)(nil)

type fakeMetrics struct{ calls int }

func (f *fakeMetrics) QueryMetrics(context.Context, *pb.QueryMetricsRequest) (*pb.QueryMetricsResponse, error) {
	f.calls++
	return &pb.QueryMetricsResponse{Dump: &pb.MetricDump{Metrics: []*pb.Metric{{Name: "calls", Value: float64(f.calls)}}}}, nil
}

type fakeBlobs struct{}

func (fakeBlobs) ReadBlob(_ context.Context, in *pb.ReadBlobRequest, chunk func([]byte) error) error {
	return errors.Join(chunk(in.GetKey()), chunk([]byte("!")))
}

// S-216: one service, many endpoints; fencing before the gateway.
func TestLocalService(t *testing.T) {
	l := rpc.NewLocal("jm")
	tm := l.Peer("tm")
	token := core.NewToken()
	metrics := &fakeMetrics{}
	if err := l.Serve("metrics", token, metrics); err != nil {
		t.Fatal(err)
	}
	if err := l.Serve("blob", core.Token{}, fakeBlobs{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Serve("metrics", token, metrics); core.KindOf(err) != core.AlreadyExists {
		t.Errorf("second Serve: %v", err)
	}

	query := func(to rpc.Address) error {
		_, err := tm.Metrics(to).QueryMetrics(t.Context(), &pb.QueryMetricsRequest{})
		return err
	}
	cases := []struct {
		name string
		to   rpc.Address
		want core.Kind
	}{
		{"no such server", rpc.Address{Server: "jm2", Endpoint: "metrics", Token: token}, core.Unavailable},
		{"no such endpoint", rpc.Address{Server: "jm", Endpoint: "dispatcher", Token: token}, core.Unavailable},
		{"foreign token", rpc.Address{Server: "jm", Endpoint: "metrics", Token: core.NewToken()}, core.Fenced},
		{"no token", rpc.Address{Server: "jm", Endpoint: "metrics"}, core.Fenced},
		{"other component", rpc.Address{Server: "jm", Endpoint: "blob"}, core.Invalid},
	}
	for _, c := range cases {
		err := query(c.to)
		if core.KindOf(err) != c.want {
			t.Errorf("%s: %v, want kind %v", c.name, err, c.want)
		}
	}
	if metrics.calls != 0 {
		t.Errorf("a refused call reached the gateway")
	}
	if err := query(rpc.Address{Server: "jm", Endpoint: "metrics", Token: token}); err != nil || metrics.calls != 1 {
		t.Errorf("call: %v, reached the gateway %d times", err, metrics.calls)
	}

	var got bytes.Buffer
	err := tm.Blob(rpc.Address{Server: "jm", Endpoint: "blob"}).ReadBlob(t.Context(), &pb.ReadBlobRequest{Key: []byte("abc")},
		func(b []byte) error { _, err := got.Write(b); return err })
	if err != nil || got.String() != "abc!" {
		t.Errorf("streamed %q, %v", got.String(), err)
	}

	l.Remove("metrics")
	if err := query(rpc.Address{Server: "jm", Endpoint: "metrics", Token: token}); core.KindOf(err) != core.Unavailable {
		t.Errorf("removed endpoint: %v", err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if err := l.Serve("x", token, metrics); core.KindOf(err) != core.Unavailable {
		t.Errorf("Serve after Close: %v", err)
	}
}
