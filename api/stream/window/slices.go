package window

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// aggregateSlices adds the operator of aligned windows: tumbling and sliding ones.
func aggregateSlices[K comparable, T, A, R any](in *stream.Keyed[K, T], verb string, spec Spec, f fold[T, A, R]) *stream.Stream[Result[K, R]] {
	return stream.Transform(in, verb, func(s *stream.Setup[K, Result[K, R]], key func(*T) K) (stream.Operator[T], error) {
		return newSliceOperator(s, key, spec, f), nil
	})
}

func newSliceOperator[K comparable, T, A, R any](s *stream.Setup[K, Result[K, R]], key func(*T) K, spec Spec, f fold[T, A, R]) *sliceOperator[K, T, A, R] {
	n := &sliceOperator[K, T, A, R]{
		setup:    s,
		key:      key,
		fold:     f,
		layout:   layoutOf(spec),
		spec:     spec,
		lateness: spec.lateness.Milliseconds(),
		passed:   operator.NoTimestamp,
		armed:    operator.NoTimestamp,
	}
	return n
}

// sliceOperator keeps one accumulator per key and slice. A record touches that of its slice only; a window is merged
// of its slices when the watermark passes its end. Nothing is kept per key besides, no timers: what is due follows
// from the slices, of which there are few.
type sliceOperator[K comparable, T, A, R any] struct {
	setup    *stream.Setup[K, Result[K, R]]
	key      func(*T) K
	fold     fold[T, A, R]
	layout   layout
	spec     Spec
	lateness int64
	weight   func(*T) int64 // how many records a record of the input stands for; nil: one

	current slice // that of the last record, empty at first
	store   *accStore[K, A]
	open    []openSlice[K, A] // by time
	free    []*accStore[K, A]
	stores  int // made so far
	merged  *accStore[K, A]
	totals  totals[K, A]
	passed  int64
	dropped *operator.Counter
	late    bool // the program reads late records

	armed int64 // processing time that the task was asked to call at
	stop  func()

	// Made once: function values are allocations.
	emitEach, mergeEach, emitJoined, emitBehind func(k *K, acc *A) bool

	// Scratch.
	k     K
	acc   A
	out   Result[K, R]
	into  *accStore[K, A] // where mergeEach merges
	first *accStore[K, A]
}

// accStore holds the accumulators of one slice. Stores are used again for other slices.
type accStore[K comparable, A any] struct {
	keyed.Store[K, A]
	all iter.Seq2[*K, *A] // made once
}

func newAccStore[K comparable, A any](s keyed.Store[K, A]) *accStore[K, A] {
	return &accStore[K, A]{s, s.All()}
}

type openSlice[K comparable, A any] struct {
	slice
	store *accStore[K, A]
}

// Open implements operator.Lifecycle.
func (n *sliceOperator[K, T, A, R]) Open() error {
	n.dropped = n.setup.Counter("numLateRecordsDropped")
	n.late = lateTag[T]().Read(n.setup)
	if n.late && n.weight != nil {
		return errors.New("late records cannot be read behind Combine, which sends sums of them: leave Combine or Late out")
	}
	if n.layout.size > n.layout.slide {
		n.merged = n.scratch()
	}
	n.emitEach = func(k *K, acc *A) bool {
		n.emit(k, acc)
		return true
	}
	n.mergeEach = func(k *K, acc *A) bool {
		n.k = *k
		if into, isNew := n.into.Ref(&n.k, n.setup.Hash(&n.k)); isNew {
			n.fold.copy(into, acc)
		} else {
			n.fold.merge(into, acc)
		}
		return true
	}
	n.emitJoined, n.emitBehind = n.joined, n.onlyBehind
	return nil
}

// Close implements operator.Lifecycle.
func (n *sliceOperator[K, T, A, R]) Close() error {
	if n.stop != nil {
		n.stop()
	}
	n.open, n.free, n.store, n.merged, n.current, n.totals = nil, nil, nil, nil, slice{}, totals[K, A]{}
	return nil
}

// Record implements operator.Node.
func (n *sliceOperator[K, T, A, R]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	if n.spec.processing {
		ts = n.now()
	}
	if ts < n.current.start || ts >= n.current.end {
		if !n.enter(v, ts) {
			return
		}
	}
	n.k = n.key(v)
	n.setup.About(&n.k)
	acc, isNew := n.store.Ref(&n.k, n.setup.Hash(&n.k))
	n.fold.take(acc, v, isNew)
	if n.current.firstEnd-1 <= n.passed {
		n.totals.changed()
		n.refire()
	}
}

// enter makes the slice of ts the current one. It returns false if the record is not needed.
func (n *sliceOperator[K, T, A, R]) enter(v *T, ts int64) bool {
	checkTimestamp(n.setup, n.spec, &n.layout, ts)
	s := n.layout.at(ts)
	if !s.held() {
		// In the gap between two windows: not asked for, and late only if its own time has passed.
		if addTime(ts, n.lateness) <= n.passed {
			n.drop(v)
		}
		return false
	}
	if n.gone(&s) {
		n.drop(v)
		return false
	}
	i := sort.Search(len(n.open), func(i int) bool { return n.open[i].start >= s.start })
	if i == len(n.open) || n.open[i].start != s.start {
		n.open = slices.Insert(n.open, i, openSlice[K, A]{s, n.take()})
		n.arm()
	}
	n.current, n.store = s, n.open[i].store
	return true
}

// checkTimestamp fails the attempt if a record is in no window because its event time is none or absurd.
func checkTimestamp(to interface{ Fail(err error) }, spec Spec, l *layout, ts int64) {
	if ts == operator.NoTimestamp {
		to.Fail(fmt.Errorf(noTimestamp, spec))
	}
	if err := l.check(ts); err != nil {
		to.Fail(err)
	}
}

