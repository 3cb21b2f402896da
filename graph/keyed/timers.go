package keyed

import (
	"fmt"
	"slices"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

// Timers are the timers of one kind, such as those in event time, of the keys of a Scope. A key has at most one
// timer per time.
//
// On the heap each row knows its times exactly: that decides what fires. Buckets, one per time, list the rows to look
// at; a heap of times says which bucket is next. Cancelling removes a row from a small bucket at once; in a large one
// it leaves the row behind, and when half of a bucket is such rows they are removed together.
type Timers struct {
	column[rowTimers]
	sets    []timerSet // of rows with more times than fit into the column
	spare   []uint32   // numbers of sets that are not in use
	buckets *Table[int64, bucket]
	nodes   arena[timerNode]
	times   []int64 // a heap; may hold times without a bucket, and a time twice
	live    int
	firing  int64 // row whose callback runs, -1 if none: it is kept even if it has no timer left
	rows    []uint32
	disk    timerState // nil: heap
}

// rowTimers is the times of a row: in at if there are no more than fit, else in a timerSet.
type rowTimers struct {
	n   uint32
	set uint32 // number plus one
	at  [2]int64
}

// timerSet is a set of times: a list as long as it is short.
type timerSet struct {
	list []int64
	many *Table[int64, struct{}] // nil as long as list is in use
}

const shortSet = 32

// bucket is the rows of a time: a list of nodes that are full up to the last.
type bucket struct {
	first, last uint32 // numbers plus one
	n           uint32 // rows in the nodes
	dead        uint32 // how many of them have no timer at that time
}

const nodeLen = 7

type timerNode struct {
	next uint32 // number plus one
	rows [nodeLen]uint32
}

// timerState is Timers on disk. Its methods do what those of Timers say.
type timerState interface {
	Set(at int64)
	Cancel(at int64)
	Fire(upTo int64, fire func(at int64))
	Next() (at int64, ok bool)
	Len() int
}

// NewTimers registers timers.
func NewTimers(sc *Scope, name string) (*Timers, error) {
	c, err := newColumn[rowTimers](sc, State{Name: name, Kind: KindTimers})
	if err != nil {
		return nil, err
	}
	t := &Timers{column: c, firing: -1}
	if sc.disk != nil {
		t.disk = newDiskTimers(sc, name)
	} else {
		t.buckets, err = ungrouped[bucket]()
	}
	if err != nil {
		return nil, fmt.Errorf("timers %q: %w", name, err)
	}
	sc.columns = append(sc.columns, t)
	return t, nil
}

// ungrouped is a table by time, with one group.
func ungrouped[V any]() (*Table[int64, V], error) {
	return New[int64, V](core.KeyGroupRange{From: 0, To: 1}, 1)
}

// hashTime is the hash of a time in an ungrouped table.
func hashTime(at int64) uint64 { return codec.Uint64(uint64(at)) }

// Set sets a timer of the current key; if it has one at that time, nothing changes.
func (t *Timers) Set(at int64) {
	if t.disk != nil {
		t.disk.Set(at)
		return
	}
	row, own, _ := t.ref()
	if !t.add(own, at) {
		return
	}
	b, isNew := t.buckets.Ref(&at, hashTime(at))
	if isNew {
		t.push(at)
	}
	t.appendRow(b, row)
	t.live++
}

// Cancel removes the current key's timer at that time, if there is one.
func (t *Timers) Cancel(at int64) {
	if t.disk != nil {
		t.disk.Cancel(at)
		return
	}
	row, own := t.get()
	if own == nil || !t.delete(own, at) {
		return
	}
	t.live--
	// A bucket that is being fired is no longer there; its rows are checked anyway.
	if b := t.buckets.Get(&at, hashTime(at)); b != nil {
		t.strike(b, row, at)
	}
	if own.n == 0 && int64(row) != t.firing {
		t.clear()
	}
}

// Fire calls fire for every timer up to and at upTo, in the order of time, with the timer's key as the current one.
// The timer is gone then. fire may set and cancel timers; those that it sets at or before upTo fire as well. There
// is no current key afterwards.
func (t *Timers) Fire(upTo int64, fire func(at int64)) {
	if t.disk != nil {
		t.disk.Fire(upTo, fire)
		return
	}
	for {
		at, ok := t.Next()
		if !ok || at > upTo {
			break
		}
		b := *t.buckets.Get(&at, hashTime(at))
		t.buckets.Delete(&at, hashTime(at))
		t.pop()
		for left := b.n; left > 0; {
			number := b.first - 1
			node := t.nodes.at(number)
			n := min(left, nodeLen)
			for _, row := range node.rows[:n] {
				t.fireRow(row, at, fire)
			}
			left -= n
			b.first = node.next
			t.nodes.put(number)
		}
	}
	t.scope.NoKey()
}

// fireRow fires the timer of a row unless it was cancelled.
func (t *Timers) fireRow(row uint32, at int64, fire func(at int64)) {
	if !t.hasRow(row) {
		return
	}
	own := t.at(row)
	if !t.delete(own, at) {
		return
	}
	t.live--
	sc := t.scope
	sc.index.enter(row)
	r := sc.cur
	t.firing = int64(row)
	fire(at)
	t.firing = -1
	if t.at(row).n == 0 {
		t.remove(r)
	}
}

// hasRow tells whether a row may have timers: the memory of its page may have been given back.
func (t *Timers) hasRow(row uint32) bool {
	return row%pageLen < uint32(len(t.pages[row/pageLen]))
}

// Next returns the time of the earliest timer; ok is false if there is none.
func (t *Timers) Next() (at int64, ok bool) {
	if t.disk != nil {
		return t.disk.Next()
	}
	for len(t.times) > 0 {
		if at = t.times[0]; t.buckets.Get(&at, hashTime(at)) != nil {
			return at, true
		}
		t.pop()
	}
	return 0, false
}

// Len returns the number of timers.
func (t *Timers) Len() int {
	if t.disk != nil {
		return t.disk.Len()
	}
	return t.live
}

// add adds a time to those of a row, unless it is there.
func (t *Timers) add(own *rowTimers, at int64) bool {
	switch {
	case own.set != 0:
		if !t.sets[own.set-1].add(at) {
			return false
		}
	case t.inline(own, at) >= 0:
		return false
	case own.n < uint32(len(own.at)):
		own.at[own.n] = at
	default:
		own.set = t.newSet()
		s := &t.sets[own.set-1]
		s.list = append(append(s.list, own.at[:]...), at)
	}
	own.n++
	return true
}

// delete removes a time from those of a row, if it is there.
func (t *Timers) delete(own *rowTimers, at int64) bool {
	if own.set == 0 {
		i := t.inline(own, at)
		if i < 0 {
			return false
		}
		own.n--
		own.at[i] = own.at[own.n]
		return true
	}
	s := &t.sets[own.set-1]
	if !s.delete(at) {
		return false
	}
	if own.n--; own.n == 0 {
		t.freeSet(own.set)
		own.set = 0
	}
	return true
}

// has tells whether a row has a timer at a time.
func (t *Timers) has(own *rowTimers, at int64) bool {
	if own.set == 0 {
		return t.inline(own, at) >= 0
	}
	return t.sets[own.set-1].has(at)
}

// inline returns the place of a time in the column, -1 if it is not there.
func (t *Timers) inline(own *rowTimers, at int64) int {
	return slices.Index(own.at[:own.n], at)
}

func (t *Timers) newSet() uint32 {
	if last := len(t.spare) - 1; last >= 0 {
		n := t.spare[last]
		t.spare = t.spare[:last]
		return n
	}
	t.sets = append(t.sets, timerSet{})
	return uint32(len(t.sets))
}

// freeSet takes an empty set back. Some keep their memory for the next ones.
func (t *Timers) freeSet(number uint32) {
	const keep = 1024
	s := &t.sets[number-1]
	if s.many = nil; len(t.spare) >= keep {
		s.list = nil
	}
	if t.spare = append(t.spare, number); len(t.spare) > keep && len(t.spare) == len(t.sets) {
		t.sets, t.spare = nil, nil
	}
}

func (s *timerSet) has(at int64) bool {
	if s.many != nil {
		return s.many.Get(&at, hashTime(at)) != nil
	}
	return slices.Contains(s.list, at)
}

func (s *timerSet) add(at int64) bool {
	switch {
	case s.many != nil:
		_, isNew := s.many.Ref(&at, hashTime(at))
		return isNew
	case slices.Contains(s.list, at):
		return false
	case len(s.list) < shortSet:
		s.list = append(s.list, at)
		return true
	}
	many, err := ungrouped[struct{}]()
	if err != nil {
		panic(err) // the type is known to be a key
	}
	s.many = many
	for _, at := range s.list {
		s.many.Ref(&at, hashTime(at))
	}
	s.many.Ref(&at, hashTime(at))
	s.list = nil
	return true
}

func (s *timerSet) delete(at int64) bool {
	if s.many != nil {
		return s.many.Delete(&at, hashTime(at))
	}
	i := slices.Index(s.list, at)
	if i < 0 {
		return false
	}
	last := len(s.list) - 1
	s.list[i] = s.list[last]
	s.list = s.list[:last]
	return true
}

// appendRow adds a row to a bucket.
func (t *Timers) appendRow(b *bucket, row uint32) {
	at := b.n % nodeLen
	if at == 0 {
		number, _ := t.nodes.take()
		if b.n == 0 {
			b.first = number + 1
		} else {
			t.nodes.at(b.last - 1).next = number + 1
		}
		b.last = number + 1
	}
	t.nodes.at(b.last - 1).rows[at] = row
	b.n++
}

// strike takes note that a row has no timer in a bucket any more.
func (t *Timers) strike(b *bucket, row uint32, at int64) {
	if b.n <= nodeLen { // then none is dead
		node := t.nodes.at(b.first - 1)
		rows := slices.DeleteFunc(node.rows[:b.n], func(r uint32) bool { return r == row })
		b.n = uint32(len(rows))
	} else if b.dead++; 2*b.dead > b.n {
		t.compact(b, at)
	}
	if b.n == 0 {
		if b.first != 0 {
			t.nodes.put(b.first - 1)
		}
		t.buckets.Delete(&at, hashTime(at))
		t.trim()
	}
}

// compact removes the dead rows of a bucket.
func (t *Timers) compact(b *bucket, at int64) {
	t.rows = t.rows[:0]
	for left := b.n; left > 0; {
		number := b.first - 1
		node := t.nodes.at(number)
		n := min(left, nodeLen)
		for _, row := range node.rows[:n] {
			if t.hasRow(row) && t.has(t.at(row), at) {
				t.rows = append(t.rows, row)
			}
		}
		left -= n
		b.first = node.next
		t.nodes.put(number)
	}
	// A timer that was cancelled and set again has two rows here.
	slices.Sort(t.rows)
	*b = bucket{}
	for _, row := range slices.Compact(t.rows) {
		t.appendRow(b, row)
	}
	if cap(t.rows) > 1<<16 {
		t.rows = nil
	}
}

// push adds a time to the heap.
func (t *Timers) push(at int64) {
	t.times = append(t.times, at)
	h := t.times
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up] <= at {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = at
}

// pop removes the earliest time from the heap.
func (t *Timers) pop() {
	last := len(t.times) - 1
	at := t.times[last]
	t.times = t.times[:last]
	if last > 0 {
		t.sink(0, at)
	}
}

// sink puts at into the heap at place i or below.
func (t *Timers) sink(i int, at int64) {
	h := t.times
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1] < h[child] {
			child++
		}
		if at <= h[child] {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = at
}

// trim makes the heap anew when most of its times have no bucket.
func (t *Timers) trim() {
	if len(t.times) < 64 || len(t.times) < 2*t.buckets.Len() {
		return
	}
	t.times = t.times[:0]
	for at := range t.buckets.All() {
		t.times = append(t.times, *at)
	}
	for i := len(t.times)/2 - 1; i >= 0; i-- {
		t.sink(i, t.times[i])
	}
}
