package taskexecutor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/worker"
	"github.com/flink-go/flink-go/slots"
)

// workerEntry is one worker, from its start to its Exited event. It is the WorkerEvents of that worker: each event
// goes to the mailbox, so that their order is kept.
type workerEntry struct {
	t      *TaskExecutor
	job    *job
	number int
	worker Worker

	overdue bool         // killed because a task ignored its cancellation; main goroutine only
	metrics []*pb.Metric // of the last report; main goroutine only
}

func (w *workerEntry) TaskState(s *pb.TaskState) { w.t.ep.Run(func() { w.t.taskState(w, s) }) }

func (w *workerEntry) OperatorEvent(e *pb.OperatorEvent) {
	w.t.ep.Run(func() { w.t.operatorEvent(w, e) })
}

func (w *workerEntry) Exited(cause *pb.ErrorInfo) { w.t.ep.Run(func() { w.t.workerExited(w, cause) }) }

// workers returns the running workers in a fixed order.
func (t *TaskExecutor) workers() []*workerEntry {
	return slices.SortedFunc(maps.Keys(t.running), func(a, b *workerEntry) int {
		return cmp.Or(bytes.Compare(a.job.id[:], b.job.id[:]), cmp.Compare(a.number, b.number))
	})
}

// jobOf finds the job of a call from its JobMaster and refuses other callers.
func (t *TaskExecutor) jobOf(op string, jobID, token []byte) (*job, error) {
	id, err := core.JobIDFromBytes(jobID)
	if err != nil {
		return nil, core.E(op, core.Invalid, "", err)
	}
	j := t.jobs[id]
	if j == nil {
		return nil, core.E(op, core.NotFound, id.String(), fmt.Errorf("the job has no slot on TaskManager %s", t.cfg.Resource))
	}
	if string(token) != string(j.master.Token.Bytes()) {
		return nil, core.E(op, core.Fenced, id.String(), errors.New("the caller is not the job master that the slots were given to"))
	}
	return j, nil
}

// SubmitTasks implements rpc.TaskExecutorGateway. It answers when the deployment is on its way to the worker; what
// becomes of each task is told by its states.
func (t *TaskExecutor) SubmitTasks(ctx context.Context, in *pb.SubmitTasksRequest) (*pb.SubmitTasksResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.SubmitTasksResponse, error) {
		if err := t.submit(in); err != nil {
			return nil, err
		}
		return &pb.SubmitTasksResponse{}, nil
	})
}

func (t *TaskExecutor) submit(in *pb.SubmitTasksRequest) error {
	const op = "submit tasks"
	t.ep.Assert()
	j, err := t.jobOf(op, in.GetJobId(), in.GetJobMasterToken())
	if err != nil {
		return err
	}
	if got := in.GetResourceId(); got != "" && got != string(t.cfg.Resource) {
		return core.E(op, core.Invalid, got, fmt.Errorf("this is TaskManager %s", t.cfg.Resource))
	}
	graphID, err := core.GraphIDFromBytes(in.GetGraphId())
	if err != nil {
		return core.E(op, core.Invalid, j.id.String(), err)
	}
	if len(in.GetJobGraph()) > 0 {
		vertices, err := vertexIDs(in.GetJobGraph())
		if err != nil {
			return core.E(op, core.Invalid, j.id.String(), err)
		}
		j.graph, j.vertices = in.GetJobGraph(), vertices
	}
	if len(j.graph) == 0 {
		return core.E(op, core.Conflict, j.id.String(), errors.New("the job graph is not here; send it along"))
	}
	// All or nothing: the request is checked before anything of it is done.
	type task struct {
		deployment *pb.TaskDeployment
		id         core.ExecutionAttemptID
		alloc      core.AllocationID
	}
	var tasks []task
	for _, d := range in.GetTasks() {
		if v := int(d.GetVertex()); v < 0 || v >= len(j.vertices) {
			return core.E(op, core.Invalid, j.id.String(), fmt.Errorf("vertex %d: the job graph has %d", v, len(j.vertices)))
		}
		id := core.ExecutionAttemptID{Graph: graphID, Vertex: j.vertices[d.GetVertex()], Subtask: int(d.GetSubtask()), Attempt: int(d.GetAttempt())}
		if j.knows(id) {
			continue // repeated, or its cancellation came first
		}
		alloc, err := core.AllocationIDFromBytes(d.GetAllocationId())
		if err != nil {
			return core.E(op, core.Invalid, id.String(), err)
		}
		s, ok := t.table.Slot(alloc)
		if _, own := j.allocs[alloc]; !ok || !own || s.State == slots.TableReleasing {
			return core.E(op, core.NotFound, id.String(), fmt.Errorf("allocation %s is not a slot of the job here", alloc))
		}
		tasks = append(tasks, task{d, id, alloc})
	}
	if len(tasks) == 0 {
		return nil
	}
	if j.worker == nil {
		t.startWorker(j, in)
	}
	deploy := &pb.SubmitTasksRequest{
		JobId:        in.GetJobId(),
		JobGraphHash: in.GetJobGraphHash(),
		GraphId:      in.GetGraphId(),
		Locations:    in.GetLocations(),
		Workers:      in.GetWorkers(),
		ResourceId:   in.GetResourceId(),
	}
	for _, task := range tasks {
		// To deploy into a slot is to have taken it, whether the answer to the offer is here yet or not.
		t.table.Activate(task.alloc)
		j.note(task.id)
		j.attempts[task.id] = &attempt{id: task.id, alloc: task.alloc, worker: j.worker, state: core.ExecutionDeploying}
		deploy.Tasks = append(deploy.Tasks, task.deployment)
	}
	t.armExpiry()
	t.log.Info("deploying", keyJob, j.id, "tasks", len(tasks), "worker", j.worker.number)
	j.worker.worker.Deploy(deploy)
	return nil
}

