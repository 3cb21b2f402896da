package window

import (
	"iter"
	"reflect"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/keyed"
)

// Join calls f with each pair of records of a and b that have the same key and are in the same window, when the window
// fires. Records of a key that has none on the other side have no result. A result has the event time of the last
// millisecond of its window.
//
// The event time of the two is that of the slower one. Late records are counted, or go to what LateFirst and
// LateSecond return. Sessions grow by records of both sides.
func Join[K comparable, A, B, U any](a stream.Input[K, A], b stream.Input[K, B], spec Spec, f func(a A, b B) U) *stream.Stream[U] {
	if f == nil {
		return JoinRef[K, A, B, U](a, b, spec, nil)
	}
	return JoinRef(a, b, spec, func(a *A, b *B, emit func(U)) error {
		emit(f(*a, *b))
		return nil
	})
}

// JoinRef is Join without a copy of the records, for a function that may emit any number of results per pair, or
// return an error, which fails the attempt. a and b must not be changed and are valid during the call only.
func JoinRef[K comparable, A, B, U any](a stream.Input[K, A], b stream.Input[K, B], spec Spec, f func(a *A, b *B, emit func(U)) error) *stream.Stream[U] {
	const verb = "WindowJoin"
	if f == nil {
		stream.Fault(a, "%s: the function is nil", verb)
	}
	return addPair(a, b, verb, spec, func(e *engine[K, U], _ *keyed.Scope) (finish[pair[A, B]], error) {
		return &join[K, A, B, U]{e: e, f: f, emit: e.Emit}, nil
	})
}

// CoProcessor is a Processor of the records that two streams have in a window of a key, with the same optional
// methods. Either side may be without records.
type CoProcessor[K comparable, A, B, U any] interface {
	Process(ctx *Context[K, U], a iter.Seq[A], b iter.Seq[B]) error
}

// CoGroup calls p with the records of a and b in each window of each key that either of them has records in: what a
// Join is when records without a partner count too. See Join for time and late records.
func CoGroup[K comparable, A, B, U any](a stream.Input[K, A], b stream.Input[K, B], spec Spec, p CoProcessor[K, A, B, U]) *stream.Stream[U] {
	const verb = "WindowCoGroup"
	declare[K, U](a, verb, spec, p)
	return addPair(a, b, verb, spec, func(e *engine[K, U], sc *keyed.Scope) (finish[pair[A, B]], error) {
		own := stream.CloneObject(p)
		o, err := newObject(e, sc, any(own))
		return &coGroup[K, A, B, U]{o, own}, err
	})
}

// CoGroupFunc is CoGroup for a function.
func CoGroupFunc[K comparable, A, B, U any](a stream.Input[K, A], b stream.Input[K, B], spec Spec, f func(ctx *Context[K, U], a iter.Seq[A], b iter.Seq[B]) error) *stream.Stream[U] {
	if f == nil {
		return CoGroup(a, b, spec, CoProcessor[K, A, B, U](nil))
	}
	return CoGroup(a, b, spec, CoProcessor[K, A, B, U](coProcessorFunc[K, A, B, U](f)))
}

type coProcessorFunc[K comparable, A, B, U any] func(ctx *Context[K, U], a iter.Seq[A], b iter.Seq[B]) error

// Process implements CoProcessor.
func (f coProcessorFunc[K, A, B, U]) Process(ctx *Context[K, U], a iter.Seq[A], b iter.Seq[B]) error {
	return f(ctx, a, b)
}

// LateFirst returns the records of the first stream of a Join or CoGroup that were late for all of their windows:
// late := window.LateFirst[Order](joined).
func LateFirst[A, U any](result *stream.Stream[U]) *stream.Stream[A] {
	return stream.LateOutput("LateFirst", result, 0, lateFirst[A]())
}

// LateSecond is LateFirst for the second stream.
func LateSecond[B, U any](result *stream.Stream[U]) *stream.Stream[B] {
	return stream.LateOutput("LateSecond", result, 1, lateSecond[B]())
}

