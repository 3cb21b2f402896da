package stream

import (
	"fmt"
	"reflect"

	"github.com/flink-go/flink-go/graph/operator"
)

// Feed puts records into one subtask of a source in the place of its readers: how streamtest tests a program. The
// source's event time works as it always does. Its methods are called on the task's goroutine; what they put in is read
// by the next Poll.
type Feed interface {
	// Put adds a record with an event time in milliseconds, NoTimestamp for none. An error says that v is not of the
	// source's record type.
	Put(v any, ts int64) error
	// Watermark says that event time has come to ts; one that does not move it is ignored.
	Watermark(ts int64)
	// Idle says that the source does not hold back event time until its next record.
	Idle()
	// End says that nothing follows.
	End()
}

// FeedSource returns the feed of a source that has not been opened. ok is false if it is not a source of this package.
func FeedSource(s operator.Source) (f Feed, ok bool) {
	fed, ok := s.(interface{ feed() Feed })
	if !ok {
		return nil, false
	}
	return fed.feed(), true
}

func (n *sourceOperator[T]) feed() Feed {
	f := &feed[T]{n: n, mark: NoTimestamp}
	n.src = Source[T]{Name: n.src.Name, Open: func(*RuntimeContext) (Reader[T], error) { return f, nil }}
	if n.clock != nil {
		n.clock.oneByOne = false
	}
	return f
}

// feed is the reader of a source that is fed.
type feed[T any] struct {
	n     *sourceOperator[T]
	queue []fedRecord[T]
	over  bool
	mark  int64
}

type fedRecord[T any] struct {
	v  T
	ts int64
}

// Next implements Reader.
func (f *feed[T]) Next(v *T) (int64, Status, error) {
	switch {
	case len(f.queue) > 0:
		r := f.queue[0]
		f.queue = f.queue[1:]
		*v = r.v
		return r.ts, Record, nil
	case f.over:
		return 0, End, nil
	default:
		return 0, Idle, nil
	}
}

// Close implements Reader.
func (f *feed[T]) Close() error { return nil }

// Put implements Feed.
func (f *feed[T]) Put(v any, ts int64) error {
	r, ok := v.(T)
	if !ok && v != nil {
		return fmt.Errorf("its records are of type %s, not %T", reflect.TypeFor[T](), v)
	}
	f.queue = append(f.queue, fedRecord[T]{r, ts})
	return nil
}

// Watermark implements Feed.
func (f *feed[T]) Watermark(ts int64) {
	if ts <= f.mark || f.over {
		return
	}
	f.mark = ts
	e := f.n.clock
	if e == nil {
		f.n.out.Watermark(ts)
		return
	}
	if e.advance(); ts > e.now {
		e.now = ts
	}
	if e.now > e.sent {
		e.stir()
		e.send()
	}
}

// Idle implements Feed.
func (f *feed[T]) Idle() {
	e := f.n.clock
	if e == nil {
		f.n.out.Idle()
		return
	}
	for _, c := range e.splits {
		if !c.idle {
			e.rest(c)
		}
	}
	if !e.resting {
		e.sleep()
	}
}

// End implements Feed.
func (f *feed[T]) End() { f.over = true }
