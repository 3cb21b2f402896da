package window

import (
	"fmt"
	"slices"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// aggregateSessions adds the operator of session windows.
func aggregateSessions[K comparable, T, A, R any](in *stream.Keyed[K, T], verb string, spec Spec, gap func(*T) time.Duration, f fold[T, A, R]) *stream.Stream[Result[K, R]] {
	return stream.Transform(in, verb, func(s *stream.Setup[K, Result[K, R]], key func(*T) K) (stream.Operator[T], error) {
		return newSessionOperator(s, key, spec, gap, f), nil
	})
}

func newSessionOperator[K comparable, T, A, R any](s *stream.Setup[K, Result[K, R]], key func(*T) K, spec Spec, gap func(*T) time.Duration, f fold[T, A, R]) *sessionOperator[K, T, A, R] {
	n := &sessionOperator[K, T, A, R]{
		setup:    s,
		key:      key,
		fold:     f,
		spec:     spec,
		gap:      spec.size.Milliseconds(),
		gapOf:    gap,
		lateness: spec.lateness.Milliseconds(),
		passed:   operator.NoTimestamp,
	}
	n.timer = n.onTimer
	return n
}

// sessionOperator keeps the sessions of each key, nearly always one. A record costs one look-up: it extends its
// session in place and leaves the key's timer alone. That one goes off when the session would have ended without the
// record, and is set anew for the time when it really does.
type sessionOperator[K comparable, T, A, R any] struct {
	setup    *stream.Setup[K, Result[K, R]]
	key      func(*T) K
	fold     fold[T, A, R]
	spec     Spec
	gap      int64
	gapOf    func(*T) time.Duration // nil: gap
	lateness int64

	rows   *keyed.Rows[K]
	last   *keyed.Value[lastSession[A]]
	older  *keyed.Value[[]sessionOf[A]] // before the last one, by time
	timers *keyed.Timers
	timer  func(at int64)

	passed  int64
	dropped *operator.Counter
	late    bool // the program reads late records

	armed int64 // processing time that the task was asked to call at
	stop  func()

	// Scratch.
	k   K
	all []sessionOf[A]
	out Result[K, R]
}

// sessionOf is a session with what it holds. It fires at End-1 and is forgotten at that time plus the lateness.
type sessionOf[A any] struct {
	Start, End int64
	Acc        A
}

// lastSession is the session of a key that began last.
type lastSession[A any] struct {
	Timer int64 // the only timer of the key: not after anything that is due for one of its sessions
	Older int64 // how many other sessions there are
	sessionOf[A]
}

// Open implements operator.Lifecycle.
func (n *sessionOperator[K, T, A, R]) Open() (err error) {
	n.dropped = n.setup.Counter("numLateRecordsDropped")
	n.late = lateTag[T]().Read(n.setup)
	if n.rows, err = keyed.NewRows[K](n.setup.State); err != nil {
		return err
	}
	if n.last, err = keyed.NewValue[lastSession[A]](&n.rows.Scope, "session"); err != nil {
		return err
	}
	if n.older, err = keyed.NewValue[[]sessionOf[A]](&n.rows.Scope, "older-sessions"); err != nil {
		return err
	}
	n.timers, err = keyed.NewTimers(&n.rows.Scope, "session-timers")
	return err
}

// Close implements operator.Lifecycle.
func (n *sessionOperator[K, T, A, R]) Close() error {
	if n.stop != nil {
		n.stop()
	}
	n.rows, n.last, n.older, n.timers = nil, nil, nil, nil
	return nil
}

// Record implements operator.Node.
func (n *sessionOperator[K, T, A, R]) Record(v *T, ts int64) {
	n.setup.Begin(ts)
	switch {
	case n.spec.processing:
		ts = n.now()
	case ts == operator.NoTimestamp:
		n.setup.Fail(fmt.Errorf(noTimestamp, n.spec))
	}
	end := n.endOf(v, ts)
	n.k = n.key(v)
	n.setup.About(&n.k)
	n.rows.SetKey(&n.k, n.setup.Hash(&n.k))
	last, isNew := n.last.Ref()
	switch {
	case isNew && n.gone(end):
		n.last.Clear()
		n.drop(v)
		return
	case isNew:
		last.Start, last.End = ts, end
		n.fold.take(&last.Acc, v, true)
		n.schedule(last, true)
	case ts >= last.Start && ts <= last.End && last.Older == 0:
		last.End = max(last.End, end)
		n.fold.take(&last.Acc, v, false)
		n.schedule(last, false)
	default:
		n.insert(last, v, ts, end)
		return
	}
	if last.End-1 <= n.passed {
		n.emit(&last.sessionOf)
	}
}

// endOf returns the end of the session of the record alone.
func (n *sessionOperator[K, T, A, R]) endOf(v *T, ts int64) int64 {
	gap := n.gap
	if n.gapOf != nil {
		d := n.gapOf(v)
		if gap = d.Milliseconds(); gap <= 0 {
			n.setup.Fail(fmt.Errorf("the gap of a session is %v: want at least a millisecond", d))
		}
	}
	if ts > operator.MaxWatermark-1-gap {
		n.setup.Fail(outOfRange(ts, gap))
	}
	return ts + gap
}

// gone tells whether a session that ends at end is over, lateness included.
func (n *sessionOperator[K, T, A, R]) gone(end int64) bool {
	return addTime(end-1, n.lateness) <= n.passed
}

// due returns when something is next to be done for a session.
func (n *sessionOperator[K, T, A, R]) due(s *sessionOf[A], after int64) int64 {
	if s.End-1 > after {
		return s.End - 1
	}
	return addTime(s.End-1, n.lateness)
}

// insert takes in a record that does not just extend the only session of its key.
func (n *sessionOperator[K, T, A, R]) insert(last *lastSession[A], v *T, ts, end int64) {
	n.load(last)
	// Sessions that touch the record's grow into one with it.
	from, _ := slices.BinarySearchFunc(n.all, ts, func(s sessionOf[A], ts int64) int {
		if s.End < ts {
			return -1
		}
		return 1
	})
	to := from
	for to < len(n.all) && n.all[to].Start <= end {
		to++
	}
	if from == to {
		if n.gone(end) {
			n.drop(v)
			return
		}
		n.all = slices.Insert(n.all, from, sessionOf[A]{Start: ts, End: end})
		n.fold.take(&n.all[from].Acc, v, true)
	} else {
		s := &n.all[from]
		for i := from + 1; i < to; i++ {
			n.fold.merge(&s.Acc, &n.all[i].Acc)
		}
		s.Start = min(s.Start, ts)
		s.End = max(n.all[to-1].End, end)
		n.fold.take(&s.Acc, v, false)
		n.all = slices.Delete(n.all, from+1, to)
	}
	touched := n.all[from]
	n.save(last)
	if touched.End-1 <= n.passed {
		n.emit(&touched)
	}
}

// load gathers the sessions of the key in n.all, by time.
func (n *sessionOperator[K, T, A, R]) load(last *lastSession[A]) {
	n.all = n.all[:0]
	s := last.sessionOf
	if last.Older > 0 {
		n.all = append(n.all, *n.older.Get()...)
	}
	n.all = append(n.all, s)
}

// save stores n.all, which is not empty.
func (n *sessionOperator[K, T, A, R]) save(last *lastSession[A]) {
	had := last.Older
	rest := len(n.all) - 1
	last.sessionOf, last.Older = n.all[rest], int64(rest)
	earliest := n.due(&last.sessionOf, n.passed)
	for i := range rest {
		earliest = min(earliest, n.due(&n.all[i], n.passed))
	}
	if earliest < last.Timer {
		n.timers.Cancel(last.Timer)
		n.set(last, earliest)
	}
	switch {
	case rest > 0:
		older, _ := n.older.Ref()
		*older = append((*older)[:0], n.all[:rest]...)
		clear((*older)[rest:cap(*older)])
	case had > 0:
		n.older.Clear()
	}
	clear(n.all) // what they point to belongs to the state
}

// schedule sets the timer of a key with one session, if it is new or the timer would come too late.
func (n *sessionOperator[K, T, A, R]) schedule(last *lastSession[A], isNew bool) {
	switch at := n.due(&last.sessionOf, n.passed); {
	case isNew:
		n.set(last, at)
	case at < last.Timer:
		n.timers.Cancel(last.Timer)
		n.set(last, at)
	}
}

func (n *sessionOperator[K, T, A, R]) set(last *lastSession[A], at int64) {
	last.Timer = at
	n.timers.Set(at)
	if n.spec.processing {
		n.arm()
	}
}

// onTimer does what is due for the sessions of the current key.
func (n *sessionOperator[K, T, A, R]) onTimer(at int64) {
	n.passed = at
	n.k = *n.rows.Key()
	last, _ := n.last.Ref()
	n.load(last)
	kept := n.all[:0]
	next := operator.MaxWatermark
	for i := range n.all {
		s := &n.all[i]
		if s.End-1 == at {
			n.emit(s)
		}
		if !n.gone(s.End) {
			next = min(next, n.due(s, at))
			kept = append(kept, *s)
		}
	}
	n.all = kept
	if len(kept) == 0 {
		n.last.Clear()
		n.older.Clear()
		return
	}
	n.save(last)
	n.set(last, next)
}

func (n *sessionOperator[K, T, A, R]) emit(s *sessionOf[A]) {
	at := s.End - 1
	n.setup.Begin(at)
	n.setup.About(&n.k)
	n.out.Key, n.out.Window, n.out.Value = n.k, Window{s.Start, s.End}, n.fold.result(&s.Acc)
	n.setup.Out.Record(&n.out, at)
}

func (n *sessionOperator[K, T, A, R]) drop(v *T) {
	if n.late {
		lateTag[T]().Emit(n.setup, *v)
	} else {
		n.dropped.Add(1)
	}
}

// Watermark implements operator.Node.
func (n *sessionOperator[K, T, A, R]) Watermark(ts int64) {
	if !n.spec.processing || ts == operator.MaxWatermark {
		n.advance(ts)
	}
	n.setup.Pass(ts)
}

// Idle implements operator.Node.
func (n *sessionOperator[K, T, A, R]) Idle() { n.setup.PassIdle() }

// End implements operator.Node.
func (n *sessionOperator[K, T, A, R]) End() { n.setup.PassEnd() }

func (n *sessionOperator[K, T, A, R]) advance(t int64) {
	if t > n.passed {
		n.timers.Fire(t, n.timer)
		n.passed = t
	}
}

// now is the processing time in milliseconds.
func (n *sessionOperator[K, T, A, R]) now() int64 { return n.setup.Now().UnixMilli() }

// arm asks the task to call when the next session in processing time may be over.
func (n *sessionOperator[K, T, A, R]) arm() {
	at, ok := n.timers.Next()
	if !ok || n.stop != nil && n.armed <= at {
		return
	}
	if n.stop != nil {
		n.stop()
	}
	n.armed = at
	n.stop = n.setup.At(time.UnixMilli(at+1), func() {
		n.stop = nil
		n.advance(n.now() - 1)
		n.arm()
	})
}
