package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/graph/operator"
)

// beat is a sign of life of a device.
type beat struct {
	Device string
	At     time.Time
}

func device(b beat) string { return b.Device }

// silence reports a device that sends nothing for limit.
type silence struct {
	limit time.Duration
	last  *state.Value[time.Time]
}

func newSilence(limit time.Duration) *silence {
	return &silence{limit, state.NewValue[time.Time]("last-seen")}
}

func (s *silence) State() []state.Descriptor { return []state.Descriptor{s.last} }

func (s *silence) Process(ctx *stream.Context[string, string], b beat) error {
	if last, ok := s.last.Get(ctx); ok {
		ctx.CancelTimer(last.Add(s.limit))
	}
	s.last.Set(ctx, b.At)
	ctx.SetTimer(b.At.Add(s.limit))
	return nil
}

func (s *silence) OnTimer(ctx *stream.Context[string, string], at time.Time) error {
	last, _ := s.last.Get(ctx)
	s.last.Clear(ctx)
	ctx.Emit(fmt.Sprint(ctx.Key(), " silent at ", at.UnixMilli(), " since ", last.UnixMilli()))
	return nil
}

func TestEventTimersFireInOrderBeforeTheWatermark(t *testing.T) {
	out := &transcript[string]{}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		stream.Discard(stream.Process(stream.KeyBy(from[beat](env), device), newSilence(10*time.Millisecond)).UID("it"))
	})
	in := op.Inputs[0].(operator.Node[beat])
	send := func(device string, at int64) { in.Record(&beat{device, time.UnixMilli(at)}, at) }
	send("pump", 100)
	send("fan", 95)
	send("pump", 100) // the same timer again: set once
	in.Watermark(104)
	out.want(t, "w 104")
	send("fan", 97) // cancels 105, sets 107
	in.Watermark(110)
	out.want(t, "fan silent at 107 since 97 @107", "pump silent at 110 since 100 @110", "w 110")
	send("pump", 90) // late: the timer is due, it fires with the next watermark
	out.want(t)
	in.Watermark(111)
	out.want(t, "pump silent at 100 since 90 @100", "w 111")
	in.Idle()
	send("pump", 300)
	send("fan", 200)
	in.Watermark(operator.MaxWatermark)
	in.End()
	out.want(t, "idle", "fan silent at 210 since 200 @210", "pump silent at 310 since 300 @310", "w max", "end")
}

// clock sets timers in processing time as its records say.
type clock struct{ total *state.Value[int] }

func (c *clock) State() []state.Descriptor { return []state.Descriptor{c.total} }

func (c *clock) Process(ctx *stream.Context[int, string], v time.Duration) error {
	n, _ := c.total.Ref(ctx)
	*n++
	if v < 0 {
		ctx.CancelProcessingTimer(ctx.Now().Add(-v))
		return nil
	}
	ctx.SetProcessingTimer(ctx.Now().Add(v))
	return nil
}

func (c *clock) OnProcessingTimer(ctx *stream.Context[int, string], at time.Time) error {
	n, _ := c.total.Get(ctx)
	ctx.Emit(fmt.Sprintf("key %d at %d of %d records", ctx.Key(), at.UnixMilli(), n))
	if at.UnixMilli() == 1005 {
		ctx.SetProcessingTimer(at.Add(500 * time.Microsecond)) // rounded up
	}
	return nil
}

func TestProcessingTimers(t *testing.T) {
	out := &transcript[string]{}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		keyed := stream.KeyBy(from[time.Duration](env), func(d time.Duration) int { return int(max(d, -d) / time.Millisecond % 2) })
		stream.Discard(stream.Process(keyed, &clock{state.NewValue[int]("total")}).UID("it"))
	})
	in := op.Inputs[0].(operator.Node[time.Duration])
	send := func(d time.Duration) { in.Record(&d, 7) }
	send(20 * time.Millisecond)
	send(5 * time.Millisecond)
	send(5 * time.Millisecond)
	send(9 * time.Millisecond)
	send(-9 * time.Millisecond)
	if n := op.pending(); n != 1 {
		t.Errorf("%d wake-ups are set, want that of the earliest timer only", n)
	}
	op.advance(time.UnixMilli(1004))
	out.want(t)
	op.advance(time.UnixMilli(1010))
	out.want(t, "key 1 at 1005 of 4 records", "key 1 at 1006 of 4 records")
	op.advance(time.UnixMilli(1030))
	out.want(t, "key 0 at 1020 of 1 records")
	// What is not due at the end of the input never fires.
	send(20 * time.Millisecond)
	in.Watermark(operator.MaxWatermark)
	in.End()
	op.advance(time.UnixMilli(2000))
	out.want(t, "w max", "end")
}

