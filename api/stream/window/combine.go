package window

import (
	"slices"
	"sort"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
)

// partial is what a combiner sends: the accumulator of a key in a slice. Its event time is the slice's last
// millisecond.
type partial[K comparable, A any] struct {
	Key     K
	Acc     A
	Records int64 // that Acc holds
}

// aggregateCombined adds the two operators of Combine.
func aggregateCombined[K comparable, T, A, R any](in stream.Input[K, T], verb string, spec Spec, f fold[T, A, R]) *stream.Stream[Result[K, R]] {
	records, key := stream.Unkeyed(in)
	if key == nil {
		key = func(*T) (none K) { return none }
	}
	partials := stream.Transform(records, verb+"Combine", func(s *stream.Setup[stream.NoKey, partial[K, A]], _ func(*T) stream.NoKey) (stream.Operator[T], error) {
		hash, err := codec.HashFor[K]()
		if err != nil {
			return nil, err
		}
		return &combineOperator[K, T, A, R]{setup: s, key: key, hash: hash, fold: f, layout: layoutOf(spec), spec: spec}, nil
	})
	stream.Alongside(partials, records)
	g := fold[partial[K, A], A, R]{
		first:  func(acc *A, p *partial[K, A]) { *acc = p.Acc }, // the record is not used again: nothing is shared
		add:    func(acc *A, p *partial[K, A]) { f.merge(acc, &p.Acc) },
		merge:  f.merge,
		result: f.result,
	}
	if err := g.prepare(); err != nil {
		stream.Fault(in, "%s: the accumulator cannot be kept as state: %v", verb, err)
	}
	sums := stream.KeyByRef(partials, func(p *partial[K, A]) K { return p.Key })
	out := stream.Transform(sums, verb, func(s *stream.Setup[K, Result[K, R]], key func(*partial[K, A]) K) (stream.Operator[partial[K, A]], error) {
		n := newSliceOperator(s, key, spec, g)
		n.weight = func(p *partial[K, A]) int64 { return p.Records }
		return n, nil
	})
	stream.InFront(out, partials)
	return out
}

// maxCombined is how many accumulators a combiner holds at most: more would not fit into the cache, and keys that are
// so many hardly repeat.
const maxCombined = 1 << 15

// combineOperator adds up the records of each slice before the exchange. It drops nothing: what is late is decided
// behind the exchange, by the event time of all. It holds records no longer than until event time passes their slice,
// which is before any window with them could fire, and it hands on no watermark before what came in before it.
type combineOperator[K comparable, T, A, R any] struct {
	setup  *stream.Setup[stream.NoKey, partial[K, A]]
	key    func(*T) K
	hash   func(*K) uint64
	fold   fold[T, A, R]
	layout layout
	spec   Spec

	current slice
	table   *keyed.Table[K, combined[A]] // of current
	open    []combinedSlice[K, A]        // by time
	free    []*keyed.Table[K, combined[A]]
	held    int

	// Scratch.
	k   K
	out partial[K, A]
}

type combined[A any] struct {
	records int64
	acc     A
}

type combinedSlice[K comparable, A any] struct {
	slice
	table *keyed.Table[K, combined[A]]
}

// Open implements operator.Lifecycle.
func (n *combineOperator[K, T, A, R]) Open() error { return nil }

// Close implements operator.Lifecycle.
func (n *combineOperator[K, T, A, R]) Close() error {
	n.open, n.free, n.table, n.current = nil, nil, nil, slice{}
	return nil
}

// Record implements operator.Node.
func (n *combineOperator[K, T, A, R]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	if ts < n.current.start || ts >= n.current.end {
		checkTimestamp(n.setup, n.spec, &n.layout, ts)
		n.enter(ts)
	}
	n.k = n.key(v)
	sum, isNew := n.table.Ref(&n.k, n.hash(&n.k))
	n.fold.take(&sum.acc, v, isNew)
	sum.records++
	if isNew {
		if n.held++; n.held > maxCombined {
			n.flush(len(n.open))
		}
	}
}

// enter makes the slice of ts the current one.
func (n *combineOperator[K, T, A, R]) enter(ts int64) {
	s := n.layout.at(ts)
	i := sort.Search(len(n.open), func(i int) bool { return n.open[i].start >= s.start })
	if i == len(n.open) || n.open[i].start != s.start {
		n.open = slices.Insert(n.open, i, combinedSlice[K, A]{s, n.take()})
	}
	n.current, n.table = s, n.open[i].table
}

func (n *combineOperator[K, T, A, R]) take() *keyed.Table[K, combined[A]] {
	if last := len(n.free) - 1; last >= 0 {
		t := n.free[last]
		n.free = n.free[:last]
		return t
	}
	// One key group: what a combiner holds is never moved between subtasks.
	t, err := keyed.New[K, combined[A]](core.KeyGroupRange{From: 0, To: 1}, 1)
	if err != nil {
		n.setup.Fail(err)
	}
	return t
}

// flush sends what the first slices hold and closes them.
func (n *combineOperator[K, T, A, R]) flush(until int) {
	if until == 0 {
		return
	}
	for i := range until {
		o := &n.open[i]
		for k, sum := range o.table.All() {
			n.out = partial[K, A]{*k, sum.acc, sum.records}
			n.setup.Out.Record(&n.out, o.end-1)
		}
		n.held -= o.table.Len()
		o.table.Clear()
		n.free = append(n.free, o.table)
	}
	n.open = slices.Delete(n.open, 0, until)
	n.current, n.table = slice{}, nil
}

// Watermark implements operator.Node.
func (n *combineOperator[K, T, A, R]) Watermark(ts int64) {
	until := 0
	for until < len(n.open) && n.open[until].end-1 <= ts {
		until++
	}
	n.flush(until)
	n.setup.Pass(ts)
}

// Idle implements operator.Node.
func (n *combineOperator[K, T, A, R]) Idle() {
	n.flush(len(n.open)) // event time goes on without this subtask
	n.setup.PassIdle()
}

// End implements operator.Node.
func (n *combineOperator[K, T, A, R]) End() {
	n.flush(len(n.open))
	n.setup.PassEnd()
}
