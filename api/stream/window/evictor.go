package window

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/operator"
)

// Evictor removes records from a window when it fires. The window then keeps all of its records until it is over, also
// for an aggregate. One object serves all keys, windows and subtasks.
type Evictor interface {
	// EvictBefore removes what the function shall not see.
	EvictBefore(r *Records)
	// EvictAfter removes what the next firing of the window shall not see.
	EvictAfter(r *Records)
}

// Records is the contents of a window in the order in which they came, as an Evictor sees them during a call.
type Records struct {
	window    Window
	watermark int64
	clock     func() int64

	len       int
	record    func(i int) any
	timestamp func(i int) int64
	removed   []bool
}

// Len is the number of records, those included that the call has removed.
func (r *Records) Len() int { return r.len }

// At is record i, from 0: a *T of the stream's record type T, which must not be changed.
func (r *Records) At(i int) any { return r.record(i) }

// Timestamp is the event time of record i, stream.NoTimestamp if it has none; in windows of processing time it is when
// the record came.
func (r *Records) Timestamp(i int) int64 { return r.timestamp(i) }

// Remove removes record i.
func (r *Records) Remove(i int) { r.removed[i] = true }

// Window is the window that fires.
func (r *Records) Window() Window { return r.window }

// Watermark is the event time up to which the input is complete.
func (r *Records) Watermark() int64 { return r.watermark }

// Now is the processing time in milliseconds since 1970.
func (r *Records) Now() int64 { return r.clock() }

// checked is an evictor of this package, which knows what may be wrong with it.
type checked interface{ fault(u usage) error }

func evictorFault(e Evictor, u usage) error {
	if stream.IsNil(e) {
		return errors.New("the evictor is nil")
	}
	if c, ok := e.(checked); ok {
		return c.fault(u)
	}
	return nil
}

// keepsAll is an Evictor that evicts nothing afterwards.
type keepsAll struct{}

// EvictAfter implements Evictor.
func (keepsAll) EvictAfter(*Records) {}

// CountEvictor leaves the last n records.
func CountEvictor(n int) Evictor { return countEvictor{n: n} }

type countEvictor struct {
	keepsAll
	n int
}

func (e countEvictor) fault(usage) error {
	if e.n < 1 {
		return fmt.Errorf("CountEvictor of %d records: want at least 1", e.n)
	}
	return nil
}

func (e countEvictor) EvictBefore(r *Records) {
	for i := range r.Len() - e.n {
		r.Remove(i)
	}
}

// TimeEvictor leaves the records that are less than d older than the newest one. Records without a timestamp stay.
func TimeEvictor(d time.Duration) Evictor { return timeEvictor{d: d} }

type timeEvictor struct {
	keepsAll
	d time.Duration
}

func (e timeEvictor) fault(usage) error {
	if e.d < time.Millisecond {
		return fmt.Errorf("TimeEvictor of %v: want at least 1ms", e.d)
	}
	return nil
}

func (e timeEvictor) EvictBefore(r *Records) {
	newest := operator.NoTimestamp
	for i := range r.Len() {
		newest = max(newest, r.Timestamp(i))
	}
	if newest < math.MinInt64+e.d.Milliseconds() {
		return // nothing can be that old
	}
	for i := range r.Len() {
		if ts := r.Timestamp(i); ts != operator.NoTimestamp && ts <= newest-e.d.Milliseconds() {
			r.Remove(i)
		}
	}
}

// DeltaEvictor leaves the records that are less than threshold away from the last one.
func DeltaEvictor[T any](threshold float64, delta func(v, last T) float64) Evictor {
	return &deltaEvictor[T]{threshold: threshold, delta: delta}
}

type deltaEvictor[T any] struct {
	keepsAll
	threshold float64
	delta     func(v, last T) float64
}

func (e *deltaEvictor[T]) fault(u usage) error {
	if e.delta == nil {
		return errors.New("DeltaEvictor: the function is nil")
	}
	return u.takes("DeltaEvictor", reflect.TypeFor[T]())
}

func (e *deltaEvictor[T]) EvictBefore(r *Records) {
	if r.Len() == 0 {
		return
	}
	last := r.At(r.Len() - 1).(*T)
	for i := range r.Len() {
		if e.delta(*r.At(i).(*T), *last) >= e.threshold {
			r.Remove(i)
		}
	}
}

// EvictAfter makes an Evictor of this package remove records after the function has seen them.
func EvictAfter(e Evictor) Evictor { return evictAfter{e} }

type evictAfter struct{ e Evictor }

func (a evictAfter) fault(u usage) error {
	if err := evictorFault(a.e, u); err != nil {
		return fmt.Errorf("EvictAfter: %w", err)
	}
	return nil
}

func (a evictAfter) EvictBefore(*Records) {}

func (a evictAfter) EvictAfter(r *Records) { a.e.EvictBefore(r) }
