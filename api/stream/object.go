package stream

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/keyed"
)

// Opener is for objects with something to prepare in each subtask. Open runs before the first record.
type Opener interface {
	Open(ctx *RuntimeContext) error
}

// The optional methods of a function object.
type (
	declarer interface {
		State() []state.Descriptor
	}
	finisher[K comparable, U any] interface {
		Finish(ctx *Context[K, U]) error
	}
	eventTimerHandler[K comparable, U any] interface {
		OnTimer(ctx *Context[K, U], at time.Time) error
	}
	processingTimerHandler[K comparable, U any] interface {
		OnProcessingTimer(ctx *Context[K, U], at time.Time) error
	}
)

// declare checks the optional methods of an object that the program gave to the verb of n.
func declare[K comparable, U any](n *node, object any, hasKey bool) {
	n.Stateful = false
	if isNil(object) {
		n.fault("%s: the function or processor is nil", n.Verb)
		return
	}
	typ := reflect.TypeOf(object)
	// An optional method of another signature would never be called, and nobody would know why.
	misspelled := func(name string, found, right bool, context string) {
		if found && !right {
			n.fault("%s: %s has a method %s, which is never called: it must be %s", n.Verb, typ, name, context)
		}
	}
	ctx := "ctx *stream.Context[" + reflect.TypeFor[K]().String() + "," + reflect.TypeFor[U]().String() + "]"
	_, onTimer := object.(eventTimerHandler[K, U])
	_, found := typ.MethodByName("OnTimer")
	misspelled("OnTimer", found, onTimer, "OnTimer("+ctx+", at time.Time) error")
	_, onProcessing := object.(processingTimerHandler[K, U])
	_, found = typ.MethodByName("OnProcessingTimer")
	misspelled("OnProcessingTimer", found, onProcessing, "OnProcessingTimer("+ctx+", at time.Time) error")
	_, right := object.(finisher[K, U])
	_, found = typ.MethodByName("Finish")
	misspelled("Finish", found, right, "Finish("+ctx+") error")
	_, right = object.(Opener)
	_, found = typ.MethodByName("Open")
	misspelled("Open", found, right, "Open(ctx *stream.RuntimeContext) error")
	d, declares := object.(declarer)
	_, found = typ.MethodByName("State")
	misspelled("State", found, declares, "State() []state.Descriptor")

	if !hasKey && (onTimer || onProcessing) {
		n.fault("%s: timers belong to a key, but the stream has none: use KeyBy first", n.Verb)
	}
	n.Stateful = hasKey && (onTimer || onProcessing)
	if !declares {
		return
	}
	states := d.State()
	var rows *keyed.Rows[K] // to try the states in: nothing is stored
	if hasKey {
		rows, _ = keyed.NewRows[K](keyed.NewBackend(core.KeyGroupRange{To: 1}, 1, nil, nil)) // KeyBy has reported an error
	}
	var operators state.Operator
	for i, s := range states {
		if isNil(s) {
			n.fault("%s: state %d that State returns is nil: make it before the program is built, with state.NewValue and the like", n.Verb, i)
			continue
		}
		if of, ok := s.(state.OperatorDescriptor); ok {
			if err := of.BindOperator(&operators); err != nil {
				n.fault("%s: %v", n.Verb, err)
			}
			n.Stateful = true
			continue
		}
		switch {
		case !hasKey:
			n.fault("%s: state %q belongs to a key, but the stream has none: use KeyBy first", n.Verb, s.Name())
		case rows != nil:
			if err := s.Bind(&rows.Scope); err != nil {
				n.fault("%s: %v", n.Verb, err)
			}
		}
		n.Stateful = true
	}
}

// object is a function object of the program in one subtask: what operators of objects have in common.
type object[K comparable, U any] struct {
	ctx    *Context[K, U]
	it     any
	hash   func(*K) uint64
	state  *keyed.Backend // nil: no key
	finish finisher[K, U]
	fired  uint64 // timers
	inKey  bool   // the context's key is that of a call under way
}

func newObject[K comparable, U any](s *Setup[K, U], it any) *object[K, U] {
	o := &object[K, U]{ctx: s.Context, it: it, hash: s.Hash, state: s.State}
	o.finish, _ = it.(finisher[K, U])
	if s.State != nil {
		s.op.Key = func() any {
			if !o.inKey {
				return nil
			}
			return o.ctx.key
		}
	}
	return o
}

// Open makes state and timers, then opens the object.
func (n *object[K, U]) Open() error {
	var states []state.Descriptor
	if d, ok := n.it.(declarer); ok {
		for _, s := range d.State() {
			of, ok := s.(state.OperatorDescriptor)
			if !ok {
				states = append(states, s)
				continue
			}
			if err := of.BindOperator(n.ctx.OperatorState()); err != nil {
				return n.ctx.RuntimeContext.failed("open", err)
			}
		}
	}
	if n.state != nil {
		if err := n.bind(states); err != nil {
			return n.ctx.RuntimeContext.failed("open", err)
		}
	}
	return open(n.ctx.RuntimeContext, n.it)
}

