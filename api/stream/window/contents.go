package window

import (
	"iter"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/keyed"
)

// What windows of the general operator hold: an accumulator, their records, or their records with an evictor.

// finish is what becomes of the contents V of a window that fires.
type finish[V any] interface {
	fire(w Window, v V) error
	// expire is called when a window is over.
	expire(w Window) error
}

// results emits what an aggregate has come to.
type results[K comparable, R any] struct {
	e   *engine[K, Result[K, R]]
	out Result[K, R]
}

func (r *results[K, R]) fire(w Window, v R) error {
	r.out.Key, r.out.Window, r.out.Value = r.e.key, w, v
	r.e.Out.Record(&r.out, r.e.resultTime(w))
	return nil
}

func (*results[K, R]) expire(Window) error { return nil }

// accumulators holds one accumulator per window.
type accumulators[T, A, R any] struct {
	finish[R]
	in     *held[T]
	fold   fold[T, A, R]
	value  *keyed.Value[A]
	lifted A
}

func (c *accumulators[T, A, R]) empty() bool { return c.value.Get() == nil }

func (c *accumulators[T, A, R]) add() {
	acc, isNew := c.value.Ref()
	c.fold.take(acc, c.in.v, isNew)
}

func (c *accumulators[T, A, R]) clear() { c.value.Clear() }

func (c *accumulators[T, A, R]) fire(w, _ Window) error {
	return c.finish.fire(w, c.fold.result(c.value.Get()))
}

func (c *accumulators[T, A, R]) lift() {
	c.lifted = *c.value.Get()
	c.value.Clear()
}

func (c *accumulators[T, A, R]) drop() {
	acc, isNew := c.value.Ref()
	if isNew {
		*acc = c.lifted
	} else {
		c.fold.merge(acc, &c.lifted)
	}
	var none A
	c.lifted = none
}

// records holds the records of each window.
type records[T any] struct {
	finish[iter.Seq[*T]]
	in     *held[T]
	rows   rowsOf
	list   *keyed.List[T]
	lifted []T
}

func (c *records[T]) empty() bool { return c.list.Len() == 0 }

func (c *records[T]) add() { c.list.Append(c.in.v) }

func (c *records[T]) clear() { c.list.Clear() }

func (c *records[T]) fire(w, held Window) error {
	return c.finish.fire(w, listOf(c.rows, held, c.list))
}

// listOf ranges over the list in the row of a window, wherever the function that ranges has been meanwhile.
func listOf[V any](rows rowsOf, held Window, l *keyed.List[V]) iter.Seq[*V] {
	return func(yield func(*V) bool) {
		rows.enter(held)
		l.Each(yield)
	}
}

func (c *records[T]) lift() { c.lifted = liftList(c.list, c.lifted) }

func (c *records[T]) drop() { dropList(c.list, c.lifted) }

// liftList moves the list of the current key to dst, whose contents are lost.
func liftList[V any](l *keyed.List[V], dst []V) []V {
	dst = dst[:0]
	for v := range l.All() {
		dst = append(dst, *v)
	}
	l.Clear()
	return dst
}

// dropList appends what was lifted to the list of the current key.
func dropList[V any](l *keyed.List[V], lifted []V) {
	for i := range lifted {
		l.Append(&lifted[i])
	}
	clear(lifted) // let go of what they point to
}

// stamped is a record with its time.
type stamped[T any] struct {
	At     int64
	Record T
}

// evicted holds the records of each window with their times, and evicts some when the window fires.
type evicted[T any] struct {
	finish[iter.Seq[*T]]
	in      *held[T]
	rows    rowsOf
	list    *keyed.List[stamped[T]]
	evictor Evictor
	view    Records
	passed  *int64

	tmp    stamped[T]
	left   []stamped[T] // of the contents of the window that fires
	place  []int        // in the list, of what is left
	gone   []bool       // from the list
	lifted []stamped[T]
}

