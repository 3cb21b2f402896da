package jobmaster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	"github.com/flink-go/flink-go/scheduler"
	"github.com/flink-go/flink-go/slots"
)

// Keys of log records.
const (
	keyJob     = "job"
	keyAttempt = "attempt"
	keyAlloc   = "alloc"
	keyTM      = "taskmanager"
	keyCause   = "cause"
	keyFrom    = "from"
	keyTo      = "to"
)

// JobMaster runs one job. Its exported methods may be called from any goroutine.
type JobMaster struct {
	cfg      Config
	log      *slog.Logger
	ep       *rpc.Endpoint
	endpoint string
	token    core.Token

	ended   chan struct{} // closed when final is there
	done    chan struct{} // closed when the slots were given back too
	closed  chan struct{} // closed by Close
	broken  chan struct{} // closed by a panic of the main goroutine; fault is there
	fault   error
	once    sync.Once // of Close
	allDone func()    // closes done, once
	final   *scheduler.ArchivedJob

	// The rest belongs to the main goroutine.
	graphJSON []byte
	secret    []byte // what the job's workers show each other (never logged)
	exec      *scheduler.ExecutionGraph
	pool      *slots.Pool
	sources   map[core.OperatorID]*source
	alignment *alignment
	aligning  bool      // news of it will be sent
	aligned   time.Time // when they were sent last
	tms       map[core.ResourceID]*taskManager
	monitor   *rpc.Monitor[core.ResourceID]
	rm        *resourceManager

	effects  []scheduler.Effect // to be carried out, in order
	running  bool               // they are being carried out
	restart  time.Time          // when the scheduler wants a Tick; zero: not
	timerAt  time.Time          // when the timer is due; zero: none
	stopTick func()
}

// source is a coordinated operator: one whose splits the JobMaster hands out or whose watermarks it aligns.
type source struct {
	vertex core.VertexID
	splits *splitAssigner
}

// New checks the job and prepares a JobMaster for it. An error of kind Invalid or TooLarge says why the job can never
// run. A JobMaster that was made must be closed.
func New(cfg Config) (*JobMaster, error) {
	cfg = cfg.withDefaults()
	job := cfg.Job
	exec, err := scheduler.New(scheduler.Config{
		Job: job, Graph: core.NewGraphID(), Restart: cfg.Restart, Failover: cfg.Failover, History: cfg.ExceptionHistory,
	}, time.Now())
	if err != nil {
		return nil, fmt.Errorf("new job master: %w", err)
	}
	graphJSON, err := json.Marshal(job)
	if err != nil {
		return nil, core.E("write job graph", core.Invalid, job.ID.String(), err)
	}
	m := &JobMaster{
		cfg:       cfg,
		log:       cfg.Log.With(keyJob, job.ID.String()),
		endpoint:  "jobmaster_" + job.ID.String(),
		token:     core.NewToken(),
		ended:     make(chan struct{}),
		done:      make(chan struct{}),
		closed:    make(chan struct{}),
		broken:    make(chan struct{}),
		graphJSON: graphJSON,
		secret:    []byte(rand.Text()),
		exec:      exec,
		pool:      slots.NewPool(cfg.SlotRequestTimeout, cfg.SlotIdleTimeout),
		sources:   sourcesOf(job),
		alignment: newAlignment(),
		tms:       map[core.ResourceID]*taskManager{},
		stopTick:  func() {},
	}
	m.allDone = sync.OnceFunc(func() { close(m.done) })
	m.ep = rpc.NewEndpoint(m.endpoint, cfg.Log)
	m.ep.OnPanic(func(cause any, stack []byte) {
		m.log.Error("the JobMaster is broken; its job ends, the others go on", keyCause, cause, "stack", string(stack))
		m.fault = core.E("run job", core.Internal, job.ID.String(), fmt.Errorf("panic in its JobMaster: %v", cause))
		close(m.broken)
	})
	m.monitor = rpc.NewMonitor(m.ep, rpc.HeartbeatConfig{Interval: cfg.HeartbeatInterval, Timeout: cfg.HeartbeatTimeout},
		func(tm core.ResourceID, cause error) { m.dropTaskManager(tm, fmt.Errorf("it was lost: %w", cause)) })
	m.rm = newResourceManager(m)
	return m, nil
}

