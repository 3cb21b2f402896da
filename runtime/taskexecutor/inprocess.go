package taskexecutor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/worker"
)

// InProcess runs workers inside this process, for embedded clusters: the program is the process itself, so there is
// nothing to fetch, and nothing that could be killed. Its methods may be called from any goroutine.
type InProcess struct {
	// Programs returns the compiled job of an id.
	Programs func(core.JobID) (*graph.Compiled, error)
	// Dial connects to the data listeners of other TaskManagers of this cluster; nil is TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// OpenStateDisk is needed by jobs with state on disk.
	OpenStateDisk worker.OpenStateDisk
	Log           *slog.Logger

	wg sync.WaitGroup
}

var _ Workers = (*InProcess)(nil)

// inProcessGrace is how long tasks may take to end when their worker is stopped.
const inProcessGrace = 10 * time.Second

// Start implements Workers.
func (p *InProcess) Start(spec WorkerSpec, events WorkerEvents) Worker {
	w := &inProcessWorker{owner: p, job: spec.Job, events: events}
	compiled, err := p.Programs(spec.Job)
	if err == nil {
		w.host, err = worker.NewHost(worker.HostConfig{
			Submitted:     compiled.Job,
			Compiled:      compiled,
			Listener:      spec.Listener,
			DataAddress:   spec.DataAddress,
			Secret:        spec.Secret,
			Dial:          p.Dial,
			Settings:      spec.Settings,
			Slots:         spec.Slots,
			OpenStateDisk: p.OpenStateDisk,
			Events:        events,
			Log:           p.Log,
		})
	}
	if err != nil {
		w.exited(core.E("start worker of job", core.KindOf(err), spec.Job.String(), err))
	}
	return w
}

// Close returns when the workers that were stopped have ended.
func (p *InProcess) Close() { p.wg.Wait() }

type inProcessWorker struct {
	owner  *InProcess
	job    core.JobID
	events WorkerEvents
	host   *worker.Host // nil if it could not be made

	mu      sync.Mutex
	stopped bool
	over    bool
}

func (w *inProcessWorker) exited(cause error) {
	w.mu.Lock()
	over := w.over
	w.over = true
	w.mu.Unlock()
	if !over {
		w.events.Exited(worker.ErrorInfo(cause))
	}
}

// running returns the Host while there is one to talk to.
func (w *inProcessWorker) running() *worker.Host {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil
	}
	return w.host
}

func (w *inProcessWorker) Deploy(in *pb.SubmitTasksRequest) {
	if h := w.running(); h != nil {
		h.Deploy(in)
	}
}

func (w *inProcessWorker) Cancel(attempts []*pb.ExecutionAttemptID) {
	if h := w.running(); h != nil {
		h.Cancel(attempts)
	}
}

func (w *inProcessWorker) Deliver(events []*pb.OperatorEvent) {
	if h := w.running(); h != nil {
		h.Deliver(events)
	}
}

var errWorkerGone = errors.New("the worker is gone")

func (w *inProcessWorker) Report(context.Context) (*pb.WorkerReport, error) {
	h := w.running()
	if h == nil {
		return nil, core.E("ask worker", core.Unavailable, w.job.String(), errWorkerGone)
	}
	return h.Report(), nil
}

// Stacks returns a note: the stacks of the worker are those of this process.
func (w *inProcessWorker) Stacks(context.Context) (string, error) {
	return "in this process\n", nil
}

// Stop cancels what runs. Tasks that ignore it are left behind.
func (w *inProcessWorker) Stop() {
	w.mu.Lock()
	stopped := w.stopped || w.over || w.host == nil
	w.stopped = true
	w.mu.Unlock()
	if stopped {
		return
	}
	w.close(nil)
}

// Kill gives the worker up at once. There is no process to kill: its tasks are cancelled, and what ignores that goes
// on without effect.
func (w *inProcessWorker) Kill(cause error) {
	w.exited(cause)
	if w.host != nil {
		w.close(cause)
	}
}

func (w *inProcessWorker) close(cause error) {
	w.owner.wg.Go(func() { // ends in bounded time
		ctx, cancel := context.WithTimeoutCause(context.Background(), inProcessGrace, fmt.Errorf("waited %s", inProcessGrace))
		defer cancel()
		if err := w.host.Close(ctx); err != nil {
			w.owner.Log.Warn("tasks are left behind in this process", keyJob, w.job, keyCause, err)
		}
		w.exited(cause)
	})
}
