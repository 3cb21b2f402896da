package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/network"
)

// Keys of log attributes.
const (
	keyJob     = "job"
	keyAttempt = "attempt"
	keyCause   = "cause"
)

// Events is told what happens with the tasks of a Host. Its methods may be called from any goroutine and do not block;
// the order of one task's calls is kept.
type Events interface {
	TaskState(*pb.TaskState)
	OperatorEvent(*pb.OperatorEvent)
}

// HostConfig is what a Host is made from.
type HostConfig struct {
	Submitted *graph.JobGraph // the job as it was submitted
	Compiled  *graph.Compiled // the job as the program built it here
	// Listener accepts the connections of other workers of the job, nil if there are none. The Host closes it.
	Listener    net.Listener
	DataAddress string // where others reach Listener
	Secret      []byte // what the workers of the job show each other
	// Dial connects to other workers; nil is TCP.
	Dial     func(ctx context.Context, address string) (net.Conn, error)
	Settings map[string]string // of the TaskManager, see Settings
	Slots    int               // how many the job has here, for its share of memory; 0 counts as 1
	// OpenStateDisk is needed by jobs with state on disk.
	OpenStateDisk OpenStateDisk
	Events        Events
	Log           *slog.Logger
}

// Host runs the subtasks of one job in this process. Its methods may be called from any goroutine.
type Host struct {
	cfg   HostConfig
	set   settings
	log   *slog.Logger
	net   *network.Network
	start startTask
	disk  disk

	mu     sync.Mutex
	tasks  map[core.ExecutionAttemptID]subtask
	closed bool
	wg     sync.WaitGroup // of the goroutines that forget ended tasks
}

// subtask is a running task as a Host sees it.
type subtask interface {
	Cancel(cause error)
	HandleEvent(op core.OperatorID, payload []byte)
	Report() (*pb.TaskReport, []*pb.Metric)
	Done() <-chan struct{}
}

// startTask begins a task, which tells its states to events.
type startTask func(h *Host, chain *graph.Chain, id core.ExecutionAttemptID, locations *network.Locations) subtask

// NewHost makes a Host. An error of kind Invalid says in what the program's graph differs from the submitted one.
func NewHost(cfg HostConfig) (*Host, error) { return newHost(cfg, runTask) }

func newHost(cfg HostConfig, start startTask) (*Host, error) {
	if err := CompareGraphs(cfg.Submitted, cfg.Compiled.Job); err != nil {
		return nil, err
	}
	set, err := readSettings(cfg.Settings)
	if err != nil {
		return nil, err
	}
	return &Host{
		cfg: cfg,
		set: set,
		log: cfg.Log,
		net: network.New(network.Config{
			Job:      cfg.Submitted.ID,
			Secret:   cfg.Secret,
			Address:  cfg.DataAddress,
			Listener: cfg.Listener,
			Dial:     cfg.Dial,
			Log:      cfg.Log,
		}),
		start: start,
		tasks: make(map[core.ExecutionAttemptID]subtask),
	}, nil
}

// Deploy starts the tasks of the request. A task that cannot start has failed, which is told like any other failure.
func (h *Host) Deploy(in *pb.SubmitTasksRequest) {
	locations, err := h.locations(in)
	for _, d := range in.GetTasks() {
		id, chain, taskErr := h.task(in, d)
		if taskErr = cmp.Or(err, taskErr); taskErr != nil {
			h.log.Error("a task cannot start", keyJob, h.cfg.Submitted.ID, keyAttempt, id, keyCause, taskErr)
			h.cfg.Events.TaskState(&pb.TaskState{
				Attempt:  AttemptToProto(id),
				State:    core.ExecutionFailed.String(),
				Cause:    ErrorInfo(taskErr),
				AtMillis: time.Now().UnixMilli(),
			})
			continue
		}
		h.run(chain, id, locations)
	}
}

func (h *Host) run(chain *graph.Chain, id core.ExecutionAttemptID, locations *network.Locations) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.tasks[id]; ok || h.closed {
		return // repeated, or too late: the process ends
	}
	task := h.start(h, chain, id, locations)
	h.tasks[id] = task
	h.wg.Go(func() { // ends with the task
		<-task.Done()
		h.mu.Lock()
		delete(h.tasks, id)
		h.mu.Unlock()
	})
}

// task reads one deployment.
func (h *Host) task(in *pb.SubmitTasksRequest, d *pb.TaskDeployment) (core.ExecutionAttemptID, *graph.Chain, error) {
	const op = "deploy task"
	g, err := core.GraphIDFromBytes(in.GetGraphId())
	if err != nil {
		return core.ExecutionAttemptID{}, nil, core.E(op, core.Invalid, "", err)
	}
	id := core.ExecutionAttemptID{Graph: g, Subtask: int(d.GetSubtask()), Attempt: int(d.GetAttempt())}
	vertices := h.cfg.Compiled.Job.Vertices
	if v := int(d.GetVertex()); v < 0 || v >= len(vertices) {
		return id, nil, core.E(op, core.Invalid, id.String(), fmt.Errorf("vertex %d: the job has %d", v, len(vertices)))
	}
	vertex := &vertices[d.GetVertex()]
	id.Vertex = vertex.ID
	if id.Subtask < 0 || id.Subtask >= vertex.Parallelism {
		return id, nil, core.E(op, core.Invalid, id.String(), fmt.Errorf("subtask %d: the parallelism is %d", id.Subtask, vertex.Parallelism))
	}
	chain := h.cfg.Compiled.Chains[vertex.ID]
	if chain == nil {
		return id, nil, core.E(op, core.Internal, id.String(), fmt.Errorf("the program has no operators for vertex %q", vertex.Name))
	}
	return id, chain, nil
}

