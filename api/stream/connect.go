package stream

// Connected is two streams of different types that one operator reads.
type Connected[K comparable, A, B any] struct {
	first  *Keyed[K, A]
	second *Keyed[K, B]
}

// Connect brings two streams together, both keyed by the same kind of key or both without key.
func Connect[K comparable, A, B any](first Input[K, A], second Input[K, B]) *Connected[K, A, B] {
	return &Connected[K, A, B]{first.keyed(), second.keyed()}
}

// CoProcessor is a Processor of two inputs, with the same optional methods. Finish is called when both have ended.
type CoProcessor[K comparable, A, B, U any] interface {
	ProcessFirst(ctx *Context[K, U], v A) error
	ProcessSecond(ctx *Context[K, U], v B) error
}

// CoProcess runs an object on the records of both streams. State and timers of a key are shared by them.
func CoProcess[K comparable, A, B, U any](c *Connected[K, A, B], p CoProcessor[K, A, B, U]) *Stream[U] {
	return connect(c, "CoProcess", p, func() CoProcessor[K, A, B, U] { return clone(p) })
}

// CoMap turns each record of either stream into one of the common type.
func CoMap[K comparable, A, B, U any](c *Connected[K, A, B], first func(A) U, second func(B) U) *Stream[U] {
	return coFunc(c, "CoMap", first == nil || second == nil, func() coFuncs[K, A, B, U] {
		return coFuncs[K, A, B, U]{
			func(ctx *Context[K, U], v A) error { ctx.Emit(first(v)); return nil },
			func(ctx *Context[K, U], v B) error { ctx.Emit(second(v)); return nil },
		}
	})
}

// CoFlatMap turns each record of either stream into any number of the common type. An error fails the attempt.
func CoFlatMap[K comparable, A, B, U any](c *Connected[K, A, B], first func(v A, emit func(U)) error, second func(v B, emit func(U)) error) *Stream[U] {
	return coFunc(c, "CoFlatMap", first == nil || second == nil, func() coFuncs[K, A, B, U] {
		var emit func(U) // made once per subtask
		emitOf := func(ctx *Context[K, U]) func(U) {
			if emit == nil {
				emit = ctx.Emit
			}
			return emit
		}
		return coFuncs[K, A, B, U]{
			func(ctx *Context[K, U], v A) error { return first(v, emitOf(ctx)) },
			func(ctx *Context[K, U], v B) error { return second(v, emitOf(ctx)) },
		}
	})
}

// coFuncs is a CoProcessor of two functions.
type coFuncs[K comparable, A, B, U any] struct {
	first  func(ctx *Context[K, U], v A) error
	second func(ctx *Context[K, U], v B) error
}

func (f coFuncs[K, A, B, U]) ProcessFirst(ctx *Context[K, U], v A) error  { return f.first(ctx, v) }
func (f coFuncs[K, A, B, U]) ProcessSecond(ctx *Context[K, U], v B) error { return f.second(ctx, v) }

// coFunc connects functions.
func coFunc[K comparable, A, B, U any](c *Connected[K, A, B], verb string, nilFunc bool, make func() coFuncs[K, A, B, U]) *Stream[U] {
	var p CoProcessor[K, A, B, U] // stays nil for a nil function, which is a fault
	if !nilFunc {
		p = make()
	}
	return connect(c, verb, p, func() CoProcessor[K, A, B, U] { return make() })
}

// connect adds an operator of two inputs that runs what make returns, a CoProcessor of its own per subtask.
func connect[K comparable, A, B, U any](c *Connected[K, A, B], verb string, p CoProcessor[K, A, B, U], make func() CoProcessor[K, A, B, U]) *Stream[U] {
	out := Transform2(c, verb, func(s *Setup[K, U], first func(*A) K, second func(*B) K) (Operator2[A, B], error) {
		o := &coOperator[K, A, B, U]{p: make(), first: first, second: second}
		o.object = newObject(s, o.p)
		return o, nil
	})
	declare[K, U](out.made(), p, c.first.key != nil)
	return out
}

type coOperator[K comparable, A, B, U any] struct {
	*object[K, U]
	p      CoProcessor[K, A, B, U]
	first  func(*A) K // nil: no key
	second func(*B) K
}

func (n *coOperator[K, A, B, U]) First(v *A, ts int64) {
	n.begin(ts)
	if n.first != nil {
		n.ctx.key = n.first(v)
		n.enterKey()
	}
	n.done(n.p.ProcessFirst(n.ctx, *v))
}

func (n *coOperator[K, A, B, U]) Second(v *B, ts int64) {
	n.begin(ts)
	if n.second != nil {
		n.ctx.key = n.second(v)
		n.enterKey()
	}
	n.done(n.p.ProcessSecond(n.ctx, *v))
}