func (j *job) knows(id core.ExecutionAttemptID) bool {
	n, ok := j.newest[subtask{id.Graph, id.Vertex, id.Subtask}]
	return ok && id.Attempt <= n
}

func (j *job) note(id core.ExecutionAttemptID) {
	j.newest[subtask{id.Graph, id.Vertex, id.Subtask}] = id.Attempt
}

func (t *TaskExecutor) startWorker(j *job, in *pb.SubmitTasksRequest) {
	w := &workerEntry{t: t, job: j, number: j.workers}
	j.workers++
	j.worker = w
	t.running[w] = struct{}{}
	w.worker = t.cfg.Workers.Start(WorkerSpec{
		Job:         j.id,
		Graph:       j.graph,
		Blobs:       t.cfg.Service.Blob(rpc.Address{Server: in.GetBlobAddress(), Endpoint: "blob"}),
		Slots:       len(j.allocs),
		Profile:     t.cfg.SlotProfile,
		Settings:    worker.Settings(t.cfg.Settings),
		Number:      w.number,
		Listener:    j.listener,
		DataAddress: t.dataAddress(j),
		Secret:      in.GetDataSecret(),
	}, w)
}

// taskState takes what a worker says about an attempt and passes it on to the JobMaster (S-098).
func (t *TaskExecutor) taskState(w *workerEntry, s *pb.TaskState) {
	t.ep.Assert()
	j := w.job
	id, err := worker.AttemptFromProto(s.GetAttempt())
	if err != nil {
		t.log.Warn("a worker reports a state of an attempt without proper id", keyJob, j.id, keyCause, err)
		return
	}
	state, err := core.ParseExecutionState(s.GetState())
	if err != nil {
		t.log.Warn("a worker reports an unknown state", keyJob, j.id, keyAttempt, id, keyCause, err)
		return
	}
	a := j.attempts[id]
	if a == nil || a.worker != w || a.state.Terminal() {
		return
	}
	t.log.Info("task changed", keyJob, j.id, keyAttempt, id, keyFrom, a.state, keyTo, state, keyCause, s.GetCause().GetMessage())
	a.state = state
	t.tell(j, outgoing{state: s})
	if state.Terminal() {
		a.stopWatchdog()
		t.finishFree(j, a.alloc)
	}
}

// operatorEvent passes on what an operator tells its coordinator.
func (t *TaskExecutor) operatorEvent(w *workerEntry, e *pb.OperatorEvent) {
	j := w.job
	id, err := worker.AttemptFromProto(e.GetAttempt())
	if err != nil {
		return
	}
	if a := j.attempts[id]; a == nil || a.worker != w {
		return
	}
	t.tell(j, outgoing{event: e})
}

