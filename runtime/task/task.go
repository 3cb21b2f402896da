package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/runtime/network"
)

// Keys of log attributes.
const (
	keyJob     = "job"
	keyVertex  = "vertex"
	keySubtask = "subtask"
	keyAttempt = "attempt"
	keyCause   = "cause"
)

// Task is one attempt of one subtask. It ends by itself, or by Cancel.
type Task struct {
	cfg    Config
	vertex *graph.JobVertex
	log    *slog.Logger
	done   chan struct{}

	ctx    context.Context // ends when the attempt must end
	end    context.CancelCauseFunc
	ending atomic.Bool // ctx has ended
	gate   *network.Gate
	meter  meter

	mu        sync.Mutex
	state     core.ExecutionState
	failure   error // the first cause; nil: none
	canceled  bool
	metrics   []metric
	accs      []accumulator
	lastAccs  []core.Accumulator // as read last on the task's goroutine
	accsAsked bool

	// Of the task's goroutine:
	disk     StateStore // nil: keyed state is on the heap
	nodes    []*node
	active   int32 // index of the node whose user code runs or ran last, -1: none yet
	inputs   []operator.Input
	outputs  []operator.Output
	outlets  []*network.Outlet
	source   operator.Source
	sinks    []sink // the outputs of the source
	idlers   []func()
	timers   timerQueue
	timerSeq uint64
	flush    flushPolicy
	start    time.Time
}

// Start makes a task and starts its goroutine. It reports everything, failures to start included, by Config.Events.
func Start(cfg Config) *Task {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	v := cfg.Chain.Vertex
	t := &Task{
		cfg: cfg, vertex: v, done: make(chan struct{}), start: time.Now(), active: -1, meter: meter{base: time.Now()},
		log: cfg.Log.With(keyVertex, v.Name, keySubtask, cfg.Attempt.Subtask, keyAttempt, cfg.Attempt.Attempt),
	}
	t.flush.init(cfg.Job.Config.BufferTimeout)
	t.ctx, t.end = context.WithCancelCause(context.Background())
	t.gate = cfg.Network.NewGate(owner{t}, cfg.Attempt, t.edges())
	if len(cfg.Chain.Outs) == 0 {
		t.gate.Last()
	}
	labels := pprof.Labels(keyJob, cfg.Job.Name, keyVertex, v.Name, keySubtask, strconv.Itoa(cfg.Attempt.Subtask))
	// The goroutine ends with the attempt; Done tells its owner.
	go pprof.Do(t.ctx, labels, func(context.Context) { t.run() })
	return t
}

// Done is closed when the task has ended and its last event was reported.
func (t *Task) Done() <-chan struct{} { return t.done }

// Attempt is the attempt that this task runs.
func (t *Task) Attempt() core.ExecutionAttemptID { return t.cfg.Attempt }

// errCanceled is the cause of a context after Cancel without a cause.
var errCanceled = errors.New("task was canceled")

// Cancel ends the attempt with state CANCELED, unless it ends otherwise before. It does not wait. cause becomes the
// cause of the task's context.
func (t *Task) Cancel(cause error) {
	if cause == nil {
		cause = errCanceled
	}
	t.mu.Lock()
	t.canceled = t.canceled || t.failure == nil
	t.mu.Unlock()
	t.stop(cause)
}

// fail ends the attempt with state FAILED, unless it ends otherwise before. Any goroutine.
func (t *Task) fail(err error) {
	t.mu.Lock()
	if t.failure == nil && !t.canceled && !t.state.Terminal() {
		t.failure = err
	}
	t.mu.Unlock()
	t.stop(err)
}

func (t *Task) stop(cause error) {
	t.ending.Store(true)
	t.end(cause)
	t.gate.Run(func() {}) // wakes the loop, which looks at ending
}

// HandleEvent delivers what the coordinator of an operator sent.
func (t *Task) HandleEvent(op core.OperatorID, payload []byte) {
	t.gate.Run(func() {
		for i, n := range t.nodes {
			if t.vertex.Operators[i].ID != op {
				continue
			}
			if n.instance.Source == nil {
				t.unwind(core.E("deliver event to operator", core.Invalid, op.String(), errors.New("it is not a source")))
			}
			if err := n.instance.Source.HandleEvent(payload); err != nil {
				t.unwind(t.failureOf(n, err))
			}
			return
		}
		t.log.Warn("event for an operator that this task does not have", "operator", op.String())
	})
}

// Report says how the task is doing. Accumulators are as they were read last; before the end each Report asks for the
// next reading.
func (t *Task) Report() Report {
	t.mu.Lock()
	r := Report{Attempt: t.cfg.Attempt, State: t.state, Cause: t.failure, IO: t.meter.read(t.state), Accumulators: t.lastAccs}
	metrics := t.metrics
	ask := len(t.accs) > 0 && !t.accsAsked && !t.state.Terminal()
	t.accsAsked = t.accsAsked || ask
	t.mu.Unlock()
	for _, m := range metrics {
		r.Metrics = append(r.Metrics, m.read())
	}
	if ask {
		t.gate.Run(t.readAccumulators)
	}
	return r
}

// unwound is the private panic by which a task leaves a chain of calls.
type unwound struct{ err error }