func lateFirst[A any]() stream.OutputTag[A]  { return stream.NewOutputTag[A]("late-first") }
func lateSecond[B any]() stream.OutputTag[B] { return stream.NewOutputTag[B]("late-second") }

// pair is the records of a window by the stream that they came from.
type pair[A, B any] struct {
	first  iter.Seq[*A]
	second iter.Seq[*B]
}

// join is the finish of Join.
type join[K comparable, A, B, U any] struct {
	e      *engine[K, U]
	f      func(a *A, b *B, emit func(U)) error
	emit   func(U)
	second []B // scratch: those of the window, which each of the first meets
}

func (j *join[K, A, B, U]) fire(_ Window, p pair[A, B]) error {
	j.second = j.second[:0]
	for b := range p.second {
		j.second = append(j.second, *b)
	}
	if len(j.second) == 0 {
		return nil
	}
	defer clear(j.second) // let go of what they point to
	for a := range p.first {
		for i := range j.second {
			if err := j.f(a, &j.second[i], j.emit); err != nil {
				return err
			}
		}
	}
	return nil
}

func (*join[K, A, B, U]) expire(Window) error { return nil }

// coGroup is the finish of CoGroup.
type coGroup[K comparable, A, B, U any] struct {
	*object[K, U]
	p CoProcessor[K, A, B, U]
}

func (g *coGroup[K, A, B, U]) fire(w Window, p pair[A, B]) error {
	g.about(w)
	return g.p.Process(g.ctx, byValue(p.first), byValue(p.second))
}

// pairs holds the records of two streams in each window.
type pairs[A, B any] struct {
	finish[pair[A, B]]
	rows         rowsOf
	first        *keyed.List[A]
	second       *keyed.List[B]
	inFirst      *held[A]
	inSecond     *held[B]
	fromSecond   *bool
	liftedFirst  []A
	liftedSecond []B
}

func (c *pairs[A, B]) empty() bool { return c.first.Len() == 0 && c.second.Len() == 0 }

func (c *pairs[A, B]) add() {
	if *c.fromSecond {
		c.second.Append(c.inSecond.v)
	} else {
		c.first.Append(c.inFirst.v)
	}
}

func (c *pairs[A, B]) clear() {
	c.first.Clear()
	c.second.Clear()
}

func (c *pairs[A, B]) fire(w, held Window) error {
	return c.finish.fire(w, pair[A, B]{listOf(c.rows, held, c.first), listOf(c.rows, held, c.second)})
}

func (c *pairs[A, B]) lift() {
	c.liftedFirst = liftList(c.first, c.liftedFirst)
	c.liftedSecond = liftList(c.second, c.liftedSecond)
}

func (c *pairs[A, B]) drop() {
	dropList(c.first, c.liftedFirst)
	dropList(c.second, c.liftedSecond)
}

// either is a record of one of two streams: what windows with an evictor hold, for which the order counts.
type either[A, B any] struct {
	Second bool
	A      A
	B      B
}

func (e *either[A, B]) record() any {
	if e.Second {
		return &e.B
	}
	return &e.A
}

// sorted divides the records of windows with an evictor by the stream that they came from.
type sorted[A, B any] struct{ finish[pair[A, B]] }

func (s sorted[A, B]) fire(w Window, records iter.Seq[*either[A, B]]) error {
	return s.finish.fire(w, pair[A, B]{
		func(yield func(*A) bool) {
			for v := range records {
				if !v.Second && !yield(&v.A) {
					return
				}
			}
		},
		func(yield func(*B) bool) {
			for v := range records {
				if v.Second && !yield(&v.B) {
					return
				}
			}
		},
	})
}

// pairOperator runs an engine on two inputs.
type pairOperator[K comparable, A, B, U any] struct {
	*engine[K, U]
	firstKey              func(*A) K
	secondKey             func(*B) K
	first                 held[A]
	second                held[B]
	either                held[either[A, B]]
	one                   either[A, B]
	fromSecond            bool
	lateFirst, lateSecond bool // the program reads late records
	evicts                bool
}