func newEvicted[K comparable, T, U any](e *engine[K, U], sc *keyed.Scope, in *held[T], of func(*T) any, f finish[iter.Seq[*T]]) (*evicted[T], error) {
	list, err := keyed.NewList[stamped[T]](sc, "window-records")
	if err != nil {
		return nil, err
	}
	c := &evicted[T]{finish: f, in: in, rows: e, list: list, evictor: e.spec.evictorOrDefault(), passed: &e.passed}
	c.view = Records{clock: e.now, record: func(i int) any { return of(&c.left[i].Record) },
		timestamp: func(i int) int64 { return c.left[i].At }}
	return c, nil
}

func (c *evicted[T]) empty() bool { return c.list.Len() == 0 }

func (c *evicted[T]) add() {
	c.tmp.At, c.tmp.Record = c.in.ts, *c.in.v
	c.list.Append(&c.tmp)
}

func (c *evicted[T]) clear() { c.list.Clear() }

func (c *evicted[T]) fire(w, held Window) error {
	c.left, c.place, c.gone = c.left[:0], c.place[:0], c.gone[:0]
	for v := range c.list.All() {
		c.place = append(c.place, len(c.left))
		c.left = append(c.left, *v)
		c.gone = append(c.gone, false)
	}
	defer clear(c.left[:len(c.left)]) // let go of what they point to
	c.view.window, c.view.watermark = w, *c.passed
	c.evict(c.evictor.EvictBefore)
	err := c.finish.fire(w, func(yield func(*T) bool) {
		for i := range c.left {
			if !yield(&c.left[i].Record) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	c.evict(c.evictor.EvictAfter)
	if len(c.left) == len(c.gone) {
		return nil
	}
	c.rows.enter(held)
	i := -1
	c.list.Filter(func(*stamped[T]) bool {
		i++
		return c.gone[i]
	})
	return nil
}

// evict removes from what is left what f removes.
func (c *evicted[T]) evict(f func(*Records)) {
	c.view.len = len(c.left)
	c.view.removed = append(c.view.removed[:0], make([]bool, len(c.left))...)
	f(&c.view)
	n := 0
	for i, removed := range c.view.removed {
		if removed {
			c.gone[c.place[i]] = true
			continue
		}
		c.left[n], c.place[n] = c.left[i], c.place[i]
		n++
	}
	c.left, c.place = c.left[:n], c.place[:n]
}

func (c *evicted[T]) lift() { c.lifted = liftList(c.list, c.lifted) }

func (c *evicted[T]) drop() { dropList(c.list, c.lifted) }

// folded computes an aggregate over records that are there: for windows with an evictor.
type folded[T, A, R any] struct {
	finish[R]
	fold fold[T, A, R]
}

func (f *folded[T, A, R]) fire(w Window, records iter.Seq[*T]) error {
	var acc A
	isFirst := true
	for v := range records {
		f.fold.take(&acc, v, isFirst)
		isFirst = false
	}
	if isFirst {
		return nil // all evicted: a window without records has no result
	}
	return f.finish.fire(w, f.fold.result(&acc))
}

// foldInto makes the contents of an aggregate: of what its finish gets one R per firing.
func foldInto[K comparable, T, A, R, U any](e *engine[K, U], sc *keyed.Scope, in *held[T], f fold[T, A, R], to finish[R]) (contents, error) {
	if e.spec.evictorOrDefault() != nil {
		return newEvicted(e, sc, in, func(v *T) any { return v }, finish[iter.Seq[*T]](&folded[T, A, R]{to, f}))
	}
	value, err := keyed.NewValue[A](sc, "window-accumulator")
	return &accumulators[T, A, R]{finish: to, in: in, fold: f, value: value}, err
}

// aggregateGeneral runs an aggregate on the general operator.
func aggregateGeneral[K comparable, T, A, R any](in *stream.Keyed[K, T], verb string, spec Spec, f fold[T, A, R]) *stream.Stream[Result[K, R]] {
	if f.merge == nil && spec.merges() && spec.evictorOrDefault() == nil {
		stream.Fault(in, "%s: %v: the aggregator has no Merge, which windows that merge need", verb, spec)
	}
	return addGeneral(in, verb, spec, func(e *engine[K, Result[K, R]], sc *keyed.Scope, in *held[T]) (contents, error) {
		return foldInto(e, sc, in, f, finish[R](&results[K, R]{e: e}))
	})
}
