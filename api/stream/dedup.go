package stream

import (
	"cmp"

	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// Distinct lets the first record of each key through and drops the others. It remembers keys for ever unless a time to
// live is given: stream.Distinct(events, state.TTL(time.Hour)) lets another one through an hour after the last one that
// went through.
func Distinct[K comparable, T any](in *Keyed[K, T], options ...state.Option) *Stream[T] {
	seen := state.NewValue[bool]("seen", options...)
	tryStates[K](in.stream.env, "Distinct", seen)
	return Transform(in, "Distinct", func(s *Setup[K, T], key func(*T) K) (Operator[T], error) {
		if len(options) == 0 {
			return &distinctOperator[K, T]{passing: passing[K, T]{s}, key: key}, nil
		}
		return &forgetfulOperator[K, T]{passing: passing[K, T]{s}, key: key, seen: seen}, nil
	})
}

// passing is the half of an operator that hands on what is not a record.
type passing[K comparable, U any] struct{ setup *Setup[K, U] }

// Close has nothing to close.
func (n *passing[K, U]) Close() error { return nil }

func (n *passing[K, U]) Watermark(ts int64) { n.setup.Pass(ts) }

func (n *passing[K, U]) Idle() { n.setup.PassIdle() }

func (n *passing[K, U]) End() { n.setup.PassEnd() }

// distinctOperator keeps a table of keys.
type distinctOperator[K comparable, T any] struct {
	passing[K, T]
	key  func(*T) K
	seen keyed.Store[K, struct{}]
	k    K
}

func (n *distinctOperator[K, T]) Open() (err error) {
	if n.seen, err = keyed.NewStore[K, struct{}](n.setup.State, "seen"); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *distinctOperator[K, T]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	n.k = n.key(v)
	if _, isNew := n.seen.Ref(&n.k, n.setup.Hash(&n.k)); isNew {
		n.setup.Out.Record(v, ts)
	}
}

// forgetfulOperator keeps a mark per key with a time to live.
type forgetfulOperator[K comparable, T any] struct {
	passing[K, T]
	key  func(*T) K
	seen *state.Value[bool]
	rows rowsOf[K]
	k    K
}

func (n *forgetfulOperator[K, T]) Open() (err error) {
	if n.rows, err = openRows(n.setup, n.seen); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *forgetfulOperator[K, T]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	n.k = n.key(v)
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	if _, ok := n.seen.Get(n.rows); !ok {
		n.seen.Set(n.rows, true)
		n.setup.Out.Record(v, ts)
	}
}

// Earliest is Distinct in event time: of each key it lets the record with the least event time through, the first to
// come of equal ones, once the watermark has reached that time. A record before the watermark is late: it is dropped
// and counted (numLateRecordsDropped), or goes to LateFirst, unless its key has been through anyway.
func Earliest[K comparable, T any](in *Keyed[K, T], options ...state.Option) *Stream[T] {
	done := state.NewValue[bool]("done", options...)
	tryStates[K](in.stream.env, "Earliest", done)
	return Transform(in, "Earliest", func(s *Setup[K, T], key func(*T) K) (Operator[T], error) {
		return &earliestOperator[K, T]{passing: passing[K, T]{s}, key: key, done: done, now: NoTimestamp}, nil
	})
}

// earliestOperator keeps the best record so far of each key, and which keys have been through.
type earliestOperator[K comparable, T any] struct {
	passing[K, T]
	key    func(*T) K
	done   *state.Value[bool]
	best   *keyed.Value[timed[T]]
	timers *keyed.Timers
	rows   rowsOf[K]
	late   OutputTag[T]
	isRead bool // late is
	lost   *operator.Counter
	now    int64 // the watermark
	k      K
	tmp    timed[T]
	fire   func(int64)
}

func (n *earliestOperator[K, T]) Open() error {
	if err := n.open(); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *earliestOperator[K, T]) open() (err error) {
	if n.rows, err = openRows(n.setup, n.done); err != nil {
		return err
	}
	if n.best, err = keyed.NewValue[timed[T]](n.rows.Scope(), "best"); err != nil {
		return err
	}
	if n.timers, err = keyed.NewTimers(n.rows.Scope(), "timers"); err != nil {
		return err
	}
	n.late = lateFirst[T]()
	n.isRead = n.late.Read(n.setup)
	n.lost = n.setup.Counter("numLateRecordsDropped")
	n.fire = func(int64) {
		n.tmp = *n.best.Get()
		n.best.Clear()
		n.done.Set(n.rows, true)
		n.setup.Begin(n.tmp.At)
		n.setup.Out.Record(&n.tmp.V, n.tmp.At)
	}
	return nil
}

func (n *earliestOperator[K, T]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	n.k = n.key(v)
	if ts == NoTimestamp {
		n.setup.fail(keyError(n.k, errNoEventTime))
	}
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	if _, ok := n.done.Get(n.rows); ok {
		return
	}
	if ts < n.now {
		if n.isRead {
			n.late.Emit(n.setup, *v)
		} else {
			n.lost.Add(1)
		}
		return
	}
	if best := n.best.Get(); best != nil {
		if best.At <= ts {
			return
		}
		n.timers.Cancel(best.At)
	}
	n.tmp.At, n.tmp.V = ts, *v
	n.best.Set(&n.tmp)
	if ts <= n.now {
		n.fire(ts)
		return
	}
	n.timers.Set(ts)
}

func (n *earliestOperator[K, T]) Watermark(ts int64) {
	n.now = ts
	n.timers.Fire(ts, n.fire)
	n.setup.Pass(ts)
}

// Latest keeps the record with the greatest event time of each key, the last to come of equal ones or if they have no
// event time. It emits each record that becomes the latest, or with AtEnd one per key when a bounded input has ended;
// in mode Batch AtEnd is the default.
func Latest[K comparable, T any](in *Keyed[K, T], when ...When) *Stream[T] {
	return latest(in, "Latest", when, func(v *T, ts int64, old *timed[T]) bool { return ts >= old.At })
}

// LatestBy is Latest by what by returns instead of event time.
func LatestBy[K comparable, T any, O cmp.Ordered](in *Keyed[K, T], by func(T) O, when ...When) *Stream[T] {
	if by == nil {
		in.stream.env.fault("LatestBy: the function is nil")
	}
	return latest(in, "LatestBy", when, func(v *T, _ int64, old *timed[T]) bool { return cmp.Compare(by(*v), by(old.V)) >= 0 })
}

// latest keeps one record per key: follows tells whether a record takes the place of the one before.
func latest[K comparable, T any](in *Keyed[K, T], verb string, when []When, follows func(v *T, ts int64, old *timed[T]) bool) *Stream[T] {
	env := in.stream.env
	return Transform(in, verb, func(s *Setup[K, T], key func(*T) K) (Operator[T], error) {
		detach, err := codec.DetachFor[T]()
		return &latestOperator[K, T]{passing: passing[K, T]{s}, key: key, follows: follows, atEnd: env.emitsAtEnd(when), detach: detach}, err
	})
}

// emitsAtEnd tells when an aggregate emits.
func (e *Env) emitsAtEnd(when []When) bool {
	if len(when) > 0 {
		return when[len(when)-1] == AtEnd
	}
	return e.config.RuntimeMode == string(Batch)
}

type latestOperator[K comparable, T any] struct {
	passing[K, T]
	key     func(*T) K
	follows func(v *T, ts int64, old *timed[T]) bool
	detach  func(*T) // nil: a record needs no memory of its own
	atEnd   bool
	table   keyed.Store[K, timed[T]]
	k       K
	tmp     T
}

func (n *latestOperator[K, T]) Open() (err error) {
	if n.table, err = keyed.NewStore[K, timed[T]](n.setup.State, "latest"); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *latestOperator[K, T]) Close() error {
	n.table = nil // tens of megabytes, perhaps, while the rest of the job goes on
	return nil
}

func (n *latestOperator[K, T]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	n.k = n.key(v)
	have, isNew := n.table.Ref(&n.k, n.setup.Hash(&n.k))
	if !isNew && !n.follows(v, ts, have) {
		return
	}
	have.At, have.V = ts, *v
	if n.detach != nil {
		n.detach(&have.V)
	}
	if !n.atEnd {
		n.setup.Out.Record(v, ts)
	}
}

func (n *latestOperator[K, T]) End() {
	if n.atEnd {
		for _, have := range n.table.All() {
			n.tmp = have.V
			n.setup.Out.Record(&n.tmp, NoTimestamp)
		}
	}
	n.setup.PassEnd()
}
