package streamtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/connectors/stdio"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// Beat and Alert are the records of the program under test: it raises an Alert for a device that is silent.
type Beat struct {
	Device string
	At     time.Time
}

type Alert struct {
	Device string
	Since  time.Time
}

type silence struct {
	limit time.Duration
	last  *state.Value[time.Time]
}

func newSilence(limit time.Duration) *silence {
	return &silence{limit, state.NewValue[time.Time]("last-seen")}
}

func (s *silence) State() []state.Descriptor { return []state.Descriptor{s.last} }

func (s *silence) Process(ctx *stream.Context[string, Alert], b Beat) error {
	if last, ok := s.last.Get(ctx); ok {
		ctx.CancelTimer(last.Add(s.limit))
	}
	s.last.Set(ctx, b.At)
	ctx.SetTimer(b.At.Add(s.limit))
	return nil
}

func (s *silence) OnTimer(ctx *stream.Context[string, Alert], at time.Time) error {
	ctx.Emit(Alert{ctx.Key(), at.Add(-s.limit)})
	s.last.Clear(ctx)
	return nil
}

func watch(env *stream.Env) {
	beats := stream.From(env, collection.Of[Beat]()).UID("beats")
	timed := stream.EventTime(beats, stream.Timestamps(func(b Beat) time.Time { return b.At }).OutOfOrder(time.Minute))
	alerts := stream.Process(stream.KeyBy(timed, func(b Beat) string { return b.Device }), newSilence(10*time.Minute)).UID("silence")
	stream.To(alerts, stdio.Print).UID("alerts")
}

func TestSilenceRaisesAnAlert(t *testing.T) {
	h := streamtest.New(t, watch)
	h.Send("beats", Beat{"pump", start}, Beat{"fan", start.Add(time.Minute)})
	h.Send("beats", Beat{"fan", start.Add(9 * time.Minute)})
	h.Want("alerts")
	h.Watermark("beats", start.Add(11*time.Minute))
	h.WantTimes("alerts", start.Add(10*time.Minute))
	h.Want("alerts", Alert{"pump", start})
	h.Send("beats", Beat{"pump", start.Add(30 * time.Minute)}) // its strategy goes on, a minute behind
	h.Advance(time.Second)
	h.Want("alerts", Alert{"fan", start.Add(9 * time.Minute)})
	h.End()
	h.Want("alerts", Alert{"pump", start.Add(30 * time.Minute)})
}

func TestTheSameAtAnyParallelism(t *testing.T) {
	for p := range 4 {
		h := streamtest.New(t, watch, streamtest.Parallelism(p+1))
		for i := range 5 {
			h.Send("beats", Beat{fmt.Sprint(i), start})
		}
		h.Watermark("beats", start.Add(time.Hour))
		h.WantUnordered("alerts", Alert{"3", start}, Alert{"0", start}, Alert{"4", start}, Alert{"1", start}, Alert{"2", start})
	}
}

func TestTwoSourcesIdleAndWake(t *testing.T) {
	h := streamtest.New(t, func(env *stream.Env) {
		a := stream.From(env, streamtest.Source[int]()).UID("a")
		b := stream.From(env, streamtest.Source[int]()).UID("b")
		marks := stream.ProcessFunc(stream.Union(a, b), func(ctx *stream.Context[stream.NoKey, string], v int) error {
			ctx.Emit(fmt.Sprintf("%d at %d", v, ctx.Watermark()))
			return nil
		})
		stream.Discard(marks).UID("marks")
	})
	at := time.UnixMilli
	h.SendAt("a", at(10), 1)
	h.Watermark("a", at(9))
	h.Watermark("b", at(5))
	h.SendAt("a", at(20), 2)
	h.Idle("b")
	h.SendAt("a", at(21), 3)
	h.End("b")
	h.Watermark("a", at(20))
	h.Send("a", 4)
	h.WantTimes("marks", at(10), at(20), at(21), time.Time{})
	h.Want("marks", fmt.Sprintf("1 at %d", stream.NoTimestamp), "2 at 5", "3 at 9", "4 at 20")
	if got := streamtest.Output[string](h, "marks"); len(got) != 0 {
		t.Errorf("taken twice: %q", got)
	}
}

// repeater emits its last record every second of processing time.
type repeater struct{ n *state.Value[int] }

func (r *repeater) State() []state.Descriptor { return []state.Descriptor{r.n} }

func (r *repeater) Process(ctx *stream.Context[string, string], v string) error {
	r.n.Set(ctx, 3)
	ctx.SetProcessingTimer(ctx.Now().Add(time.Second))
	return nil
}

func (r *repeater) OnProcessingTimer(ctx *stream.Context[string, string], at time.Time) error {
	n, _ := r.n.Get(ctx)
	ctx.Emit(fmt.Sprint(ctx.Key(), " after ", at.Sub(streamtest.Start)))
	if n--; n == 0 {
		r.n.Clear(ctx)
		return nil
	}
	r.n.Set(ctx, n)
	ctx.SetProcessingTimer(at.Add(time.Second))
	return nil
}

func TestProcessingTimePassesByAdvanceOnly(t *testing.T) {
	h := streamtest.Operator(t, func(in *stream.Stream[string]) *stream.Stream[string] {
		return stream.Process(stream.KeyBy(in, strings.Clone), &repeater{state.NewValue[int]("left")}).UID("repeat")
	})
	h.Send("a")
	h.Advance(500 * time.Millisecond)
	h.Send("b")
	h.Want()
	h.Advance(time.Second)
	h.Want("a after 1s", "b after 1.5s")
	h.Advance(time.Hour)
	h.Want("a after 2s", "b after 2.5s", "a after 3s", "b after 3.5s")
	if h.Now() != streamtest.Start.Add(time.Hour+1500*time.Millisecond) {
		t.Errorf("it is %v", h.Now())
	}
}

