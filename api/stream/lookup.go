package stream

import (
	"cmp"
	"math"
	"slices"

	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// Lookup calls f for each record of in with the row of its key in a table: the record of the stream table that came
// last for that key, nil if none came yet. What the row is depends on when records arrive; LookupAt goes by event
// time. The table keeps its last row of each key for ever.
//
//	priced := stream.Lookup(orders, prices, func(o Order, p *Price) Priced { ... })
func Lookup[K comparable, A, B, U any](in *Keyed[K, A], table *Keyed[K, B], f func(v A, row *B) U) *Stream[U] {
	if f == nil {
		in.stream.env.fault("Lookup: the function is nil")
	}
	return Transform2(Connect(in, table), "Lookup", func(s *Setup[K, U], key func(*A) K, rowKey func(*B) K) (Operator2[A, B], error) {
		detach, err := codec.DetachFor[B]()
		return &lookupOperator[K, A, B, U]{setup: s, key: key, rowKey: rowKey, detach: detach, f: f}, err
	})
}

type lookupOperator[K comparable, A, B, U any] struct {
	setup  *Setup[K, U]
	key    func(*A) K
	rowKey func(*B) K
	detach func(*B) // nil: a row needs no memory of its own
	f      func(A, *B) U
	table  keyed.Store[K, B]
	k      K
	row    B
	tmp    U
}

func (n *lookupOperator[K, A, B, U]) Open() (err error) {
	if n.table, err = keyed.NewStore[K, B](n.setup.State, "table"); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *lookupOperator[K, A, B, U]) Close() error {
	n.table = nil
	return nil
}

func (n *lookupOperator[K, A, B, U]) First(v *A, ts int64) {
	n.setup.Begin(ts)
	n.k = n.key(v)
	row := n.table.Get(&n.k, n.setup.Hash(&n.k))
	if row != nil {
		n.row = *row // the function may change it
		row = &n.row
	}
	n.tmp = n.f(*v, row)
	n.setup.Out.Record(&n.tmp, ts)
}

func (n *lookupOperator[K, A, B, U]) Second(v *B, ts int64) {
	n.setup.Begin(ts)
	n.k = n.rowKey(v)
	row, _ := n.table.Ref(&n.k, n.setup.Hash(&n.k))
	*row = *v
	if n.detach != nil {
		n.detach(row)
	}
}

func (n *lookupOperator[K, A, B, U]) Watermark(ts int64) { n.setup.Pass(ts) }

func (n *lookupOperator[K, A, B, U]) Idle() { n.setup.PassIdle() }

func (n *lookupOperator[K, A, B, U]) End() { n.setup.PassEnd() }

// LookupAt is Lookup in event time: f gets the row of the table as it was at the time of the record, that is the
// last one with an event time not after the record's, nil if there is none. A record waits in keyed state until the
// watermark says that the table is complete up to its time; records of a key leave in the order of their times. A
// record before the watermark is late: it is dropped and counted (numLateRecordsDropped), or goes to LateFirst. Of the
// table's rows the newest that the watermark has passed is kept for ever, older ones are not.
func LookupAt[K comparable, A, B, U any](in *Keyed[K, A], table *Keyed[K, B], f func(v A, row *B) U) *Stream[U] {
	if f == nil {
		in.stream.env.fault("LookupAt: the function is nil")
	}
	return Transform2(Connect(in, table), "LookupAt", func(s *Setup[K, U], key func(*A) K, rowKey func(*B) K) (Operator2[A, B], error) {
		return &lookupAtOperator[K, A, B, U]{setup: s, key: key, rowKey: rowKey, f: f, now: NoTimestamp}, nil
	})
}

// lookupAtOperator keeps, per key, the records that wait and the rows from the one before the watermark on, both in
// the order in which they came. A key has one timer: that of the first of them after the watermark.
type lookupAtOperator[K comparable, A, B, U any] struct {
	setup  *Setup[K, U]
	key    func(*A) K
	rowKey func(*B) K
	f      func(A, *B) U

	rows    *keyed.Rows[K]
	waiting *keyed.List[timed[A]]
	table   *keyed.List[timed[B]]
	alarm   *keyed.Value[int64] // time of the key's timer
	timers  *keyed.Timers
	late    OutputTag[A]
	isRead  bool // late is
	lost    *operator.Counter
	now     int64 // the watermark

	k       K
	record  timed[A]
	version timed[B]
	row     B
	tmp     U

	// Of answer:
	due      []timed[A]
	versions []timed[B]
	next     int64 // earliest time after the watermark
	more     bool  // there is one
	current  int64 // time of the newest row that is not after the watermark
	same     int   // rows of that time
	take     func(*timed[A]) bool
	see      func(*timed[B]) bool
	old      func(*timed[B]) bool
	fire     func(int64)
}

func (n *lookupAtOperator[K, A, B, U]) Open() error {
	if err := n.open(); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *lookupAtOperator[K, A, B, U]) open() (err error) {
	if n.rows, err = keyed.NewRows[K](n.setup.State); err != nil {
		return err
	}
	if n.waiting, err = keyed.NewList[timed[A]](&n.rows.Scope, "waiting"); err != nil {
		return err
	}
	if n.table, err = keyed.NewList[timed[B]](&n.rows.Scope, "table"); err != nil {
		return err
	}
	if n.alarm, err = keyed.NewValue[int64](&n.rows.Scope, "next"); err != nil {
		return err
	}
	if n.timers, err = keyed.NewTimers(&n.rows.Scope, "answers"); err != nil {
		return err
	}
	n.late = lateFirst[A]()
	n.isRead = n.late.Read(n.setup)
	n.lost = n.setup.Counter("numLateRecordsDropped")
	n.take = func(v *timed[A]) bool {
		if v.At > n.now {
			n.next, n.more = min(n.next, v.At), true
			return false
		}
		n.due = append(n.due, *v)
		return true
	}
	n.see = func(v *timed[B]) bool {
		n.versions = append(n.versions, *v)
		switch {
		case v.At > n.now:
			n.next, n.more = min(n.next, v.At), true
		case v.At > n.current || n.same == 0:
			n.current, n.same = v.At, 1
		case v.At == n.current:
			n.same++
		}
		return true
	}
	n.old = func(v *timed[B]) bool {
		if n.same == 0 || v.At > n.current {
			return false
		}
		if v.At == n.current {
			n.same--
			return n.same > 0 // the last that came counts
		}
		return true
	}
	n.fire = func(int64) { n.answer() }
	return nil
}

func (n *lookupAtOperator[K, A, B, U]) Close() error { return nil }

func (n *lookupAtOperator[K, A, B, U]) First(v *A, ts int64) {
	n.setup.Begin(ts)
	n.k = n.key(v)
	switch {
	case ts == NoTimestamp:
		n.setup.fail(keyError(n.k, errNoEventTime))
	case ts < n.now:
		if n.isRead {
			n.late.Emit(n.setup, *v)
		} else {
			n.lost.Add(1)
		}
		return
	}
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	n.record.At, n.record.V = ts, *v
	n.waiting.Append(&n.record)
	n.schedule(ts)
}

func (n *lookupAtOperator[K, A, B, U]) Second(v *B, ts int64) {
	n.setup.Begin(ts)
	n.k = n.rowKey(v)
	if ts == NoTimestamp {
		n.setup.fail(keyError(n.k, errNoEventTime))
	}
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	n.version.At, n.version.V = ts, *v
	n.table.Append(&n.version)
	n.schedule(ts)
}

// schedule sees to it that the current key is looked at when the watermark is at ts, or now.
func (n *lookupAtOperator[K, A, B, U]) schedule(ts int64) {
	if ts <= n.now {
		n.answer()
		return
	}
	at, isNew := n.alarm.Ref()
	if !isNew && *at <= ts {
		return
	}
	before := *at
	*at = ts
	if !isNew {
		n.timers.Cancel(before)
	}
	n.timers.Set(ts)
}

// answer answers the records of the current key that the watermark has passed, and forgets the rows that no record
// will ask for.
func (n *lookupAtOperator[K, A, B, U]) answer() {
	n.due, n.versions = n.due[:0], n.versions[:0]
	n.next, n.more, n.current, n.same = math.MaxInt64, false, math.MinInt64, 0
	n.waiting.Filter(n.take)
	n.table.Each(n.see)
	if at := n.alarm.Get(); at != nil {
		n.timers.Cancel(*at)
		n.alarm.Clear()
	}
	if n.more {
		n.schedule(n.next)
	}
	if len(n.versions) > 1 {
		n.table.Filter(n.old)
	}
	slices.SortStableFunc(n.due, func(a, b timed[A]) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(n.versions, func(a, b timed[B]) int { return cmp.Compare(a.At, b.At) })
	valid := 0 // rows up to the time of the record
	for i := range n.due {
		v := &n.due[i]
		for valid < len(n.versions) && n.versions[valid].At <= v.At {
			valid++
		}
		var row *B
		if valid > 0 {
			n.row = n.versions[valid-1].V // the function may change it
			row = &n.row
		}
		n.setup.Begin(v.At)
		n.tmp = n.f(v.V, row)
		n.setup.Out.Record(&n.tmp, v.At)
	}
	clear(n.due) // let go of what the records point to
	clear(n.versions)
}

// Watermark answers what waited for it, in the order of the earliest times of the keys.
func (n *lookupAtOperator[K, A, B, U]) Watermark(ts int64) {
	n.now = ts
	n.timers.Fire(ts, n.fire)
	n.setup.Pass(ts)
}

func (n *lookupAtOperator[K, A, B, U]) Idle() { n.setup.PassIdle() }

func (n *lookupAtOperator[K, A, B, U]) End() { n.setup.PassEnd() }
