package operator

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/keyed"
)

// NoTimestamp is the event time of a record that has none.
const NoTimestamp int64 = math.MinInt64

// MaxWatermark is the watermark after which no record comes: sent at the end of input.
const MaxWatermark int64 = math.MaxInt64

// Node is one input of an operator, as its upstream sees it.
//
// Record hands over one record by pointer. The pointer is valid during the call only: to keep the record, copy it.
// Strings and slices inside may be kept, but they may hold a whole network frame in memory: clone what stays long.
// The callee may change the record (object reuse), unless it says that it is ReadOnly; an upstream with several outputs
// gives each that may its own copy.
//
// A Node that cannot go on calls Task.Fail, which does not return. End says that this input is over, after a last
// Watermark(MaxWatermark); nothing follows it.
type Node[T any] interface {
	Record(v *T, ts int64)
	// Watermark says that no record of an earlier or equal event time (milliseconds since 1970) will follow. One that
	// says again what was said ends an Idle.
	Watermark(ts int64)
	// Idle says that this input does not hold back event time until its next Record or Watermark.
	Idle()
	End()
}

// ReadOnly is for a Node that changes no record: several such Nodes are given the same.
type ReadOnly interface {
	// ReadsOnly tells whether that is so, for the Nodes that get the same record from this one, too.
	ReadsOnly() bool
}

// ReadsOnly tells whether a Node is ReadOnly.
func ReadsOnly(node any) bool {
	r, ok := node.(ReadOnly)
	return ok && r.ReadsOnly()
}

// Factory makes the operator of one subtask. outs holds a Node[U] for each output of the stream node, in order: the
// main output, then side outputs. An output that nobody reads is a Node that discards.
type Factory func(ctx *Context, outs []any) (Instance, error)

// Instance is an operator of one subtask, ready to be opened.
type Instance struct {
	Inputs    []any     // a Node[T] for each input; none for a source
	Lifecycle Lifecycle // nil if there is nothing to open or close
	Source    Source    // for source nodes only
}

// Lifecycle is what a task calls around the records: Open of all operators of the chain from its end to its head,
// Close from head to end. Close is called once for every operator whose Open was called, also after a failure or a
// cancellation, and must not emit.
type Lifecycle interface {
	Open() error
	Close() error
}

// Source produces records on the task's goroutine, when polled.
type Source interface {
	// Poll emits at most max records to the output that the Factory was given and says how to go on. It must not
	// block for long: a source that waits for something else starts its own goroutine and uses Task.Run.
	Poll(max int) Next
	// HandleEvent receives what the source's coordinator in the JobMaster sent.
	HandleEvent(payload []byte) error
}

// Next says what a source wants after a Poll.
type Next struct {
	Records int // how many the Poll emitted: they are the task's records in
	State   NextState
	At      time.Time // for NextAt: when to poll again
}

// NextState is the kind of a Next.
type NextState uint8

// What a source may want.
const (
	NextNow   NextState = iota // there is more: poll again
	NextAt                     // nothing is due before Next.At
	NextEvent                  // nothing to do before an event or a mailbox action came
	NextEnd                    // the source is bounded and exhausted; the task sends MaxWatermark and End on
)

// Context is what the operator of one subtask knows about its place in the job.
type Context struct {
	Job            core.JobID
	JobName        string
	Attempt        core.ExecutionAttemptID
	TaskName       string // of the vertex
	Operator       core.OperatorID
	Name           string // of the operator
	UID            string
	Subtask        int // 0 to Parallelism-1
	Parallelism    int
	MaxParallelism int               // number of key groups
	Params         map[string]string // global job parameters
	Log            *slog.Logger
	Task           Task

	// Index is the operator's place in its chain. An operator stores it in *Active before it calls user code, so that
	// the task can name the operator in which a panic began: a plain store, where a deferred call per record would
	// cost more than the operator. Active is shared by the chain and touched on the task's goroutine only; nil if
	// nobody asks.
	Index  int32
	Active *int32

	// Key returns the key of what the operator's user code works on, nil if that has none: for messages. nil if nobody says.
	Key func() any

	// Disk keeps the keyed state of the subtask if the job's backend is on disk; nil: it is kept on the heap.
	Disk  keyed.KeyValue
	state *keyed.Backend
}

