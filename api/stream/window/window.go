package window

import (
	"fmt"
	"reflect"
	"time"

	"github.com/flink-go/flink-go/api/stream"
)

// Window is a span of time in milliseconds since 1970. That of Global, Count and CountSliding is all of time, from
// math.MinInt64 to math.MaxInt64.
type Window struct {
	Start int64 // inclusive
	End   int64 // exclusive
}

// StartTime is Start in UTC.
func (w Window) StartTime() time.Time { return time.UnixMilli(w.Start).UTC() }

// EndTime is End in UTC.
func (w Window) EndTime() time.Time { return time.UnixMilli(w.End).UTC() }

// MaxTimestamp is the last millisecond of the window, and the event time of its results.
func (w Window) MaxTimestamp() int64 { return w.End - 1 }

func (w Window) String() string {
	const layout = "2006-01-02T15:04:05.000Z"
	return "[" + w.StartTime().Format(layout) + ", " + w.EndTime().Format(layout) + ")"
}

// Result is what a window makes of the records of one key.
type Result[K comparable, R any] struct {
	Key    K // stream.NoKey{} for a stream without key
	Window Window
	Value  R
}

func (r Result[K, R]) String() string {
	if _, none := any(r.Key).(stream.NoKey); none {
		return fmt.Sprintf("%v %v", r.Window, r.Value)
	}
	return fmt.Sprintf("%v %v %v", r.Key, r.Window, r.Value)
}

// Spec says which windows there are and when they fire. Its methods return a changed copy. What is wrong with it is
// reported by the verb that uses it.
type Spec struct {
	shape    shape
	size     time.Duration // of a window; the gap of sessions
	slide    time.Duration
	offset   time.Duration
	lateness time.Duration
	early    time.Duration
	count    int64 // of count windows
	step     int64
	gap      any // func(*T) time.Duration: the gap of SessionBy
	gapType  string

	hasOffset, hasLateness, hasEarly bool
	processing, combine              bool
	general
}

// shape is a kind of window.
type shape uint8

const (
	noShape shape = iota // the zero Spec
	tumbling
	sliding
	session
	sessionBy
	global
	count
	countSliding
	custom
)

func (s shape) String() string {
	return [...]string{"Spec{}", "Tumbling", "Sliding", "Session", "SessionBy", "Global", "Count", "CountSliding", "Assign"}[s]
}

// Tumbling is windows of one size, one after the other.
func Tumbling(size time.Duration) Spec { return Spec{shape: tumbling, size: size, slide: size} }

// Sliding is windows of one size that begin every slide: overlapping if slide is smaller than size, with gaps if it
// is larger. Records in gaps belong to no window and are dropped.
func Sliding(size, slide time.Duration) Spec { return Spec{shape: sliding, size: size, slide: slide} }

// Session is windows of activity: a session of a key grows as long as no two records are more than gap apart. It ends
// gap after its last record, and a record at just that time still belongs to it.
func Session(gap time.Duration) Spec { return Spec{shape: session, size: gap} }

// SessionBy is Session with a gap that depends on the record. T must be the record type of the input.
func SessionBy[T any](gap func(v *T) time.Duration) Spec {
	s := Spec{shape: sessionBy, gapType: reflect.TypeFor[T]().String()}
	if gap != nil {
		s.gap = gap
	}
	return s
}

// Global is one window of all records, which never fires unless a trigger says so.
func Global() Spec { return Spec{shape: global} }

// Count is windows of n records of a key, one after the other. What is left at the end of input has no result.
func Count(n int) Spec { return Spec{shape: count, count: int64(n), step: int64(n)} }

// CountSliding fires each time that slide more records of a key have come, with the last size of them.
func CountSliding(size, slide int) Spec {
	return Spec{shape: countSliding, count: int64(size), step: int64(slide)}
}

// Offset moves the start of tumbling or sliding windows: Tumbling(24*time.Hour).Offset(-8*time.Hour) is the days of
// UTC+8. Its size must be less than that of the slide.
func (s Spec) Offset(d time.Duration) Spec {
	s.offset, s.hasOffset = d, true
	return s
}

// Lateness keeps windows for d of event time after they have fired, for records that come late. The default is 0.
func (s Spec) Lateness(d time.Duration) Spec {
	s.lateness, s.hasLateness = d, true
	return s
}