func TestFailuresAccumulatorsAndSideOutputs(t *testing.T) {
	odd := stream.NewOutputTag[int]("odd")
	h := streamtest.Operator(t, func(in *stream.Stream[int]) *stream.Stream[int] {
		even := stream.ProcessFunc(in, func(ctx *stream.Context[stream.NoKey, int], v int) error {
			switch {
			case v < 0:
				return errors.New("a negative number")
			case v%2 == 1:
				odd.Emit(ctx, v)
				ctx.LongCounter("odds").Add(1)
				ctx.Counter("odd").Add(1)
			default:
				ctx.Emit(v)
			}
			return nil
		}).UID("sieve")
		stream.Discard(stream.SideOutput(even, odd)).UID("odd")
		return even
	})
	h.Send(1, 2, 3)
	h.Want(2)
	h.Harness.Want("odd", 1, 3)
	if got := h.Accumulator("odds"); got != "2" {
		t.Errorf("accumulator %s", got)
	}
	if got := h.Counter("sieve", "odd"); got != 2 {
		t.Errorf("counter %d", got)
	}
	h.Send(-1)
	h.WantError("Process", "a negative number")
}

// What the goroutine of a call brings is waited for.
func TestAsync(t *testing.T) {
	h := streamtest.Operator(t, func(in *stream.Stream[int]) *stream.Stream[string] {
		return stream.Async(in, stream.Call(func(_ context.Context, v int) (string, error) { return fmt.Sprint("number ", v), nil })).UID("call")
	})
	h.Send(1, 2, 3)
	h.Want("number 1", "number 2", "number 3")
}

// spy is a test that may fail.
type spy struct {
	testing.TB
	errors  []string
	cleanup []func()
}

func (s *spy) Helper()                      {}
func (s *spy) Errorf(f string, args ...any) { s.errors = append(s.errors, fmt.Sprintf(f, args...)) }
func (s *spy) Cleanup(f func())             { s.cleanup = append(s.cleanup, f) }
func (s *spy) Fatal(args ...any)            { s.Fatalf("%s", fmt.Sprint(args...)) }
func (s *spy) Fatalf(f string, args ...any) { s.Errorf(f, args...); panic(s) }

func TestWhatAHarnessSaysOfWrongTests(t *testing.T) {
	fragment := func(in *stream.Stream[int]) *stream.Stream[int] {
		return stream.Map(in, func(v int) int {
			if v == 7 {
				panic("seven")
			}
			return 10 / v
		}).UID("map")
	}
	for _, c := range []struct {
		name string
		test func(h *streamtest.OperatorHarness[int, int])
		want string
	}{
		{"source", func(h *streamtest.OperatorHarness[int, int]) { h.Harness.Send("inptu", 1) }, `there is no source with uid "inptu": those that the program has are ["input"]`},
		{"sink", func(h *streamtest.OperatorHarness[int, int]) { h.Harness.Want("map", 1) }, `there is no sink with uid "map": those that the program has are ["output"]`},
		{"type of a record", func(h *streamtest.OperatorHarness[int, int]) { h.Harness.Send("input", "1") }, `source "input": its records are of type int, not string`},
		{"type of a result", func(h *streamtest.OperatorHarness[int, int]) { h.Harness.Want("output", int64(1)) }, `sink "output": its records are of type int, the test wants one of type int64`},
		{"type of no output", func(h *streamtest.OperatorHarness[int, int]) { streamtest.Output[string](h.Harness, "output") }, `sink "output": its records are of type int, not string`},
		{"place of a panic", func(h *streamtest.OperatorHarness[int, int]) { h.Send(7) }, "harness_test.go:"},
		{"result", func(h *streamtest.OperatorHarness[int, int]) { h.Send(1); h.Want(1, 2) }, "sink \"output\" got\n\t10\nwant\n\t1\n\t2"},
		{"unordered result", func(h *streamtest.OperatorHarness[int, int]) { h.Send(1, 2); h.WantUnordered(5, 5) }, "missing\n\t5\nnot wanted\n\t10"},
		{"time", func(h *streamtest.OperatorHarness[int, int]) { h.Watermark(start); h.Watermark(start.Add(-1)) }, "it cannot go back"},
		{"after the end", func(h *streamtest.OperatorHarness[int, int]) { h.End(); h.Send(1) }, `source "input" has ended`},
		{"failure that nobody wants", func(h *streamtest.OperatorHarness[int, int]) { h.Send(7) }, `the program failed: operator "Map": panic: seven`},
		{"going on after a failure", func(h *streamtest.OperatorHarness[int, int]) { h.Send(7, 1) }, `the program failed: operator "Map": panic: seven`},
		{"no failure", func(h *streamtest.OperatorHarness[int, int]) { h.WantError("seven") }, "the program has not failed"},
		{"another failure", func(h *streamtest.OperatorHarness[int, int]) { h.Send(7); h.WantError("eight") }, "want an error with \"eight\""},
	} {
		s := &spy{TB: t}
		func() {
			defer func() {
				if p := recover(); p != nil && p != any(s) {
					panic(p)
				}
				for _, f := range s.cleanup {
					f()
				}
			}()
			c.test(streamtest.Operator(s, fragment))
		}()
		if len(s.errors) != 1 || !strings.Contains(s.errors[0], c.want) {
			t.Errorf("%s: the harness says %q, want %q", c.name, s.errors, c.want)
		}
	}
}
