package rpc

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/core"
)

// ErrClosed is the cause of the Unavailable error of a call to an endpoint that was closed.
var ErrClosed = errors.New("endpoint is closed")

// maxWaitingCalls bounds the mailbox: so many calls may wait for the main goroutine; further callers wait outside,
// each under its own ctx. Run is not bounded by it (see there).
const maxWaitingCalls = 1024

// slowAfter is how long one posted function may take before that is worth a line in the log: a component whose main
// goroutine is held up answers no heartbeats (L-8).
const slowAfter = time.Second

// Endpoint is the main goroutine of a component and its mailbox (S-205, S-220). All state of the component is touched
// on that goroutine only, so it needs no locks. Functions posted to it run one after the other; they must not block.
// What takes time runs elsewhere by Await.
//
// Every method but Assert may be called from any goroutine.
type Endpoint struct {
	name string
	log  *slog.Logger

	ctx     context.Context // of Await work; ends at Close
	cancel  context.CancelCauseFunc
	slots   chan struct{} // capacity is the bound of waiting calls
	wake    chan struct{} // capacity 1: one signal says "the queue is not empty"
	stopped chan struct{} // closed when the main goroutine has ended
	running atomic.Bool   // a posted function is running
	gid     goroutineID   // of the main goroutine; known in race builds only
	work    sync.WaitGroup

	mu      sync.Mutex
	queue   []func()
	closed  bool
	onPanic func(cause any, stack []byte)
}

// NewEndpoint starts the main goroutine of a component; it ends with Close.
func NewEndpoint(name string, log *slog.Logger) *Endpoint {
	ctx, cancel := context.WithCancelCause(context.Background())
	e := &Endpoint{
		name:    name,
		log:     log,
		ctx:     ctx,
		cancel:  cancel,
		slots:   make(chan struct{}, maxWaitingCalls),
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
	started := make(chan struct{})
	go func() { // ends at Close, which waits for stopped
		defer close(e.stopped)
		e.gid = currentGoroutine()
		close(started)
		e.loop()
	}()
	<-started
	return e
}

// Name is the name that NewEndpoint was given.
func (e *Endpoint) Name() string { return e.name }

func (e *Endpoint) loop() {
	var batch []func()
	for {
		e.mu.Lock()
		if e.closed {
			e.queue = nil
			e.mu.Unlock()
			return
		}
		batch, e.queue = e.queue, batch[:0]
		e.mu.Unlock()
		if len(batch) == 0 {
			<-e.wake
			continue
		}
		for i, fn := range batch {
			batch[i] = nil
			if e.ctx.Err() != nil {
				break // closed: what waits is dropped
			}
			start := time.Now()
			e.running.Store(true)
			e.invoke(fn)
			e.running.Store(false)
			if took := time.Since(start); took > slowAfter {
				e.log.Warn("the main goroutine was held up", "endpoint", e.name, "took", took)
			}
		}
		clear(batch)
		if cap(batch) > maxWaitingCalls {
			batch = nil // after a flood
		}
	}
}

// OnPanic makes a panic of a posted function end this endpoint instead of the process: for a component whose failure
// is to harm nobody else. handle is called on the main goroutine, with the endpoint closed for new calls; the owner
// still has to Close it. Without OnPanic a panic is what it is everywhere. It is set before the first Run.
func (e *Endpoint) OnPanic(handle func(cause any, stack []byte)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onPanic = handle
}

func (e *Endpoint) invoke(fn func()) {
	done := false
	defer func() {
		if done {
			return
		}
		e.mu.Lock()
		handle := e.onPanic
		e.mu.Unlock()
		if handle == nil {
			return // the panic goes on
		}
		cause := recover()
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.cancel(core.E("work", core.Canceled, e.name, ErrClosed))
		handle(cause, debug.Stack())
	}()
	fn()
	done = true
}

// Run posts fn to the mailbox and returns at once; the functions of one caller run in the order in which it posted
// them. It never blocks, so the main goroutine may post to itself. It is for what a component does on its own account
// (timers, results of its work), whose number that component bounds; calls from outside enter by Call, which waits
// when the mailbox is full. After Close fn is dropped.
func (e *Endpoint) Run(fn func()) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.queue = append(e.queue, fn)
	e.mu.Unlock()
	e.signal()
}

func (e *Endpoint) signal() {
	select {
	case e.wake <- struct{}{}:
	default: // a signal waits already
	}
}

// After posts fn when d has passed, unless stop was called before. When stop is called on the main goroutine, fn does
// not run afterwards, not even if d had passed already.
func (e *Endpoint) After(d time.Duration, fn func()) (stop func()) {
	var stopped atomic.Bool
	timer := time.AfterFunc(d, func() {
		e.Run(func() {
			if !stopped.Load() {
				fn()
			}
		})
	})
	return func() {
		stopped.Store(true)
		timer.Stop()
	}
}

// Assert panics when it is not called on the main goroutine. Methods that change a component's state begin with it.
// It costs one atomic load: it notices when no posted function is running at all. In builds with the race detector
// it compares goroutines and is exact.
func (e *Endpoint) Assert() {
	if !e.running.Load() || e.gid != currentGoroutine() {
		panic("rpc: " + e.name + ": not on the endpoint's main goroutine")
	}
}

// Close ends the main goroutine after the function that it is running. Functions that wait are dropped, waiting calls
// get an error of kind Unavailable, the ctx of Await work ends, and Close returns when all of that work has returned.
// It is idempotent. The main goroutine cannot close its own endpoint: its owner does.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel(core.E("work", core.Canceled, e.name, ErrClosed))
	e.signal()
	<-e.stopped
	e.work.Wait()
	return nil
}

// Call runs fn on the main goroutine of e and returns its result: what the methods of a gateway do. It returns an
// error of kind Unavailable when e is or gets closed, and of kind Unavailable (deadline) or Canceled when ctx ends
// first; fn is then not started any more, but it may be running or have run. Call must not be used on the main
// goroutine itself, which would wait for itself.
func Call[T any](ctx context.Context, e *Endpoint, fn func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var zero T
	if ctx.Err() != nil {
		return zero, ContextError(ctx, "call", e.name)
	}
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return zero, ContextError(ctx, "call", e.name)
	case <-e.stopped:
		return zero, core.E("call", core.Unavailable, e.name, ErrClosed)
	}
	done := make(chan result, 1) // so that the endpoint never waits for a caller that gave up
	e.Run(func() {
		<-e.slots
		if ctx.Err() != nil {
			return // the caller gave up
		}
		v, err := fn()
		done <- result{v, err}
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return zero, ContextError(ctx, "call", e.name)
	case <-e.stopped:
	}
	select {
	case r := <-done: // it was the last one to run
		return r.value, r.err
	default:
		return zero, core.E("call", core.Unavailable, e.name, ErrClosed)
	}
}

// Await runs work on a goroutine of its own and then posts its result to the main goroutine of e. The ctx of work ends
// at Close, which waits for work to return; then is not called after Close.
func Await[T any](e *Endpoint, work func(ctx context.Context) (T, error), then func(T, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.work.Go(func() {
		v, err := work(e.ctx)
		e.Run(func() { then(v, err) })
	})
}

// ContextError turns the end of ctx into an error with a kind: a deadline is Unavailable (the other side did not
// answer in time), a cancellation is Canceled.
func ContextError(ctx context.Context, op, id string) error {
	kind := core.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = core.Unavailable
	}
	return core.E(op, kind, id, context.Cause(ctx))
}
