package streamtest

import (
	"errors"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

// UIDs of the ends of the program that Operator makes around a fragment.
const (
	inputUID  = "input"
	outputUID = "output"
)

// OperatorHarness runs a fragment of a program with one input and one output, most often a single operator. Its verbs
// are those of Harness; what the fragment itself ends with a UID, such as a side output, is there by Harness.
type OperatorHarness[T, U any] struct{ *Harness }

// Operator makes a program of a source, the fragment and a sink.
func Operator[T, U any](t testing.TB, fragment func(in *stream.Stream[T]) *stream.Stream[U], opts ...Option) *OperatorHarness[T, U] {
	t.Helper()
	return &OperatorHarness[T, U]{New(t, around(fragment), opts...)}
}

// around makes a program of a fragment.
func around[T, U any](fragment func(in *stream.Stream[T]) *stream.Stream[U]) func(env *stream.Env) {
	return func(env *stream.Env) {
		stream.Discard(fragment(stream.From(env, Source[T]()).UID(inputUID))).UID(outputUID)
	}
}

// Send is Harness.Send.
func (h *OperatorHarness[T, U]) Send(v ...T) {
	h.t.Helper()
	h.Harness.Send(inputUID, values(v)...)
}

// SendAt is Harness.SendAt.
func (h *OperatorHarness[T, U]) SendAt(at time.Time, v ...T) {
	h.t.Helper()
	h.Harness.SendAt(inputUID, at, values(v)...)
}

// Watermark is Harness.Watermark.
func (h *OperatorHarness[T, U]) Watermark(at time.Time) {
	h.t.Helper()
	h.Harness.Watermark(inputUID, at)
}

// Idle is Harness.Idle.
func (h *OperatorHarness[T, U]) Idle() {
	h.t.Helper()
	h.Harness.Idle(inputUID)
}

// End is Harness.End.
func (h *OperatorHarness[T, U]) End() {
	h.t.Helper()
	h.Harness.End(inputUID)
}

// Output is the function Output.
func (h *OperatorHarness[T, U]) Output() []U {
	h.t.Helper()
	return Output[U](h.Harness, outputUID)
}

// Want is Harness.Want.
func (h *OperatorHarness[T, U]) Want(want ...U) {
	h.t.Helper()
	h.Harness.Want(outputUID, values(want)...)
}

// WantUnordered is Harness.WantUnordered.
func (h *OperatorHarness[T, U]) WantUnordered(want ...U) {
	h.t.Helper()
	h.Harness.WantUnordered(outputUID, values(want)...)
}

// WantTimes is Harness.WantTimes.
func (h *OperatorHarness[T, U]) WantTimes(want ...time.Time) {
	h.t.Helper()
	h.Harness.WantTimes(outputUID, want...)
}

// Source is a source for programs that only a Harness runs, which puts itself in its place: give it a UID.
func Source[T any]() stream.Source[T] {
	return stream.Source[T]{Name: "Test", Open: func(*stream.RuntimeContext) (stream.Reader[T], error) {
		return nil, errors.New("streamtest.Source has nothing to read: give it a UID and run the program by streamtest.New")
	}}
}

func values[T any](typed []T) []any {
	out := make([]any, len(typed))
	for i, v := range typed {
		out[i] = v
	}
	return out
}
