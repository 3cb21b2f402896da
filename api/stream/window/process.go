package window

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
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
	setup           *stream.Setup[K, U]
	key             K
	window          Window
	passed          *int64
	ofWindow, ofKey place
}

// place is the states of a window, or of the key.
type place struct {
	rows   rowsOf // nil: the function has declared no states
	scope  *keyed.Scope
	window *Window
}

// Scope implements state.Context.
func (p *place) Scope() *keyed.Scope {
	if p.rows == nil {
		return new(keyed.Scope) // in which a handle finds that it was not declared
	}
	p.rows.enter(*p.window)
	return p.scope
}

// Key is the key of the window.
func (c *Context[K, U]) Key() K { return c.key }

// Window is the window that fires.
func (c *Context[K, U]) Window() Window { return c.window }

// Watermark is the event time up to which the input is complete, stream.NoTimestamp before the first watermark.
func (c *Context[K, U]) Watermark() int64 { return *c.passed }

// Emit sends v to the main output. Its event time is the last millisecond of the window.
func (c *Context[K, U]) Emit(v U) { c.setup.Emit(v) }

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
	checkCombine(in, verb, spec)
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
	checkCombine(in, verb, spec)
	checkFold(in, verb, spec, &f)
	if spec.fast(f.merge != nil) && stateless[K, U](p) {
		return single(in, aggregateFast(keyedBy(in), verb, spec, f, p))
	}
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

// checkCombine reports a Combine where there is a function of windows.
func checkCombine[K comparable, T any](in stream.Input[K, T], verb string, spec Spec) {
	if spec.combine {
		stream.Fault(in, "%s: %v: it has Combine, which is for Aggregate, Reduce, Counts and Sums", verb, spec)
	}
}

// stateless tells whether a Processor has nothing that the operators of aggregates do not serve.
func stateless[K comparable, U any](p any) bool {
	_, ofWindow := p.(windowStates)
	_, ofKey := p.(globalStates)
	_, clears := p.(cleaner[K, U])
	return !ofWindow && !ofKey && !clears
}

// aggregateFast runs a Processor behind the operator of an aggregate, as one operator.
func aggregateFast[K comparable, T, A, R, U any](in *stream.Keyed[K, T], verb string, spec Spec, f fold[T, A, R], p Processor[K, R, U]) *stream.Stream[U] {
	gap, _ := spec.gap.(func(*T) time.Duration)
	return stream.Transform(in, verb, func(s *stream.Setup[K, U], key func(*T) K) (stream.Operator[T], error) {
		n := &fastProcess[K, T, R, U]{setup: s, p: stream.CloneObject(p), passed: operator.NoTimestamp}
		n.ctx = contextOf(s, &n.passed)
		inner := stream.Inner(s, operator.Node[Result[K, R]](&resultNode[K, T, R, U]{n}))
		if spec.merges() {
			n.Operator = newSessionOperator(inner, key, spec, gap, f)
		} else {
			n.Operator = newSliceOperator(inner, key, spec, f)
		}
		return n, nil
	})
}

// fastProcess is the operator of an aggregate and, behind it, a Processor.
type fastProcess[K comparable, T, R, U any] struct {
	stream.Operator[T]
	setup  *stream.Setup[K, U]
	p      Processor[K, R, U]
	ctx    *Context[K, U]
	passed int64
}

// Open implements operator.Lifecycle.
func (n *fastProcess[K, T, R, U]) Open() error {
	if err := n.Operator.Open(); err != nil {
		return err
	}
	return stream.OpenObject(n.setup.RuntimeContext, n.p)
}

// Close implements operator.Lifecycle.
func (n *fastProcess[K, T, R, U]) Close() error {
	return errors.Join(n.Operator.Close(), stream.CloseObject(n.setup.RuntimeContext, n.p))
}

// Watermark implements operator.Node.
func (n *fastProcess[K, T, R, U]) Watermark(ts int64) {
	n.passed = max(n.passed, ts)
	n.Operator.Watermark(ts)
}

// resultNode is what the aggregate of a fastProcess emits to.
type resultNode[K comparable, T, R, U any] struct{ n *fastProcess[K, T, R, U] }

