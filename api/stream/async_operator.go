package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// asyncSlot is a record under way: the task's, but for in, ctx, out and err while a worker has it.
type asyncSlot[T, U any] struct {
	in       T
	ts       int64
	seq      uint64 // number of the record
	number   int64  // of the record, as the guard counts
	ctx      context.Context
	cancel   context.CancelFunc // nil: ctx is that of the operator
	deadline time.Time          // by the task's clock
	emit     func(U)            // appends to out

	out  []U
	err  error
	lost bool // the function has ended the worker

	calling bool // a worker has it
	waiting bool // its results have not left
	late    []U  // the results instead of out, of a record whose time was up
	expired bool // late holds, not out
	segment uint64
	next    *asyncSlot[T, U]
}

// asyncOperator runs calls on workers, goroutines of its own, at most one for each of its slots. Everything else is on
// the task's goroutine: a worker hands the slot back by a mailbox action.
type asyncOperator[T, U any] struct {
	pass[U]
	user
	ctx  *RuntimeContext
	call AsyncCall[T, U]

	guard *guard[T] // takes failed records; nil: they fail the attempt
	queue asyncQueue[T, U]
	slots []asyncSlot[T, U]
	free  []*asyncSlot[T, U]
	seq   uint64

	life    context.Context // of the calls: ends with the attempt, at the latest with Close
	stop    context.CancelFunc
	jobs    chan *asyncSlot[T, U] // one place for each slot, so that sending never waits
	workers int
	calling int // slots that are with a worker: never more than workers
	running sync.WaitGroup

	alarm   func() // stops the timer of the next deadline; nil: none is set
	collect func() // made once
	expire  func()

	mu       sync.Mutex
	finished []*asyncSlot[T, U]
	spare    []*asyncSlot[T, U]
}

func newAsyncOperator[T, U any](ctx *RuntimeContext, out operator.Node[U], c AsyncCall[T, U]) *asyncOperator[T, U] {
	n := &asyncOperator[T, U]{pass: pass[U]{out}, user: ctx.user(), ctx: ctx, call: c,
		slots: make([]asyncSlot[T, U], c.capacity), jobs: make(chan *asyncSlot[T, U], c.capacity)}
	n.queue = newAsyncQueue(c.capacity, !c.unordered, out, n.emit)
	for i := range n.slots {
		s := &n.slots[i]
		s.emit = func(u U) { s.out = append(s.out, u) }
		n.free = append(n.free, s)
	}
	n.collect, n.expire = n.collectFinished, n.expireSlots
	return n
}

func (n *asyncOperator[T, U]) Open() error {
	n.life, n.stop = context.WithCancel(n.ctx.Context())
	return nil
}

// Close ends the calls and waits for them.
func (n *asyncOperator[T, U]) Close() error {
	n.stop()
	close(n.jobs)
	n.running.Wait()
	if n.alarm != nil {
		n.alarm()
	}
	return nil
}

func (n *asyncOperator[T, U]) Record(v *T, ts int64) {
	for len(n.free) == 0 {
		n.ctx.op.Task.Yield()
	}
	last := len(n.free) - 1
	s := n.free[last]
	n.free = n.free[:last]
	n.seq++
	s.in, s.ts, s.seq, s.ctx = *v, ts, n.seq, n.life
	s.calling, s.waiting, s.expired = true, true, false
	if limit := n.call.timeout; limit > 0 {
		s.deadline = n.ctx.Now().Add(limit)
		s.ctx, s.cancel = context.WithTimeout(n.life, limit)
		if n.alarm == nil {
			n.alarm = n.ctx.op.Task.At(s.deadline, n.expire)
		}
	}
	if n.guard != nil {
		s.number = n.guard.number
	}
	n.queue.add(s)
	n.calling++
	if n.calling > n.workers {
		n.workers++
		n.running.Go(n.work) // ends when jobs is closed
	}
	n.jobs <- s
}

