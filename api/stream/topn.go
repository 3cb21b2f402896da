package stream

import (
	"fmt"

	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// Ranked is a change in the first records of a key, or one of them at the end.
type Ranked[K comparable, T any] struct {
	Key    K
	Rank   int // from 1, the best, to n
	Record T
	Change Change
}

// String is what Print shows.
func (r Ranked[K, T]) String() string {
	return fmt.Sprintf("%v #%d %s %v", r.Key, r.Rank, r.Change, r.Record)
}

// Change is what happened to a record.
type Change uint8

const (
	// Insert says that the record is there now.
	Insert Change = iota
	// Delete says that the record is gone.
	Delete
)

func (c Change) String() string {
	if c == Delete {
		return "-"
	}
	return "+"
}

// TopN keeps the first n records of each key in the order of less; of records that neither comes before the other the
// earlier to come ranks first. State is n records per key.
//
// A record that gets among the first n is emitted as an Insert at its rank, and those from that rank on move down by
// one; if there were n, a Delete of the last of them, rank n, comes before it. Other records change nothing and are
// dropped. With AtEnd, the default in mode Batch, each key's first n are emitted once, best first, when a bounded input
// has ended.
func TopN[K comparable, T any](in *Keyed[K, T], n int, less func(a, b *T) bool, when ...When) *Stream[Ranked[K, T]] {
	env := in.stream.env
	if less == nil {
		env.fault("TopN: the function is nil")
	}
	if n < 1 {
		env.fault("TopN: n is %d: want at least 1", n)
	}
	return Transform(in, "TopN", func(s *Setup[K, Ranked[K, T]], key func(*T) K) (Operator[T], error) {
		detach, err := codec.DetachFor[T]()
		return &topOperator[K, T]{passing: passing[K, Ranked[K, T]]{s}, n: n, key: key, less: less, detach: detach, atEnd: env.emitsAtEnd(when)}, err
	})
}

// topOperator keeps a list per key, the worst first: most records of a long stream are worse than that one.
type topOperator[K comparable, T any] struct {
	passing[K, Ranked[K, T]]
	n      int
	key    func(*T) K
	less   func(a, b *T) bool
	detach func(*T) // nil: a record needs no memory of its own
	atEnd  bool

	rows   *keyed.Rows[K]
	list   *keyed.List[T]
	timers *keyed.Timers // with atEnd: one per key, at the end of time

	k      K
	out    Ranked[K, T]
	record *T // that came
	worst  func(*T) bool
	enters bool // the record is better than the worst
	insert func(*T) bool
	full   bool // the worst has to go
	carry  T    // what the next better element is exchanged for
	better int
	gather func(*T) bool
	all    []T
	fire   func(int64)
}

func (n *topOperator[K, T]) Open() error {
	if err := n.open(); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *topOperator[K, T]) open() (err error) {
	if n.rows, err = keyed.NewRows[K](n.setup.State); err != nil {
		return err
	}
	if n.list, err = keyed.NewList[T](&n.rows.Scope, "first"); err != nil {
		return err
	}
	if n.atEnd {
		if n.timers, err = keyed.NewTimers(&n.rows.Scope, "end"); err != nil {
			return err
		}
	}
	n.worst = func(w *T) bool {
		n.enters = n.less(n.record, w)
		return false
	}
	n.insert = func(e *T) (drop bool) {
		if n.full {
			n.full = false
			n.out.Record = *e
			return true
		}
		// The record goes before the first element that is not worse; that one and those behind move on by one.
		if n.better > 0 || !n.less(n.record, e) {
			n.better++
			*e, n.carry = n.carry, *e
		}
		return false
	}
	n.gather = func(e *T) bool {
		n.all = append(n.all, *e)
		return true
	}
	n.fire = func(int64) { n.emitAll() }
	return nil
}

func (n *topOperator[K, T]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	n.k = n.key(v)
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	n.record = v
	have := n.list.Len()
	n.full = have == n.n
	if n.full {
		n.list.Each(n.worst)
		if !n.enters {
			return
		}
	}
	if have == 0 && n.atEnd {
		n.timers.Set(operator.MaxWatermark)
	}
	full := n.full
	n.carry, n.better = *v, 0
	if n.detach != nil {
		n.detach(&n.carry)
	}
	n.list.Filter(n.insert)
	n.list.Append(&n.carry)
	if n.atEnd {
		return
	}
	n.out.Key = n.k
	if full { // insert has put the record that is gone into out
		n.out.Rank, n.out.Change = n.n, Delete
		n.setup.Out.Record(&n.out, ts)
	}
	n.out.Key, n.out.Rank, n.out.Record, n.out.Change = n.k, n.better+1, *v, Insert
	n.setup.Out.Record(&n.out, ts)
}

// emitAll emits the list of the current key.
func (n *topOperator[K, T]) emitAll() {
	n.all = n.all[:0]
	n.list.Each(n.gather)
	n.list.Clear()
	n.k = *n.rows.Key()
	for i := range n.all {
		n.out.Key, n.out.Rank, n.out.Record, n.out.Change = n.k, i+1, n.all[len(n.all)-1-i], Insert
		n.setup.Out.Record(&n.out, NoTimestamp)
	}
	clear(n.all)
}

// Watermark emits at the end of input, if that was asked for.
func (n *topOperator[K, T]) Watermark(ts int64) {
	if n.atEnd && ts == operator.MaxWatermark {
		n.timers.Fire(ts, n.fire)
	}
	n.setup.Pass(ts)
}