func sourcesOf(job *graph.JobGraph) map[core.OperatorID]*source {
	sources := map[core.OperatorID]*source{}
	for i := range job.Vertices {
		v := &job.Vertices[i]
		for _, op := range v.Operators {
			if op.Coordinated {
				sources[op.ID] = &source{v.ID, newSplitAssigner(v.Parallelism)}
			}
		}
	}
	return sources
}

// Start makes the JobMaster reachable and begins to schedule the job.
func (m *JobMaster) Start() error {
	if err := m.cfg.Service.Serve(m.endpoint, m.token, &gateway{m}); err != nil {
		return fmt.Errorf("start job master: %w", err)
	}
	m.ep.Run(func() {
		m.rm.connect()
		m.apply(m.exec.Start(time.Now()))
	})
	return nil
}

// Address is where TaskManagers and the ResourceManager reach this JobMaster.
func (m *JobMaster) Address() rpc.Address {
	return rpc.Address{Server: m.cfg.Service.Address(), Endpoint: m.endpoint, Token: m.token}
}

// Cancel asks for the end of the job and returns when the request is taken; Done or Wait tell its end. It may be
// repeated. For a job that has ended the error is of kind Conflict.
func (m *JobMaster) Cancel(ctx context.Context) error {
	const op = "cancel job"
	_, err := rpc.Call(ctx, m.ep, func() (struct{}, error) {
		if s := m.exec.Status(); s.Terminal() {
			return struct{}{}, m.hasEnded(op)
		}
		m.apply(m.exec.Cancel(time.Now()))
		return struct{}{}, nil
	})
	if err != nil && core.KindOf(err) == core.Unavailable && m.isEnded() {
		return m.hasEnded(op) // and was closed
	}
	return err
}

func (m *JobMaster) hasEnded(op string) error {
	return core.E(op, core.Conflict, m.cfg.Job.ID.String(), errors.New("the job has ended"))
}

func (m *JobMaster) isEnded() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// Snapshot is a picture of the job as it is now. After the end it is the final one, for every caller the same: it is
// read-only.
func (m *JobMaster) Snapshot(ctx context.Context) (*scheduler.ArchivedJob, error) {
	if m.isEnded() {
		return m.final, nil
	}
	picture, err := rpc.Call(ctx, m.ep, func() (*scheduler.ArchivedJob, error) {
		return m.exec.Archive(time.Now(), m.pool.Waiting()), nil
	})
	if err != nil && m.isEnded() {
		return m.final, nil
	}
	return picture, err
}

// Done is closed when the job has ended and its slots were given back, or when the JobMaster was closed.
func (m *JobMaster) Done() <-chan struct{} { return m.done }

// Wait returns the final picture of the job when it has ended; it is read-only. It returns an error when ctx ends
// first or the JobMaster is closed before.
func (m *JobMaster) Wait(ctx context.Context) (*scheduler.ArchivedJob, error) {
	select {
	case <-m.ended:
		return m.final, nil
	case <-ctx.Done():
		return nil, rpc.ContextError(ctx, "wait for job", m.cfg.Job.ID.String())
	case <-m.broken:
		return nil, m.fault
	case <-m.closed:
	}
	if m.isEnded() {
		return m.final, nil
	}
	return nil, core.E("wait for job", core.Unavailable, m.cfg.Job.ID.String(), errors.New("the JobMaster was closed"))
}

// Close ends the endpoint and does not end the job's tasks: it is for a job that has ended, or a JobManager that
// shuts down. TaskManagers notice that the JobMaster is gone and drop the job. It is idempotent and returns after the
// last goroutine.
func (m *JobMaster) Close() error {
	m.once.Do(func() {
		m.cfg.Service.Remove(m.endpoint)
		close(m.closed)
		// After a panic the endpoint is closed already, and there is nobody whom timers could wake.
		_, _ = rpc.Call(context.Background(), m.ep, func() (struct{}, error) {
			m.monitor.Stop()
			m.rm.stop()
			m.stopTick()
			return struct{}{}, nil
		})
	})
	err := m.ep.Close()
	m.allDone()
	return err
}
