package stream

import (
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// Sink opens one subtask's end of where records go. Connectors are such functions or return one; a generic function
// needs no type argument: stream.To(counts, stdio.Print). It runs on the task's goroutine when the task starts.
type Sink[T any] func(ctx *RuntimeContext) (Writer[T], error)

// Writer writes the records of one subtask. All methods run on the task's goroutine; an error fails the attempt.
type Writer[T any] interface {
	// Write takes one record. v is valid during the call only.
	Write(v *T) error
	// Flush makes what was written visible as far as the sink ever does that before Finish. It is called when the
	// task has nothing else to do and after the last record.
	Flush() error
	// Close frees what Write uses. It is called once, also after a failure or a cancellation, when what is not
	// flushed may be lost.
	Close() error
}

// Finisher is for a Writer that has something to complete after the last record of a bounded input, such as moving
// a file to its final name. Finish follows the last Flush; it is not called after a failure or a cancellation.
type Finisher interface {
	Finish() error
}

// To writes a stream to a sink: an end of the program.
func To[T any](s *Stream[T], sink Sink[T]) *StreamSink {
	n := s.env.add(graph.Sink, "To", sinkName(sink))
	link(n, 0, s)
	n.New = func(ctx *operator.Context, _ []any) (operator.Instance, error) {
		w := &sinkOperator[T]{ctx: newRuntimeContext(ctx), open: sink}
		return operator.Instance{Inputs: []any{operator.Node[T](w)}, Lifecycle: w}, nil
	}
	return &StreamSink{n}
}