// A timer that sets itself again for ever holds up a bounded input, but not its cancellation.
func TestTimersForEverEndWithTheAttempt(t *testing.T) {
	out := &transcript[string]{}
	ctx, cancel := context.WithCancelCause(t.Context())
	p := &restless{new(int), func() { cancel(errors.New("the job was canceled")) }}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		stream.Discard(stream.Process(stream.KeyBy(from[int](env), func(i int) int { return i }), p).UID("it"))
	})
	op.ctx = ctx
	in := op.Inputs[0].(operator.Node[int])
	in.Record(new(int), 1)
	wantError(t, failure(t, func() { in.Watermark(operator.MaxWatermark) }), "the job was canceled")
}

type restless struct {
	fired  *int
	enough func()
}

func (r *restless) Process(ctx *stream.Context[int, string], _ int) error {
	ctx.SetTimer(ctx.EventTime())
	return nil
}

func (r *restless) OnTimer(ctx *stream.Context[int, string], at time.Time) error {
	if *r.fired++; *r.fired == 5000 {
		r.enough()
	}
	ctx.SetTimer(at.Add(time.Millisecond))
	return nil
}

// B-46: the ends of int64 are times like others.
func TestTimersAtTheEndsOfTime(t *testing.T) {
	out := &transcript[string]{}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		stream.Discard(stream.Process(stream.KeyBy(from[beat](env), device), newSilence(0)).UID("it"))
	})
	in := op.Inputs[0].(operator.Node[beat])
	for _, at := range []int64{math.MaxInt64, math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, 0} {
		in.Record(&beat{fmt.Sprint("d", at), time.UnixMilli(at)}, 0)
	}
	in.Watermark(operator.MaxWatermark - 1)
	in.Watermark(operator.MaxWatermark)
	out.want(t,
		"d-9223372036854775808 silent at -9223372036854775808 since -9223372036854775808",
		"d-9223372036854775807 silent at -9223372036854775807 since -9223372036854775807 @-9223372036854775807",
		"d0 silent at 0 since 0 @0",
		"d9223372036854775806 silent at 9223372036854775806 since 9223372036854775806 @9223372036854775806",
		"w 9223372036854775806",
		"d9223372036854775807 silent at 9223372036854775807 since 9223372036854775807 @9223372036854775807",
		"w max")
}

// keeper does what it must not: it uses contexts and state where they are of no use.
type keeper struct {
	kept  **stream.Context[string, string]
	seen  *state.Value[int]
	other *state.Value[int] // not declared
}

func (k *keeper) State() []state.Descriptor { return []state.Descriptor{k.seen} }

func (k *keeper) Process(ctx *stream.Context[string, string], v string) error {
	*k.kept = ctx
	switch v {
	case "undeclared":
		k.other.Set(ctx, 1)
	case "timer":
		ctx.SetTimer(time.UnixMilli(1))
	case "processing timer":
		ctx.CancelProcessingTimer(time.UnixMilli(1))
	case "event time":
		ctx.EventTime()
	case "error":
		return errors.New("no such device")
	}
	k.seen.Set(ctx, len(v))
	return nil
}

func (k *keeper) Finish(ctx *stream.Context[string, string]) error {
	k.seen.Get(ctx)
	return nil
}

