package window

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// general is the part of a Spec that only the general operator serves.
type general struct {
	trigger                Trigger
	evictor                Evictor
	assigner               Assigner
	hasTrigger, hasEvictor bool
}

// Assigner gives records their windows: for windows that no function of this package makes. One object serves all
// subtasks.
type Assigner interface {
	// Assign appends the windows of a record to dst. v points to it: a *T of the stream's record type T, valid during
	// the call. ts is its event time in milliseconds since 1970, or when it came if the Spec says ProcessingTime.
	Assign(dst []Window, v any, ts int64) []Window
	// Merges tells whether windows of a key that overlap or touch become one, as sessions do.
	Merges() bool
}

// Assign is windows that an Assigner makes.
func Assign(a Assigner) Spec { return Spec{shape: custom, general: general{assigner: a}} }

// Trigger replaces the trigger that windows of this kind have: EventTimeTrigger, ProcessingTimeTrigger,
// CountTrigger for CountSliding, that and PurgingTrigger for Count, NeverTrigger for Global.
func (s Spec) Trigger(t Trigger) Spec {
	s.trigger, s.hasTrigger = t, true
	return s
}

// Evictor removes records from windows when they fire. The windows then keep all of their records, also for an
// aggregate.
func (s Spec) Evictor(e Evictor) Spec {
	s.evictor, s.hasEvictor = e, true
	return s
}

func (g general) used() bool { return g.hasTrigger || g.hasEvictor || g.assigner != nil }

func (g general) faults() []string { return nil }

// triggerOrDefault returns the trigger of the windows.
func (s Spec) triggerOrDefault() Trigger {
	switch {
	case s.hasTrigger:
		return s.trigger
	case s.shape == count:
		return PurgingTrigger(CountTrigger(int(s.step)))
	case s.shape == countSliding:
		return CountTrigger(int(s.step))
	case s.shape == global:
		return NeverTrigger()
	case s.hasEarly && s.processing:
		return ContinuousProcessingTimeTrigger(s.early)
	case s.hasEarly:
		return ContinuousEventTimeTrigger(s.early)
	case s.processing:
		return ProcessingTimeTrigger()
	default:
		return EventTimeTrigger()
	}
}

// evictorOrDefault returns the evictor of the windows, nil if nothing is evicted.
func (s Spec) evictorOrDefault() Evictor {
	if !s.hasEvictor && s.shape == countSliding {
		return CountEvictor(int(s.count))
	}
	return s.evictor
}

// merges tells whether windows merge.
func (s Spec) merges() bool {
	switch s.shape {
	case session, sessionBy:
		return true
	case custom:
		return !stream.IsNil(s.assigner) && s.assigner.Merges()
	default:
		return false
	}
}

// endless tells whether there is one window that holds all of time.
func (s Spec) endless() bool { return s.shape == global || s.shape == count || s.shape == countSliding }