// endAttempt is a state change that the worker cannot tell any more.
func (t *TaskExecutor) endAttempt(a *attempt, state core.ExecutionState, cause *pb.ErrorInfo) {
	s := &pb.TaskState{Attempt: worker.AttemptToProto(a.id), State: state.String(), AtMillis: time.Now().UnixMilli()}
	if state == core.ExecutionFailed {
		s.Cause = cause
	}
	if a.report != nil {
		s.Io, s.Accumulators = a.report.GetIo(), a.report.GetAccumulators()
	}
	t.taskState(a.worker, s)
}

// workerExited ends the attempts that a worker takes with it: they failed, unless they were to end anyhow.
func (t *TaskExecutor) workerExited(w *workerEntry, cause *pb.ErrorInfo) {
	t.ep.Assert()
	if _, ok := t.running[w]; !ok {
		return
	}
	delete(t.running, w)
	t.publish()
	j := w.job
	own := cause != nil && !w.overdue
	if cause != nil {
		t.log.Warn("worker ended", keyJob, j.id, "worker", w.number, keyCause, cause.GetMessage())
	} else {
		t.log.Info("worker ended", keyJob, j.id, "worker", w.number)
		cause = &pb.ErrorInfo{Message: "the worker was stopped", Kind: core.Canceled.String()}
	}
	if j.worker == w {
		j.worker = nil
	}
	for _, a := range j.attemptsOf(w) {
		state := core.ExecutionFailed
		// Why a worker ended by itself is told in any case: it may be what its neighbors, which saw connections break,
		// failed for and this attempt is canceled for.
		if a.canceling && !own {
			state = core.ExecutionCanceled
		}
		t.endAttempt(a, state, cause)
	}
	t.endGone(j)
	t.checkIdle()
}

// attemptsOf returns the attempts in a worker that are not over, in a fixed order.
func (j *job) attemptsOf(w *workerEntry) []*attempt {
	var of []*attempt
	for _, a := range j.attempts {
		if a.worker == w && !a.state.Terminal() {
			of = append(of, a)
		}
	}
	sortAttempts(of)
	return of
}

func sortAttempts(list []*attempt) {
	slices.SortFunc(list, func(a, b *attempt) int {
		return worker.CompareAttempts(worker.AttemptToProto(a.id), worker.AttemptToProto(b.id))
	})
}

// CancelTasks implements rpc.TaskExecutorGateway. It answers when the request is on its way to the worker.
func (t *TaskExecutor) CancelTasks(ctx context.Context, in *pb.CancelTasksRequest) (*pb.CancelTasksResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.CancelTasksResponse, error) {
		j, err := t.jobOf("cancel tasks", in.GetJobId(), in.GetJobMasterToken())
		if err != nil {
			return nil, err
		}
		var running []*attempt
		for _, p := range in.GetAttempts() {
			id, err := worker.AttemptFromProto(p)
			if err != nil {
				return nil, core.E("cancel tasks", core.Invalid, j.id.String(), err)
			}
			switch a := j.attempts[id]; {
			case a != nil:
				running = append(running, a)
			case !j.knows(id):
				// The cancellation overtook the deployment, which finds the attempt known when it comes.
				j.note(id)
				t.tell(j, outgoing{state: &pb.TaskState{
					Attempt:  p,
					State:    core.ExecutionCanceled.String(),
					AtMillis: time.Now().UnixMilli(),
				}})
			}
		}
		t.cancel(j, running)
		return &pb.CancelTasksResponse{}, nil
	})
}

// cancel asks attempts to end and watches that they do.
func (t *TaskExecutor) cancel(j *job, attempts []*attempt) {
	sortAttempts(attempts)
	var workers []*workerEntry // a successor may run beside a worker that is about to end
	byWorker := make(map[*workerEntry][]*pb.ExecutionAttemptID)
	for _, a := range attempts {
		if a.canceling || a.state.Terminal() {
			continue
		}
		a.canceling = true
		a.watchdog = t.ep.After(t.cfg.CancellationTimeout, func() { t.overdue(j, a) })
		if byWorker[a.worker] == nil {
			workers = append(workers, a.worker)
		}
		byWorker[a.worker] = append(byWorker[a.worker], worker.AttemptToProto(a.id))
	}
	for _, w := range workers {
		w.worker.Cancel(byWorker[w])
	}
}