// AtKey adds the key that user code works on to an error.
func (c *Context) AtKey(err error) error {
	if c.Key == nil {
		return err
	}
	key := c.Key()
	if key == nil {
		return err
	}
	const most = 100
	text := fmt.Sprint(key)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return fmt.Errorf("key %s: %w", text, err)
}

// KeyedState returns the keyed state of the operator, the same at every call.
func (c *Context) KeyedState() *keyed.Backend {
	if c.state == nil {
		owned := core.KeyGroupsOf(c.Subtask, c.MaxParallelism, c.Parallelism)
		// The place in the chain tells the operators of one subtask's store apart.
		c.state = keyed.NewBackend(owned, c.MaxParallelism, c.Disk, []byte{byte(c.Index >> 8), byte(c.Index)})
	}
	return c.state
}

// Task is the running task, as operators see it. Unless said otherwise methods may be called on the task's goroutine
// only.
type Task interface {
	// Context ends when the attempt must end; blocking work must watch it. Any goroutine.
	Context() context.Context
	// Run calls fn on the task's goroutine between two records. Any goroutine; after the task's end fn is dropped.
	Run(fn func())
	// Now is the processing time. It never runs backwards inside a task.
	Now() time.Time
	// At calls fn on the task's goroutine as soon as the processing time is at or after t. stop forgets it.
	At(t time.Time, fn func()) (stop func())
	// Fail ends the attempt with err and does not return. It unwinds the chain.
	Fail(err error)
	// SendEvent sends payload to the coordinator of operator op in the JobMaster.
	SendEvent(op core.OperatorID, payload []byte)
	// OnIdle registers fn to be called whenever the task has nothing to do, before its outputs are flushed.
	OnIdle(fn func())
	// Yield waits until an action or a timer is due and runs what is due; no record is read meanwhile. It is for an
	// operator that cannot take the record it was given before an action of its own has run, and only at the head of
	// its chain (graph.ChainHead): what runs may emit, and must not meet an operator in the middle of a record.
	Yield()
	// Metrics registers counters, gauges and the like of the operator op.
	Metrics(op core.OperatorID) MetricGroup
	// Accumulate registers an accumulator of this subtask; its value is read on the task's goroutine. A second
	// registration of a name within the task returns the first one if the kinds agree, else it fails.
	Accumulate(name string, a Accumulator) (Accumulator, error)
}

// Unwound is what the panic carries by which Task.Fail, or the end of the attempt, leaves a chain of calls. Whoever
// recovers from panics of user code must panic with it again.
type Unwound interface {
	Unwound() error // why; nil: the attempt ends
}

// MetricGroup registers metrics of one operator in one subtask. Names follow Flink's rules. A counter's Add is
// called by the task's goroutine; the reporting side reads it atomically.
type MetricGroup interface {
	Counter(name string) *Counter
	Gauge(name string, value func() float64) // value is called on any goroutine
}

// Accumulator collects a value in each subtask; at the end, and with heartbeats before it, values of all subtasks
// are merged by kind and name and returned with the job's result.
type Accumulator interface {
	Kind() string // see core.Accumulator
	JSON() string
}

// Failure wraps an error of a user function with the operator in which it happened.
type Failure struct {
	Operator string
	Err      error
	Stack    string // of a panic, beginning in user code; else ""
}

func (f *Failure) Error() string { return fmt.Sprintf("operator %q: %v", f.Operator, f.Err) }

func (f *Failure) Unwrap() error { return f.Err }

// Partition makes the selector of one producer subtask: it maps a record to a target in [0, parallelism).
type Partition[T any] func(parallelism, maxParallelism int) func(v *T) int
