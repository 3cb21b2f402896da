package window

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// Decision is what a Trigger wants done with a window.
type Decision uint8

// The decisions of a Trigger.
const (
	Continue     Decision = 0            // nothing
	Fire         Decision = 1            // emit the result and keep the contents
	Purge        Decision = 2            // drop the contents without a result
	FireAndPurge Decision = Fire | Purge // emit the result and drop the contents
)

// Trigger decides when a window emits its result. One object serves all keys, windows and subtasks, so what belongs to
// a window is not in its fields but in states that it declares by an optional method
//
//	State() []state.Descriptor
//
// and finds through the TriggerContext: each window of each key has its own. A trigger for windows that merge is a
// MergingTrigger.
type Trigger interface {
	// OnRecord is called for each record that entered the window. v points to it: it is a *T of the stream's record
	// type T, valid during the call. ts is its event time, stream.NoTimestamp if it has none.
	OnRecord(c *TriggerContext, v any, ts int64) Decision
	// OnEventTime is called when the watermark has reached a time that was given to SetTimer.
	OnEventTime(c *TriggerContext, at int64) Decision
	// OnProcessingTime is called when the clock has reached a time that was given to SetProcessingTimer.
	OnProcessingTime(c *TriggerContext, at int64) Decision
	// Clear is called when the window is over: it clears the trigger's states and cancels its timers. Purge does not
	// call it.
	Clear(c *TriggerContext)
}

// MergingTrigger is a Trigger for windows that merge, such as sessions.
type MergingTrigger interface {
	Trigger
	// OnMerge is called for the window that came out of a merge, before Clear is called for those that it was made
	// of. TriggerContext.Merged ranges over them.
	OnMerge(c *TriggerContext)
}

// TriggerContext is what a Trigger may use during a call: the window and its timers. It is the state.Context of the
// states that the trigger declared. Times are milliseconds since 1970.
type TriggerContext struct {
	rows       rowsOf
	scope      *keyed.Scope
	event      *keyed.Timers
	processing *keyed.Timers
	clock      func() int64
	watermark  *int64

	window  Window
	merged  []Window
	cleanUp int64 // when the window is cleaned up: a timer of the operator
	first   bool  // the window was empty before the record
	byClock bool  // windows are of processing time
}

// rowsOf makes a window's row the current one of its scope.
type rowsOf interface{ enter(w Window) }

// Window is the window that the call is about.
func (c *TriggerContext) Window() Window { return c.window }

// Watermark is the event time up to which the input is complete, stream.NoTimestamp before the first watermark.
func (c *TriggerContext) Watermark() int64 { return *c.watermark }

// Now is the processing time.
func (c *TriggerContext) Now() int64 { return c.clock() }

// Scope implements state.Context.
func (c *TriggerContext) Scope() *keyed.Scope { return c.scope }

// SetTimer asks for a call of OnEventTime when the watermark reaches at: with the next watermark if it already has.
// A window has one timer per time.
func (c *TriggerContext) SetTimer(at int64) { c.event.Set(at) }

// CancelTimer takes SetTimer(at) back.
func (c *TriggerContext) CancelTimer(at int64) {
	if c.byClock || at != c.cleanUp {
		c.event.Cancel(at)
	}
}

// SetProcessingTimer asks for a call of OnProcessingTime when the clock reaches at. At the end of a bounded input such
// timers are dropped.
func (c *TriggerContext) SetProcessingTimer(at int64) { c.processing.Set(at) }

// CancelProcessingTimer takes SetProcessingTimer(at) back.
func (c *TriggerContext) CancelProcessingTimer(at int64) {
	if !c.byClock || at != c.cleanUp {
		c.processing.Cancel(at)
	}
}

// Merged ranges, in OnMerge, over the windows that were merged. Within the loop the states of the trigger are those of
// the merged window, afterwards those of the window that came out.
func (c *TriggerContext) Merged() iter.Seq[Window] {
	return func(yield func(Window) bool) {
		for _, w := range c.merged {
			c.rows.enter(w)
			if !yield(w) {
				break
			}
		}
		c.rows.enter(c.window)
	}
}

// passed tells whether the watermark has reached the end of the window.
func (c *TriggerContext) passed() bool { return c.window.MaxTimestamp() <= *c.watermark }

