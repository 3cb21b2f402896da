package stream

import (
	"iter"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// transform adds an operator with one input and one output; make returns its input node and what a task opens.
func transform[T, U any](s *Stream[T], verb string, nilFunc bool, make func(*RuntimeContext, operator.Node[U]) operator.Node[T]) *Stream[U] {
	n := s.env.add(graph.Transform, verb, verb)
	if nilFunc {
		n.fault("%s: the function is nil", verb)
	}
	link(n, 0, s)
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		in := make(newRuntimeContext(ctx), outs[0].(operator.Node[U]))
		l, _ := in.(operator.Lifecycle)
		return operator.Instance{Inputs: []any{in}, Lifecycle: l}, nil
	}
	return newStream[U](n)
}

// Map turns each record into one other.
func Map[T, U any](s *Stream[T], f func(T) U) *Stream[U] {
	return transform(s, "Map", f == nil, func(ctx *RuntimeContext, out operator.Node[U]) operator.Node[T] {
		return &mapOperator[T, U]{pass: pass[U]{out}, user: ctx.user(), f: f}
	})
}

// MapRef is Map without a copy of the input: for large records.
func MapRef[T, U any](s *Stream[T], f func(*T) U) *Stream[U] {
	return transform(s, "Map", f == nil, func(ctx *RuntimeContext, out operator.Node[U]) operator.Node[T] {
		return &mapRefOperator[T, U]{pass: pass[U]{out}, user: ctx.user(), f: f}
	})
}

// Filter keeps the records for which keep is true.
func Filter[T any](s *Stream[T], keep func(T) bool) *Stream[T] {
	return transform(s, "Filter", keep == nil, func(ctx *RuntimeContext, out operator.Node[T]) operator.Node[T] {
		return &filterOperator[T]{pass: pass[T]{out}, user: ctx.user(), keep: keep}
	})
}

// FilterRef is Filter without a copy of the input: for large records.
func FilterRef[T any](s *Stream[T], keep func(*T) bool) *Stream[T] {
	return transform(s, "Filter", keep == nil, func(ctx *RuntimeContext, out operator.Node[T]) operator.Node[T] {
		return &filterRefOperator[T]{pass: pass[T]{out}, user: ctx.user(), keep: keep}
	})
}

// Update changes each record in place.
func Update[T any](s *Stream[T], change func(*T)) *Stream[T] {
	return transform(s, "Update", change == nil, func(ctx *RuntimeContext, out operator.Node[T]) operator.Node[T] {
		return &updateOperator[T]{pass: pass[T]{out}, user: ctx.user(), change: change}
	})
}

// Pick hands on the part of each record that of points to, without a copy; nil drops the record:
//
//	bids := stream.Pick(events, func(e *Event) *Bid { ... })
func Pick[T, U any](s *Stream[T], of func(*T) *U) *Stream[U] {
	return transform(s, "Pick", of == nil, func(ctx *RuntimeContext, out operator.Node[U]) operator.Node[T] {
		return &pickOperator[T, U]{pass: pass[U]{out}, user: ctx.user(), of: of}
	})
}

// FlatMap turns each record into any number of others: stream.FlatMap(lines, strings.FieldsSeq). An iterator costs
// about three allocations per input record; FlatMapRef costs none.
func FlatMap[T, U any](s *Stream[T], f func(T) iter.Seq[U]) *Stream[U] {
	return transform(s, "FlatMap", f == nil, func(ctx *RuntimeContext, out operator.Node[U]) operator.Node[T] {
		return &flatMapOperator[T, U]{pass: pass[U]{out}, user: ctx.user(), f: f}
	})
}

// FlatMapRef turns each record into those that f emits, without copies and allocations: for hot paths. An error
// fails the attempt.
func FlatMapRef[T, U any](s *Stream[T], f func(v *T, emit func(U)) error) *Stream[U] {
	return transform(s, "FlatMap", f == nil, func(ctx *RuntimeContext, out operator.Node[U]) operator.Node[T] {
		n := &flatMapRefOperator[T, U]{emitter: emitter[U]{pass: pass[U]{out}, user: ctx.user()}, ctx: ctx, f: f}
		n.emit = n.send
		return n
	})
}

// ForEach calls f with each record: an end of the program for functions. An error fails the attempt.
func ForEach[T any](s *Stream[T], f func(v T) error) *StreamSink {
	if f == nil {
		s.env.fault("ForEach: the function is nil")
	}
	return To(s, func(*RuntimeContext) (Writer[T], error) { return forEachWriter[T](f), nil }).rename("ForEach")
}

// Discard throws the records away: an end of the program for measurements.
func Discard[T any](s *Stream[T]) *StreamSink {
	return To(s, func(*RuntimeContext) (Writer[T], error) { return forEachWriter[T](nil), nil }).rename("Discard")
}

func (s *StreamSink) rename(name string) *StreamSink {
	s.node.Name = name
	return s
}

// forEachWriter writes to a function; nil discards.
type forEachWriter[T any] func(v T) error

func (w forEachWriter[T]) Write(v *T) error {
	if w == nil {
		return nil
	}
	return w(*v)
}

func (forEachWriter[T]) Flush() error { return nil }

func (forEachWriter[T]) Close() error { return nil }
