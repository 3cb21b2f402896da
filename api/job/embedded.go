package job

import (
	"context"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// runEmbedded runs the job in a cluster of this process.
func runEmbedded(_ context.Context, c *graph.Compiled, _ *conf.Config) (*Result, error) {
	return nil, &InvocationError{core.E("start embedded cluster", core.Unavailable, c.Job.ID.String(), nil)}
}
