package window

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/graph/keyed"
)

// Processor is a function of what a window holds when it fires: of all of its records, or of the result of an
// aggregate. Each subtask works on a shallow copy of the object that the program gave. It may also be a
// stream.Opener, an io.Closer, and have
//
//	WindowState() []state.Descriptor
//	GlobalState() []state.Descriptor
//	Clear(ctx *window.Context[K, U]) error
//
// WindowState declares states that each window of each key has for itself, from its first firing until it is over; it
// is not for windows that merge. GlobalState declares states that the windows of a key share, which stay until the
// function clears them. Both are used through the Context. Clear is called when a window is over, fired or not; it
// may emit. States of the window are cleared afterwards. An error fails the attempt.
type Processor[K comparable, V, U any] interface {
	Process(ctx *Context[K, U], v V) error
}

// Context is what a Processor may use during a call, besides the stream.RuntimeContext. As SideOutputs it is what
// OutputTag.Emit takes.
type Context[K comparable, U any] struct {
	*stream.RuntimeContext
	stream.SideOutputs
	engine          *engine[K, U]
	window          Window
	ofWindow, ofKey place
}

// place is the states of a window, or of the key.
type place struct {
	rows   rowsOf
	scope  *keyed.Scope
	window *Window
}

// Scope implements state.Context.
func (p *place) Scope() *keyed.Scope {
	p.rows.enter(*p.window)
	return p.scope
}

// Key is the key of the window.
func (c *Context[K, U]) Key() K { return c.engine.key }

// Window is the window that fires.
func (c *Context[K, U]) Window() Window { return c.window }

// Watermark is the event time up to which the input is complete, stream.NoTimestamp before the first watermark.
func (c *Context[K, U]) Watermark() int64 { return c.engine.passed }

// Emit sends v to the main output. Its event time is the last millisecond of the window.
func (c *Context[K, U]) Emit(v U) { c.engine.Emit(v) }

// WindowState is where the states that WindowState declares are those of this window.
func (c *Context[K, U]) WindowState() state.Context { return &c.ofWindow }

// GlobalState is where the states that GlobalState declares are those of the key.
func (c *Context[K, U]) GlobalState() state.Context { return &c.ofKey }

// Process calls p with the records of each window when it fires, in the order in which they came; those of sessions
// that merged come one session after the other. p may range over
// them more than once, during the call only.
func Process[K comparable, T, U any](in stream.Input[K, T], spec Spec, p Processor[K, iter.Seq[T], U]) *stream.Stream[U] {
	const verb = "WindowProcess"
	check(in, verb, spec)
	declare[K, U](in, verb, spec, p)
	return single(in, addGeneral(keyedBy(in), verb, spec, func(e *engine[K, U], sc *keyed.Scope, in *held[T]) (contents, error) {
		f, err := newProcess(e, sc, p)
		if err != nil {
			return nil, err
		}
		return keepRecords(e, sc, in, finish[iter.Seq[*T]](values[K, T, U]{f}))
	}))
}

// keepRecords makes the contents of windows that keep all records.
func keepRecords[K comparable, T, U any](e *engine[K, U], sc *keyed.Scope, in *held[T], to finish[iter.Seq[*T]]) (contents, error) {
	if e.spec.evictorOrDefault() != nil {
		return newEvicted(e, sc, in, func(v *T) any { return v }, to)
	}
	list, err := keyed.NewList[T](sc, "window-records")
	return &records[T]{finish: to, in: in, rows: e, list: list}, err
}

// values hands records over by value.
type values[K comparable, T, U any] struct {
	*process[K, iter.Seq[T], U]
}

func (f values[K, T, U]) fire(w Window, records iter.Seq[*T]) error {
	return f.process.fire(w, byValue(records))
}

func byValue[T any](records iter.Seq[*T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range records {
			if !yield(*v) {
				return
			}
		}
	}
}

// ProcessFunc is Process for a function.
func ProcessFunc[K comparable, T, U any](in stream.Input[K, T], spec Spec, f func(ctx *Context[K, U], records iter.Seq[T]) error) *stream.Stream[U] {
	return Process(in, spec, processorOf(f))
}