// ProcessingTime makes windows of the time at which records come, by the clock of the machine. Event time and
// watermarks do not count.
func (s Spec) ProcessingTime() Spec {
	s.processing = true
	return s
}

// EarlyEvery fires open windows every d, of the time that the windows are in, with what they have so far, besides at
// their end.
func (s Spec) EarlyEvery(d time.Duration) Spec {
	s.early, s.hasEarly = d, true
	return s
}

// Combine aggregates in two phases: each subtask before the exchange adds up its own records, slice by slice, and
// sends one accumulator per key and slice. That saves most of the exchange where keys repeat, above all between
// machines and where few keys have most records; where they hardly repeat it costs. Results are the same. Within
// the allowed lateness, a window fires once more per accumulator, not per record.
func (s Spec) Combine() Spec {
	s.combine = true
	return s
}

func (s Spec) String() string {
	switch s.shape {
	case tumbling, session:
		return fmt.Sprintf("%v(%v)", s.shape, s.size)
	case sliding:
		return fmt.Sprintf("%v(%v, %v)", s.shape, s.size, s.slide)
	default:
		return s.shape.String()
	}
}

// timed tells whether the windows are spans of time of a known assigner.
func (s Spec) timed() bool {
	switch s.shape {
	case tumbling, sliding, session, sessionBy:
		return true
	default:
		return false
	}
}

// faults lists what is wrong with the Spec itself, each text with what would be right.
func (s Spec) faults() []string {
	var f []string
	add := func(format string, args ...any) { f = append(f, fmt.Sprintf(format, args...)) }
	positive := func(what string, d time.Duration) {
		switch {
		case d <= 0:
			add("%s is %v: want more than 0", what, d)
		case d%time.Millisecond != 0:
			add("%s is %v: want whole milliseconds, which is what event time is counted in", what, d)
		}
	}
	switch s.shape {
	case noShape:
		add("the Spec is empty: make one with window.Tumbling, Sliding, Session, SessionBy, Global, Count or CountSliding")
		return f
	case tumbling:
		positive("the size", s.size)
	case sliding:
		positive("the size", s.size)
		positive("the slide", s.slide)
	case session:
		positive("the gap", s.size)
	case sessionBy:
		if s.gap == nil {
			add("the function is nil")
		}
	case count, countSliding:
		if s.count <= 0 || s.step <= 0 {
			add("it is of %d records every %d: want more than 0", s.count, s.step)
		}
	case global, custom:
	}
	if s.hasOffset {
		switch {
		case s.shape != tumbling && s.shape != sliding:
			add("it has an Offset: only Tumbling and Sliding can have one")
		case s.offset%time.Millisecond != 0:
			add("the offset is %v: want whole milliseconds", s.offset)
		case s.slide > 0 && (s.offset <= -s.slide || s.offset >= s.slide):
			add("the offset is %v: want more than -%v and less than %v", s.offset, s.slide, s.slide)
		}
	}
	if s.hasLateness {
		switch {
		case s.lateness < 0:
			add("the lateness is %v: want 0 or more", s.lateness)
		case s.lateness%time.Millisecond != 0:
			add("the lateness is %v: want whole milliseconds", s.lateness)
		case s.processing:
			add("it has both Lateness and ProcessingTime: nothing is late in processing time")
		case !s.timed() && s.shape != custom:
			add("it has Lateness: nothing is late in windows that have no end")
		}
	}
	if s.processing && (s.shape == count || s.shape == countSliding || s.shape == global) {
		add("it has ProcessingTime: its windows are not of time")
	}
	if s.hasEarly {
		positive("EarlyEvery", s.early)
	}
	if s.combine {
		switch {
		case s.shape != tumbling && s.shape != sliding:
			add("it has Combine: only Tumbling and Sliding have slices that can be combined before the exchange")
		case s.processing:
			add("it has both Combine and ProcessingTime: combine in event time, or leave Combine out")
		case s.special():
			add("it has Combine and what needs each record where it fires (a trigger, an evictor, EarlyEvery): leave one out")
		}
	}
	return append(f, s.general.faults()...)
}

// special tells whether the Spec asks for something that only the general operator has.
func (s Spec) special() bool { return !s.timed() || s.hasEarly || s.used() }
