package window

import (
	"fmt"
	"math"
	"time"
)

// layout is the arithmetic of tumbling and sliding windows, in milliseconds. Window starts are the multiples of slide
// plus offset. Time is cut at the starts and at the ends of all windows into slices, at most two per slide: no window
// holds a part of one, so windows share the accumulators of slices.
type layout struct {
	size, slide, offset int64
	rest                int64 // size modulo slide: where within a slide windows end
}

// slice is a stretch of time that no window begins or ends in.
type slice struct {
	start, end        int64 // end is exclusive
	firstEnd, lastEnd int64 // ends of the windows that hold it, a slide apart; lastEnd < end if none does
}

func layoutOf(s Spec) layout {
	l := layout{size: s.size.Milliseconds(), slide: s.slide.Milliseconds(), offset: s.offset.Milliseconds()}
	if l.slide > 0 {
		l.rest = l.size % l.slide
	}
	return l
}

// check tells whether windows around ts are within the range of int64.
func (l *layout) check(ts int64) error {
	span := l.size + 3*l.slide // a Duration is far less than all of time, an offset less than a slide
	if ts < math.MinInt64+span || ts > math.MaxInt64-span {
		return outOfRange(ts, l.size)
	}
	return nil
}

func outOfRange(ts, size int64) error {
	return fmt.Errorf("the event time %d of a record is too far from 1970 for windows of %v: want milliseconds since 1970",
		ts, time.Duration(size)*time.Millisecond)
}

// at returns the slice that holds ts.
func (l *layout) at(ts int64) slice {
	into := (ts - l.offset) % l.slide
	if into < 0 {
		into += l.slide
	}
	start := ts - into // of the last window that begins at or before ts
	s := slice{start: start, end: start + l.slide, firstEnd: start + l.slide + l.rest, lastEnd: start + l.size}
	switch {
	case l.rest == 0:
	case into < l.rest:
		s.end, s.firstEnd = start+l.rest, start+l.rest
	default:
		s.start = start + l.rest
	}
	return s
}

// held tells whether any window holds the slice.
func (s *slice) held() bool { return s.lastEnd >= s.end }

// next returns the end of the first window that holds the slice and whose last millisecond is after passed, and false
// if there is none.
func (l *layout) next(s *slice, passed int64) (int64, bool) {
	end := s.firstEnd
	if end-1 <= passed {
		if s.lastEnd-1 <= passed {
			return 0, false
		}
		end += (passed-(end-1))/l.slide*l.slide + l.slide
	}
	return end, end <= s.lastEnd
}

// addTime returns t+d, at most math.MaxInt64; d is not negative.
func addTime(t, d int64) int64 {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}