// processorFunc is a Processor of a function.
type processorFunc[K comparable, V, U any] func(ctx *Context[K, U], v V) error

// Process implements Processor.
func (f processorFunc[K, V, U]) Process(ctx *Context[K, U], v V) error { return f(ctx, v) }

func processorOf[K comparable, V, U any](f func(ctx *Context[K, U], v V) error) Processor[K, V, U] {
	if f == nil {
		return nil
	}
	return processorFunc[K, V, U](f)
}

// AggregateWith aggregates each window as Aggregate does and calls p with the result: it holds one accumulator per
// window and not its records, and knows key, window and states.
func AggregateWith[K comparable, T, A, R, U any](in stream.Input[K, T], spec Spec, agg stream.Aggregator[T, A, R], p Processor[K, R, U]) *stream.Stream[U] {
	return AggregateRefWith(in, spec, agg.Ref(), p)
}

// AggregateRefWith is AggregateWith for hot paths: accumulators are changed in place.
func AggregateRefWith[K comparable, T, A, R, U any](in stream.Input[K, T], spec Spec, agg stream.AggregatorRef[T, A, R], p Processor[K, R, U]) *stream.Stream[U] {
	const verb = "WindowAggregate"
	checkAggregator(in, verb, agg)
	return aggregateWith(in, verb, spec, fold[T, A, R]{add: agg.Add, merge: agg.Merge, result: agg.Result}, p)
}

// AggregateWithFunc is AggregateWith for a function.
func AggregateWithFunc[K comparable, T, A, R, U any](in stream.Input[K, T], spec Spec, agg stream.Aggregator[T, A, R], f func(ctx *Context[K, U], r R) error) *stream.Stream[U] {
	return AggregateWith(in, spec, agg, processorOf(f))
}

// ReduceWith reduces each window as Reduce does and calls p with the result.
func ReduceWith[K comparable, T, U any](in stream.Input[K, T], spec Spec, f func(sum, v T) T, p Processor[K, T, U]) *stream.Stream[U] {
	const verb = "WindowReduce"
	if f == nil {
		stream.Fault(in, "%s: the function is nil", verb)
	}
	return aggregateWith(in, verb, spec, reduceFold(f), p)
}

// ReduceWithFunc is ReduceWith for a function.
func ReduceWithFunc[K comparable, T, U any](in stream.Input[K, T], spec Spec, f func(sum, v T) T, with func(ctx *Context[K, U], r T) error) *stream.Stream[U] {
	return ReduceWith(in, spec, f, processorOf(with))
}

func aggregateWith[K comparable, T, A, R, U any](in stream.Input[K, T], verb string, spec Spec, f fold[T, A, R], p Processor[K, R, U]) *stream.Stream[U] {
	check(in, verb, spec)
	declare[K, U](in, verb, spec, p)
	checkFold(in, verb, spec, &f)
	return single(in, addGeneral(keyedBy(in), verb, spec, func(e *engine[K, U], sc *keyed.Scope, in *held[T]) (contents, error) {
		with, err := newProcess(e, sc, p)
		if err != nil {
			return nil, err
		}
		return foldInto(e, sc, in, f, finish[R](with))
	}))
}

// The optional methods of a Processor.
type (
	windowStates interface {
		WindowState() []state.Descriptor
	}
	globalStates interface {
		GlobalState() []state.Descriptor
	}
	cleaner[K comparable, U any] interface {
		Clear(ctx *Context[K, U]) error
	}
)