// gone tells whether all windows of a slice are over, lateness included.
func (n *sliceOperator[K, T, A, R]) gone(s *slice) bool {
	return addTime(s.lastEnd-1, n.lateness) <= n.passed
}

func (n *sliceOperator[K, T, A, R]) drop(v *T) {
	switch {
	case n.late:
		lateTag[T]().Emit(n.setup, *v)
	case n.weight != nil:
		n.dropped.Add(n.weight(v))
	default:
		n.dropped.Add(1)
	}
}

// take returns an empty store.
func (n *sliceOperator[K, T, A, R]) take() *accStore[K, A] {
	if last := len(n.free) - 1; last >= 0 {
		s := n.free[last]
		n.free[last] = nil
		n.free = n.free[:last]
		return s
	}
	s, err := keyed.NewStore[K, A](n.setup.State, "slice-"+strconv.Itoa(n.stores))
	if err != nil {
		n.setup.Fail(fmt.Errorf("%v windows: %w", n.spec, err))
	}
	n.stores++
	return newAccStore(s)
}

// Watermark implements operator.Node.
func (n *sliceOperator[K, T, A, R]) Watermark(ts int64) {
	if !n.spec.processing || ts == operator.MaxWatermark {
		n.advance(ts)
	}
	n.setup.Pass(ts)
}

// Idle implements operator.Node.
func (n *sliceOperator[K, T, A, R]) Idle() { n.setup.PassIdle() }

// End implements operator.Node.
func (n *sliceOperator[K, T, A, R]) End() { n.setup.PassEnd() }

// advance fires the windows whose last millisecond is at or before t and forgets the slices that no window needs.
func (n *sliceOperator[K, T, A, R]) advance(t int64) {
	if t <= n.passed {
		return
	}
	for {
		end, ok := n.next()
		if !ok || end-1 > t {
			break
		}
		n.passed = end - 1 // so far: a failure in between does not matter
		n.fire(end)
	}
	n.passed = t
	over := 0
	for over < len(n.open) && n.gone(&n.open[over].slice) {
		n.release(n.open[over].store)
		over++
	}
	if over > 0 {
		n.open = slices.Delete(n.open, 0, over)
		n.current, n.store = slice{}, nil
	}
	if len(n.open) == 0 {
		n.totals = totals[K, A]{}
	}
}

// next returns the end of the first window that has not fired.
func (n *sliceOperator[K, T, A, R]) next() (int64, bool) {
	for i := range n.open {
		if end, ok := n.layout.next(&n.open[i].slice, n.passed); ok {
			return end, true // slices that begin later have no earlier one
		}
	}
	return 0, false
}

// release empties a store for the next slice.
func (n *sliceOperator[K, T, A, R]) release(s *accStore[K, A]) {
	s.Clear()
	if len(n.free) > 1 {
		s.Clear() // not needed again soon: the second time its memory goes too
	}
	n.free = append(n.free, s)
}

// fire emits the results of the window that ends at end.
func (n *sliceOperator[K, T, A, R]) fire(end int64) {
	from, to := n.span(end)
	n.out.Window = Window{end - n.layout.size, end}
	switch {
	case from == to:
		return
	case to-from == 1:
		n.open[from].store.all(n.emitEach)
		return
	}
	calm := n.totals.calm
	n.totals.calm = true
	if calm && to-from >= manySlices {
		n.fireMany(from, to)
		return
	}
	n.totals.valid = false
	n.into = n.merged
	for i := from; i < to; i++ {
		n.open[i].store.all(n.mergeEach)
	}
	n.merged.all(n.emitEach)
	n.merged.Clear()
}

// span returns which open slices the window that ends at end holds.
func (n *sliceOperator[K, T, A, R]) span(end int64) (from, to int) {
	from = sort.Search(len(n.open), func(i int) bool { return n.open[i].start >= end-n.layout.size })
	to = from
	for to < len(n.open) && n.open[to].end <= end {
		to++
	}
	return from, to
}

func (n *sliceOperator[K, T, A, R]) emit(k *K, acc *A) {
	at := n.out.Window.MaxTimestamp()
	n.setup.Begin(at)
	n.setup.About(k)
	n.out.Key, n.out.Value = *k, n.fold.result(acc)
	n.setup.Out.Record(&n.out, at)
}

// refire emits anew, for the key of the record, the windows of its slice that have fired and are not yet over.
func (n *sliceOperator[K, T, A, R]) refire() {
	hash := n.setup.Hash(&n.k)
	for end := n.current.firstEnd; end <= n.current.lastEnd && end-1 <= n.passed; end += n.layout.slide {
		if addTime(end-1, n.lateness) <= n.passed {
			continue
		}
		from, to := n.span(end)
		empty := true
		for i := from; i < to; i++ {
			switch acc := n.open[i].store.Get(&n.k, hash); {
			case acc == nil:
			case empty:
				n.fold.copy(&n.acc, acc)
				empty = false
			default:
				n.fold.merge(&n.acc, acc)
			}
		}
		n.out.Window = Window{end - n.layout.size, end}
		n.emit(&n.k, &n.acc)
	}
}

// now is the processing time in milliseconds.
func (n *sliceOperator[K, T, A, R]) now() int64 { return n.setup.Now().UnixMilli() }

// arm asks the task to call when the next window in processing time is over.
func (n *sliceOperator[K, T, A, R]) arm() {
	if !n.spec.processing {
		return
	}
	end, ok := n.next()
	if !ok || n.stop != nil && n.armed <= end {
		return
	}
	if n.stop != nil {
		n.stop()
	}
	n.armed = end
	n.stop = n.setup.At(time.UnixMilli(end), func() {
		n.stop = nil
		n.advance(n.now() - 1)
		n.arm()
	})
}
