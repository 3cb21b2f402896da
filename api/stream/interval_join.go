package stream

import (
	"fmt"
	"math"
	"time"

	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// JoinInterval says how far apart in event time the records that IntervalJoin brings together may be. Between makes
// one.
type JoinInterval struct {
	lower, upper         time.Duration
	noLower, noUpper, ok bool
}

// Between allows a record of the second stream to have an event time from that of the first plus lower to that of the
// first plus upper, both included. Either may be negative.
func Between(lower, upper time.Duration) JoinInterval {
	return JoinInterval{lower: lower, upper: upper, ok: true}
}

// LowerExclusive leaves out records that are exactly lower apart.
func (i JoinInterval) LowerExclusive() JoinInterval { i.noLower = true; return i }

// UpperExclusive leaves out records that are exactly upper apart.
func (i JoinInterval) UpperExclusive() JoinInterval { i.noUpper = true; return i }

// millis is the interval in whole milliseconds, both ends included.
func (i JoinInterval) millis() (lower, upper int64) {
	const ms = time.Millisecond
	lower, upper = int64(i.lower/ms), int64(i.upper/ms) // rounded towards 0
	if i.lower%ms > 0 || i.noLower && i.lower%ms == 0 {
		lower++
	}
	if i.upper%ms < 0 || i.noUpper && i.upper%ms == 0 {
		upper--
	}
	return lower, upper
}

func (i JoinInterval) fault() string {
	lower, upper := i.millis()
	switch {
	case !i.ok:
		return "the interval is missing: make it with Between"
	case i.lower > i.upper:
		return fmt.Sprintf("the lower bound %v is above the upper bound %v", i.lower, i.upper)
	case lower > upper:
		return fmt.Sprintf("no millisecond lies between the bounds %v and %v", i.lower, i.upper)
	default:
		return ""
	}
}

// JoinProcessor makes of two records that belong together what it likes. Each subtask works on a shallow copy of the
// object that the program gave. It may also be an Opener and an io.Closer. An error fails the attempt.
type JoinProcessor[K comparable, A, B, U any] interface {
	Join(ctx *JoinContext[K, U], first A, second B) error
}

// JoinContext is the Context of a JoinProcessor. Timestamp, the event time of what is emitted, is the later of the
// two records'.
type JoinContext[K comparable, U any] struct {
	*Context[K, U]
	first, second int64
}

// FirstTimestamp is the event time of the record of the first stream in milliseconds.
func (c *JoinContext[K, U]) FirstTimestamp() int64 { return c.first }

// SecondTimestamp is the event time of the record of the second stream in milliseconds.
func (c *JoinContext[K, U]) SecondTimestamp() int64 { return c.second }

// IntervalJoin calls f for each pair of records of one key whose event times are within the interval. A pair has the
// later of the two times. Records wait in keyed state until the watermark says that no partner can come. A record
// before the watermark is late: it is dropped and counted (numLateRecordsDropped), or goes to LateFirst or LateSecond.
//
//	paid := stream.IntervalJoin(orders, payments, stream.Between(0, time.Hour), func(o Order, p Payment) Paid { ... })
func IntervalJoin[K comparable, A, B, U any](first *Keyed[K, A], second *Keyed[K, B], within JoinInterval, f func(A, B) U) *Stream[U] {
	return intervalJoin(first, second, within, f == nil, func() JoinProcessor[K, A, B, U] { return joinFunc[K, A, B, U](f) })
}

// IntervalJoinProcess is IntervalJoin with an object that may emit any number of records, to side outputs too.
func IntervalJoinProcess[K comparable, A, B, U any](first *Keyed[K, A], second *Keyed[K, B], within JoinInterval, p JoinProcessor[K, A, B, U]) *Stream[U] {
	return intervalJoin(first, second, within, isNil(p), func() JoinProcessor[K, A, B, U] { return clone(p) })
}

// LateFirst returns the late records of the first input of a join: late := stream.LateFirst[Order](paid).
func LateFirst[A, U any](joined *Stream[U]) *Stream[A] {
	return LateOutput("LateFirst", joined, 0, lateFirst[A]())
}

// LateSecond returns the late records of the second input of an interval join.
func LateSecond[B, U any](joined *Stream[U]) *Stream[B] {
	return LateOutput("LateSecond", joined, 1, lateSecond[B]())
}

func lateFirst[A any]() OutputTag[A]  { return NewOutputTag[A]("late-first") }
func lateSecond[B any]() OutputTag[B] { return NewOutputTag[B]("late-second") }

// joinFunc is a JoinProcessor of a plain function.
type joinFunc[K comparable, A, B, U any] func(A, B) U

// Join implements JoinProcessor.
func (f joinFunc[K, A, B, U]) Join(ctx *JoinContext[K, U], a A, b B) error {
	ctx.Emit(f(a, b))
	return nil
}

func intervalJoin[K comparable, A, B, U any](first *Keyed[K, A], second *Keyed[K, B], within JoinInterval, isNil bool, p func() JoinProcessor[K, A, B, U]) *Stream[U] {
	env := first.stream.env
	if isNil {
		env.fault("IntervalJoin: the function is nil")
	}
	if text := within.fault(); text != "" {
		env.fault("IntervalJoin: %s", text)
	}
	return Transform2(Connect(first, second), "IntervalJoin", func(s *Setup[K, U], firstKey func(*A) K, secondKey func(*B) K) (Operator2[A, B], error) {
		lower, upper := within.millis()
		o := &intervalOperator[K, A, B, U]{setup: s, ctx: &JoinContext[K, U]{Context: s.Context}, p: p()}
		o.first = joinSide[K, A, B]{key: firstKey, lower: lower, upper: upper, keep: max(upper, 0), late: lateFirst[A](), match: o.firstCame}
		o.second = joinSide[K, B, A]{key: secondKey, lower: -upper, upper: -lower, keep: max(-lower, 0), late: lateSecond[B](), match: o.secondCame}
		// A quiet key keeps what has expired for an eighth of the interval at most: with fewer timers that is.
		o.grain = max((upper-lower)/8, 1)
		return o, nil
	})
}

// timed is a record with its event time.
type timed[T any] struct {
	At int64
	V  T
}

// intervalOperator keeps the records of both inputs in a list per key, in the order in which they came. What has
// expired is skipped, and removed by a timer of the key or when much of it is met.
type intervalOperator[K comparable, A, B, U any] struct {
	setup  *Setup[K, U]
	ctx    *JoinContext[K, U]
	p      JoinProcessor[K, A, B, U]
	rows   *keyed.Rows[K]
	timers *keyed.Timers
	grain  int64 // timers are at multiples of it
	first  joinSide[K, A, B]
	second joinSide[K, B, A]
	now    int64 // the watermark
	clean  func(at int64)
	lost   *operator.Counter
}

// joinSide is one input: what it keeps, and which records of the other input, of type O, belong to one of its own.
type joinSide[K comparable, T, O any] struct {
	key          func(*T) K
	lower, upper int64
	keep         int64 // how long after a record a partner may come
	late         OutputTag[T]
	isRead       bool // late is
	match        func(v *timed[T], o *timed[O]) error
	buffer       *keyed.List[timed[T]]
	now          int64 // the watermark

	// Of the record that came:
	k             K
	tmp           timed[T]
	from, to      int64
	seen, expired int // records of the other input
	err           error
	meet          func(*timed[O]) bool // made once

	earliest int64 // end of what drop left
	drop     func(*timed[T]) bool
}

func (s *joinSide[K, T, O]) open(rows *keyed.Rows[K], name string, theirs int64, ctx SideOutputs) (err error) {
	s.buffer, err = keyed.NewList[timed[T]](&rows.Scope, name)
	s.meet = func(o *timed[O]) bool {
		s.seen++
		if addTime(o.At, theirs) <= s.now {
			s.expired++
		} else if o.At >= s.from && o.At <= s.to {
			s.err = s.match(&s.tmp, o)
		}
		return s.err == nil
	}
	s.now = NoTimestamp
	s.isRead = s.late.Read(ctx)
	s.drop = func(v *timed[T]) bool {
		end := addTime(v.At, s.keep)
		if end <= s.now {
			return true
		}
		s.earliest = min(s.earliest, end)
		return false
	}
	return err
}

// addTime is ts+d, or the end of time.
func addTime(ts, d int64) int64 {
	sum := ts + d
	switch {
	case d > 0 && sum < ts:
		return math.MaxInt64
	case d < 0 && sum > ts:
		return math.MinInt64
	default:
		return sum
	}
}

// roundUp is the first multiple of grain that is not before ts.
func roundUp(ts, grain int64) int64 {
	if rest := ts % grain; rest > 0 {
		return addTime(ts, grain-rest)
	} else if rest < 0 {
		return ts - rest
	}
	return ts
}

func (n *intervalOperator[K, A, B, U]) Open() (err error) {
	fail := func(err error) error { return n.ctx.RuntimeContext.failed("open", err) }
	if n.rows, err = keyed.NewRows[K](n.setup.State); err != nil {
		return fail(err)
	}
	if err = n.first.open(n.rows, "first", n.second.keep, n.setup); err != nil {
		return fail(err)
	}
	if err = n.second.open(n.rows, "second", n.first.keep, n.setup); err != nil {
		return fail(err)
	}
	if n.timers, err = keyed.NewTimers(&n.rows.Scope, "clean-up"); err != nil {
		return fail(err)
	}
	n.now = NoTimestamp
	n.clean = n.cleanKey
	n.lost = n.ctx.Counter("numLateRecordsDropped")
	return open(n.ctx.RuntimeContext, n.p)
}

func (n *intervalOperator[K, A, B, U]) Close() error { return shut(n.ctx.RuntimeContext, n.p) }

func (n *intervalOperator[K, A, B, U]) First(v *A, ts int64) {
	if err := came(n, &n.first, &n.second, v, ts); err != nil {
		n.failed(n.first.k, err)
	}
}

func (n *intervalOperator[K, A, B, U]) Second(v *B, ts int64) {
	if err := came(n, &n.second, &n.first, v, ts); err != nil {
		n.failed(n.second.k, err)
	}
}

func (n *intervalOperator[K, A, B, U]) failed(k K, err error) {
	n.ctx.fail(keyError(k, err))
}

// came takes a record of one side: it meets those that the other keeps, and waits for those to come.
func came[K comparable, A, B, U, T, O any](n *intervalOperator[K, A, B, U], own *joinSide[K, T, O], other *joinSide[K, O, T], v *T, ts int64) error {
	n.setup.Begin(ts)
	own.k = own.key(v)
	if ts == NoTimestamp {
		return errNoEventTime
	}
	if ts < n.now {
		if own.isRead {
			own.late.Emit(n.setup, *v)
		} else {
			n.lost.Add(1)
		}
		return nil
	}
	own.tmp.At, own.tmp.V = ts, *v
	n.rows.SetKey(&own.k, n.setup.Hash(&own.k))
	own.from, own.to = addTime(ts, own.lower), addTime(ts, own.upper)
	own.seen, own.expired, own.err = 0, 0, nil
	other.buffer.Each(own.meet)
	if own.err != nil {
		return own.err
	}
	if own.expired > 16 && 2*own.expired > own.seen {
		other.buffer.Filter(other.drop)
	}
	end := addTime(ts, own.keep)
	if end <= n.now {
		return nil
	}
	if own.buffer.Len() == 0 {
		n.timers.Set(roundUp(end, n.grain))
	}
	own.buffer.Append(&own.tmp)
	return nil
}

func (n *intervalOperator[K, A, B, U]) firstCame(a *timed[A], b *timed[B]) error {
	return n.join(n.first.k, a, b)
}

func (n *intervalOperator[K, A, B, U]) secondCame(b *timed[B], a *timed[A]) error {
	return n.join(n.second.k, a, b)
}

func (n *intervalOperator[K, A, B, U]) join(k K, a *timed[A], b *timed[B]) error {
	n.setup.Begin(max(a.At, b.At))
	n.ctx.key, n.ctx.first, n.ctx.second = k, a.At, b.At
	return n.p.Join(n.ctx, a.V, b.V)
}

// Watermark releases what can have no partner any more.
func (n *intervalOperator[K, A, B, U]) Watermark(ts int64) {
	n.now, n.first.now, n.second.now = ts, ts, ts
	n.timers.Fire(ts, n.clean)
	n.setup.Pass(ts)
}

// cleanKey is the timer of a key.
func (n *intervalOperator[K, A, B, U]) cleanKey(int64) {
	n.first.earliest, n.second.earliest = math.MaxInt64, math.MaxInt64
	n.first.buffer.Filter(n.first.drop)
	n.second.buffer.Filter(n.second.drop)
	if n.first.buffer.Len()+n.second.buffer.Len() > 0 {
		n.timers.Set(roundUp(min(n.first.earliest, n.second.earliest), n.grain))
	}
}

func (n *intervalOperator[K, A, B, U]) Idle() { n.setup.PassIdle() }

func (n *intervalOperator[K, A, B, U]) End() { n.setup.PassEnd() }