// Unwound implements operator.Unwound.
func (u unwound) Unwound() error { return u.err }

// unwind ends the task's goroutine's work; err nil: because ctx has ended.
func (t *Task) unwind(err error) { panic(unwound{err}) }

// guard calls f and turns an unwinding or a panic of user code into an error.
func (t *Task) guard(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case unwound:
			if err = p.err; err == nil {
				err = context.Cause(t.ctx)
			}
		default:
			err = t.panicked(p)
		}
	}()
	return f()
}

// run is the task's goroutine. The steps of its end are deferred one by one, so that each happens even if user code
// ends the goroutine (runtime.Goexit, as testing.T.FailNow does).
func (t *Task) run() {
	defer close(t.done)
	defer t.conclude()
	defer t.release()
	defer t.closeState()
	defer func() {
		if err := t.closeNodes(); err != nil {
			t.fail(err)
		}
	}()
	returned := false
	defer func() {
		if !returned {
			t.fail(core.E("run task", core.UserCode, t.cfg.Attempt.String(), errors.New("user code ended the goroutine of the task")))
		}
	}()
	t.enter(core.ExecutionInitializing, nil)
	if err := t.guard(t.work); err != nil {
		t.fail(err)
	}
	returned = true
}

// release takes the task from the network.
func (t *Task) release() {
	t.ending.Store(true)
	t.end(errCanceled) // whoever still watches the context goes too
	t.gate.Close()
	for _, o := range t.outlets {
		o.Close()
	}
}

// conclude reports how the task ended.
func (t *Task) conclude() {
	if err := t.guard(func() error { t.readAccumulators(); return nil }); err != nil {
		t.fail(err)
	}
	t.mu.Lock()
	failure, canceled := t.failure, t.canceled
	t.mu.Unlock()
	switch {
	case failure != nil:
		t.enter(core.ExecutionFailed, failure)
	case canceled:
		t.enter(core.ExecutionCanceled, nil)
	default:
		t.enter(core.ExecutionFinished, nil)
	}
}

// enter changes the state and reports it.
func (t *Task) enter(s core.ExecutionState, cause error) {
	t.mu.Lock()
	t.state = s
	t.mu.Unlock()
	t.meter.entered(s)
	if cause != nil {
		t.log.Info("task state", "to", s.String(), keyCause, cause)
	} else {
		t.log.Debug("task state", "to", s.String())
	}
	t.cfg.Events.StateChanged(t.cfg.Attempt, s, cause)
}

// work is the life of the task from its operators' making to the end of its input.
func (t *Task) work() error {
	if err := t.build(); err != nil {
		return err
	}
	// From the chain's end to its head: when an operator may emit, those behind it are open.
	for i, n := range slices.Backward(t.nodes) {
		if n.instance.Lifecycle == nil {
			continue
		}
		n.opened = true
		t.active = int32(i)
		if err := n.instance.Lifecycle.Open(); err != nil {
			return t.failureOf(n, fmt.Errorf("open: %w", err))
		}
	}
	if t.ending.Load() {
		return context.Cause(t.ctx)
	}
	if err := t.gate.Open(t.cfg.Locations); err != nil {
		return core.E("connect task to its producers", core.Internal, t.cfg.Attempt.String(), err)
	}
	t.enter(core.ExecutionRunning, nil)
	t.loop()
	return nil
}

// openState opens the store of the task's keyed state if it is to be on disk.
func (t *Task) openState() error {
	stateful := func(n *graph.StreamNode) bool { return n.Stateful }
	if t.cfg.OpenState == nil || !slices.ContainsFunc(t.cfg.Chain.Nodes, stateful) {
		return nil
	}
	store, err := t.cfg.OpenState(fmt.Sprintf("%s-%d", t.vertex.Name, t.cfg.Attempt.Subtask))
	if err != nil {
		return core.E("open state of task", core.Internal, t.cfg.Attempt.String(), err)
	}
	t.disk = store
	return nil
}

func (t *Task) closeState() {
	if t.disk == nil {
		return
	}
	if err := t.disk.Close(); err != nil {
		t.log.Warn("closing the state of a task", keyCause, err)
	}
}

// closeNodes closes what was opened, from head to end, and returns the first error.
func (t *Task) closeNodes() error {
	var first error
	for i, n := range t.nodes {
		if n == nil || !n.opened {
			continue
		}
		t.active = int32(i)
		err := t.guard(n.instance.Lifecycle.Close)
		if err == nil {
			continue
		}
		err = t.failureOf(n, fmt.Errorf("close: %w", err))
		if first == nil {
			first = err
		} else {
			t.log.Warn("closing an operator", keyCause, err)
		}
	}
	return first
}

// owner is the task as its gate and outlets see it.
type owner struct{ t *Task }

// Done implements network.Owner.
func (o owner) Done() <-chan struct{} { return o.t.ctx.Done() }

// Unwind implements network.Owner.
func (o owner) Unwind(err error) { o.t.unwind(err) }

// Fail implements network.Owner.
func (o owner) Fail(err error) { o.t.fail(err) }

// Blocked implements network.Owner.
func (o owner) Blocked(begin bool) { o.t.meter.blocked(begin) }