// Record implements operator.Node.
func (o *resultNode[K, T, R, U]) Record(r *Result[K, R], ts int64) {
	n := o.n
	n.setup.Begin(ts)
	n.ctx.key, n.ctx.window = r.Key, r.Window
	n.setup.About(&n.ctx.key)
	if err := n.p.Process(n.ctx, r.Value); err != nil {
		n.setup.Fail(functionFailed(r.Key, r.Window, err))
	}
	n.setup.Enter()
}

// Watermark implements operator.Node.
func (o *resultNode[K, T, R, U]) Watermark(ts int64) { o.n.setup.Out.Watermark(ts) }

// Idle implements operator.Node.
func (o *resultNode[K, T, R, U]) Idle() { o.n.setup.Out.Idle() }

// End implements operator.Node.
func (o *resultNode[K, T, R, U]) End() { o.n.setup.Out.End() }

// functionFailed wraps the error of a function that was called for a window.
func functionFailed[K comparable](k K, w Window, err error) error {
	if w == all {
		return fmt.Errorf("key %.100v: %w", k, err)
	}
	return fmt.Errorf("key %.100v, window %v: %w", k, w, err)
}

// declare checks a Processor that the program gave to a verb.
func declare[K comparable, U, T any](in stream.Input[K, T], verb string, spec Spec, p any) {
	if stream.IsNil(p) {
		stream.Fault(in, "%s: the function or processor is nil", verb)
		return
	}
	typ := reflect.TypeOf(p)
	// An optional method of another signature would never be called, and nobody would know why.
	misspelled := func(name string, right bool, want string) {
		if _, found := typ.MethodByName(name); found && !right {
			stream.Fault(in, "%s: %s has a method %s, which is never called: it must be %s", verb, typ, name, want)
		}
	}
	_, ok := p.(cleaner[K, U])
	misspelled("Clear", ok, fmt.Sprintf("Clear(ctx *window.Context[%s,%s]) error", reflect.TypeFor[K](), reflect.TypeFor[U]()))
	_, ok = p.(stream.Opener)
	misspelled("Open", ok, "Open(ctx *stream.RuntimeContext) error")
	ofWindow, ok := p.(windowStates)
	misspelled("WindowState", ok, "WindowState() []state.Descriptor")
	ofKey, ok := p.(globalStates)
	misspelled("GlobalState", ok, "GlobalState() []state.Descriptor")

	// What is wrong with a state shows when it is bound, so it is bound to nothing.
	scope, err := nowhere[K]()
	each := func(method string, states []state.Descriptor) {
		for i, s := range states {
			switch {
			case stream.IsNil(s):
				stream.Fault(in, "%s: state %d that %s returns is nil: make it before the program is built, with state.NewValue and the like", verb, i, method)
			case err == nil:
				if err := s.Bind(scope); err != nil {
					stream.Fault(in, "%s: %v", verb, err)
				}
			}
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

// nowhere returns a scope that stands for that of an operator. KeyBy reports its error.
func nowhere[K comparable]() (*keyed.Scope, error) {
	rows, err := keyed.NewRows[keyWindow[K]](keyed.NewBackend(core.KeyGroupRange{To: 1}, 1, nil, nil))
	if err != nil {
		return nil, err
	}
	return &rows.Scope, nil
}

// object is a function object of the program in one subtask.
type object[K comparable, U any] struct {
	engine *engine[K, U]
	ctx    *Context[K, U]
	clean  cleaner[K, U]
	states []state.Descriptor // of windows
}

func newObject[K comparable, U any](e *engine[K, U], sc *keyed.Scope, it any) (*object[K, U], error) {
	o := &object[K, U]{engine: e, ctx: newContext(e, sc)}
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

// contextOf returns the context of a function without states.
func contextOf[K comparable, U any](s *stream.Setup[K, U], passed *int64) *Context[K, U] {
	return &Context[K, U]{RuntimeContext: s.RuntimeContext, SideOutputs: s.Context, setup: s, passed: passed}
}

func newContext[K comparable, U any](e *engine[K, U], sc *keyed.Scope) *Context[K, U] {
	ctx := contextOf(e.Setup, &e.passed)
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

// about makes window w of the current key the one that the context speaks of.
func (o *object[K, U]) about(w Window) { o.ctx.key, o.ctx.window = o.engine.key, w }

// expire implements finish.
func (o *object[K, U]) expire(w Window) error {
	o.about(w)
	if o.clean != nil {
		o.engine.Begin(o.engine.resultTime(w))
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
	f.about(w)
	return f.p.Process(f.ctx, v)
}
