//go:build go1.27

package stream

import (
	"cmp"
	"iter"

	"github.com/flink-go/flink-go/api/stream/state"
)

// The verbs as methods, for compilers with type parameters on methods:
//
//	stream.From(env, in).FlatMap(strings.FieldsSeq).KeyBy(strings.ToLower).Count().UID("count").To(stdio.Print)
//
// Each is the function of the same name.

// Map is the function Map.
func (s *Stream[T]) Map[U any](f func(T) U) *Stream[U] { return Map(s, f) }

// MapRef is the function MapRef.
func (s *Stream[T]) MapRef[U any](f func(*T) U) *Stream[U] { return MapRef(s, f) }

// Filter is the function Filter.
func (s *Stream[T]) Filter(keep func(T) bool) *Stream[T] { return Filter(s, keep) }

// FilterRef is the function FilterRef.
func (s *Stream[T]) FilterRef(keep func(*T) bool) *Stream[T] { return FilterRef(s, keep) }

// Update is the function Update.
func (s *Stream[T]) Update(change func(*T)) *Stream[T] { return Update(s, change) }

// Pick is the function Pick.
func (s *Stream[T]) Pick[U any](of func(*T) *U) *Stream[U] { return Pick(s, of) }

// FlatMap is the function FlatMap.
func (s *Stream[T]) FlatMap[U any](f func(T) iter.Seq[U]) *Stream[U] { return FlatMap(s, f) }

// FlatMapRef is the function FlatMapRef.
func (s *Stream[T]) FlatMapRef[U any](f func(v *T, emit func(U)) error) *Stream[U] { return FlatMapRef(s, f) }

// EventTime is the function EventTime.
func (s *Stream[T]) EventTime(strategy WatermarkStrategy[T]) *Stream[T] { return EventTime(s, strategy) }

// Async is the function Async.
func (s *Stream[T]) Async[U any](c AsyncCall[T, U]) *Stream[U] { return Async(s, c) }

// KeyBy is the function KeyBy.
func (s *Stream[T]) KeyBy[K comparable](key func(T) K) *Keyed[K, T] { return KeyBy(s, key) }

// KeyByRef is the function KeyByRef.
func (s *Stream[T]) KeyByRef[K comparable](key func(*T) K) *Keyed[K, T] { return KeyByRef(s, key) }

// Process is the function Process.
func (s *Stream[T]) Process[U any](p Processor[NoKey, T, U]) *Stream[U] { return Process[NoKey, T, U](s, p) }

// ProcessFunc is the function ProcessFunc.
func (s *Stream[T]) ProcessFunc[U any](f func(ctx *Context[NoKey, U], v T) error) *Stream[U] {
	return ProcessFunc[NoKey, T, U](s, f)
}

// SideOutput is the function SideOutput.
func (s *Stream[T]) SideOutput[U any](tag OutputTag[U]) *Stream[U] { return SideOutput(s, tag) }

// Union is the function Union.
func (s *Stream[T]) Union(more ...*Stream[T]) *Stream[T] { return Union(s, more...) }

// Connect is the function Connect.
func (s *Stream[T]) Connect[B any](second *Stream[B]) *Connected[NoKey, T, B] { return Connect[NoKey, T, B](s, second) }

// Rebalance is the function Rebalance.
func (s *Stream[T]) Rebalance() *Stream[T] { return Rebalance(s) }

// Rescale is the function Rescale.
func (s *Stream[T]) Rescale() *Stream[T] { return Rescale(s) }

// Shuffle is the function Shuffle.
func (s *Stream[T]) Shuffle() *Stream[T] { return Shuffle(s) }

// Broadcast is the function Broadcast.
func (s *Stream[T]) Broadcast() *Stream[T] { return Broadcast(s) }

// Global is the function Global.
func (s *Stream[T]) Global() *Stream[T] { return Global(s) }

// Forward is the function Forward.
func (s *Stream[T]) Forward() *Stream[T] { return Forward(s) }

