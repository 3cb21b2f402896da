package jobmaster

import (
	"context"
	"log/slog"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
)

// Config is what a JobMaster needs to know. Job, Service, ResourceManager and Log must be set; a zero duration or
// count is replaced by Flink's default.
type Config struct {
	Job     *graph.JobGraph // read-only from now on
	Service rpc.Service     // hosts the endpoint and connects to others
	Log     *slog.Logger

	// ResourceManager finds the active ResourceManager. It is asked before each registration, so it may give another
	// address after a change of leader; an error is retried with backoff. It must watch ctx.
	ResourceManager func(ctx context.Context) (rpc.Address, error)

	// BlobAddress is the RPC server from which TaskManagers fetch the program, "" for embedded jobs.
	BlobAddress string

	// Restart is the cluster's restart strategy for a job that sets none; zero: exponential-delay without limit.
	Restart graph.RestartStrategy
	// Failover is the cluster's failover strategy for a job that sets none: "region" (default) or "full".
	Failover string

	SlotRequestTimeout time.Duration // slot.request.timeout, 5 min
	SlotIdleTimeout    time.Duration // slot.idle.timeout, 50 s
	HeartbeatInterval  time.Duration // heartbeat.interval, 10 s
	HeartbeatTimeout   time.Duration // heartbeat.timeout, 50 s
	RPCTimeout         time.Duration // of one call, 10 s
	ExceptionHistory   int           // web.exception-history-size, 16

	// OnStatus is told every change of the job's status, in order, on the main goroutine: it must not block and must
	// not call the JobMaster. May be nil.
	OnStatus func(from, to core.JobStatus, at time.Time)
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&c.SlotRequestTimeout, 5*time.Minute)
	set(&c.SlotIdleTimeout, 50*time.Second)
	set(&c.HeartbeatInterval, 10*time.Second)
	set(&c.HeartbeatTimeout, 50*time.Second)
	set(&c.RPCTimeout, 10*time.Second)
	if c.ExceptionHistory <= 0 {
		c.ExceptionHistory = 16
	}
	return c
}
