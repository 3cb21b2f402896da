package stream

import (
	"fmt"

	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/keyed"
)

// Join calls f for each pair of records of one key, whenever they come: each record meets all of the other input that
// came before it. Both inputs are kept for ever unless a time to live is given: stream.Join(a, b, f, state.TTL(time.Hour)).
// A pair has the event time of the record that came last.
func Join[K comparable, A, B, U any](first *Keyed[K, A], second *Keyed[K, B], f func(A, B) U, options ...state.Option) *Stream[U] {
	env := first.stream.env
	if f == nil {
		env.fault("Join: the function is nil")
	}
	as, bs := state.NewList[A]("first", options...), state.NewList[B]("second", options...)
	tryStates[K](env, "Join", as, bs)
	return Transform2(Connect(first, second), "Join", func(s *Setup[K, U], firstKey func(*A) K, secondKey func(*B) K) (Operator2[A, B], error) {
		return &joinOperator[K, A, B, U]{setup: s, firstKey: firstKey, secondKey: secondKey, first: as, second: bs, f: f}, nil
	})
}

// tryStates reports what is wrong with states while the program is built.
func tryStates[K comparable](env *Env, verb string, states ...state.Descriptor) {
	rows, err := keyed.NewRows[K](keyed.NewBackend(core.KeyGroupRange{To: 1}, 1, nil, nil))
	if err != nil {
		return // KeyBy has reported it
	}
	for _, s := range states {
		if err := s.Bind(&rows.Scope); err != nil {
			env.fault("%s: %v", verb, err)
			return // of all states alike
		}
	}
}

// keyError says with which key something went wrong.
func keyError[K comparable](k K, err error) error { return fmt.Errorf("key %.100v: %w", k, err) }

// rowsOf is the keyed state of a library's operator: where its handles find it.
type rowsOf[K comparable] struct{ *keyed.Rows[K] }

// Scope implements state.Context.
func (r rowsOf[K]) Scope() *keyed.Scope { return &r.Rows.Scope }

// openRows makes the rows of an operator, with states in them that know the time.
func openRows[K comparable, U any](s *Setup[K, U], states ...state.Descriptor) (rowsOf[K], error) {
	rows, err := keyed.NewRows[K](s.State)
	if err != nil {
		return rowsOf[K]{}, err
	}
	rows.SetClock(func() int64 { return s.Now().UnixMilli() })
	for _, d := range states {
		if err := d.Bind(&rows.Scope); err != nil {
			return rowsOf[K]{}, err
		}
	}
	return rowsOf[K]{rows}, nil
}

// joinOperator keeps both inputs.
type joinOperator[K comparable, A, B, U any] struct {
	setup     *Setup[K, U]
	firstKey  func(*A) K
	secondKey func(*B) K
	first     *state.List[A]
	second    *state.List[B]
	f         func(A, B) U
	rows      rowsOf[K]
	k         K
	tmp       U
}

func (n *joinOperator[K, A, B, U]) Open() (err error) {
	if n.rows, err = openRows(n.setup, n.first, n.second); err != nil {
		return n.setup.RuntimeContext.failed("open", err)
	}
	return nil
}

func (n *joinOperator[K, A, B, U]) Close() error { return nil }

func (n *joinOperator[K, A, B, U]) First(v *A, ts int64) {
	n.setup.Begin(ts)
	n.k = n.firstKey(v)
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	for b := range n.second.All(n.rows) {
		n.setup.Begin(ts)
		n.tmp = n.f(*v, b)
		n.setup.Out.Record(&n.tmp, ts)
	}
	n.first.Add(n.rows, *v)
}

func (n *joinOperator[K, A, B, U]) Second(v *B, ts int64) {
	n.setup.Begin(ts)
	n.k = n.secondKey(v)
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	for a := range n.first.All(n.rows) {
		n.setup.Begin(ts)
		n.tmp = n.f(a, *v)
		n.setup.Out.Record(&n.tmp, ts)
	}
	n.second.Add(n.rows, *v)
}

func (n *joinOperator[K, A, B, U]) Watermark(ts int64) { n.setup.Pass(ts) }

func (n *joinOperator[K, A, B, U]) Idle() { n.setup.PassIdle() }

func (n *joinOperator[K, A, B, U]) End() { n.setup.PassEnd() }