// addPair adds the general operator of two inputs to the program.
func addPair[K comparable, A, B, U any](a stream.Input[K, A], b stream.Input[K, B], verb string, spec Spec,
	make func(e *engine[K, U], sc *keyed.Scope) (finish[pair[A, B]], error)) *stream.Stream[U] {
	check(a, verb, spec)
	if spec.shape == sessionBy {
		checkGap[B](a, verb, spec)
	}
	checkCombine(a, verb, spec)
	for _, err := range generalFaults[K](spec, reflect.TypeFor[A](), reflect.TypeFor[B]()) {
		stream.Fault(a, "%s: %v: %v", verb, spec, err)
	}
	out := stream.Transform2(stream.Connect[K, A, B](keyedBy(a), keyedBy(b)), verb,
		func(s *stream.Setup[K, U], first func(*A) K, second func(*B) K) (stream.Operator2[A, B], error) {
			n := &pairOperator[K, A, B, U]{engine: newEngine(s, spec), firstKey: first, secondKey: second, evicts: spec.evictorOrDefault() != nil}
			sc, err := n.makeRows()
			if err != nil {
				return nil, err
			}
			to, err := make(n.engine, sc)
			if err != nil {
				return nil, err
			}
			n.contents, err = n.makeContents(sc, to)
			return n, err
		})
	return single(a, out)
}

func (n *pairOperator[K, A, B, U]) makeContents(sc *keyed.Scope, to finish[pair[A, B]]) (contents, error) {
	if n.evicts {
		return newEvicted(n.engine, sc, &n.either, (*either[A, B]).record, finish[iter.Seq[*either[A, B]]](sorted[A, B]{to}))
	}
	first, err := keyed.NewList[A](sc, "window-first")
	if err != nil {
		return nil, err
	}
	second, err := keyed.NewList[B](sc, "window-second")
	return &pairs[A, B]{finish: to, rows: n.engine, first: first, second: second, inFirst: &n.first, inSecond: &n.second,
		fromSecond: &n.fromSecond}, err
}

// Open implements operator.Lifecycle.
func (n *pairOperator[K, A, B, U]) Open() error {
	n.lateFirst, n.lateSecond = lateFirst[A]().Read(n.Setup), lateSecond[B]().Read(n.Setup)
	if err := n.engine.Open(); err != nil {
		return err
	}
	n.gapOf(sessionGap[A](n.spec))
	return nil
}

// First implements stream.Operator2.
func (n *pairOperator[K, A, B, U]) First(v *A, ts int64) {
	n.Enter()
	n.key = n.firstKey(v)
	n.begin(ts)
	n.fromSecond = false
	n.first.v = v
	if n.evicts {
		n.one = either[A, B]{A: *v}
		n.hold(ts)
	}
	if !n.record(v, ts) {
		return
	}
	if n.lateFirst {
		lateFirst[A]().Emit(n.Setup, *v)
	} else {
		n.dropped.Add(1)
	}
}

// Second implements stream.Operator2.
func (n *pairOperator[K, A, B, U]) Second(v *B, ts int64) {
	n.Enter()
	n.key = n.secondKey(v)
	n.begin(ts)
	n.fromSecond = true
	n.second.v = v
	if n.evicts {
		n.one = either[A, B]{Second: true, B: *v}
		n.hold(ts)
	}
	if !n.record(v, ts) {
		return
	}
	if n.lateSecond {
		lateSecond[B]().Emit(n.Setup, *v)
	} else {
		n.dropped.Add(1)
	}
}

// hold makes n.one the record that contents are to take.
func (n *pairOperator[K, A, B, U]) hold(ts int64) {
	n.either.v, n.either.ts = &n.one, ts
	if n.byClock {
		n.either.ts = n.now()
	}
}