func (n *asyncOperator[T, U]) Watermark(ts int64) { n.queue.watermark(ts) }

func (n *asyncOperator[T, U]) Idle() { n.queue.idle() }

func (n *asyncOperator[T, U]) End() {
	for !n.queue.empty() {
		n.ctx.op.Task.Yield()
	}
	n.queue.out.End()
}

// guardedBy implements guardedOperator.
func (n *asyncOperator[T, U]) guardedBy(g *guard[T]) {
	n.guard = g
	if g.letters != nil {
		n.queue.out = twoOutputs{n.out, g.letters}
	}
}

// twoOutputs get the same of what is not a record.
type twoOutputs [2]control

func (o twoOutputs) Watermark(ts int64) {
	o[0].Watermark(ts)
	o[1].Watermark(ts)
}

func (o twoOutputs) Idle() {
	o[0].Idle()
	o[1].Idle()
}

func (o twoOutputs) End() {
	o[0].End()
	o[1].End()
}

// emit sends the results of a record.
func (n *asyncOperator[T, U]) emit(s *asyncSlot[T, U]) {
	results := s.late
	if !s.expired { // else out may still be the worker's
		results = s.out
	}
	for i := range results {
		n.out.Record(&results[i], s.ts)
	}
	s.waiting = false
	n.release(s)
}

// release makes a slot free if nobody needs it any more. It lets go of what the records point to.
func (n *asyncOperator[T, U]) release(s *asyncSlot[T, U]) {
	if s.calling || s.waiting {
		return
	}
	var none T
	s.in, s.ctx, s.err = none, nil, nil
	clear(s.out)
	clear(s.late)
	s.out, s.late = s.out[:0], s.late[:0]
	n.free = append(n.free, s)
}

// collectFinished is the mailbox action of the workers.
func (n *asyncOperator[T, U]) collectFinished() {
	n.mu.Lock()
	finished := n.finished
	n.finished = n.spare[:0]
	n.mu.Unlock()
	for _, s := range finished {
		n.returned(s)
	}
	clear(finished)
	n.spare = finished
}

// returned takes a slot back from its worker.
func (n *asyncOperator[T, U]) returned(s *asyncSlot[T, U]) {
	n.calling--
	s.calling = false
	if s.lost {
		s.lost = false
		n.workers--
	}
	late := errors.Is(s.ctx.Err(), context.DeadlineExceeded)
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
	switch {
	case s.expired: // its results were those of TimeoutWith
		n.release(s)
	case s.err == nil:
		n.queue.settle(s)
	case late:
		n.timeOut(s)
	case rejects(n.ctx, &s.in, int64(s.seq), s.ts, s.err):
		clear(s.out)
		s.out = s.out[:0]
		n.queue.settle(s)
	default:
		n.failed(s, s.err)
	}
}

// failed leaves the record out if the operator's policy says so, else it ends the attempt with the error of the call.
func (n *asyncOperator[T, U]) failed(s *asyncSlot[T, U], err error) {
	if n.guard != nil {
		n.guard.letter.Record = s.in
		n.guard.reject(s.number, s.ts, err)
		s.expired = true // and there is nothing in late
		n.queue.settle(s)
		return
	}
	if f, ok := errors.AsType[*operator.Failure](err); ok { // a panic
		n.ctx.op.Task.Fail(core.E("", core.UserCode, "", f))
	}
	n.ctx.fail(err)
}

// expireSlots gives the records whose time is up their results, and sets the timer for the next.
func (n *asyncOperator[T, U]) expireSlots() {
	n.alarm = nil
	now := n.ctx.Now()
	var due []*asyncSlot[T, U]
	var next time.Time
	for i := range n.slots {
		s := &n.slots[i]
		switch {
		case !s.calling || s.expired:
		case !s.deadline.After(now):
			due = append(due, s)
		case next.IsZero() || s.deadline.Before(next):
			next = s.deadline
		}
	}
	if !next.IsZero() {
		n.alarm = n.ctx.op.Task.At(next, n.expire)
	}
	slices.SortFunc(due, func(a, b *asyncSlot[T, U]) int { return cmp.Compare(a.seq, b.seq) })
	for _, s := range due {
		n.timeOut(s)
	}
}

