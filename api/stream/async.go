package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// DefaultAsyncCapacity is how many calls of Async a subtask has under way at most, unless set otherwise.
const DefaultAsyncCapacity = 100

// AsyncCall is a function that waits for something outside of the job, a database or a service, and how Async calls
// it. Call and CallEmit make one; each method returns a changed copy.
type AsyncCall[T, U any] struct {
	one       func(context.Context, T) (U, error)
	many      func(context.Context, T, func(U)) error
	unordered bool
	capacity  int
	timeout   time.Duration
	instead   func(T) (U, error)
	retry     Retry
}

// Call is a function with one result for each record. It is called on several goroutines at once and should return
// early when ctx ends.
func Call[T, U any](f func(ctx context.Context, v T) (U, error)) AsyncCall[T, U] {
	return AsyncCall[T, U]{one: f, capacity: DefaultAsyncCapacity}
}

// CallEmit is Call with any number of results. emit must not be called after f has returned. What a call emitted
// before it failed is dropped.
func CallEmit[T, U any](f func(ctx context.Context, v T, emit func(U)) error) AsyncCall[T, U] {
	return AsyncCall[T, U]{many: f, capacity: DefaultAsyncCapacity}
}

// Unordered lets results out as they come. None overtakes a watermark: what came before one leaves before it, what
// came after it leaves after it. The default is the order of the records.
func (c AsyncCall[T, U]) Unordered() AsyncCall[T, U] { c.unordered = true; return c }

// Capacity sets how many records of a subtask may be under way, results that wait for their turn included. At the
// limit the operator takes no more records: backpressure. The default is DefaultAsyncCapacity.
func (c AsyncCall[T, U]) Capacity(n int) AsyncCall[T, U] { c.capacity = n; return c }

// Timeout bounds the time of a record, all retries included: then ctx ends and the attempt fails, unless TimeoutWith
// says otherwise. A function that goes on regardless holds its place in Capacity until it returns. The default, 0, is
// no limit.
func (c AsyncCall[T, U]) Timeout(d time.Duration) AsyncCall[T, U] { c.timeout = d; return c }

// TimeoutWith gives a record whose time is up the result of f, which runs on the task's goroutine and must not wait.
func (c AsyncCall[T, U]) TimeoutWith(f func(v T) (U, error)) AsyncCall[T, U] { c.instead = f; return c }

// Retry calls again for a record whose call returned an error. A panic is not retried.
func (c AsyncCall[T, U]) Retry(r Retry) AsyncCall[T, U] { c.retry = r; return c }

// Retry says whether and when to call again after an error. The zero value never does.
type Retry struct {
	retries      int
	delay, limit time.Duration
	factor       float64
	when         func(error) bool
	set          bool
}

// FixedRetry calls again up to retries times, each after delay.
func FixedRetry(retries int, delay time.Duration) Retry {
	return Retry{retries: retries, delay: delay, limit: delay, factor: 1, set: true}
}

// ExponentialRetry calls again up to retries times: first after initial, then each time after twice as long as before,
// at most after limit.
func ExponentialRetry(retries int, initial, limit time.Duration) Retry {
	return Retry{retries: retries, delay: initial, limit: limit, factor: 2, set: true}
}

// If retries only errors for which when is true. when runs on the goroutines of the calls.
func (r Retry) If(when func(err error) bool) Retry { r.when = when; return r }

func (r *Retry) fault() string {
	switch {
	case !r.set && r.when == nil:
		return ""
	case r.retries < 1:
		return fmt.Sprintf("%d retries: want at least 1", r.retries)
	case r.delay < 0:
		return fmt.Sprintf("retry delay %v: want at least 0", r.delay)
	case r.limit < r.delay:
		return fmt.Sprintf("retry delay of %v at most, but %v at first", r.limit, r.delay)
	default:
		return ""
	}
}

// after is how long to wait after the failure of call number calls (1: the first); ok false: there is no other.
func (r *Retry) after(calls int, err error) (d time.Duration, ok bool) {
	if calls > r.retries || r.when != nil && !r.when(err) {
		return 0, false
	}
	d = r.delay
	for range calls - 1 {
		if d >= r.limit {
			break
		}
		d = time.Duration(float64(d) * r.factor)
	}
	return min(d, r.limit), true
}

// Async calls a function for each record without waiting for it before the next: for look-ups in databases and
// services. Results have the event time of their record; watermarks keep their place. It begins a chain, because it
// may have to wait in the middle of a record.
//
//	stream.Async(orders, stream.Call(client.Customer).Capacity(50).Timeout(time.Second))
func Async[T, U any](s *Stream[T], c AsyncCall[T, U]) *Stream[U] {
	n := s.env.add(graph.Transform, "Async", "Async")
	n.Stateful = true // the records under way are state
	n.Chaining = graph.ChainHead
	for _, text := range c.faults() {
		n.fault("Async: %s", text)
	}
	link(n, 0, s)
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		o := newAsyncOperator(newRuntimeContext(ctx), outs[0].(operator.Node[U]), c)
		return operator.Instance{Inputs: []any{operator.Node[T](o)}, Lifecycle: o}, nil
	}
	return newStream[U](n)
}

func (c *AsyncCall[T, U]) faults() (texts []string) {
	if c.one == nil && c.many == nil {
		texts = append(texts, "the function is nil: make the call with Call or CallEmit")
	}
	if c.capacity < 1 && (c.one != nil || c.many != nil) {
		texts = append(texts, fmt.Sprintf("capacity %d: want at least 1", c.capacity))
	}
	if c.timeout < 0 {
		texts = append(texts, fmt.Sprintf("timeout %v: want more than 0, or 0 for none", c.timeout))
	}
	if c.instead != nil && c.timeout == 0 {
		texts = append(texts, "TimeoutWith without Timeout")
	}
	if text := c.retry.fault(); text != "" {
		texts = append(texts, text)
	}
	return texts
}

// errCallEnded is the error of a call whose function ended its goroutine.
var errCallEnded = errors.New("the function ended its goroutine")