func (a *attempt) stopWatchdog() {
	if a.watchdog != nil {
		a.watchdog()
		a.watchdog = nil
	}
}

// overdue kills the worker of a task that ignores its cancellation, after a look at its stacks.
func (t *TaskExecutor) overdue(j *job, a *attempt) {
	if a.state.Terminal() {
		return
	}
	w := a.worker
	rpc.Await(t.ep, func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, stacksTimeout)
		defer cancel()
		return w.worker.Stacks(ctx)
	}, func(stacks string, err error) {
		if a.state.Terminal() {
			return
		}
		if err != nil {
			stacks = "not to be had: " + err.Error()
		}
		cause := core.E("cancel task", core.UserCode, a.id.String(),
			fmt.Errorf("it did not end within %s (task.cancellation.timeout), so its worker was killed", t.cfg.CancellationTimeout))
		t.log.Error("killing a worker whose task ignores its cancellation", keyJob, j.id, keyAttempt, a.id, "stacks", clip(stacks, maxLoggedStacks))
		if j.worker == w {
			j.worker = nil // what is deployed from now on gets a new one
		}
		w.overdue = true
		w.worker.Kill(cause)
	})
}

const (
	stacksTimeout   = 5 * time.Second
	maxLoggedStacks = 256 << 10
)

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + fmt.Sprintf("\n... %d bytes more", len(s)-limit)
}

// DeliverOperatorEvents implements rpc.TaskExecutorGateway. Events for attempts that are over are dropped.
func (t *TaskExecutor) DeliverOperatorEvents(ctx context.Context, in *pb.DeliverOperatorEventsRequest) (*pb.DeliverOperatorEventsResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.DeliverOperatorEventsResponse, error) {
		j, err := t.jobOf("deliver operator events", in.GetJobId(), in.GetJobMasterToken())
		if err != nil {
			return nil, err
		}
		if j.worker == nil {
			return &pb.DeliverOperatorEventsResponse{}, nil
		}
		events := make([]*pb.OperatorEvent, 0, len(in.GetEvents()))
		for _, e := range in.GetEvents() {
			id, err := worker.AttemptFromProto(e.GetAttempt())
			if err != nil {
				return nil, core.E("deliver operator events", core.Invalid, j.id.String(), err)
			}
			if a := j.attempts[id]; a != nil && a.worker == j.worker && !a.state.Terminal() {
				events = append(events, e)
			}
		}
		if len(events) > 0 {
			j.worker.worker.Deliver(events)
		}
		return &pb.DeliverOperatorEventsResponse{}, nil
	})
}

// reported keeps the counters of a worker's report for the attempts that are still there.
func (t *TaskExecutor) reported(j *job, w *workerEntry, r *pb.WorkerReport) {
	if r == nil {
		return
	}
	w.metrics = r.GetMetrics().GetMetrics()
	t.publish()
	for _, task := range r.GetTasks() {
		id, err := worker.AttemptFromProto(task.GetAttempt())
		if err != nil {
			continue
		}
		if a := j.attempts[id]; a != nil && a.worker == w {
			a.report = task
		}
	}
}

// publish makes the metrics of all workers known to Metrics.
func (t *TaskExecutor) publish() {
	var all []*pb.Metric
	for _, w := range t.workers() {
		all = append(all, w.metrics...)
	}
	t.metrics.Store(&all)
}

// Metrics returns what the workers reported last with their heartbeats. Any goroutine; the result is read-only.
func (t *TaskExecutor) Metrics() []*pb.Metric {
	if all := t.metrics.Load(); all != nil {
		return *all
	}
	return nil
}

// vertexIDs reads the ids of the vertices from the JSON of a JobGraph.
func vertexIDs(jobGraph []byte) ([]core.VertexID, error) {
	var g struct {
		Vertices []struct {
			ID core.VertexID `json:"id"`
		} `json:"vertices"`
	}
	if err := json.Unmarshal(jobGraph, &g); err != nil {
		return nil, fmt.Errorf("reading the job graph: %w", err)
	}
	ids := make([]core.VertexID, len(g.Vertices))
	for i, v := range g.Vertices {
		ids[i] = v.ID
	}
	return ids, nil
}