func TestStateOutsideItsKeyIsAnErrorNotAMixUp(t *testing.T) {
	out := &transcript[string]{}
	var kept *stream.Context[string, string]
	k := &keeper{kept: &kept, seen: state.NewValue[int]("seen"), other: state.NewValue[int]("other")}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		stream.Discard(stream.Process(stream.KeyBy(from[string](env), strings.ToUpper), k).UID("it").Name("keeper"))
	})
	in := op.Inputs[0].(operator.Node[string])
	send := func(v string) { in.Record(&v, stream.NoTimestamp) }
	send("pump")
	for _, f := range []func(){func() { k.seen.Get(kept) }, func() { k.seen.Set(kept, 1) }, in.End} {
		err := failure(t, f)
		for _, part := range []string{"seen", "there is no current key: use it while a record of a keyed stream is processed or a timer fires, not in Open, Finish"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %v, want one with %q", err, part)
			}
		}
	}
	if op.active != 1 {
		t.Errorf("a panic would be blamed on operator %d", op.active)
	}
	for v, want := range map[string]string{
		"timer":            `operator "keeper": SetTimer: the processor has no method OnTimer(ctx *stream.Context[K, U], at time.Time) error that the timer could call`,
		"processing timer": `operator "keeper": CancelProcessingTimer: the processor has no method OnProcessingTimer(ctx *stream.Context[K, U], at time.Time) error that the timer could call`,
		"event time":       `operator "keeper": key EVENT TIME: the record has no event time: give it one in the source or with stream.EventTime`,
		"error":            `operator "keeper": key ERROR: no such device`,
	} {
		err := failure(t, func() { send(v) })
		var f *operator.Failure
		if !errors.As(err, &f) || f.Error() != want {
			t.Errorf("%s: error %v\nwant %s", v, err, want)
		}
	}
	err := failure(t, func() { send("undeclared") })
	if err == nil || !strings.Contains(err.Error(), `state "other"`) {
		t.Errorf("undeclared: error %v", err)
	}
}

// fickle is a processor with optional methods that nobody would call.
type fickle struct{ keeper }

func (*fickle) OnTimer(*stream.Context[int, string], time.Time) error { return nil }

func (*fickle) Open() error { return nil }

type wired struct{ states []state.Descriptor }

func (w wired) State() []state.Descriptor { return w.states }

func (w wired) Process(*stream.Context[string, string], string) error { return nil }

type unkeyed struct{ wired }

func (u unkeyed) Process(*stream.Context[stream.NoKey, string], string) error { return nil }

func (u unkeyed) OnTimer(*stream.Context[stream.NoKey, string], time.Time) error { return nil }