// bind makes states and timers of keys, if the object uses any.
func (n *object[K, U]) bind(states []state.Descriptor) error {
	onTimer, _ := n.it.(eventTimerHandler[K, U])
	onProcessing, _ := n.it.(processingTimerHandler[K, U])
	if len(states) == 0 && onTimer == nil && onProcessing == nil {
		return nil
	}
	rows, err := keyed.NewRows[K](n.state)
	if err != nil {
		return err
	}
	rows.SetClock(func() int64 { return n.ctx.Now().UnixMilli() })
	for _, s := range states {
		if err := s.Bind(&rows.Scope); err != nil {
			return err
		}
	}
	n.ctx.rows = rows
	if onTimer != nil {
		if err := n.ctx.timers.forEvents(&rows.Scope, func(at int64) { n.onTimer(at, at, onTimer.OnTimer) }); err != nil {
			return err
		}
	}
	if onProcessing != nil {
		return n.ctx.timers.forProcessing(&rows.Scope, n.ctx.op.Task, func(at int64) { n.onTimer(at, NoTimestamp, onProcessing.OnProcessingTimer) })
	}
	return nil
}

// Close closes the object.
func (n *object[K, U]) Close() error {
	n.ctx.timers.stop()
	return shut(n.ctx.RuntimeContext, n.it)
}

// begin prepares the context for a record.
func (n *object[K, U]) begin(ts int64) {
	n.ctx.out.enter()
	n.ctx.out.ts = ts
	n.inKey = false // until it is known: the key selector may fail
}

// enterKey makes the context's key the one that states and timers speak of.
func (n *object[K, U]) enterKey() {
	n.inKey = true
	if r := n.ctx.rows; r != nil {
		r.SetKey(&n.ctx.key, n.hash(&n.ctx.key))
	}
}

// done ends the context of a record, so that whoever keeps the context finds no state by it.
func (n *object[K, U]) done(err error) {
	if err != nil {
		n.failed(err)
	}
	n.leaveKey()
}

func (n *object[K, U]) leaveKey() {
	n.inKey = false
	if r := n.ctx.rows; r != nil {
		r.NoKey()
	}
}

// failed ends the attempt with an error of the object and names the key.
func (n *object[K, U]) failed(err error) {
	err = n.ctx.op.AtKey(err)
	n.leaveKey() // a policy may go on
	n.ctx.fail(err)
}

// onTimer hands a timer to the object: its key is the current one of the rows.
func (n *object[K, U]) onTimer(at, ts int64, f func(ctx *Context[K, U], at time.Time) error) {
	n.begin(ts)
	n.ctx.key, n.inKey = *n.ctx.rows.Key(), true
	if n.fired++; n.fired%1024 == 0 {
		// Timers that set themselves again may fire for ever, but not longer than the attempt.
		if c := n.ctx.Context(); c.Err() != nil {
			n.ctx.op.Task.Fail(context.Cause(c))
		}
	}
	if err := f(n.ctx, time.UnixMilli(at)); err != nil {
		n.failed(fmt.Errorf("timer of %s: %w", time.UnixMilli(at).UTC().Format(time.RFC3339Nano), err))
	}
	n.inKey = false
}

// Watermark fires the timers that are due before it passes the watermark on.
func (n *object[K, U]) Watermark(ts int64) {
	n.ctx.watermark = ts
	if t := &n.ctx.timers; t.event != nil {
		t.event.Fire(ts, t.fireEvent)
	}
	n.ctx.sendWatermark(ts)
}

// Idle passes idleness on.
func (n *object[K, U]) Idle() { n.ctx.sendIdle() }

// End calls the optional Finish and passes the end of input on.
func (n *object[K, U]) End() {
	n.ctx.timers.stop()
	if n.finish != nil {
		n.begin(NoTimestamp)
		n.leaveKey() // the last record may have ended in a panic that a policy kept
		var none K
		n.ctx.key = none
		if err := n.finish.Finish(n.ctx); err != nil {
			n.ctx.fail(err)
		}
	}
	n.ctx.sendEnd()
}

// open and close serve the optional methods of an object.
func open(ctx *RuntimeContext, object any) error {
	if o, ok := object.(Opener); ok {
		u := ctx.user()
		u.enter()
		if err := o.Open(ctx); err != nil {
			return ctx.failed("open", err)
		}
	}
	return nil
}

func shut(ctx *RuntimeContext, object any) error {
	if o, ok := object.(io.Closer); ok {
		u := ctx.user()
		u.enter()
		if err := o.Close(); err != nil {
			return ctx.failed("close", err)
		}
	}
	return nil
}

// clone returns a shallow copy of what an interface value points to; a value that is no pointer to a struct is
// returned as it is.
func clone[F any](f F) F {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return f
	}
	c := reflect.New(v.Elem().Type())
	c.Elem().Set(v.Elem())
	return c.Interface().(F)
}

// isNil tells whether an interface holds nothing or a nil pointer or function.
func isNil(f any) bool {
	v := reflect.ValueOf(f)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map:
		return v.IsNil()
	default:
		return false
	}
}