// builtin is a trigger of this package. Those outside see the value that describes it; bind makes that of a subtask.
type builtin interface {
	Trigger
	// bind makes the states of the trigger, whose names begin with prefix.
	bind(sc *keyed.Scope, prefix string) (Trigger, error)
	// fault says what is wrong with the trigger for windows and records of that kind.
	fault(u usage) error
}

// usage is where a trigger or an evictor is used.
type usage struct {
	records []reflect.Type // of the inputs
	merging bool
	byClock bool
}

// faultOf says what is wrong with t, for the fault of a program.
func triggerFault(t Trigger, u usage) error {
	if stream.IsNil(t) {
		return errors.New("the trigger is nil")
	}
	if _, ok := t.(MergingTrigger); u.merging && !ok {
		return fmt.Errorf("the windows merge, which needs a trigger with OnMerge; %T has none", t)
	}
	if b, ok := t.(builtin); ok {
		return b.fault(u)
	}
	return nil
}

// bindFault says what is wrong with the states of a trigger.
func bindFault[K comparable](t Trigger) error {
	scope, err := nowhere[K]()
	if err != nil {
		return nil //nolint:nilerr // KeyBy reports it
	}
	_, err = bind(t, scope, "trigger-")
	return err
}

// bind returns the trigger of one subtask.
func bind(t Trigger, sc *keyed.Scope, prefix string) (Trigger, error) {
	if b, ok := t.(builtin); ok {
		return b.bind(sc, prefix)
	}
	return t, bindStates(t, sc)
}

