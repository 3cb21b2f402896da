package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// EndpointName is under which name a QueryService is served.
const EndpointName = "metrics"

// QueryService is the MetricQueryService of a process. Queries are answered one after the other, so that many of them
// together cost no more than one core.
type QueryService struct {
	service  rpc.Service
	endpoint *rpc.Endpoint
	registry *Registry
}

var _ rpc.MetricQueryServiceGateway = (*QueryService)(nil)

// NewQueryService serves a registry on service, which should not be the one that control runs on (S-217).
func NewQueryService(service rpc.Service, registry *Registry, log *slog.Logger) (*QueryService, error) {
	q := &QueryService{service: service, endpoint: rpc.NewEndpoint(EndpointName, log), registry: registry}
	if err := service.Serve(EndpointName, core.Token{}, q); err != nil {
		return nil, errors.Join(fmt.Errorf("start metric query service: %w", err), q.endpoint.Close())
	}
	return q, nil
}

// QueryMetrics lists the metrics of this process.
func (q *QueryService) QueryMetrics(ctx context.Context, _ *pb.QueryMetricsRequest) (*pb.QueryMetricsResponse, error) {
	return rpc.Call(ctx, q.endpoint, func() (*pb.QueryMetricsResponse, error) {
		return &pb.QueryMetricsResponse{Dump: q.registry.Dump()}, nil
	})
}

// Close ends the endpoint; the rpc.Service stays.
func (q *QueryService) Close() error {
	q.service.Remove(EndpointName)
	return q.endpoint.Close()
}
