package window

import "github.com/flink-go/flink-go/api/stream"

type general struct{}

func (g general) used() bool { return false }

func (g general) faults() []string { return nil }

func aggregateGeneral[K comparable, T, A, R any](in *stream.Keyed[K, T], verb string, spec Spec, f fold[T, A, R]) *stream.Stream[Result[K, R]] {
	stream.Fault(in, "%s: %v: only tumbling, sliding and session windows with their default trigger are there yet", verb, spec)
	return stream.Transform(in, verb, func(*stream.Setup[K, Result[K, R]], func(*T) K) (stream.Operator[T], error) {
		return nil, nil //nolint:nilnil // never called: the program has a fault
	})
}