// generalFaults lists what is wrong with the Spec for records of these types, with keys of type K, on the general
// operator.
func generalFaults[K comparable](s Spec, records ...reflect.Type) []error {
	u := usage{records: records, merging: s.merges(), byClock: s.processing}
	var faults []error
	if s.shape == custom && stream.IsNil(s.assigner) {
		faults = append(faults, errors.New("the assigner is nil"))
	}
	if err := triggerFault(s.triggerOrDefault(), u); err != nil {
		faults = append(faults, err)
	} else if err := bindFault[K](s.triggerOrDefault()); err != nil {
		faults = append(faults, fmt.Errorf("trigger: %w", err))
	}
	switch {
	case s.hasEarly && s.endless():
		faults = append(faults, errors.New("it has EarlyEvery: its windows have no end to be early for; use ContinuousEventTimeTrigger or ContinuousProcessingTimeTrigger"))
	case s.hasEarly && s.hasTrigger:
		faults = append(faults, errors.New("it has both Trigger and EarlyEvery: use EarlyTrigger or a continuous trigger alone"))
	}
	if s.hasEvictor {
		if err := evictorFault(s.evictor, u); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

// all is the window of all of time. Its row also keeps what belongs to a key and not to one of its windows.
var all = Window{math.MinInt64, math.MaxInt64}

// keyWindow is the key of the rows of the general operator: contents, states of triggers and functions, and timers of
// one window of one key.
type keyWindow[K comparable] struct {
	Key    K
	Window Window
}

// hash places a window in the key group of its key.
func (w Window) hash(key uint64) uint64 {
	const a, b = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9 // the constants of SplitMix64
	x := (uint64(uint32(key)) ^ uint64(w.Start)) * a
	x = (x ^ x>>32 ^ uint64(w.End)) * b
	return key&^math.MaxUint32 | x>>32
}

// contents is what windows hold, and what becomes of it. All methods speak of the window whose row is the current one.
type contents interface {
	// empty tells whether nothing is there.
	empty() bool
	// add takes the record that the operator of an input holds.
	add()
	clear()
	// fire emits the result of window w, which has its contents in the row of held.
	fire(w, held Window) error
	// lift takes the contents away, drop puts them to those of the window that is the current one then.
	lift()
	drop()
	// expire is called when w is over.
	expire(w Window) error
}

// merging is a window that grows. Its contents stay in the row of one of the windows that it was made of, so that they
// need not move whenever it grows.
type merging struct {
	Window Window
	Held   Window // whose row has the contents
}

// engine is the general operator but for its inputs and what windows hold: which windows there are, when they fire and
// when they are over.
type engine[K comparable, U any] struct {
	*stream.Setup[K, U]
	spec     Spec
	assign   func(dst []Window, v any, ts int64) []Window
	merges   bool
	plain    bool // windows merge, and their trigger is the default one: it has no state, and its timers can wait
	endless  bool
	byClock  bool
	lateness int64
	contents contents
	object   any // of the program, to be opened and closed; nil: none

	rows       *keyed.Rows[keyWindow[K]]
	event      *keyed.Timers
	processing *keyed.Timers
	windows    *keyed.Value[[]merging] // of a key; nil unless windows merge
	trigger    Trigger
	t          TriggerContext
	dropped    *operator.Counter
	alarm      alarm
	onEvent    func(at int64) // made once: method values are allocations
	onClock    func(at int64)

	// The current key and window, and scratch.
	key      K
	keyHash  uint64
	kw       keyWindow[K]
	entered  bool // kw is the current key of rows
	assigned []Window
	merged   []merging
	ts       int64 // of the record or timer
	passed   int64 // watermark
	fired    uint64
	ended    bool
}

func newEngine[K comparable, U any](s *stream.Setup[K, U], spec Spec) *engine[K, U] {
	plain := false
	switch spec.triggerOrDefault().(type) {
	case eventTimeTrigger:
		plain = spec.merges() && !spec.processing
	case processingTimeTrigger:
		plain = spec.merges() && spec.processing
	}
	return &engine[K, U]{
		Setup:    s,
		spec:     spec,
		merges:   spec.merges(),
		plain:    plain,
		endless:  spec.endless(),
		byClock:  spec.processing,
		lateness: spec.lateness.Milliseconds(),
		passed:   operator.NoTimestamp,
	}
}

// Open implements operator.Lifecycle. Contents make their states before.
func (e *engine[K, U]) Open() error {
	e.dropped = e.Counter("numLateRecordsDropped")
	e.assign = e.assigner()
	if err := e.open(); err != nil {
		return fmt.Errorf("open %v windows: %w", e.spec, err)
	}
	e.onEvent, e.onClock = e.eventTimer, e.processingTimer
	e.alarm = alarm{at: e.At, ring: func() {
		// A window is over when the clock has left its last millisecond.
		e.processing.Fire(e.now()-1, e.onClock)
		e.leave()
		e.arm()
	}}
	return stream.OpenObject(e.RuntimeContext, e.object)
}

func (e *engine[K, U]) open() (err error) {
	sc := &e.rows.Scope
	if e.event, err = keyed.NewTimers(sc, "window-event-timers"); err != nil {
		return err
	}
	if e.processing, err = keyed.NewTimers(sc, "window-processing-timers"); err != nil {
		return err
	}
	if e.merges {
		if e.windows, err = keyed.NewValue[[]merging](sc, "windows"); err != nil {
			return err
		}
	}
	if e.trigger, err = bind(e.spec.triggerOrDefault(), sc, "trigger-"); err != nil {
		return fmt.Errorf("trigger: %w", err)
	}
	e.t = TriggerContext{rows: e, scope: sc, event: e.event, processing: e.processing, clock: e.now, watermark: &e.passed,
		byClock: e.byClock, cleanUp: math.MinInt64}
	return nil
}

// makeRows makes the rows, to which contents then add their states.
func (e *engine[K, U]) makeRows() (*keyed.Scope, error) {
	rows, err := keyed.NewRows[keyWindow[K]](e.State)
	if err != nil {
		return nil, err
	}
	rows.HashBy(func(kw *keyWindow[K]) uint64 { return kw.Window.hash(e.Hash(&kw.Key)) })
	rows.SetClock(e.now)
	e.rows = rows
	return &rows.Scope, nil
}

// Close implements operator.Lifecycle.
func (e *engine[K, U]) Close() error {
	e.alarm.clear()
	e.rows, e.event, e.processing, e.windows, e.contents, e.t = nil, nil, nil, nil, nil, TriggerContext{}
	return stream.CloseObject(e.RuntimeContext, e.object)
}

func (e *engine[K, U]) now() int64 { return e.Now().UnixMilli() }

// enter implements rowsOf: it makes the row of a window of the current key the current one.
func (e *engine[K, U]) enter(w Window) {
	if e.entered && e.kw.Window == w {
		return
	}
	e.kw.Key, e.kw.Window = e.key, w
	e.rows.SetKey(&e.kw, w.hash(e.keyHash))
	e.entered = true
}

// leave ends the context of a key, so that whoever kept something of it finds nothing by it.
func (e *engine[K, U]) leave() {
	e.rows.NoKey()
	e.entered = false
	e.About(nil)
}

// Begin says that user code runs for the current key.
func (e *engine[K, U]) Begin(ts int64) {
	e.Setup.Begin(ts)
	e.About(&e.key)
}

// begin makes a key the current one, for a record of event time ts.
func (e *engine[K, U]) begin(ts int64) {
	e.Begin(ts)
	e.ts = ts
	e.entered = false
	e.keyHash = e.Hash(&e.key)
}

// record puts the record that contents hold into its windows. It tells whether the record was late for all of them.
func (e *engine[K, U]) record(v any, ts int64) (late bool) {
	at := ts
	switch {
	case e.byClock:
		at = e.now()
	case ts == operator.NoTimestamp && !e.endless:
		e.Fail(fmt.Errorf(noTimestamp, e.spec))
	}
	skipped := true
	if e.endless {
		e.take(all, all, v, ts)
		skipped = false
	} else {
		e.assigned = e.assign(e.assigned[:0], v, at)
		for _, w := range e.assigned {
			held := w
			if e.merges {
				w, held = e.merge(w)
			} else if e.over(w) {
				continue
			}
			if held == (Window{}) {
				continue
			}
			skipped = false
			e.take(w, held, v, ts)
		}
	}
	e.leave()
	e.arm()
	return skipped && !e.byClock && addTime(ts, e.lateness) <= e.passed
}

// over tells whether a window is past its lateness.
func (e *engine[K, U]) over(w Window) bool { return !e.byClock && e.cleanUpOf(w) <= e.passed }

// cleanUpOf is the time at which w is over: in event time or processing time, as the window.
func (e *engine[K, U]) cleanUpOf(w Window) int64 { return addTime(w.MaxTimestamp(), e.lateness) }

// setCleanUp sets the timer at which w, whose row is the current one, is over.
func (e *engine[K, U]) setCleanUp(w Window) { e.timers().Set(e.cleanUpOf(w)) }

// take puts the record into a window.
func (e *engine[K, U]) take(w, held Window, v any, ts int64) {
	e.enter(held)
	if e.plain {
		e.contents.add()
		if !e.byClock && w.MaxTimestamp() <= e.passed {
			e.act(w, held, Fire)
		}
		return
	}
	first := e.contents.empty()
	e.contents.add()
	e.enter(w)
	if first && !e.endless {
		e.setCleanUp(w)
	}
	e.about(w)
	e.t.first = first
	e.act(w, held, e.trigger.OnRecord(&e.t, v, ts))
}

// about makes w the window that the trigger's calls are about.
func (e *engine[K, U]) about(w Window) {
	e.t.window = w
	if !e.endless {
		e.t.cleanUp = e.cleanUpOf(w)
	}
}

// act does what the trigger has decided.
func (e *engine[K, U]) act(w, held Window, d Decision) {
	if d == Continue {
		return
	}
	e.enter(held)
	if d&Fire != 0 && !e.contents.empty() {
		e.Begin(e.resultTime(w))
		if err := e.contents.fire(w, held); err != nil {
			e.failed(w, err)
		}
		e.Enter()
		e.enter(held)
	}
	if d&Purge != 0 {
		e.contents.clear()
	}
}

// resultTime is the event time of the results of a window.
func (e *engine[K, U]) resultTime(w Window) int64 {
	if e.endless {
		return e.ts // all of time has no end that a result could bear
	}
	return w.MaxTimestamp()
}

// failed ends the attempt with an error of a function.
func (e *engine[K, U]) failed(w Window, err error) { e.Fail(functionFailed(e.key, w, err)) }

// merge adds w to the windows of the key and returns the one that it has become a part of, and the one in whose row
// that has its contents. held is zero if the window is over.
func (e *engine[K, U]) merge(w Window) (actual, held Window) {
	e.enter(all)
	list, _ := e.windows.Ref()
	e.merged = e.merged[:0]
	actual = w
	for _, m := range *list {
		if m.Window.Start <= w.End && w.Start <= m.Window.End {
			e.merged = append(e.merged, m)
			actual.Start, actual.End = min(actual.Start, m.Window.Start), max(actual.End, m.Window.End)
		}
	}
	switch {
	case len(e.merged) == 0 && e.over(w):
		if len(*list) == 0 {
			e.windows.Clear()
		}
		return w, Window{}
	case len(e.merged) == 0:
		*list = append(*list, merging{w, w})
		if e.plain {
			e.wait(w, w)
		}
		return w, w
	case len(e.merged) == 1 && actual == e.merged[0].Window:
		return actual, e.merged[0].Held
	}
	held = e.merged[0].Held
	if len(e.merged) == 1 {
		(*list)[slices.Index(*list, e.merged[0])].Window = actual
	} else {
		*list = slices.DeleteFunc(*list, func(m merging) bool { return slices.Contains(e.merged, m) })
		*list = append(*list, merging{actual, held})
	}
	if !e.plain {
		e.retrigger(actual)
	} else if !e.byClock && e.merged[0].Window.MaxTimestamp() <= e.passed {
		e.wait(actual, held) // the timer that is set may be that of the clean-up
	}
	for _, m := range e.merged[1:] {
		e.enter(m.Held)
		if !e.contents.empty() {
			e.contents.lift()
			e.enter(held)
			e.contents.drop()
		}
	}
	return actual, held
}

// wait sets the next timer of a window with the default trigger. There is one at a time, in the row of the contents:
// it stays as it is while the window grows, and is set anew when it goes off too early. So a record that extends a
// session touches no timer.
func (e *engine[K, U]) wait(w, held Window) {
	e.enter(held)
	switch at := w.MaxTimestamp(); {
	case e.byClock:
		e.processing.Set(at)
	case at > e.passed:
		e.event.Set(at)
	default:
		e.event.Set(e.cleanUpOf(w))
	}
}

// waited is called when a timer that wait has set goes off.
func (e *engine[K, U]) waited(at int64) {
	held := e.kw.Window
	e.enter(all)
	list := e.windows.Get()
	if list == nil {
		return
	}
	i := slices.IndexFunc(*list, func(m merging) bool { return m.Held == held })
	if i < 0 {
		return // it has become a part of another
	}
	w := (*list)[i].Window
	if at == w.MaxTimestamp() || e.ended {
		e.act(w, held, Fire)
	}
	switch {
	case e.ended || at >= e.cleanUpOf(w):
		e.expire(w, held)
	case e.byClock || at >= w.MaxTimestamp():
		e.enter(held)
		e.timers().Set(e.cleanUpOf(w))
	default:
		e.enter(held)
		e.timers().Set(w.MaxTimestamp())
	}
}

// timers are those of the time that the windows are in.
func (e *engine[K, U]) timers() *keyed.Timers {
	if e.byClock {
		return e.processing
	}
	return e.event
}

// retrigger makes the trigger's states and timers of one window of those in e.merged.
func (e *engine[K, U]) retrigger(actual Window) {
	e.t.merged = e.t.merged[:0]
	for _, m := range e.merged {
		e.t.merged = append(e.t.merged, m.Window)
	}
	e.enter(actual)
	e.setCleanUp(actual)
	e.about(actual)
	e.trigger.(MergingTrigger).OnMerge(&e.t)
	for _, m := range e.merged {
		if m.Window == actual {
			continue
		}
		e.enter(m.Window)
		e.about(m.Window)
		e.trigger.Clear(&e.t)
		e.timers().Cancel(e.t.cleanUp)
	}
}

// eventTimer is called for each timer in event time that is due.
func (e *engine[K, U]) eventTimer(at int64) {
	e.beginTimer(at)
	if e.plain {
		e.waited(at)
		return
	}
	if w, held, ok := e.windowOfTimer(); ok {
		e.act(w, held, e.trigger.OnEventTime(&e.t, at))
		if !e.byClock && !e.endless && at == e.cleanUpOf(w) {
			e.expire(w, held)
		}
	}
}

// processingTimer is called for each timer in processing time that is due.
func (e *engine[K, U]) processingTimer(at int64) {
	e.beginTimer(at)
	if e.plain {
		e.waited(at)
		return
	}
	w, held, ok := e.windowOfTimer()
	if !ok {
		return
	}
	last := e.byClock && at == e.cleanUpOf(w)
	if last || !e.ended {
		e.act(w, held, e.trigger.OnProcessingTime(&e.t, at))
	}
	if last {
		e.expire(w, held)
	}
}

// beginTimer makes the key of a timer the current one.
func (e *engine[K, U]) beginTimer(at int64) {
	if e.fired++; e.fired%1024 == 0 {
		// A trigger that sets its timers again may go on for ever, but not longer than the attempt.
		if c := e.RuntimeContext.Context(); c.Err() != nil {
			e.Fail(context.Cause(c))
		}
	}
	e.kw = *e.rows.Key()
	e.entered = true
	e.key = e.kw.Key
	e.keyHash = e.Hash(&e.key)
	e.ts = at
	e.Begin(at)
}

// windowOfTimer prepares for a call of the trigger. ok is false if the window is gone: the trigger left the timer behind.
func (e *engine[K, U]) windowOfTimer() (w, held Window, ok bool) {
	w = e.kw.Window
	held = w
	if e.merges {
		e.enter(all)
		list := e.windows.Get()
		if list == nil {
			return w, held, false
		}
		i := slices.IndexFunc(*list, func(m merging) bool { return m.Window == w })
		if i < 0 {
			return w, held, false
		}
		held = (*list)[i].Held
		e.enter(w)
	}
	e.about(w)
	e.t.first = false
	return w, held, true
}

// expire forgets a window.
func (e *engine[K, U]) expire(w, held Window) {
	e.enter(held)
	e.contents.clear()
	if !e.plain {
		e.enter(w)
		e.about(w)
		e.trigger.Clear(&e.t)
	}
	if err := e.contents.expire(w); err != nil {
		e.failed(w, err)
	}
	if !e.merges {
		return
	}
	e.enter(all)
	list, _ := e.windows.Ref()
	*list = slices.DeleteFunc(*list, func(m merging) bool { return m.Window == w })
	if len(*list) == 0 {
		e.windows.Clear()
	}
}

// Watermark fires what is due before it passes the watermark on.
func (e *engine[K, U]) Watermark(ts int64) {
	if ts > e.passed {
		e.passed = ts
		e.event.Fire(ts, e.onEvent)
		e.leave()
	}
	if ts == operator.MaxWatermark && e.byClock {
		// The input is over: what it left in open windows has its result now.
		e.ended = true
		e.processing.Fire(math.MaxInt64, e.onClock)
		e.leave()
	}
	e.arm()
	e.Pass(ts)
}

// Idle passes idleness on.
func (e *engine[K, U]) Idle() { e.PassIdle() }

// End passes the end of input on.
func (e *engine[K, U]) End() {
	e.alarm.clear()
	e.PassEnd()
}

// arm asks for a call when the next timer in processing time is due.
func (e *engine[K, U]) arm() {
	if at, ok := e.processing.Next(); ok && !e.ended {
		e.alarm.set(addTime(at, 1))
	}
}

// alarm is the one wake-up of an operator.
type alarm struct {
	at     func(t time.Time, fn func()) (stop func())
	ring   func()
	due    int64
	forget func() // nil: not set
}

// set makes the alarm ring at a time in milliseconds, unless it rings earlier anyway.
func (a *alarm) set(at int64) {
	if a.forget != nil && a.due <= at {
		return
	}
	a.clear()
	a.due = at
	a.forget = a.at(time.UnixMilli(at), func() {
		a.forget = nil
		a.ring()
	})
}

func (a *alarm) clear() {
	if a.forget != nil {
		a.forget()
		a.forget = nil
	}
}

// assigner returns the function that gives records their windows.
func (e *engine[K, U]) assigner() func(dst []Window, v any, ts int64) []Window {
	switch s := e.spec; s.shape {
	case tumbling, sliding:
		l := layoutOf(s)
		return func(dst []Window, _ any, ts int64) []Window {
			if err := l.check(ts); err != nil {
				e.Fail(err)
			}
			into := (ts - l.offset) % l.slide
			if into < 0 {
				into += l.slide
			}
			for start := ts - into; start > ts-l.size; start -= l.slide {
				dst = append(dst, Window{start, start + l.size})
			}
			return dst
		}
	case session:
		gap := s.size.Milliseconds()
		return func(dst []Window, _ any, ts int64) []Window { return append(dst, e.sessionOf(ts, gap)) }
	case custom:
		return func(dst []Window, v any, ts int64) []Window {
			dst = s.assigner.Assign(dst, v, ts)
			for _, w := range dst {
				if w.Start >= w.End {
					e.Fail(fmt.Errorf("the assigner %T returned the window from %d to %d: its end must be after its start", s.assigner, w.Start, w.End))
				}
			}
			return dst
		}
	default:
		return nil // gapOf sets that of SessionBy, for which the record type must be known; the others need none
	}
}

// sessionOf returns the window that a record begins a session with.
func (e *engine[K, U]) sessionOf(ts, gap int64) Window {
	if gap < 1 {
		e.Fail(fmt.Errorf("the gap of a session is %dms: want at least 1ms", gap))
	}
	if ts > math.MaxInt64-gap {
		e.Fail(outOfRange(ts, gap))
	}
	return Window{ts, ts + gap}
}

// floorTo returns the last multiple of every at or before t.
func floorTo(t, every int64) int64 {
	into := t % every
	if into < 0 {
		into += every
	}
	if t < math.MinInt64+into {
		return t
	}
	return t - into
}

// generalOperator runs an engine on one input.
type generalOperator[K comparable, T, U any] struct {
	*engine[K, U]
	key  func(*T) K
	in   *held[T]
	late bool // the program reads late records
}

// held is the record that contents are to take.
type held[T any] struct {
	v  *T
	ts int64
}

// contentsMaker makes contents in a scope, of records that come in in.
type contentsMaker[K comparable, T, U any] func(e *engine[K, U], sc *keyed.Scope, in *held[T]) (contents, error)

// addGeneral adds the general operator to the program.
func addGeneral[K comparable, T, U any](in *stream.Keyed[K, T], verb string, spec Spec, make contentsMaker[K, T, U]) *stream.Stream[U] {
	for _, err := range generalFaults[K](spec, reflect.TypeFor[T]()) {
		stream.Fault(in, "%s: %v: %v", verb, spec, err)
	}
	return stream.Transform(in, verb, func(s *stream.Setup[K, U], key func(*T) K) (stream.Operator[T], error) {
		n := &generalOperator[K, T, U]{engine: newEngine(s, spec), key: key, in: new(held[T])}
		sc, err := n.makeRows()
		if err != nil {
			return nil, err
		}
		n.contents, err = make(n.engine, sc, n.in)
		return n, err
	})
}

// Open implements operator.Lifecycle.
func (n *generalOperator[K, T, U]) Open() error {
	n.late = lateTag[T]().Read(n.Setup)
	if err := n.engine.Open(); err != nil {
		return err
	}
	n.gapOf(sessionGap[T](n.spec))
	return nil
}

// sessionGap returns the function of SessionBy, for records given as they are to an Assigner; nil for other windows.
func sessionGap[T any](s Spec) func(v any) time.Duration {
	gap, ok := s.gap.(func(*T) time.Duration)
	if !ok {
		return nil
	}
	return func(v any) time.Duration { return gap(v.(*T)) }
}

// gapOf makes sessions of these gaps.
func (e *engine[K, U]) gapOf(gap func(v any) time.Duration) {
	if gap != nil {
		e.assign = func(dst []Window, v any, ts int64) []Window {
			return append(dst, e.sessionOf(ts, gap(v).Milliseconds()))
		}
	}
}

// Record implements operator.Node.
func (n *generalOperator[K, T, U]) Record(v *T, ts int64) {
	n.Enter()
	n.engine.key = n.key(v)
	n.begin(ts)
	n.in.v, n.in.ts = v, ts
	if n.byClock {
		n.in.ts = n.now()
	}
	if !n.record(v, ts) {
		return
	}
	if n.late {
		lateTag[T]().Emit(n.Setup, *v)
	} else {
		n.dropped.Add(1)
	}
}
