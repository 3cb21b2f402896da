package stream

import (
	"fmt"
	"math/bits"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// Keyed is a stream in which all records of one key go to the same subtask.
type Keyed[K comparable, T any] struct {
	stream *Stream[T]
	key    func(*T) K // nil if K is NoKey: no exchange
}

// KeyBy gives each record a key. K must mean the same in every process: no pointers, interfaces or channels.
func KeyBy[T any, K comparable](s *Stream[T], key func(T) K) *Keyed[K, T] {
	if key == nil {
		s.env.fault("KeyBy: the function is nil")
	}
	return newKeyed(s, func(v *T) K { return key(*v) })
}

// KeyByRef is KeyBy without a copy of the record: for large records.
func KeyByRef[T any, K comparable](s *Stream[T], key func(*T) K) *Keyed[K, T] {
	if key == nil {
		s.env.fault("KeyBy: the function is nil")
	}
	return newKeyed(s, key)
}

func newKeyed[T any, K comparable](s *Stream[T], key func(*T) K) *Keyed[K, T] {
	hash, err := codec.HashFor[K]()
	if err != nil {
		s.env.fault("KeyBy: %v", err)
	}
	partition := operator.Partition[T](func(parallelism, maxParallelism int) func(*T) int {
		var k K // one per producer: a local one of the selector would be an allocation per record
		if maxParallelism&(maxParallelism-1) == 0 {
			// A division would be half of the selector's time; the number of key groups is nearly always a power of 2.
			shift := bits.TrailingZeros(uint(maxParallelism))
			return func(v *T) int {
				k = key(v)
				return core.KeyGroup(hash(&k), maxParallelism) * parallelism >> shift
			}
		}
		return func(v *T) int {
			k = key(v)
			return core.SubtaskOfKeyGroup(core.KeyGroup(hash(&k), maxParallelism), maxParallelism, parallelism)
		}
	})
	return &Keyed[K, T]{stream: s.ship(graph.Hash, partition), key: key}
}

func (k *Keyed[K, T]) keyed() *Keyed[K, T] { return k }

// Stream returns the records partitioned by key, for verbs that do not ask for the key.
func (k *Keyed[K, T]) Stream() *Stream[T] { return k.stream }

// linkKeyed makes k an input of n.
func linkKeyed[K comparable, T any](n *node, input int, k *Keyed[K, T]) { link(n, input, k.stream) }

// Pair is a key with a value: what aggregates emit.
type Pair[K, V any] struct {
	Key   K
	Value V
}

func (p Pair[K, V]) String() string { return fmt.Sprintf("%v %v", p.Key, p.Value) }

// Number is what Sum adds up.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// When says when a keyed aggregate emits.
type When uint8

const (
	// EachUpdate emits the new value of a key after each of its records: Flink's streaming behavior, and the default
	// in mode Streaming.
	EachUpdate When = iota
	// AtEnd emits one value per key when a bounded input has ended: the default in mode Batch.
	AtEnd
)

// Count counts the records of each key.
func Count[K comparable, T any](k *Keyed[K, T], when ...When) *Stream[Pair[K, int64]] {
	return aggregate(k, "Count", when, func(n *int64, _ *T, _ bool) { *n++ }, pairOf[K, int64])
}

// Sum adds up a number of each record per key.
func Sum[K comparable, T any, N Number](k *Keyed[K, T], number func(T) N, when ...When) *Stream[Pair[K, N]] {
	if number == nil {
		k.stream.env.fault("Sum: the function is nil")
	}
	return aggregate(k, "Sum", when, func(sum *N, v *T, _ bool) { *sum += number(*v) }, pairOf[K, N])
}

// Reduce combines the records of each key into one: the first as it is, each further one by f(so far, record).
func Reduce[K comparable, T any](k *Keyed[K, T], f func(sum, v T) T, when ...When) *Stream[T] {
	if f == nil {
		k.stream.env.fault("Reduce: the function is nil")
	}
	// What state keeps must not hold the network frame that it came in.
	detach, _ := codec.DetachFor[T]() // an error is that of TypeOf, reported for the output
	return aggregate(k, "Reduce", when, func(sum, v *T, first bool) {
		if first {
			*sum = *v
		} else {
			*sum = f(*sum, *v)
		}
		if detach != nil {
			detach(sum)
		}
	}, func(out *T, _ *K, sum *T) { *out = *sum })
}

// Aggregate keeps an accumulator per key, which takes in each of its records, and emits results. Unlike Reduce it stores
// only what the accumulator holds. The aggregator's Merge is not used.
func Aggregate[K comparable, T, A, R any](k *Keyed[K, T], agg Aggregator[T, A, R], when ...When) *Stream[Pair[K, R]] {
	return AggregateRef(k, agg.Ref(), when...)
}

// AggregateRef is Aggregate for hot paths.
func AggregateRef[K comparable, T, A, R any](k *Keyed[K, T], agg AggregatorRef[T, A, R], when ...When) *Stream[Pair[K, R]] {
	if agg.Add == nil || agg.Result == nil {
		k.stream.env.fault("Aggregate: the aggregator has no Add or no Result")
	}
	detach, err := codec.DetachFor[A]()
	if err != nil {
		k.stream.env.fault("Aggregate: accumulator: %v", err)
	}
	return aggregate(k, "Aggregate", when, func(acc *A, v *T, _ bool) {
		agg.Add(acc, v)
		if detach != nil {
			detach(acc)
		}
	}, func(out *Pair[K, R], k *K, acc *A) { out.Key, out.Value = *k, agg.Result(acc) })
}

func pairOf[K comparable, V any](out *Pair[K, V], k *K, v *V) { out.Key, out.Value = *k, *v }

// aggregate keeps one A per key: add takes a record in, result makes what is emitted of it.
func aggregate[K comparable, T, A, U any](k *Keyed[K, T], verb string, when []When, add func(*A, *T, bool), result func(*U, *K, *A)) *Stream[U] {
	n := k.stream.env.add(graph.Transform, verb, verb)
	n.Stateful = true
	linkKeyed(n, 0, k)
	env := k.stream.env
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		c := newRuntimeContext(ctx)
		atEnd := env.config.RuntimeMode == string(Batch)
		if len(when) > 0 {
			atEnd = when[len(when)-1] == AtEnd
		}
		o := &aggregateOperator[K, T, A, U]{pass: pass[U]{outs[0].(operator.Node[U])}, user: c.user(), ctx: c, key: k.key,
			add: add, result: result, atEnd: atEnd}
		ctx.Key = func() any {
			if !o.inKey {
				return nil
			}
			return o.k
		}
		return operator.Instance{Inputs: []any{operator.Node[T](o)}, Lifecycle: o}, nil
	}
	return newStream[U](n)
}

