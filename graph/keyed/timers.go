package keyed

import "slices"

// Timers are the timers of one kind, such as those in event time, of the keys of a Scope. A key has at most one
// timer per time.
type Timers struct {
	scope *Scope
	name  string
	due   map[int64][]uint32 // rows
	times []int64            // sorted
	live  int
	disk  timerState // nil: heap
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
	if err := sc.backend.register(State{Name: name, Kind: KindTimers}); err != nil {
		return nil, err
	}
	t := &Timers{scope: sc, name: name, due: make(map[int64][]uint32)}
	if sc.disk != nil {
		var err error
		if t.disk, err = newDiskTimers(sc, name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Set sets a timer of the current key; if there is one at that time, nothing changes.
func (t *Timers) Set(at int64) {
	if t.disk != nil {
		t.disk.Set(at)
		return
	}
	r := t.scope.take(t.name)
	rows, ok := t.due[at]
	if slices.Contains(rows, r.row) {
		return
	}
	if !ok {
		i, _ := slices.BinarySearch(t.times, at)
		t.times = slices.Insert(t.times, i, at)
	}
	t.due[at] = append(rows, r.row)
	r.timers++
	t.live++
}

// Cancel removes the current key's timer at that time, if there is one.
func (t *Timers) Cancel(at int64) {
	if t.disk != nil {
		t.disk.Cancel(at)
		return
	}
	r := t.scope.find(t.name)
	if r == nil {
		return
	}
	rows := t.due[at]
	i := slices.Index(rows, r.row)
	if i < 0 {
		return
	}
	t.due[at] = slices.Delete(rows, i, i+1)
	if len(t.due[at]) == 0 {
		delete(t.due, at)
		i, _ := slices.BinarySearch(t.times, at)
		t.times = slices.Delete(t.times, i, i+1)
	}
	r.timers--
	t.live--
	t.scope.settle(r)
}

// Fire calls fire for every timer up to and at upTo, in the order of time, with the timer's key as the current one.
// The timer is gone then. fire may set and cancel timers; those that it sets at or before upTo fire as well. There
// is no current key afterwards.
func (t *Timers) Fire(upTo int64, fire func(at int64)) {
	if t.disk != nil {
		t.disk.Fire(upTo, fire)
		return
	}
	for len(t.times) > 0 && t.times[0] <= upTo {
		at := t.times[0]
		row := t.due[at][0]
		if rest := t.due[at][1:]; len(rest) > 0 {
			t.due[at] = rest
		} else {
			delete(t.due, at)
			t.times = slices.Delete(t.times, 0, 1)
		}
		t.live--
		t.scope.index.enter(row)
		r := t.scope.cur
		fire(at)
		r.timers--
		t.scope.settle(r)
	}
	t.scope.NoKey()
}

// Next returns the time of the earliest timer; ok is false if there is none.
func (t *Timers) Next() (at int64, ok bool) {
	if t.disk != nil {
		return t.disk.Next()
	}
	if len(t.times) == 0 {
		return 0, false
	}
	return t.times[0], true
}

// Len returns the number of timers.
func (t *Timers) Len() int {
	if t.disk != nil {
		return t.disk.Len()
	}
	return t.live
}
