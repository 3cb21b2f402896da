package stream

// asyncQueue keeps the order of what is under way in an asyncOperator. It is a row of segments: within one, results
// leave as they come, those of the next only after all of the one before. A segment ends at a mark: the watermarks and
// idleness that came after its records. If the order of records is to be kept, each has a segment of its own.
//
// It is plain data, without goroutine or clock.
type asyncQueue[T, U any] struct {
	ordered    bool
	segments   []asyncSegment[T, U] // a ring; more than there can be records
	head, tail uint64               // numbers of the first segment and of the one that takes records
	emit       func(*asyncSlot[T, U])
	out        control
}

type asyncSegment[T, U any] struct {
	records     int              // that it ever took
	open        int              // of them, those without a result
	first, last *asyncSlot[T, U] // with a result, but waiting for the segments before
	mark        asyncMark
}

// asyncMark is what comes between two segments.
type asyncMark struct {
	watermark int64 // NoTimestamp: none
	idle      bool  // after the watermark
}

func newAsyncQueue[T, U any](capacity int, ordered bool, out control, emit func(*asyncSlot[T, U])) asyncQueue[T, U] {
	q := asyncQueue[T, U]{ordered: ordered, segments: make([]asyncSegment[T, U], capacity+2), emit: emit, out: out}
	*q.at(0) = asyncSegment[T, U]{mark: asyncMark{watermark: NoTimestamp}}
	return q
}

func (q *asyncQueue[T, U]) at(number uint64) *asyncSegment[T, U] {
	return &q.segments[number%uint64(len(q.segments))]
}

// empty tells whether nothing is under way.
func (q *asyncQueue[T, U]) empty() bool { return q.head == q.tail && q.at(q.head).open == 0 }

// add puts a record at the end.
func (q *asyncQueue[T, U]) add(s *asyncSlot[T, U]) {
	s.segment = q.tail
	g := q.at(q.tail)
	g.records++
	g.open++
	if q.ordered {
		q.cut()
	}
}

// cut ends the last segment.
func (q *asyncQueue[T, U]) cut() {
	q.tail++
	*q.at(q.tail) = asyncSegment[T, U]{mark: asyncMark{watermark: NoTimestamp}}
}

// border is the mark after all records that are under way.
func (q *asyncQueue[T, U]) border() *asyncMark {
	if q.at(q.tail).records > 0 {
		q.cut()
	}
	return &q.at(q.tail - 1).mark
}

func (q *asyncQueue[T, U]) watermark(ts int64) {
	if q.empty() {
		q.out.Watermark(ts)
		return
	}
	m := q.border()
	m.watermark, m.idle = max(m.watermark, ts), false
}

func (q *asyncQueue[T, U]) idle() {
	if q.empty() {
		q.out.Idle()
		return
	}
	q.border().idle = true
}

// settle takes note that a record has its results and emits what may leave now.
func (q *asyncQueue[T, U]) settle(s *asyncSlot[T, U]) {
	g := q.at(s.segment)
	g.open--
	if s.segment != q.head {
		s.next = nil
		if g.first == nil {
			g.first = s
		} else {
			g.last.next = s
		}
		g.last = s
		return
	}
	q.emit(s)
	for q.head != q.tail && q.at(q.head).open == 0 {
		if m := q.at(q.head).mark; m.watermark != NoTimestamp {
			q.out.Watermark(m.watermark)
			if m.idle {
				q.out.Idle()
			}
		} else if m.idle {
			q.out.Idle()
		}
		q.head++
		g := q.at(q.head)
		for s := g.first; s != nil; {
			next := s.next // emit may give the slot to another record
			q.emit(s)
			s = next
		}
		g.first, g.last = nil, nil
	}
	if q.empty() {
		q.at(q.head).records = 0
	}
}
