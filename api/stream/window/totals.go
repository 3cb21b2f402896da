package window

import (
	"slices"

	"github.com/flink-go/flink-go/graph/keyed"
)

// manySlices is from how many slices on windows are made of running totals: with fewer, merging them all is as quick.
const manySlices = 10

// totals are sums over stretches of slices, from which windows of many slices are made: that of the slices from the
// window's start up to some middle, and that of those behind it. While the windows move on to the middle the first
// ones lie ready, one for each start, and the second grows by a slice at a time; then there is a new middle. So a
// firing looks at a key some four times, however many slices its window has. Totals are made of state and are none
// themselves.
type totals[K comparable, A any] struct {
	before []openSlice[K, A] // by start: what lies between that and the middle
	behind *accStore[K, A]   // from the middle to until
	middle int64
	until  int64
	valid  bool // they are made of the slices as these are
	calm   bool // no slice in them has changed since the last window fired
	free   []*accStore[K, A]
}

// changed says that a record came for a slice that may be in the totals.
func (s *totals[K, A]) changed() { s.valid, s.calm = false, false }

// firstFrom drops the sums that begin before start and returns the one that is left first, nil if there is none.
func (s *totals[K, A]) firstFrom(start int64) *accStore[K, A] {
	over := 0
	for over < len(s.before) && s.before[over].start < start {
		s.release(s.before[over].store)
		over++
	}
	s.before = slices.Delete(s.before, 0, over)
	if len(s.before) == 0 {
		return nil
	}
	return s.before[0].store
}

func (s *totals[K, A]) release(store *accStore[K, A]) {
	store.Clear()
	s.free = append(s.free, store)
}

// scratch makes a store that is on the heap, whatever the backend.
func (n *sliceOperator[K, T, A, R]) scratch() *accStore[K, A] {
	t, err := keyed.New[K, A](n.setup.State.KeyGroups(), n.setup.State.MaxParallelism())
	if err != nil {
		n.setup.Fail(err)
	}
	return newAccStore[K, A](t)
}

// fireMany emits the window of the open slices [from, to).
func (n *sliceOperator[K, T, A, R]) fireMany(from, to int) {
	s := &n.totals
	w := n.out.Window
	if !s.valid || w.Start >= s.middle {
		n.newMiddle(from, to)
	}
	n.into = s.behind
	for i := from; i < to; i++ {
		if n.open[i].start >= s.until {
			n.open[i].store.all(n.mergeEach)
		}
	}
	s.until = w.End
	if n.first = s.firstFrom(w.Start); n.first != nil {
		n.first.all(n.emitJoined)
	}
	s.behind.all(n.emitBehind)
}

// newMiddle makes all open slices [from, to) those before the middle.
func (n *sliceOperator[K, T, A, R]) newMiddle(from, to int) {
	s := &n.totals
	for i := range s.before {
		s.release(s.before[i].store)
	}
	s.before = slices.Delete(s.before, 0, len(s.before))
	if s.behind == nil {
		s.behind = n.scratch()
	}
	s.behind.Clear()
	for i := to - 1; i >= from; i-- {
		if last := len(s.free) - 1; last >= 0 {
			n.into, s.free = s.free[last], s.free[:last]
		} else {
			n.into = n.scratch()
		}
		n.open[i].store.all(n.mergeEach) // by time: a merge may depend on the order
		if last := len(s.before) - 1; last >= 0 {
			s.before[last].store.all(n.mergeEach)
		}
		s.before = append(s.before, openSlice[K, A]{n.open[i].slice, n.into})
	}
	slices.Reverse(s.before)
	s.middle = n.open[to-1].end
	s.until = s.middle
	s.valid = true
}

// joined emits a key that is before the middle, with what is behind it.
func (n *sliceOperator[K, T, A, R]) joined(k *K, acc *A) bool {
	n.k = *k
	if more := n.totals.behind.Get(&n.k, n.setup.Hash(&n.k)); more != nil {
		n.fold.copy(&n.acc, acc)
		n.fold.merge(&n.acc, more)
		acc = &n.acc
	}
	n.emit(&n.k, acc)
	return true
}

// onlyBehind emits a key that is not before the middle.
func (n *sliceOperator[K, T, A, R]) onlyBehind(k *K, acc *A) bool {
	n.k = *k
	if n.first == nil || n.first.Get(&n.k, n.setup.Hash(&n.k)) == nil {
		n.emit(&n.k, acc)
	}
	return true
}