// B-47 and what a program may get wrong with states is known before it runs.
func TestFaultsOfState(t *testing.T) {
	env := stream.NewEnv("faults", nil)
	s := from(env, "a")
	keyed := stream.KeyBy(s, strings.ToUpper)
	twice := state.NewValue[int]("twice")
	var none *state.Value[int]
	stream.Discard(stream.Process(keyed, wired{[]state.Descriptor{twice, state.NewList[int]("twice")}}))
	stream.Discard(stream.Process(keyed, wired{[]state.Descriptor{twice, twice}}))
	stream.Discard(stream.Process(keyed, wired{[]state.Descriptor{none, nil}}))
	stream.Discard(stream.Process(keyed, wired{[]state.Descriptor{state.NewValue[int]("")}}))
	stream.Discard(stream.Process(keyed, wired{[]state.Descriptor{state.NewValue[func()]("call")}}))
	stream.Discard(stream.Process(keyed, wired{[]state.Descriptor{state.NewValue[int]("short", state.TTL(0))}}))
	stream.Discard(stream.Process(s, unkeyed{wired{[]state.Descriptor{twice}}}))
	stream.Discard(stream.Process(keyed, &fickle{}))
	_, err := env.StreamGraph()
	if err == nil {
		t.Fatal("no faults")
	}
	text := err.Error()
	for _, want := range []string{
		`timers_test.go:LINE: Process: state "twice" is declared twice, as value and as list: names are unique within an operator`,
		`Process: state "twice" is declared twice, as value and as value`,
		`Process: state 0 that State returns is nil: make it before the program is built`,
		`Process: state 1 that State returns is nil`,
		`Process: a state has no name: give it one that is unique within its operator`,
		`Process: state "call": value: `,
		`Process: state "short": time to live 0s: it must be at least 1ms`,
		`Process: state "twice" belongs to a key, but the stream has none: use KeyBy first`,
		`Process: timers belong to a key, but the stream has none: use KeyBy first`,
		`Process: *stream_test.fickle has a method OnTimer, which is never called: it must be OnTimer(ctx *stream.Context[string,string], at time.Time) error`,
		`Process: *stream_test.fickle has a method Open, which is never called: it must be Open(ctx *stream.RuntimeContext) error`,
	} {
		for part := range strings.SplitSeq(want, "LINE") {
			if !strings.Contains(text, part) {
				t.Errorf("missing: %s", want)
			}
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// sharer joins what comes by key from both sides.
type sharer struct{ first *state.List[int] }

func (s *sharer) State() []state.Descriptor { return []state.Descriptor{s.first} }

func (s *sharer) ProcessFirst(ctx *stream.Context[int, string], v int) error {
	s.first.Add(ctx, v)
	ctx.SetTimer(ctx.EventTime().Add(10 * time.Millisecond))
	return nil
}

func (s *sharer) ProcessSecond(ctx *stream.Context[int, string], v string) error {
	for i := range s.first.All(ctx) {
		ctx.Emit(fmt.Sprint(i, v))
	}
	return nil
}

func (s *sharer) OnTimer(ctx *stream.Context[int, string], _ time.Time) error {
	s.first.Clear(ctx)
	ctx.Emit(fmt.Sprint("forget ", ctx.Key()))
	return nil
}

func TestConnectedStreamsShareStateAndTimers(t *testing.T) {
	out := &transcript[string]{}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		c := stream.Connect(
			stream.KeyBy(from[int](env), func(i int) int { return i % 10 }),
			stream.KeyBy(from[string](env), func(s string) int { return len(s) }))
		stream.Discard(stream.CoProcess(c, &sharer{state.NewList[int]("first")}).UID("it"))
	})
	a, b := op.Inputs[0].(operator.Node[int]), op.Inputs[1].(operator.Node[string])
	first := func(v int, ts int64) { a.Record(&v, ts) }
	second := func(v string, ts int64) { b.Record(&v, ts) }
	first(11, 100)
	first(21, 101)
	first(32, 102)
	second("x", 103)
	second("yz", 104)
	second("abc", 105)
	out.want(t, "11x @103", "21x @103", "32yz @104")
	a.Watermark(111)
	out.want(t)
	b.Watermark(110)
	out.want(t, "forget 1 @110", "w 110")
	second("x", 200)
	b.Idle()
	out.want(t, "forget 1 @111", "w 111")
	a.Idle()
	out.want(t, "idle")
	b.Watermark(operator.MaxWatermark)
	b.End()
	out.want(t) // the first is idle and may wake
	a.Watermark(operator.MaxWatermark)
	out.want(t, "forget 2 @112", "w max")
}

// tally keeps a count per key.
type tally struct{ n *state.Value[int64] }

func (c *tally) State() []state.Descriptor { return []state.Descriptor{c.n} }

func (c *tally) Process(ctx *stream.Context[uint64, big], v big) error {
	n, _ := c.n.Ref(ctx)
	*n++
	ctx.Emit(v)
	return nil
}

// postponer has one timer per key, which each record puts off.
type postponer struct{ due *state.Value[time.Time] }

func (p *postponer) State() []state.Descriptor { return []state.Descriptor{p.due} }

func (p *postponer) Process(ctx *stream.Context[uint64, big], v big) error {
	due, isNew := p.due.Ref(ctx)
	if !isNew {
		ctx.CancelTimer(*due)
		*due = due.Add(time.Millisecond)
	} else {
		*due = ctx.EventTime().Add(time.Hour)
	}
	ctx.SetTimer(*due)
	ctx.Emit(v)
	return nil
}

func (p *postponer) OnTimer(*stream.Context[uint64, big], time.Time) error { return nil }

// guest keeps who was seen in the last second of processing time.
type guest struct{ seen *state.Value[int] }

func (g *guest) State() []state.Descriptor { return []state.Descriptor{g.seen} }

func (g *guest) Process(ctx *stream.Context[string, string], name string) error {
	n, _ := g.seen.Get(ctx)
	g.seen.Set(ctx, n+1)
	ctx.Emit(fmt.Sprint(name, " ", n+1))
	return nil
}

func TestStateExpiresByTheClockOfTheTask(t *testing.T) {
	out := &transcript[string]{}
	op := operate(t, []any{operator.Node[string](out)}, func(env *stream.Env) {
		g := &guest{state.NewValue[int]("seen", state.TTL(time.Second))}
		stream.Discard(stream.Process(stream.KeyBy(from[string](env), strings.ToLower), g).UID("it"))
	})
	in := op.Inputs[0].(operator.Node[string])
	send := func(v string) { in.Record(&v, stream.NoTimestamp) }
	send("ann")
	send("bob")
	op.advance(op.now.Add(999 * time.Millisecond))
	send("ann")
	op.advance(op.now.Add(500 * time.Millisecond))
	send("ann")
	send("bob")
	out.want(t, "ann 1", "bob 1", "ann 2", "ann 3", "bob 1")
}
