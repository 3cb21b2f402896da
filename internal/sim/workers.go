package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
)

// workers are the workers of one simulated TaskManager. Their tasks go through their states when the driver lets
// them, and process nothing.
type workers struct {
	network *Network
	node    string
	world   *world
}

// worker runs the simulated tasks of one job.
type worker struct {
	*workers
	job    core.JobID
	events taskexecutor.WorkerEvents

	mu     sync.Mutex
	tasks  map[string]*task
	exited bool
}

type task struct {
	id    *pb.ExecutionAttemptID
	key   string
	state core.ExecutionState
	alloc []byte
}

func attemptKey(a *pb.ExecutionAttemptID) string {
	return fmt.Sprintf("%x_%x_%d_%d", a.GetGraph(), a.GetVertex(), a.GetSubtask(), a.GetAttempt())
}

// Start implements taskexecutor.Workers.
func (w *workers) Start(spec taskexecutor.WorkerSpec, events taskexecutor.WorkerEvents) taskexecutor.Worker {
	return &worker{workers: w, job: spec.Job, events: events, tasks: map[string]*task{}}
}

// step makes the next step of a task wait for the driver.
func (w *worker) step(t *task, what string, do func()) {
	w.network.add(&item{what: fmt.Sprintf("%s: task %d (attempt %d) %s", w.node, t.id.GetSubtask(), t.id.GetAttempt(), what), from: w.node, deliver: do})
}

// move changes the state of a task and reports it, unless it ended before.
func (w *worker) move(t *task, to core.ExecutionState, cause *pb.ErrorInfo) bool {
	w.mu.Lock()
	if w.exited || t.state.Terminal() {
		w.mu.Unlock()
		return false
	}
	t.state = to
	w.mu.Unlock()
	w.world.attempt(w.node, t.id, to)
	w.events.TaskState(&pb.TaskState{Attempt: t.id, State: to.String(), Cause: cause})
	return true
}

// Deploy implements taskexecutor.Worker.
func (w *worker) Deploy(req *pb.SubmitTasksRequest) {
	for _, d := range req.GetTasks() {
		vertex := w.world.vertex(req.GetJobId(), int(d.GetVertex()))
		t := &task{id: &pb.ExecutionAttemptID{Graph: req.GetGraphId(), Vertex: vertex.Bytes(), Subtask: d.GetSubtask(), Attempt: d.GetAttempt()},
			state: core.ExecutionDeploying, alloc: d.GetAllocationId()}
		t.key = attemptKey(t.id)
		w.mu.Lock()
		if w.tasks[t.key] != nil || w.exited {
			w.mu.Unlock()
			continue
		}
		w.tasks[t.key] = t
		w.mu.Unlock()
		w.step(t, "initializes", func() {
			if !w.move(t, core.ExecutionInitializing, nil) {
				return
			}
			w.step(t, "runs", func() {
				if w.move(t, core.ExecutionRunning, nil) {
					w.work(t, w.world.length())
				}
			})
		})
	}
}

// work lets a running task go on for a number of steps, then end as the plan says.
func (w *worker) work(t *task, steps int) {
	w.step(t, "works", func() {
		switch {
		case steps > 0:
			w.work(t, steps-1)
		case w.world.taskFails():
			w.move(t, core.ExecutionFailed, &pb.ErrorInfo{Message: "planned failure", Type: "sim.Failure", Kind: core.UserCode.String()})
		default:
			w.move(t, core.ExecutionFinished, nil)
		}
	})
}

// Cancel implements taskexecutor.Worker.
func (w *worker) Cancel(ids []*pb.ExecutionAttemptID) {
	for _, id := range ids {
		w.mu.Lock()
		t := w.tasks[attemptKey(id)]
		w.mu.Unlock()
		if t != nil {
			w.step(t, "is canceled", func() { w.move(t, core.ExecutionCanceled, nil) })
		}
	}
}

// Deliver implements taskexecutor.Worker.
func (w *worker) Deliver([]*pb.OperatorEvent) {}

// Report implements taskexecutor.Worker.
func (w *worker) Report(context.Context) (*pb.WorkerReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &pb.WorkerReport{}
	for _, k := range slices.Sorted(maps.Keys(w.tasks)) {
		t := w.tasks[k]
		r.Tasks = append(r.Tasks, &pb.TaskReport{Attempt: t.id, State: t.state.String(), AllocationId: t.alloc})
	}
	return r, nil
}

// Stacks implements taskexecutor.Worker.
func (w *worker) Stacks(context.Context) (string, error) { return "", nil }

// Stop implements taskexecutor.Worker.
func (w *worker) Stop() { w.exit(nil) }

// Kill implements taskexecutor.Worker.
func (w *worker) Kill(cause error) {
	w.exit(&pb.ErrorInfo{Message: cause.Error(), Type: "sim.Killed", Kind: core.Internal.String()})
}

func (w *worker) exit(cause *pb.ErrorInfo) {
	gone := func() {
		w.mu.Lock()
		if w.exited {
			w.mu.Unlock()
			return
		}
		w.exited = true
		tasks := w.tasks
		w.mu.Unlock()
		for _, t := range tasks {
			if !t.state.Terminal() {
				w.world.attempt(w.node, t.id, core.ExecutionFailed)
			}
		}
		w.events.Exited(cause)
	}
	w.network.add(&item{what: w.node + ": a worker exits", from: w.node, deliver: gone, lose: gone, abandon: func() { go gone() }})
}

// listener stands for the data listener of a worker.
type listener struct {
	addr net.Addr
	once sync.Once
	gone chan struct{}
}

type dataAddr string

func (a dataAddr) Network() string { return "sim" }
func (a dataAddr) String() string  { return string(a) }

func (l *listener) Accept() (net.Conn, error) {
	<-l.gone
	return nil, errors.New("listener is closed")
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.gone) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