// locations reads where the subtasks of the job are; all tasks of the request share it.
func (h *Host) locations(in *pb.SubmitTasksRequest) (*network.Locations, error) {
	vertices := h.cfg.Compiled.Job.Vertices
	if n := len(in.GetLocations()); n != len(vertices) {
		return nil, core.E("deploy tasks", core.Invalid, h.cfg.Submitted.ID.String(), fmt.Errorf("it has locations of %d vertices, the job has %d", n, len(vertices)))
	}
	l := &network.Locations{Workers: in.GetWorkers(), Vertices: make([]network.VertexLocation, len(vertices))}
	for i, v := range in.GetLocations() {
		if len(v.GetWorker()) != vertices[i].Parallelism || len(v.GetAttempt()) != vertices[i].Parallelism {
			return nil, core.E("deploy tasks", core.Invalid, h.cfg.Submitted.ID.String(), fmt.Errorf(
				"vertex %q has locations of %d and attempts of %d subtasks, its parallelism is %d",
				vertices[i].Name, len(v.GetWorker()), len(v.GetAttempt()), vertices[i].Parallelism))
		}
		for _, w := range v.GetWorker() {
			if int(w) >= len(l.Workers) {
				return nil, core.E("deploy tasks", core.Invalid, h.cfg.Submitted.ID.String(), fmt.Errorf("worker %d: there are %d", w, len(l.Workers)))
			}
		}
		l.Vertices[i] = network.VertexLocation{Worker: v.GetWorker(), Attempt: v.GetAttempt()}
	}
	return l, nil
}

// Cancel asks attempts to end. Those that are not here have ended.
func (h *Host) Cancel(attempts []*pb.ExecutionAttemptID) {
	for _, p := range attempts {
		if task := h.find(p); task != nil {
			task.Cancel(errCanceled)
		}
	}
}

var errCanceled = errors.New("canceled by the job master")

// Deliver hands events of coordinators to operators.
func (h *Host) Deliver(events []*pb.OperatorEvent) {
	for _, e := range events {
		op, err := core.OperatorIDFromBytes(e.GetOperator())
		if err != nil {
			h.log.Warn("an operator event names no operator", keyJob, h.cfg.Submitted.ID, keyCause, err)
			continue
		}
		if task := h.find(e.GetAttempt()); task != nil {
			task.HandleEvent(op, e.GetPayload())
		}
	}
}

func (h *Host) find(p *pb.ExecutionAttemptID) subtask {
	id, err := AttemptFromProto(p)
	if err != nil {
		h.log.Warn("an attempt id is malformed", keyJob, h.cfg.Submitted.ID, keyCause, err)
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tasks[id]
}

// Report returns the state and the counters of all tasks.
func (h *Host) Report() *pb.WorkerReport {
	h.mu.Lock()
	tasks := make([]subtask, 0, len(h.tasks))
	for _, task := range h.tasks {
		tasks = append(tasks, task)
	}
	h.mu.Unlock()
	r := &pb.WorkerReport{Tasks: make([]*pb.TaskReport, 0, len(tasks)), Metrics: &pb.MetricDump{}}
	for _, task := range tasks {
		report, metrics := task.Report()
		r.Tasks = append(r.Tasks, report)
		r.Metrics.Metrics = append(r.Metrics.Metrics, metrics...)
	}
	slices.SortFunc(r.Tasks, func(a, b *pb.TaskReport) int { return CompareAttempts(a.GetAttempt(), b.GetAttempt()) })
	return r
}

// Close cancels what runs and returns when it has ended and the connections are closed, or when ctx ends: then tasks
// that ignore their cancellation are left behind, and the error says how many.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	tasks := make([]subtask, 0, len(h.tasks))
	for _, task := range h.tasks {
		tasks = append(tasks, task)
	}
	h.mu.Unlock()
	for _, task := range tasks {
		task.Cancel(errStopped)
	}
	for i, task := range tasks {
		select {
		case <-task.Done():
		case <-ctx.Done():
			return core.E("close worker", core.Unavailable, h.cfg.Submitted.ID.String(),
				fmt.Errorf("%d of %d tasks have not ended: %w", len(tasks)-i, len(tasks), context.Cause(ctx)))
		}
	}
	h.wg.Wait()
	if err := h.disk.close(); err != nil {
		h.log.Warn("removing the state of a worker", keyJob, h.cfg.Submitted.ID, keyCause, err)
	}
	if err := h.net.Close(); err != nil && !errors.Is(err, net.ErrClosed) { // the listener's owner may be first
		return core.E("close worker", core.Internal, h.cfg.Submitted.ID.String(), err)
	}
	return nil
}

var errStopped = errors.New("the worker is stopped")
