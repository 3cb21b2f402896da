package task

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// handle is the task as its operators see it; see operator.Task.
type handle struct{ t *Task }

// Context implements operator.Task.
func (h handle) Context() context.Context { return h.t.ctx }

// Run implements operator.Task.
func (h handle) Run(fn func()) { h.t.gate.Run(fn) }

// Now implements operator.Task. The wall clock is read once, at the task's start; from there on the monotonic clock
// counts, so that a step of the wall clock cannot turn time back.
func (h handle) Now() time.Time { return h.t.start.Round(0).Add(h.t.elapsed()) }

// Fail implements operator.Task.
func (h handle) Fail(err error) {
	if err == nil {
		err = errors.New("an operator failed without saying why")
	}
	h.t.unwind(err)
}

// SendEvent implements operator.Task.
func (h handle) SendEvent(op core.OperatorID, payload []byte) {
	h.t.cfg.Events.OperatorEvent(h.t.cfg.Attempt, op, payload)
}

// OnIdle implements operator.Task.
func (h handle) OnIdle(fn func()) { h.t.idlers = append(h.t.idlers, fn) }

// Yield implements operator.Task.
func (h handle) Yield() { h.t.yield() }

// Metrics implements operator.Task.
func (h handle) Metrics(op core.OperatorID) operator.MetricGroup { return metricGroup{h.t, op} }

// Accumulate implements operator.Task.
func (h handle) Accumulate(name string, a operator.Accumulator) (operator.Accumulator, error) {
	t := h.t
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, have := range t.accs {
		if have.name != name {
			continue
		}
		if have.acc.Kind() != a.Kind() {
			return nil, fmt.Errorf("accumulator %q is a %s, not a %s", name, have.acc.Kind(), a.Kind())
		}
		return have.acc, nil
	}
	t.accs = append(t.accs, accumulator{name, a})
	return a, nil
}

// timer is a function that is due at an instant since the task's start.
type timer struct {
	at    time.Duration
	seq   uint64 // timers of one instant fire in the order in which they were set
	fn    func()
	index int // in the queue, -1: not in it
}

// At implements operator.Task.
func (h handle) At(at time.Time, fn func()) (stop func()) {
	t := h.t
	t.timerSeq++
	// at may have come through a wall clock only; Now has the same base.
	tm := &timer{at: at.Round(0).Sub(t.start.Round(0)), seq: t.timerSeq, fn: fn}
	heap.Push(&t.timers, tm)
	return func() {
		if tm.index >= 0 {
			heap.Remove(&t.timers, tm.index)
		}
	}
}

// fire calls the timers that are due. One that is set meanwhile for now or earlier is left for the next time.
func (t *Task) fire(now time.Duration) {
	last := t.timerSeq
	for len(t.timers) > 0 && t.timers[0].at <= now && t.timers[0].seq <= last {
		heap.Pop(&t.timers).(*timer).fn()
	}
}

// timerQueue is a heap by instant.
type timerQueue []*timer

func (q timerQueue) Len() int { return len(q) }
func (q timerQueue) Less(i, j int) bool {
	if q[i].at != q[j].at {
		return q[i].at < q[j].at
	}
	return q[i].seq < q[j].seq
}

func (q timerQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *timerQueue) Push(x any) {
	tm := x.(*timer)
	tm.index = len(*q)
	*q = append(*q, tm)
}

// Pop implements heap.Interface.
func (q *timerQueue) Pop() any {
	last := len(*q) - 1
	tm := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	tm.index = -1
	return tm
}