// PartitionCustom is the function PartitionCustom.
func (s *Stream[T]) PartitionCustom(to func(v T, subtasks int) int) *Stream[T] { return PartitionCustom(s, to) }

// To is the function To.
func (s *Stream[T]) To(sink Sink[T]) *StreamSink { return To(s, sink) }

// ForEach is the function ForEach.
func (s *Stream[T]) ForEach(f func(v T) error) *StreamSink { return ForEach(s, f) }

// Discard is the function Discard.
func (s *Stream[T]) Discard() *StreamSink { return Discard(s) }

// Count is the function Count.
func (k *Keyed[K, T]) Count(when ...When) *Stream[Pair[K, int64]] { return Count(k, when...) }

// Sum is the function Sum.
func (k *Keyed[K, T]) Sum[N Number](number func(T) N, when ...When) *Stream[Pair[K, N]] { return Sum(k, number, when...) }

// Reduce is the function Reduce.
func (k *Keyed[K, T]) Reduce(f func(sum, v T) T, when ...When) *Stream[T] { return Reduce(k, f, when...) }

// Distinct is the function Distinct.
func (k *Keyed[K, T]) Distinct(options ...state.Option) *Stream[T] { return Distinct(k, options...) }

// Earliest is the function Earliest.
func (k *Keyed[K, T]) Earliest(options ...state.Option) *Stream[T] { return Earliest(k, options...) }

// Latest is the function Latest.
func (k *Keyed[K, T]) Latest(when ...When) *Stream[T] { return Latest(k, when...) }

// LatestBy is the function LatestBy.
func (k *Keyed[K, T]) LatestBy[O cmp.Ordered](by func(T) O, when ...When) *Stream[T] { return LatestBy(k, by, when...) }

// IntervalJoin is the function IntervalJoin.
func (k *Keyed[K, T]) IntervalJoin[B, U any](second *Keyed[K, B], within JoinInterval, f func(T, B) U) *Stream[U] {
	return IntervalJoin(k, second, within, f)
}

// Join is the function Join.
func (k *Keyed[K, T]) Join[B, U any](second *Keyed[K, B], f func(T, B) U, options ...state.Option) *Stream[U] {
	return Join(k, second, f, options...)
}

// Lookup is the function Lookup.
func (k *Keyed[K, T]) Lookup[B, U any](table *Keyed[K, B], f func(v T, row *B) U) *Stream[U] { return Lookup(k, table, f) }

// LookupAt is the function LookupAt.
func (k *Keyed[K, T]) LookupAt[B, U any](table *Keyed[K, B], f func(v T, row *B) U) *Stream[U] { return LookupAt(k, table, f) }

// Process is the function Process.
func (k *Keyed[K, T]) Process[U any](p Processor[K, T, U]) *Stream[U] { return Process[K, T, U](k, p) }

// ProcessFunc is the function ProcessFunc.
func (k *Keyed[K, T]) ProcessFunc[U any](f func(ctx *Context[K, U], v T) error) *Stream[U] {
	return ProcessFunc[K, T, U](k, f)
}

// Connect is the function Connect.
func (k *Keyed[K, T]) Connect[B any](second *Keyed[K, B]) *Connected[K, T, B] { return Connect[K, T, B](k, second) }

// CoProcess is the function CoProcess.
func (c *Connected[K, A, B]) CoProcess[U any](p CoProcessor[K, A, B, U]) *Stream[U] { return CoProcess(c, p) }

// CoMap is the function CoMap.
func (c *Connected[K, A, B]) CoMap[U any](first func(A) U, second func(B) U) *Stream[U] { return CoMap(c, first, second) }

// CoFlatMap is the function CoFlatMap.
func (c *Connected[K, A, B]) CoFlatMap[U any](first func(v A, emit func(U)) error, second func(v B, emit func(U)) error) *Stream[U] {
	return CoFlatMap(c, first, second)
}