type aggregateOperator[K comparable, T, A, U any] struct {
	pass[U]
	user
	ctx    *RuntimeContext
	key    func(*T) K
	hash   func(*K) uint64
	table  keyed.Store[K, A]
	add    func(sum *A, v *T, first bool)
	result func(out *U, k *K, sum *A)
	atEnd  bool
	k      K
	inKey  bool // user code works on k
	tmp    U
}

func (n *aggregateOperator[K, T, A, U]) Open() (err error) {
	if n.hash, err = codec.HashFor[K](); err != nil {
		return n.ctx.failed("open", err)
	}
	if n.table, err = keyed.NewStore[K, A](n.ctx.op.KeyedState(), "value"); err != nil {
		return n.ctx.failed("open", err)
	}
	return nil
}

func (n *aggregateOperator[K, T, A, U]) Close() error {
	n.table = nil // tens of megabytes, perhaps, while the rest of the job goes on
	return nil
}

func (n *aggregateOperator[K, T, A, U]) Record(v *T, ts int64) {
	n.enter()
	n.inKey = false // the key selector may fail
	n.k = n.key(v)
	n.inKey = true
	sum, first := n.table.Ref(&n.k, n.hash(&n.k))
	n.add(sum, v, first)
	if !n.atEnd {
		n.result(&n.tmp, &n.k, sum)
		n.out.Record(&n.tmp, ts)
	}
}

func (n *aggregateOperator[K, T, A, U]) End() {
	if n.atEnd {
		for k, sum := range n.table.All() {
			n.result(&n.tmp, k, sum)
			n.out.Record(&n.tmp, NoTimestamp)
		}
	}
	n.out.End()
}
