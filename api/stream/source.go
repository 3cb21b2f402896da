package stream

import (
	"time"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// NoTimestamp is the event time of a record that has none.
const NoTimestamp = operator.NoTimestamp

// Source describes where records come from; connectors return one. It is a value without state: what one subtask
// needs is made when it runs, by Open or OpenSplit.
//
// A source without Enumerate is uncoordinated: each subtask calls Open once and reads to the end. A source with
// Enumerate is made of splits: subtask 0 discovers them, the JobMaster hands each to one reader, and a subtask reads
// the splits that it was given, each through OpenSplit.
type Source[T any] struct {
	Name    string // shown in plans; "Source" if empty
	Bounded bool   // the input ends by itself
	// Parallelism is the only one at which the source can run, 0 if any will do.
	Parallelism int
	// Faults are what is wrong with the options that the connector was given. From reports each at its line.
	Faults []string

	// Open makes the reader of one subtask of an uncoordinated source. It runs on the task's goroutine.
	Open func(ctx *RuntimeContext) (Reader[T], error)

	// Enumerate discovers splits and hands them to found, in as many calls as it likes. It runs in subtask 0 on a
	// goroutine of its own, so it may block; of ctx it uses what says where it is, Log, and Context, which ends with the
	// attempt. A bounded source returns when all splits were found, an unbounded one when no more will come. Splits
	// found again after a restart must have the same ids.
	Enumerate func(ctx *RuntimeContext, found func(splits ...Split)) error
	// OpenSplit makes the reader of one split. It runs on the task's goroutine. A subtask of a bounded source reads
	// one split after the other; one of an unbounded source reads all that it was given in turns.
	OpenSplit func(ctx *RuntimeContext, split Split) (Reader[T], error)
}

// Split is a part of a source's input that one subtask reads: a range of a file, a partition of a topic.
type Split struct {
	ID   string // unique within the source, the same at every discovery
	Data []byte // for OpenSplit; the runtime does not look inside
}

// Reader reads records of one subtask or split. All methods run on the task's goroutine.
type Reader[T any] interface {
	// Next writes the next record over *v and returns its event time in milliseconds, or NoTimestamp, with Record.
	// *v is a slot that is used again for every record: what is in it before the call is of no meaning, and Next
	// sets all of it. Any other status says that there is none now; *v and ts are then ignored. Next must not block
	// for long: a reader that waits returns Idle, waits on a goroutine of its own and calls RuntimeContext.Run.
	// An error fails the attempt.
	Next(v *T) (ts int64, s Status, err error)
	// Close frees what Next uses. It is called once, also after a failure or a cancellation.
	Close() error
}

// Status says what Reader.Next found: Record, End, Idle or IdleUntil a time.
type Status int64

// The statuses besides IdleUntil.
const (
	Record Status = 0  // *v is a record, call again
	End    Status = -1 // there is no more
	Idle   Status = -2 // call again after a function given to RuntimeContext.Run has run
)

// IdleUntil is the status of a reader that has no record before t.
func IdleUntil(t time.Time) Status { return Status(max(t.UnixNano(), 1)) }

// From reads a source: the beginning of a program.
func From[T any](env *Env, src Source[T]) *Stream[T] {
	name := cleanName(src.Name, "Source")
	n := env.add(graph.Source, "From", name)
	n.Coordinated = src.Enumerate != nil
	switch {
	case src.Enumerate == nil && src.Open == nil:
		n.fault("source %q has neither Open nor Enumerate", name)
	case src.Enumerate != nil && src.OpenSplit == nil:
		n.fault("source %q has Enumerate but no OpenSplit", name)
	}
	for _, f := range src.Faults {
		n.fault("source %q: %s", name, f)
	}
	if src.Parallelism > 0 {
		n.Parallelism, n.only = src.Parallelism, src.Parallelism
	}
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		strategy, _ := n.eventTime.(*WatermarkStrategy[T])
		r := newSourceOperator(ctx, src, strategy, env.pace(), outs[0].(operator.Node[T]))
		return operator.Instance{Source: r, Lifecycle: r}, nil
	}
	return newStream[T](n)
}