// timeOut settles a record whose time is up.
func (n *asyncOperator[T, U]) timeOut(s *asyncSlot[T, U]) {
	s.expired = true
	s.late = s.late[:0]
	u, err := n.instead(s)
	switch {
	case err == nil:
		s.late = append(s.late, u)
	case !rejects(n.ctx, &s.in, int64(s.seq), s.ts, err):
		n.ctx.fail(err)
	}
	n.queue.settle(s)
}

// instead is the result of a record whose time is up.
func (n *asyncOperator[T, U]) instead(s *asyncSlot[T, U]) (u U, err error) {
	if n.call.instead == nil {
		return u, fmt.Errorf("the call did not return within %v: %w (Timeout sets the limit, TimeoutWith a result for such records)",
			n.call.timeout, context.DeadlineExceeded)
	}
	n.enter()
	return n.call.instead(s.in)
}

// The workers' half.

// work makes one call after the other.
func (n *asyncOperator[T, U]) work() {
	var s *asyncSlot[T, U]
	defer func() {
		if s != nil { // runtime.Goexit
			s.err, s.lost = errCallEnded, true
			n.finish(s)
		}
	}()
	for s = range n.jobs {
		s.err = n.try(s)
		n.finish(s)
		s = nil
	}
}

// finish hands a slot to the task.
func (n *asyncOperator[T, U]) finish(s *asyncSlot[T, U]) {
	n.mu.Lock()
	n.finished = append(n.finished, s)
	first := len(n.finished) == 1
	n.mu.Unlock()
	if first {
		n.ctx.Run(n.collect)
	}
}

// try calls until there is a result, or no retry is left.
func (n *asyncOperator[T, U]) try(s *asyncSlot[T, U]) error {
	for calls := 1; ; calls++ {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		err := n.once(s)
		if err == nil {
			return nil
		}
		if _, panicked := errors.AsType[*operator.Failure](err); panicked {
			return err
		}
		delay, again := n.call.retry.after(calls, err)
		if !again {
			return retried(err, calls)
		}
		if !sleep(s.ctx, delay) {
			return retried(err, calls)
		}
	}
}

func retried(err error, calls int) error {
	if calls == 1 {
		return err
	}
	return fmt.Errorf("after %d calls: %w", calls, err)
}

// sleep waits for d; false: ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once calls the function.
func (n *asyncOperator[T, U]) once(s *asyncSlot[T, U]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = n.panicked(p)
		}
	}()
	clear(s.out)
	s.out = s.out[:0]
	if n.call.many != nil {
		return n.call.many(s.ctx, s.in, s.emit)
	}
	u, err := n.call.one(s.ctx, s.in)
	if err == nil {
		s.out = append(s.out, u)
	}
	return err
}

// panicked makes the failure of a panic on a worker, called by the deferred function that recovered it.
func (n *asyncOperator[T, U]) panicked(p any) error {
	err, ok := p.(error)
	if !ok {
		err = fmt.Errorf("%v", p)
	}
	return &operator.Failure{Operator: n.ctx.OperatorName(), Err: fmt.Errorf("panic: %w", err), Stack: callStack()}
}

// callStack is the stack of the panic that is being handled, from user code down to where this package called it.
func callStack() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	var b strings.Builder
	began := false // the panic; what came before is its handling
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			began = true
			b.Reset()
		case !began || b.Len() == 0 && strings.HasPrefix(f.Function, "runtime."):
		case strings.HasPrefix(f.Function, self):
			return strings.TrimSuffix(b.String(), "\n")
		default:
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return strings.TrimSuffix(b.String(), "\n")
		}
	}
}
