// Package datagen makes records by a function of their number: for benchmarks, tests and demonstrations.
//
//	bids := stream.From(env, datagen.Generate(makeBid, datagen.Count(1_000_000), datagen.Rate(50_000)))
//
// Record n is made by subtask n modulo the parallelism, so that all subtasks together make each number once, at any
// parallelism, and need no splits.
package datagen

import (
	"fmt"
	"math"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

// Option changes how records are made.
type Option func(*config)

type config struct {
	count uint64 // math.MaxUint64: no end
	rate  float64
}

// Count ends the source after n records of all subtasks. Without it the source is unbounded.
func Count(n uint64) Option { return func(c *config) { c.count = n } }

// Rate makes perSecond records a second over all subtasks, evenly. Record n is due n/perSecond seconds after the
// start of its subtask and has that moment as its event time. One that comes late, because what follows was slow, is
// sent at once and keeps the time at which it was due. Without Rate records come as fast as they are taken and have
// no event time.
func Rate(perSecond float64) Option { return func(c *config) { c.rate = perSecond } }

// Generate makes record n by f(n). f is called by all subtasks of a process at once.
func Generate[T any](f func(n uint64) T, opts ...Option) stream.Source[T] {
	return newSource(opts, func(_ *stream.RuntimeContext, s sequence) stream.Reader[T] {
		return &valueReader[T]{s, f}
	}, func(n uint64, _ time.Time, v *T) { *v = f(n) })
}

// GenerateRef is Generate for a function that writes the record in place. *v holds anything before: f sets all of it.
func GenerateRef[T any](f func(n uint64, v *T), opts ...Option) stream.Source[T] {
	return newSource(opts, func(_ *stream.RuntimeContext, s sequence) stream.Reader[T] {
		return &refReader[T]{s, f}
	}, func(n uint64, _ time.Time, v *T) { f(n, v) })
}

// GenerateDue is GenerateRef for a function that wants to know when the record was due, with Rate, or when it is
// made without it.
func GenerateDue[T any](f func(n uint64, due time.Time, v *T), opts ...Option) stream.Source[T] {
	return newSource(opts, func(ctx *stream.RuntimeContext, s sequence) stream.Reader[T] {
		return &refReader[T]{s, func(n uint64, v *T) { f(n, ctx.Now(), v) }}
	}, f)
}

// newSource makes a source whose subtasks read from free, or make records by paced if there is a rate.
func newSource[T any](opts []Option, free func(*stream.RuntimeContext, sequence) stream.Reader[T],
	paced func(uint64, time.Time, *T)) stream.Source[T] {
	c := config{count: math.MaxUint64}
	for _, o := range opts {
		o(&c)
	}
	var faults []string
	if c.rate < 0 || math.IsNaN(c.rate) || math.IsInf(c.rate, 0) {
		faults = append(faults, fmt.Sprintf("rate %v: want more than 0 records a second", c.rate))
	}
	return stream.Source[T]{
		Name:    "Generator",
		Bounded: c.count != math.MaxUint64,
		Faults:  faults,
		Open: func(ctx *stream.RuntimeContext) (stream.Reader[T], error) {
			s := sequence{n: uint64(ctx.SubtaskIndex()), step: uint64(ctx.Parallelism()), count: c.count}
			if c.rate == 0 {
				return free(ctx, s), nil
			}
			return &pacedReader[T]{sequence: s, make: paced, ctx: ctx, period: 1e9 / c.rate}, nil
		},
	}
}

// sequence is the numbers of one subtask.
type sequence struct{ n, step, count uint64 }

// Close has nothing to free.
func (s *sequence) Close() error { return nil }

// valueReader and refReader make records as fast as they are taken. They differ in the call of the function alone,
// which is most of their cost.
type valueReader[T any] struct {
	sequence
	make func(uint64) T
}

// Next makes the next record of the subtask.
func (r *valueReader[T]) Next(v *T) (int64, stream.Status, error) {
	if r.n >= r.count {
		return 0, stream.End, nil
	}
	*v = r.make(r.n)
	r.n += r.step
	return stream.NoTimestamp, stream.Record, nil
}

type refReader[T any] struct {
	sequence
	make func(uint64, *T)
}

// Next makes the next record of the subtask.
func (r *refReader[T]) Next(v *T) (int64, stream.Status, error) {
	if r.n >= r.count {
		return 0, stream.End, nil
	}
	r.make(r.n, v)
	r.n += r.step
	return stream.NoTimestamp, stream.Record, nil
}

// pacedReader makes each record when it is due.
type pacedReader[T any] struct {
	sequence
	make   func(uint64, time.Time, *T)
	ctx    *stream.RuntimeContext
	period float64   // nanoseconds from one number to the next
	start  time.Time // when number 0 is due; zero before the first Next
	now    time.Time // the last reading of the clock: it is not read again while records are behind it
}

// Next makes the next record of the subtask if it is due.
func (r *pacedReader[T]) Next(v *T) (int64, stream.Status, error) {
	if r.n >= r.count {
		return 0, stream.End, nil
	}
	if r.start.IsZero() {
		r.start = r.ctx.Now()
		r.now = r.start
	}
	// float64 is exact to the nanosecond for the first hundred days.
	due := r.start.Add(time.Duration(float64(r.n) * r.period))
	if due.After(r.now) {
		if r.now = r.ctx.Now(); due.After(r.now) {
			return 0, stream.IdleUntil(due), nil
		}
	}
	r.make(r.n, due, v)
	r.n += r.step
	return due.UnixMilli(), stream.Record, nil
}
