package window

import (
	"reflect"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

// Aggregate folds the records of each window into one result. in is a keyed stream, or a plain one for windows over
// all records.
func Aggregate[K comparable, T, A, R any](in stream.Input[K, T], spec Spec, agg stream.Aggregator[T, A, R]) *stream.Stream[Result[K, R]] {
	return aggregateRef(in, "WindowAggregate", spec, agg.Ref())
}

// AggregateRef is Aggregate for hot paths: accumulators are changed in place.
func AggregateRef[K comparable, T, A, R any](in stream.Input[K, T], spec Spec, agg stream.AggregatorRef[T, A, R]) *stream.Stream[Result[K, R]] {
	return aggregateRef(in, "WindowAggregate", spec, agg)
}

func aggregateRef[K comparable, T, A, R any](in stream.Input[K, T], verb string, spec Spec, agg stream.AggregatorRef[T, A, R]) *stream.Stream[Result[K, R]] {
	checkAggregator(in, verb, agg)
	return aggregate(in, verb, spec, fold[T, A, R]{add: agg.Add, merge: agg.Merge, result: agg.Result})
}

func checkAggregator[K comparable, T, A, R any](in stream.Input[K, T], verb string, agg stream.AggregatorRef[T, A, R]) {
	if agg.Add == nil {
		stream.Fault(in, "%s: the aggregator has no Add", verb)
	}
	if agg.Result == nil {
		stream.Fault(in, "%s: the aggregator has no Result", verb)
	}
}

// Reduce combines the records of each window into one: the first as it is, each further one by f(so far, record). f
// must be associative, because parts of a window may be reduced apart.
func Reduce[K comparable, T any](in stream.Input[K, T], spec Spec, f func(sum, v T) T) *stream.Stream[Result[K, T]] {
	if f == nil {
		stream.Fault(in, "WindowReduce: the function is nil")
	}
	return aggregate(in, "WindowReduce", spec, reduceFold(f))
}

func reduceFold[T any](f func(sum, v T) T) fold[T, T, T] {
	into := func(sum, v *T) { *sum = f(*sum, *v) }
	return fold[T, T, T]{first: func(sum, v *T) { *sum = *v }, add: into, merge: into, result: func(sum *T) T { return *sum }}
}

// Counts counts the records of each window.
func Counts[K comparable, T any](in stream.Input[K, T], spec Spec) *stream.Stream[Result[K, int64]] {
	return aggregate(in, "WindowCount", spec, fold[T, int64, int64]{
		add:    func(n *int64, _ *T) { *n++ },
		merge:  func(into, from *int64) { *into += *from },
		result: func(n *int64) int64 { return *n },
	})
}

// Sums adds up a number of the records of each window.
func Sums[K comparable, T any, N stream.Number](in stream.Input[K, T], spec Spec, number func(T) N) *stream.Stream[Result[K, N]] {
	if number == nil {
		stream.Fault(in, "WindowSum: the function is nil")
	}
	return aggregate(in, "WindowSum", spec, fold[T, N, N]{
		add:    func(sum *N, v *T) { *sum += number(*v) },
		merge:  func(into, from *N) { *into += *from },
		result: func(sum *N) N { return *sum },
	})
}

// Late returns the records that were late for all of their windows: late := window.Late[Reading](means). result is
// what a verb of this package returned, without a Combine in its Spec. When nobody asks for them they are counted.
func Late[T, U any](result *stream.Stream[U]) *stream.Stream[T] {
	return stream.LateOutput("Late", result, 0, lateTag[T]())
}

func lateTag[T any]() stream.OutputTag[T] { return stream.NewOutputTag[T]("late") }

// keyedBy returns in as a keyed stream: a plain one has one key, so that one subtask sees it all.
func keyedBy[K comparable, T any](in stream.Input[K, T]) *stream.Keyed[K, T] {
	if k, ok := in.(*stream.Keyed[K, T]); ok {
		return k
	}
	s, _ := stream.Unkeyed(in)
	return stream.KeyByRef(s, func(*T) (none K) { return none })
}

// aggregate chooses the operator.
func aggregate[K comparable, T, A, R any](in stream.Input[K, T], verb string, spec Spec, f fold[T, A, R]) *stream.Stream[Result[K, R]] {
	check(in, verb, spec)
	gap, _ := spec.gap.(func(*T) time.Duration)
	checkFold(in, verb, spec, &f)
	var out *stream.Stream[Result[K, R]]
	switch {
	case !spec.fast(f.merge != nil):
		out = aggregateGeneral(keyedBy(in), verb, spec, f)
	case spec.shape == session, spec.shape == sessionBy:
		out = aggregateSessions(keyedBy(in), verb, spec, gap, f)
	case spec.combine:
		out = aggregateCombined(in, verb, spec, f)
	default:
		out = aggregateSlices(keyedBy(in), verb, spec, f)
	}
	return single(in, out)
}

// fast tells whether the operators of slices and sessions can run an aggregate.
func (s Spec) fast(canMerge bool) bool {
	return !s.special() && (canMerge || s.shape == tumbling || s.shape == sliding && s.size <= s.slide)
}

// single makes one subtask of the operator of out if in is a plain stream, of which one subtask sees all.
func single[K comparable, T, U any](in stream.Input[K, T], out *stream.Stream[U]) *stream.Stream[U] {
	if _, plain := any(in).(*stream.Stream[T]); plain {
		out.Parallelism(1)
	}
	return out
}

// check reports what is wrong with a Spec.
func check[K comparable, T any](in stream.Input[K, T], verb string, spec Spec) {
	for _, text := range spec.faults() {
		stream.Fault(in, "%s: %v: %s", verb, spec, text)
	}
	checkGap[T](in, verb, spec)
}

// checkGap reports a SessionBy that is not of records of type T.
func checkGap[T any, K comparable, A any](in stream.Input[K, A], verb string, spec Spec) {
	if _, ok := spec.gap.(func(*T) time.Duration); spec.gap != nil && !ok {
		stream.Fault(in, "%s: the gap of SessionBy is of %s, the records are of %s", verb, spec.gapType, reflect.TypeFor[T]())
	}
}

// checkFold prepares the fold and reports what is wrong with it.
func checkFold[K comparable, T, A, R any](in stream.Input[K, T], verb string, spec Spec, f *fold[T, A, R]) {
	if f.merge == nil {
		switch {
		case spec.combine:
			stream.Fault(in, "%s: the aggregator has no Merge, which Combine needs", verb)
		case spec.shape == session || spec.shape == sessionBy:
			stream.Fault(in, "%s: the aggregator has no Merge, which sessions need: two may grow into one", verb)
		}
	}
	if err := f.prepare(); err != nil {
		stream.Fault(in, "%s: the accumulator cannot be kept as state: %v", verb, err)
	}
}
