package job

import (
	"context"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// submit brings the job and this very binary to a JobManager.
func submit(_ context.Context, g *graph.JobGraph, r role) (*Result, error) {
	return nil, &InvocationError{core.E("submit job", core.Unavailable, r.rest, nil)}
}