// declare checks a Processor that the program gave to a verb.
func declare[K comparable, U, T any](in stream.Input[K, T], verb string, spec Spec, p any) {
	if stream.IsNil(p) {
		stream.Fault(in, "%s: the function or processor is nil", verb)
		return
	}
	typ := reflect.TypeOf(p)
	// An optional method of another signature would never be called, and nobody would know why.
	misspelt := func(name string, right bool, want string) {
		if _, found := typ.MethodByName(name); found && !right {
			stream.Fault(in, "%s: %s has a method %s, which is never called: it must be %s", verb, typ, name, want)
		}
	}
	_, ok := p.(cleaner[K, U])
	misspelt("Clear", ok, fmt.Sprintf("Clear(ctx *window.Context[%s,%s]) error", reflect.TypeFor[K](), reflect.TypeFor[U]()))
	_, ok = p.(stream.Opener)
	misspelt("Open", ok, "Open(ctx *stream.RuntimeContext) error")
	ofWindow, ok := p.(windowStates)
	misspelt("WindowState", ok, "WindowState() []state.Descriptor")
	ofKey, ok := p.(globalStates)
	misspelt("GlobalState", ok, "GlobalState() []state.Descriptor")

	names := map[string]bool{}
	each := func(method string, states []state.Descriptor) {
		for i, s := range states {
			switch {
			case stream.IsNil(s):
				stream.Fault(in, "%s: state %d that %s returns is nil: make it before the program is built, with state.NewValue and the like", verb, i, method)
				continue
			case names[s.Name()]:
				stream.Fault(in, "%s: state %q is declared twice: names are unique within an operator", verb, s.Name())
			}
			names[s.Name()] = true
		}
	}
	if ofWindow != nil {
		states := ofWindow.WindowState()
		if len(states) > 0 && spec.merges() {
			stream.Fault(in, "%s: %v: windows that merge have no states of their own: use GlobalState", verb, spec)
		}
		each("WindowState", states)
	}
	if ofKey != nil {
		each("GlobalState", ofKey.GlobalState())
	}
}

// object is a function object of the program in one subtask.
type object[K comparable, U any] struct {
	ctx    *Context[K, U]
	clean  cleaner[K, U]
	states []state.Descriptor // of windows
}

func newObject[K comparable, U any](e *engine[K, U], sc *keyed.Scope, it any) (*object[K, U], error) {
	o := &object[K, U]{ctx: newContext(e, sc)}
	o.clean, _ = it.(cleaner[K, U])
	e.object = it
	if d, ok := it.(windowStates); ok {
		o.states = d.WindowState()
		if err := bindAll(o.states, sc); err != nil {
			return nil, err
		}
	}
	if d, ok := it.(globalStates); ok {
		if err := bindAll(d.GlobalState(), sc); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func newContext[K comparable, U any](e *engine[K, U], sc *keyed.Scope) *Context[K, U] {
	ctx := &Context[K, U]{RuntimeContext: e.RuntimeContext, SideOutputs: e.Context, engine: e}
	global := all
	ctx.ofWindow, ctx.ofKey = place{e, sc, &ctx.window}, place{e, sc, &global}
	return ctx
}

func bindAll(states []state.Descriptor, sc *keyed.Scope) error {
	for _, s := range states {
		if err := s.Bind(sc); err != nil {
			return err
		}
	}
	return nil
}

// expire implements finish.
func (o *object[K, U]) expire(w Window) error {
	o.ctx.window = w
	if o.clean != nil {
		o.ctx.engine.Begin(o.ctx.engine.resultTime(w))
		if err := o.clean.Clear(o.ctx); err != nil {
			return fmt.Errorf("clear: %w", err)
		}
	}
	for _, s := range o.states {
		s.(interface{ Clear(ctx state.Context) }).Clear(&o.ctx.ofWindow) // every state has it
	}
	return nil
}

// process runs a Processor in one subtask.
type process[K comparable, V, U any] struct {
	*object[K, U]
	p Processor[K, V, U]
}

func newProcess[K comparable, V, U any](e *engine[K, U], sc *keyed.Scope, p Processor[K, V, U]) (*process[K, V, U], error) {
	p = stream.CloneObject(p)
	o, err := newObject(e, sc, any(p))
	return &process[K, V, U]{o, p}, err
}

func (f *process[K, V, U]) fire(w Window, v V) error {
	f.ctx.window = w
	return f.p.Process(f.ctx, v)
}
