package taskexecutor

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/slots"
)

// Keys of log attributes.
const (
	keyJob     = "job"
	keyAlloc   = "alloc"
	keyAttempt = "attempt"
	keySlot    = "slot"
	keyCause   = "cause"
	keyFrom    = "from"
	keyTo      = "to"
)

// TaskExecutor is the endpoint of one TaskManager. It implements rpc.TaskExecutorGateway; the methods of that
// interface, Start, Done, Err and Close may be called from any goroutine.
type TaskExecutor struct {
	cfg   Config
	log   *slog.Logger
	ep    *rpc.Endpoint
	start time.Time

	// Below: main goroutine only.
	table      *slots.Table
	jobs       map[core.JobID]*job
	ending     map[*job]struct{}        // jobs whose JobMaster is gone, until their worker is
	leaving    map[rpc.Address]struct{} // JobMasters that a goodbye is on its way to
	running    map[*workerEntry]struct{}
	rm         resourceManager
	stopExpiry func()
	closing    bool
	goodbye    bool // the other components were told

	metrics atomic.Pointer[[]*pb.Metric] // of all workers, as they reported last

	done     chan struct{} // closed when the TaskExecutor ended by itself
	doneOnce sync.Once
	err      error // valid after done is closed
	idle     chan struct{}
	idleOnce sync.Once
}

var _ rpc.TaskExecutorGateway = (*TaskExecutor)(nil)

// New makes a TaskExecutor. Start makes it known.
func New(cfg Config) (*TaskExecutor, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &TaskExecutor{
		cfg:     cfg,
		log:     cfg.Log,
		ep:      rpc.NewEndpoint(cfg.Endpoint, cfg.Log),
		start:   time.Now(),
		table:   slots.NewTable(cfg.Resource, cfg.Slots, cfg.SlotProfile, cfg.SlotTimeout),
		jobs:    make(map[core.JobID]*job),
		ending:  make(map[*job]struct{}),
		leaving: make(map[rpc.Address]struct{}),
		running: make(map[*workerEntry]struct{}),
		done:    make(chan struct{}),
		idle:    make(chan struct{}),
	}, nil
}

// Start serves the gateway and begins to register at the ResourceManager.
func (t *TaskExecutor) Start() error {
	if err := t.cfg.Service.Serve(t.cfg.Endpoint, core.Token{}, t); err != nil {
		return err
	}
	t.ep.Run(func() { t.rmSearch("start") })
	return nil
}

// Done is closed when the TaskExecutor ended by itself: it reached no ResourceManager in time (Err says more), or it
// was told to shut down. It still has to be closed.
func (t *TaskExecutor) Done() <-chan struct{} { return t.done }

// Err returns why the TaskExecutor ended, nil if it was told to. Call it after Done is closed.
func (t *TaskExecutor) Err() error { return t.err }

func (t *TaskExecutor) end(err error) {
	t.doneOnce.Do(func() {
		t.err = err
		close(t.done)
	})
}

// Close takes leave of the ResourceManager and the JobMasters, ends all workers and then the endpoint. ctx bounds how
// long it waits for workers to end in good order; those left are killed. It is idempotent.
func (t *TaskExecutor) Close(ctx context.Context) error {
	t.ep.Run(t.leave)
	select {
	case <-t.idle:
	case <-ctx.Done():
		t.ep.Run(func() {
			for _, w := range t.workers() {
				w.worker.Kill(core.E("close task executor", core.Canceled, string(t.cfg.Resource), context.Cause(ctx)))
			}
		})
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), killGrace)
		defer cancel()
		select {
		case <-t.idle:
		case <-grace.Done():
			t.log.Warn("workers are left behind at close")
		}
	}
	t.cfg.Service.Remove(t.cfg.Endpoint)
	t.end(nil)
	return t.ep.Close()
}

// killGrace is how long Close waits for the events of workers that it killed.
const killGrace = 2 * time.Second

// leave is the first half of Close, on the main goroutine.
func (t *TaskExecutor) leave() {
	t.ep.Assert()
	if t.closing {
		return
	}
	t.closing = true
	if t.stopExpiry != nil {
		t.stopExpiry()
	}
	leaving := t.rmLeave("the TaskManager shuts down")
	byID := func(a, b *job) int { return bytes.Compare(a.id[:], b.id[:]) }
	for _, j := range slices.SortedFunc(maps.Values(t.jobs), byID) {
		if j.registered {
			leaving = append(leaving, t.sayGoodbye(j, "the TaskManager shuts down"))
		}
		t.jobMasterGone(j, "the TaskManager shuts down")
	}
	// The goodbyes are sent side by side and briefly: whoever does not hear them notices by missing heartbeats.
	rpc.Await(t.ep, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for _, say := range leaving {
			wg.Go(func() { say(ctx) })
		}
		wg.Wait()
		return struct{}{}, nil
	}, func(struct{}, error) {
		t.goodbye = true
		t.checkIdle()
	})
}

// checkIdle lets Close go on when nothing is left to wait for.
func (t *TaskExecutor) checkIdle() {
	if t.closing && t.goodbye && len(t.running) == 0 {
		t.idleOnce.Do(func() { close(t.idle) })
	}
}

// ShutDown ends the TaskManager process: its owner sees Done and closes it.
func (t *TaskExecutor) ShutDown(ctx context.Context, in *pb.ShutDownRequest) (*pb.ShutDownResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.ShutDownResponse, error) {
		t.log.Info("told to shut down", keyCause, in.GetCause())
		t.end(nil)
		return &pb.ShutDownResponse{}, nil
	})
}

// backoff is the wait before the n-th repetition, n from 0.
func (t *TaskExecutor) backoff(n int) time.Duration {
	d := t.cfg.RetryMin
	for range n {
		if d *= 2; d >= t.cfg.RetryMax {
			return t.cfg.RetryMax
		}
	}
	return d
}