// bindStates makes the states that an object of the program declares.
func bindStates(object any, sc *keyed.Scope) error {
	if o, ok := object.(interface{ State() []state.Descriptor }); ok {
		for i, d := range o.State() {
			if stream.IsNil(d) {
				return fmt.Errorf("state %d that State of %T returns is nil: make it before the program is built, with state.NewValue and the like", i, object)
			}
			if err := d.Bind(sc); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainTrigger is what triggers have in common that care for nothing but records.
type plainTrigger struct{}

func (plainTrigger) OnEventTime(*TriggerContext, int64) Decision      { return Continue }
func (plainTrigger) OnProcessingTime(*TriggerContext, int64) Decision { return Continue }
func (plainTrigger) fault(usage) error                                { return nil }

// EventTimeTrigger fires when the watermark passes the end of the window, and then for each late record that is still
// allowed. It is the default of windows in event time.
func EventTimeTrigger() Trigger { return eventTimeTrigger{} }

type eventTimeTrigger struct{ plainTrigger }

func (t eventTimeTrigger) bind(*keyed.Scope, string) (Trigger, error) { return t, nil }

func (eventTimeTrigger) OnRecord(c *TriggerContext, _ any, _ int64) Decision {
	if c.passed() {
		return Fire
	}
	if c.first {
		c.SetTimer(c.window.MaxTimestamp())
	}
	return Continue
}

func (eventTimeTrigger) OnEventTime(c *TriggerContext, at int64) Decision {
	if at == c.window.MaxTimestamp() {
		return Fire
	}
	return Continue
}

func (eventTimeTrigger) OnMerge(c *TriggerContext) {
	if !c.passed() { // else the record that merged fires
		c.SetTimer(c.window.MaxTimestamp())
	}
}

func (eventTimeTrigger) Clear(c *TriggerContext) { c.CancelTimer(c.window.MaxTimestamp()) }

// ProcessingTimeTrigger fires when the clock passes the end of the window. It is the default of windows in processing
// time.
func ProcessingTimeTrigger() Trigger { return processingTimeTrigger{} }

type processingTimeTrigger struct{ plainTrigger }

func (t processingTimeTrigger) bind(*keyed.Scope, string) (Trigger, error) { return t, nil }

func (processingTimeTrigger) OnRecord(c *TriggerContext, _ any, _ int64) Decision {
	if c.first {
		c.SetProcessingTimer(c.window.MaxTimestamp())
	}
	return Continue
}

func (processingTimeTrigger) OnProcessingTime(c *TriggerContext, at int64) Decision {
	if at == c.window.MaxTimestamp() {
		return Fire
	}
	return Continue
}

func (processingTimeTrigger) OnMerge(c *TriggerContext) {
	c.SetProcessingTimer(c.window.MaxTimestamp())
}

func (processingTimeTrigger) Clear(c *TriggerContext) {
	c.CancelProcessingTimer(c.window.MaxTimestamp())
}

// CountTrigger fires whenever n more records have entered the window.
func CountTrigger(n int) Trigger { return &countTrigger{n: int64(n)} }

type countTrigger struct {
	plainTrigger
	n     int64
	count *keyed.Value[int64]
}

func (t *countTrigger) fault(usage) error {
	if t.n < 1 {
		return fmt.Errorf("CountTrigger of %d records: want at least 1", t.n)
	}
	return nil
}

func (t *countTrigger) bind(sc *keyed.Scope, prefix string) (Trigger, error) {
	count, err := keyed.NewValue[int64](sc, prefix+"count")
	return &countTrigger{n: t.n, count: count}, err
}

func (t *countTrigger) OnRecord(*TriggerContext, any, int64) Decision {
	count, _ := t.count.Ref()
	if *count++; *count < t.n {
		return Continue
	}
	t.count.Clear()
	return Fire
}

func (t *countTrigger) OnMerge(c *TriggerContext) {
	sum := int64(0)
	for range c.Merged() {
		if count := t.count.Get(); count != nil {
			sum += *count
		}
	}
	if sum > 0 {
		count, _ := t.count.Ref()
		*count += sum
	}
}

func (t *countTrigger) Clear(*TriggerContext) { t.count.Clear() }

// DeltaTrigger fires when a record is more than threshold away from the record that fired last, at first from the
// first record of the window. It is not for windows that merge.
func DeltaTrigger[T any](threshold float64, delta func(last, v T) float64) Trigger {
	return &deltaTrigger[T]{threshold: threshold, delta: delta}
}

type deltaTrigger[T any] struct {
	plainTrigger
	threshold float64
	delta     func(last, v T) float64
	last      *keyed.Value[T]
}

func (t *deltaTrigger[T]) fault(u usage) error {
	if t.delta == nil {
		return errors.New("DeltaTrigger: the function is nil")
	}
	if math.IsNaN(t.threshold) {
		return errors.New("DeltaTrigger: the threshold is NaN: it would never fire")
	}
	return u.takes("DeltaTrigger", reflect.TypeFor[T]())
}

// takes says what is wrong with a function of records of type t.
func (u usage) takes(what string, t reflect.Type) error {
	for _, have := range u.records {
		if have != t {
			return fmt.Errorf("%s: its function takes %s, the records are %s", what, t, have)
		}
	}
	return nil
}

func (t *deltaTrigger[T]) bind(sc *keyed.Scope, prefix string) (Trigger, error) {
	last, err := keyed.NewValue[T](sc, prefix+"last")
	return &deltaTrigger[T]{threshold: t.threshold, delta: t.delta, last: last}, err
}

func (t *deltaTrigger[T]) OnRecord(_ *TriggerContext, v any, _ int64) Decision {
	r := v.(*T)
	last := t.last.Get()
	if last != nil && !(t.delta(*last, *r) > t.threshold) {
		return Continue
	}
	t.last.Set(r)
	if last == nil {
		return Continue
	}
	return Fire
}

func (t *deltaTrigger[T]) Clear(*TriggerContext) { t.last.Clear() }

// ContinuousEventTimeTrigger fires whenever the watermark passes a multiple of every, once if it passes several, and
// at the end of the window; then, as EventTimeTrigger, for each late record that is still allowed.
func ContinuousEventTimeTrigger(every time.Duration) Trigger {
	return &continuousTrigger{every: every.Milliseconds()}
}

// ContinuousProcessingTimeTrigger fires whenever the clock passes a multiple of every after a record came, and at the
// end of the window if the window is in processing time.
func ContinuousProcessingTimeTrigger(every time.Duration) Trigger {
	return &continuousTrigger{every: every.Milliseconds(), byClock: true}
}

type continuousTrigger struct {
	every   int64
	byClock bool
	next    *keyed.Value[int64] // the next time at which it fires
}

func (t *continuousTrigger) fault(usage) error {
	if t.every < 1 {
		if t.byClock {
			return errors.New("ContinuousProcessingTimeTrigger: the interval is less than 1ms")
		}
		return errors.New("ContinuousEventTimeTrigger: the interval is less than 1ms")
	}
	return nil
}

func (t *continuousTrigger) bind(sc *keyed.Scope, prefix string) (Trigger, error) {
	next, err := keyed.NewValue[int64](sc, prefix+"next")
	return &continuousTrigger{every: t.every, byClock: t.byClock, next: next}, err
}

func (t *continuousTrigger) OnRecord(c *TriggerContext, _ any, ts int64) Decision {
	if t.byClock {
		ts = c.Now()
	} else {
		if c.passed() {
			return Fire
		}
		if c.first {
			c.SetTimer(c.window.MaxTimestamp())
		}
		if ts == operator.NoTimestamp {
			return Continue
		}
	}
	if t.next.Get() == nil {
		t.arm(c, floorTo(ts, t.every))
	}
	return Continue
}

// arm sets the timer that follows on that of from.
func (t *continuousTrigger) arm(c *TriggerContext, from int64) {
	at := addTime(from, t.every)
	if t.byClock == c.byClock {
		// An end in event time says nothing about when the clock will be there.
		at = min(at, c.window.MaxTimestamp())
	}
	if at <= from {
		return
	}
	next, _ := t.next.Ref()
	*next = at
	t.set(c, at)
}

func (t *continuousTrigger) set(c *TriggerContext, at int64) {
	if t.byClock {
		c.SetProcessingTimer(at)
	} else {
		c.SetTimer(at)
	}
}

func (t *continuousTrigger) OnEventTime(c *TriggerContext, at int64) Decision {
	if t.byClock {
		return Continue
	}
	if at == c.window.MaxTimestamp() {
		return Fire
	}
	return t.due(c, at, c.Watermark())
}

func (t *continuousTrigger) OnProcessingTime(c *TriggerContext, at int64) Decision {
	if !t.byClock {
		return Continue
	}
	if c.byClock && at == c.window.MaxTimestamp() {
		t.next.Clear() // it may be another time: of a multiple that the clock, or the end of input, has jumped over
		return Fire
	}
	return t.due(c, at, c.Now()-1)
}

// due fires if at is the time that was waited for. Where time has jumped over several multiples of the interval, the
// contents were the same at all of them: one result is enough.
func (t *continuousTrigger) due(c *TriggerContext, at, reached int64) Decision {
	if next := t.next.Get(); next == nil || *next != at {
		return Continue
	}
	t.next.Clear()
	t.arm(c, max(at, floorTo(reached, t.every)))
	if last := c.window.MaxTimestamp(); t.byClock == c.byClock && at < last && last <= reached {
		return Continue // the end of the window, which has come too, fires
	}
	return Fire
}

func (t *continuousTrigger) OnMerge(c *TriggerContext) {
	least := int64(math.MaxInt64)
	for range c.Merged() {
		if next := t.next.Get(); next != nil {
			least = min(least, *next)
		}
	}
	if least < math.MaxInt64 {
		next, _ := t.next.Ref()
		*next = least
		t.set(c, least)
	}
	if !t.byClock && !c.passed() {
		c.SetTimer(c.window.MaxTimestamp())
	}
}

func (t *continuousTrigger) Clear(c *TriggerContext) {
	if next := t.next.Get(); next != nil {
		if t.byClock {
			c.CancelProcessingTimer(*next)
		} else {
			c.CancelTimer(*next)
		}
		t.next.Clear()
	}
	if !t.byClock {
		c.CancelTimer(c.window.MaxTimestamp())
	}
}

// PurgingTrigger drops the contents of the window whenever t fires, so that a result speaks of the records since the
// one before.
func PurgingTrigger(t Trigger) Trigger { return wrap(&purgingTrigger{t}, t) }

type purgingTrigger struct{ Trigger }

// mergingPurgingTrigger keeps from purgingTrigger the method that its inner trigger does not have.
type mergingPurgingTrigger struct{ *purgingTrigger }

func (t mergingPurgingTrigger) OnMerge(c *TriggerContext) { t.Trigger.(MergingTrigger).OnMerge(c) }

func wrap(p *purgingTrigger, t Trigger) Trigger {
	if _, ok := t.(MergingTrigger); ok {
		return mergingPurgingTrigger{p}
	}
	return p
}

func (t *purgingTrigger) fault(u usage) error {
	if err := triggerFault(t.Trigger, u); err != nil {
		return fmt.Errorf("PurgingTrigger: %w", err)
	}
	return nil
}

func (t *purgingTrigger) bind(sc *keyed.Scope, prefix string) (Trigger, error) {
	inner, err := bind(t.Trigger, sc, prefix)
	return PurgingTrigger(inner), err
}

func purging(d Decision) Decision {
	if d&Fire != 0 {
		return FireAndPurge
	}
	return d
}

func (t *purgingTrigger) OnRecord(c *TriggerContext, v any, ts int64) Decision {
	return purging(t.Trigger.OnRecord(c, v, ts))
}

func (t *purgingTrigger) OnEventTime(c *TriggerContext, at int64) Decision {
	return purging(t.Trigger.OnEventTime(c, at))
}

func (t *purgingTrigger) OnProcessingTime(c *TriggerContext, at int64) Decision {
	return purging(t.Trigger.OnProcessingTime(c, at))
}

// NeverTrigger never fires. It is the default of Global windows.
func NeverTrigger() Trigger { return neverTrigger{} }

type neverTrigger struct{ plainTrigger }

func (t neverTrigger) bind(*keyed.Scope, string) (Trigger, error)  { return t, nil }
func (neverTrigger) OnRecord(*TriggerContext, any, int64) Decision { return Continue }
func (neverTrigger) OnMerge(*TriggerContext)                       {}
func (neverTrigger) Clear(*TriggerContext)                         {}

// EarlyTrigger is EventTimeTrigger with results before and after the end of the window: before it as early decides,
// at it once, and after it, for late records that are still allowed, as late decides. With a late of nil each late
// record fires.
//
//	window.Tumbling(time.Hour).Trigger(window.EarlyTrigger(window.ContinuousProcessingTimeTrigger(time.Minute), nil))
func EarlyTrigger(early, late Trigger) Trigger { return &earlyTrigger{early, late} }

type earlyTrigger struct{ early, late Trigger }

func (t *earlyTrigger) fault(u usage) error {
	if u.byClock {
		return errors.New("EarlyTrigger is for windows in event time; ContinuousProcessingTimeTrigger fires early in processing time")
	}
	if err := triggerFault(t.early, u); err != nil {
		return fmt.Errorf("EarlyTrigger: early: %w", err)
	}
	if t.late != nil {
		if err := triggerFault(t.late, u); err != nil {
			return fmt.Errorf("EarlyTrigger: late: %w", err)
		}
	}
	return nil
}

func (t *earlyTrigger) bind(sc *keyed.Scope, prefix string) (Trigger, error) {
	early, err := bind(t.early, sc, prefix+"early-")
	if err != nil || t.late == nil {
		return &earlyTrigger{early, nil}, err
	}
	late, err := bind(t.late, sc, prefix+"late-")
	return &earlyTrigger{early, late}, err
}

func (t *earlyTrigger) OnRecord(c *TriggerContext, v any, ts int64) Decision {
	switch {
	case !c.passed():
		if c.first {
			c.SetTimer(c.window.MaxTimestamp())
		}
		return t.early.OnRecord(c, v, ts)
	case t.late != nil:
		return t.late.OnRecord(c, v, ts)
	default:
		return Fire
	}
}

func (t *earlyTrigger) OnEventTime(c *TriggerContext, at int64) Decision {
	switch {
	case at == c.window.MaxTimestamp():
		t.early.Clear(c)
		return Fire
	case at < c.window.MaxTimestamp():
		return t.early.OnEventTime(c, at)
	case t.late != nil:
		return t.late.OnEventTime(c, at)
	default:
		return Continue
	}
}

func (t *earlyTrigger) OnProcessingTime(c *TriggerContext, at int64) Decision {
	switch {
	case !c.passed():
		return t.early.OnProcessingTime(c, at)
	case t.late != nil:
		return t.late.OnProcessingTime(c, at)
	default:
		return Continue
	}
}

func (t *earlyTrigger) OnMerge(c *TriggerContext) {
	t.early.(MergingTrigger).OnMerge(c)
	if t.late != nil {
		t.late.(MergingTrigger).OnMerge(c)
	}
	if !c.passed() {
		c.SetTimer(c.window.MaxTimestamp())
	}
}

func (t *earlyTrigger) Clear(c *TriggerContext) {
	t.early.Clear(c)
	if t.late != nil {
		t.late.Clear(c)
	}
	c.CancelTimer(c.window.MaxTimestamp())
}
