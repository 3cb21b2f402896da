package stream

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// RuntimeContext is what a function, reader or writer knows at run time about its subtask and the job. Unless said
// otherwise its methods are called on the task's goroutine.
type RuntimeContext struct {
	op     *operator.Context
	states *state.Operator // nil: none yet
}

func newRuntimeContext(op *operator.Context) *RuntimeContext {
	if op.Active == nil {
		op.Active = new(int32)
	}
	return &RuntimeContext{op: op}
}

// SubtaskIndex is the number of this subtask, 0 to Parallelism()-1 (S-024).
func (c *RuntimeContext) SubtaskIndex() int { return c.op.Subtask }

// Parallelism is the number of subtasks of the operator (S-025).
func (c *RuntimeContext) Parallelism() int { return c.op.Parallelism }

// MaxParallelism is the number of key groups of the operator.
func (c *RuntimeContext) MaxParallelism() int { return c.op.MaxParallelism }

// Attempt is the number of times that this subtask was started before.
func (c *RuntimeContext) Attempt() int { return c.op.Attempt.Attempt }

// JobID is the id of the job.
func (c *RuntimeContext) JobID() core.JobID { return c.op.Job }

// JobName is the name of the job.
func (c *RuntimeContext) JobName() string { return c.op.JobName }

// TaskName is the name of the chain that the operator runs in.
func (c *RuntimeContext) TaskName() string { return c.op.TaskName }

// OperatorName is the name of the operator.
func (c *RuntimeContext) OperatorName() string { return c.op.Name }

// UID is the uid that the program gave the operator, "" if none.
func (c *RuntimeContext) UID() string { return c.op.UID }

// Param is a global job parameter, see Env.Params; "" if there is none of that name.
func (c *RuntimeContext) Param(name string) string { return c.op.Params[name] }

// Log is the logger of the task; its records say which.
func (c *RuntimeContext) Log() *slog.Logger { return c.op.Log }

// Context ends when the attempt must end. Whatever blocks must watch it. Any goroutine.
func (c *RuntimeContext) Context() context.Context { return c.op.Task.Context() }

// Now is the processing time. It never runs backwards inside a task.
func (c *RuntimeContext) Now() time.Time { return c.op.Task.Now() }

// Run calls fn on the task's goroutine between two records; a source that was Idle is asked again afterwards. Any
// goroutine; after the end of the task fn is dropped.
func (c *RuntimeContext) Run(fn func()) { c.op.Task.Run(fn) }

// Counter registers a metric that counts.
func (c *RuntimeContext) Counter(name string) *operator.Counter {
	return c.op.Task.Metrics(c.op.Operator).Counter(name)
}

// Gauge registers a metric whose value is asked for. value is called on any goroutine.
func (c *RuntimeContext) Gauge(name string, value func() float64) {
	c.op.Task.Metrics(c.op.Operator).Gauge(name, value)
}

// OperatorState is the state of this subtask that belongs to no key, for the handles of package state.
func (c *RuntimeContext) OperatorState() *state.Operator {
	if c.states == nil {
		c.states = new(state.Operator)
	}
	return c.states
}

// Fail ends the attempt with an error of the operator and does not return. It is for authors of operators; functions
// return their errors.
func (c *RuntimeContext) Fail(err error) { c.fail(err) }

// Enter marks the operator as the one whose code runs, so that a panic names it. Authors of operators call it before
// they call a function of the program.
func (c *RuntimeContext) Enter() { *c.op.Active = c.op.Index }

// fail ends the attempt with an error of the operator's user code and does not return.
func (c *RuntimeContext) fail(err error) {
	c.op.Task.Fail(core.E("", core.UserCode, "", &operator.Failure{Operator: c.op.Name, Err: err}))
}

// failed wraps an error of the operator's user code where it can be returned.
func (c *RuntimeContext) failed(doing string, err error) error {
	return core.E("", core.UserCode, "", &operator.Failure{Operator: c.op.Name, Err: fmt.Errorf("%s: %w", doing, err)})
}
