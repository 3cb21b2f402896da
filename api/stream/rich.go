package stream

import (
	"context"
	"fmt"
	"sync"
)

// RichParallelSinkFunction is a sink as an object with fields (S-019 to S-025). Each subtask works on a shallow copy
// of the object that the program gave.
type RichParallelSinkFunction[T any] interface {
	// Open runs before the first record.
	Open(ctx *RuntimeContext) error
	// Invoke takes one record.
	Invoke(v T) error
	// Close frees what Open made; it is called once, also after a failure or a cancellation.
	Close() error
}

// RichSink is the Sink of an object: stream.To(s, stream.RichSink[Order](&mySink{})).
func RichSink[T any](f RichParallelSinkFunction[T]) Sink[T] {
	return func(ctx *RuntimeContext) (Writer[T], error) {
		w := richWriter[T]{clone(f)}
		if err := w.f.Open(ctx); err != nil {
			return nil, err
		}
		return w, nil
	}
}

type richWriter[T any] struct{ f RichParallelSinkFunction[T] }

func (w richWriter[T]) Write(v *T) error { return w.f.Invoke(*v) }

func (w richWriter[T]) Flush() error {
	if f, ok := w.f.(interface{ Flush() error }); ok {
		return f.Flush()
	}
	return nil
}

func (w richWriter[T]) Finish() error {
	if f, ok := w.f.(Finisher); ok {
		return f.Finish()
	}
	return nil
}

func (w richWriter[T]) Close() error { return w.f.Close() }

// RichParallelSourceFunction is a source as an object that pushes records from a goroutine of its own. Each subtask
// works on a shallow copy of the object that the program gave.
type RichParallelSourceFunction[T any] interface {
	// Open runs on the task's goroutine before Run.
	Open(ctx *RuntimeContext) error
	// Run collects records until the input ends, ctx.Context ends or Cancel was called. It runs on a goroutine of its
	// own and may block. Its error fails the attempt.
	Run(ctx *SourceContext[T]) error
	// Cancel asks Run to return. Any goroutine.
	Cancel()
	// Close frees what Open made, after Run has returned.
	Close() error
}

// RichSource is the Source of an object.
func RichSource[T any](name string, f RichParallelSourceFunction[T]) Source[T] {
	return Source[T]{Name: name, Open: func(ctx *RuntimeContext) (Reader[T], error) {
		r := &pushReader[T]{f: clone(f), ctx: ctx}
		r.room.L = &r.mu
		if err := r.f.Open(ctx); err != nil {
			return nil, err
		}
		run, stop := context.WithCancel(ctx.Context())
		r.stop = stop
		// The first ends when Run returns, the second with the context, which Close ends; Close waits for both.
		r.running.Go(func() { r.run(run) })
		r.running.Go(func() { <-run.Done(); r.cancel() })
		return r, nil
	}}
}

// SourceContext is what a RichParallelSourceFunction collects into.
type SourceContext[T any] struct {
	r   *pushReader[T]
	ctx context.Context
}

// Context ends when Run must return.
func (c *SourceContext[T]) Context() context.Context { return c.ctx }

// Collect emits a record without event time. It waits while the job cannot take more; when the attempt is over it
// drops the record.
func (c *SourceContext[T]) Collect(v T) { c.r.push(v, NoTimestamp) }

// CollectWithTimestamp emits a record of this event time in milliseconds.
func (c *SourceContext[T]) CollectWithTimestamp(v T, ts int64) { c.r.push(v, ts) }

// pushReader is the border between the goroutine of Run, which fills one batch, and the task, which empties the
// other.
type pushReader[T any] struct {
	f       RichParallelSourceFunction[T]
	ctx     *RuntimeContext
	running sync.WaitGroup
	stop    context.CancelFunc

	batch timedBatch[T] // the task's
	next  int

	mu    sync.Mutex
	room  sync.Cond
	full  timedBatch[T] // Run's
	idle  bool          // the task waits to be woken
	over  bool          // the attempt ends
	ended bool          // Run has returned
	err   error
}

type timedBatch[T any] struct {
	v  []T
	ts []int64
}

// pushBatch bounds what Run may be ahead of the task.
const pushBatch = 512

func (r *pushReader[T]) run(ctx context.Context) {
	err := catch(func() error { return r.f.Run(&SourceContext[T]{r, ctx}) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	if err != nil && !r.over {
		r.err = fmt.Errorf("run source: %w", err)
	}
	r.wake()
}

// wake makes the task ask again if it waits. The lock is held.
func (r *pushReader[T]) wake() {
	if r.idle {
		r.idle = false
		r.ctx.Run(func() {})
	}
}

func (r *pushReader[T]) push(v T, ts int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.full.v) >= pushBatch && !r.over {
		r.room.Wait()
	}
	if r.over {
		return
	}
	r.full.v = append(r.full.v, v)
	r.full.ts = append(r.full.ts, ts)
	r.wake()
}

func (r *pushReader[T]) Next(v *T) (int64, Status, error) {
	if r.next == len(r.batch.v) {
		if s, err := r.refill(); s != Record {
			return 0, s, err
		}
	}
	*v = r.batch.v[r.next]
	ts := r.batch.ts[r.next]
	r.next++
	return ts, Record, nil
}

// refill takes the batch that Run has filled.
func (r *pushReader[T]) refill() (Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.full.v) == 0 {
		if r.ended {
			return End, r.err
		}
		r.idle = true
		return Idle, nil
	}
	clear(r.batch.v) // let go of what it points to
	empty := timedBatch[T]{r.batch.v[:0], r.batch.ts[:0]}
	r.batch, r.full, r.next = r.full, empty, 0
	r.room.Signal()
	return Record, nil
}

// cancel ends the wait of Run for room and asks it to return, unless it has.
func (r *pushReader[T]) cancel() {
	r.mu.Lock()
	r.over = true
	ended := r.ended
	r.mu.Unlock()
	r.room.Broadcast()
	if !ended {
		r.f.Cancel()
	}
}

func (r *pushReader[T]) Close() error {
	r.stop()
	r.running.Wait()
	return r.f.Close()
}
