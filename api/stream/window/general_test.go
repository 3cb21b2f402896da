package window_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

func TestCountWindows(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Count(3))
		s.send("a1 x/p b2 c3").want("k all abc @3")
		s.send("d e x/q x/r").want("x all pqr")
		s.send("f").want("k all def").wantEmpty()
		s.send("g !").want() // no full window
	})
}

func TestSlidingCountWindows(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.CountSliding(4, 2))
		s.send("a b").want("k all ab").send("c d").want("k all abcd")
		s.send("e f").want("k all cdef").send("g h").want("k all efgh")
		s = play(t, disk2(disk), window.CountSliding(1, 3)) // with gaps
		s.send("a b c").want("k all c").send("d e f").want("k all f")
	})
}

func TestGlobalWindowsFireOnlyWhenToldTo(t *testing.T) {
	s := play(t, nil, window.Global())
	s.send("a1 b2 w100 !").want()
	s = play(t, nil, window.Global().Trigger(window.EventTimeTrigger()))
	s.send("a1 b2 w100").want().send("!").want("k all ab @9223372036854775806") // the end of time is the end of input
	s = play(t, nil, window.Global().Trigger(window.ContinuousEventTimeTrigger(10*time.Millisecond)))
	s.send("a1 w9").want().send("w10").want("k all a @10")
	s.send("b11 !").want("k all ab @9223372036854775806")
}

func TestSlidingWindowsHoldARecordSeveralTimes(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Sliding(10*time.Millisecond, 5*time.Millisecond).Offset(1*time.Millisecond))
		s.send("a1 b5 c6 w5").want("k -4-6 ab @5")
		s.send("w10").want("k 1-11 abc @10").send("w15").want("k 6-16 c @15").wantEmpty()
		s.send("d-7 w20").want() // late
		s = play(t, disk2(disk), window.Sliding(3*time.Millisecond, 10*time.Millisecond))
		s.send("a0 b2 c3 d9 e10 w50").want("k 0-3 ab @2", "k 10-13 e @12").wantEmpty()
		s = play(t, disk2(disk), window.Tumbling(10*time.Millisecond))
		s.send("a-1 b-10 c-11 !").want("k -20--10 c @-11", "k -10-0 ab @-1").wantEmpty()
	})
}

func TestSessionsOfRecordsMerge(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Session(10*time.Millisecond).Lateness(5*time.Millisecond))
		s.send("a0 b30 c10 x/z3").want()                          // 0-20, since they touch, and 30-40
		s.send("w12").want("x 3-13 z @12").send("w18").want()     // x stays until 17
		s.send("w19").want("k 0-20 ac @19").send("d15").want()    // grows again: 0-25
		s.send("w24").want("k 0-25 acd @24").send("e25").want()   // touches the other: 0-40
		s.send("w39").want("k 0-40 acdbe @39").send("w44").want() // over
		s.send("f39 w80").want("k 39-49 f @48").wantEmpty()       // a new one: nothing is left to join
		s.send("g2").want().send("w100").want().wantEmpty()       // late
	})
}

func TestSessionsByGapOfTheRecord(t *testing.T) {
	s := play(t, nil, window.SessionBy(func(v *word) time.Duration { return time.Duration(v.Text[0]-'a') * time.Millisecond }))
	s.send("c0 z2 b27 b40 !").want("k 0-28 czb @27", "k 40-41 b @40").wantEmpty()
	err := failure(t, func() { s.send("a50") })
	if want := "the gap of a session is 0ms: want at least 1ms"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestSessionsByTheClock(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Session(10*time.Millisecond).ProcessingTime())
		s.send("a #5 b #14").want().send("#15").want("k 0-15 ab @14").wantEmpty()
		s.send("c !").want("k 15-25 c @24").wantEmpty()
	})
}

// fiscal is an assigner of the program: windows of the letter and its two neighbors.
type fiscal struct{ merges bool }

func (f fiscal) Assign(dst []window.Window, v any, ts int64) []window.Window {
	if v.(*word).Text == "!" {
		return dst
	}
	year := ts / 100 * 100
	return append(dst, window.Window{Start: year - 10, End: year + 90})
}

func (f fiscal) Merges() bool { return f.merges }

func TestCustomAssigner(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Assign(fiscal{}))
		s.send("a1 b99 c101 w89").want("k -10-90 ab @89")
		s.send("!").want("k 90-190 c @189").wantEmpty()
		s = play(t, disk2(disk), window.Assign(fiscal{merges: true}))
		s.send("a1 c101 !").want("k -10-190 ac @189").wantEmpty()
	})
}

func TestRecordsWithoutTimeAreRefused(t *testing.T) {
	s := play(t, nil, window.Tumbling(time.Second).Trigger(window.CountTrigger(1)))
	err := failure(t, func() { s.send("a") })
	want := `operator "it": a record has no event time, which Tumbling(1s) windows need: give it one with stream.EventTime, or use ProcessingTime`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
	err = failure(t, func() { s.send(fmt.Sprintf("a%d", math.MaxInt64)) })
	if err == nil || !strings.Contains(err.Error(), "too far from 1970") {
		t.Errorf("error %v", err)
	}
}

// seen is a function of windows with states: how often the window and the key have fired.
type seen struct {
	inWindow *state.Value[int]
	ofKey    *state.Value[int]
	cleared  *[]string
}

func newSeen() *seen {
	return &seen{inWindow: state.NewValue[int]("in-window"), ofKey: state.NewValue[int]("of-key"), cleared: new([]string)}
}

func (s *seen) WindowState() []state.Descriptor { return []state.Descriptor{s.inWindow} }

func (s *seen) GlobalState() []state.Descriptor { return []state.Descriptor{s.ofKey} }

func (s *seen) Process(ctx *window.Context[string, string], records iter.Seq[word]) error {
	ofWindow, ofKey := ctx.WindowState(), ctx.GlobalState()
	n, _ := s.inWindow.Get(ofWindow)
	total, _ := s.ofKey.Get(ofKey)
	text := ""
	for r := range records { // after the states of the key were touched
		text += r.Text
	}
	s.inWindow.Set(ofWindow, n+1)
	s.ofKey.Set(ofKey, total+1)
	ctx.Emit(fmt.Sprint(ctx.Key(), " ", span(ctx.Window()), " ", text, " ", n+1, " of ", total+1, " w", ctx.Watermark()))
	return nil
}

func (s *seen) Clear(ctx *window.Context[string, string]) error {
	n, _ := s.inWindow.Get(ctx.WindowState())
	*s.cleared = append(*s.cleared, fmt.Sprint(ctx.Key(), " ", span(ctx.Window()), " ", n))
	return nil
}

func TestFunctionsHaveStatesOfWindowsAndOfKeys(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := &script{t: t, disk: disk != nil}
		f := newSeen()
		s.driven = operate(t, disk, []any{operator.Node[string](&s.out)}, func(env *stream.Env) {
			spec := window.Tumbling(10 * time.Millisecond).Lateness(10 * time.Millisecond)
			out := window.Process(stream.KeyBy(input[word](env, "words"), word.key), spec, f)
			stream.To(out.UID("it"), nowhere)
		})
		s.in = s.Inputs[0].(operator.Node[word])
		s.send("a1 x/b2 w9").want("k 0-10 a 1 of 1 w9 @9", "x 0-10 b 1 of 1 w9 @9")
		s.send("c3").want("k 0-10 ac 2 of 2 w9 @9")
		s.send("d11 w19").want("k 10-20 d 1 of 3 w19 @19")
		if got, want := fmt.Sprint(*f.cleared), "[k 0-10 2 x 0-10 1]"; got != want {
			t.Errorf("cleared %v, want %v", got, want)
		}
		s.send("!")
		if disk == nil && window.Rows(s.Lifecycle) != 2 { // what the program keeps of the keys k and x
			t.Errorf("%d rows are left, want 2", window.Rows(s.Lifecycle))
		}
	})
}

func TestAggregateWithSeesOneResultPerFiring(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		for _, spec := range []window.Spec{
			window.Tumbling(10 * time.Millisecond),
			window.Tumbling(10 * time.Millisecond).Trigger(window.EventTimeTrigger()),
			window.Tumbling(10 * time.Millisecond).Evictor(window.CountEvictor(10)),
		} {
			var out transcript[string]
			d := operate(t, disk2(disk), []any{operator.Node[string](&out)}, func(env *stream.Env) {
				longest := stream.Aggregator[word, int64, string]{
					Add:    func(n int64, w word) int64 { return n + int64(len(w.Text)) },
					Merge:  func(a, b int64) int64 { return a + b },
					Result: func(n int64) string { return strings.Repeat("#", int(n)) },
				}
				with := window.AggregateWithFunc(stream.KeyBy(input[word](env, "words"), word.key), spec, longest,
					func(ctx *window.Context[string, string], r string) error {
						ctx.Emit(ctx.Key() + " " + span(ctx.Window()) + " " + r)
						return nil
					})
				stream.To(with.UID("it"), nowhere)
			})
			in := d.Inputs[0].(operator.Node[word])
			in.Record(&word{"k", "abc"}, 1)
			in.Record(&word{"k", "d"}, 2)
			in.Record(&word{"k", "ef"}, 12)
			in.Watermark(19)
			out.want(t, "k 0-10 #### @9", "k 10-20 ## @19")
		}
	})
}

func TestReduceWith(t *testing.T) {
	var out transcript[string]
	d := operate(t, nil, []any{operator.Node[string](&out)}, func(env *stream.Env) {
		with := window.ReduceWithFunc(stream.KeyBy(input[word](env, "words"), word.key), window.Count(2),
			func(sum, v word) word { return word{sum.Key, sum.Text + v.Text} },
			func(ctx *window.Context[string, string], r word) error {
				ctx.Emit(r.Text)
				return nil
			})
		stream.To(with.UID("it"), nowhere)
	})
	in := d.Inputs[0].(operator.Node[word])
	in.Record(&word{"k", "abc"}, 1)
	in.Record(&word{"k", "d"}, 2)
	out.want(t, "abcd @2")
}

func TestErrorsNameKeyAndWindow(t *testing.T) {
	d := operate(t, nil, []any{operator.Node[string](&transcript[string]{})}, func(env *stream.Env) {
		out := window.ProcessFunc(stream.KeyBy(input[word](env, "words"), word.key), window.Tumbling(time.Second),
			func(*window.Context[string, string], iter.Seq[word]) error { return errors.New("no luck") })
		stream.To(out.UID("it"), nowhere)
	})
	in := d.Inputs[0].(operator.Node[word])
	in.Record(&word{"k", "a"}, 1)
	err := failure(t, func() { in.Watermark(1000) })
	want := `operator "it": key k, window [1970-01-01T00:00:00.000Z, 1970-01-01T00:00:01.000Z): no luck`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
}

func TestLateRecordsOfTheGeneralOperator(t *testing.T) {
	var out transcript[string]
	var late transcript[word]
	d := operate(t, nil, []any{operator.Node[string](&out), operator.Node[word](&late)}, func(env *stream.Env) {
		result := window.ProcessFunc(stream.KeyBy(input[word](env, "words"), word.key), window.Tumbling(10*time.Millisecond), texts).UID("it")
		stream.To(result, nowhere)
		stream.To(window.Late[word](result), nowhere)
	})
	in := d.Inputs[0].(operator.Node[word])
	in.Watermark(9)
	in.Record(&word{"k", "a"}, 9)
	in.Record(&word{"k", "b"}, 10)
	late.want(t, "{k a} @9")
	if n := d.task.Counter("numLateRecordsDropped").Value(); n != 0 {
		t.Errorf("%d records count as dropped", n)
	}
}

func TestWindowsOverAllRecords(t *testing.T) {
	var out transcript[string]
	d := operate(t, nil, []any{operator.Node[string](&out)}, func(env *stream.Env) {
		result := window.ProcessFunc(input[word](env, "words"), window.Count(3),
			func(ctx *window.Context[stream.NoKey, string], records iter.Seq[word]) error {
				for r := range records {
					ctx.Emit(r.Text)
				}
				return nil
			})
		stream.To(result.UID("it"), nowhere)
	})
	in := d.Inputs[0].(operator.Node[word])
	for _, k := range []string{"x", "y", "z"} {
		in.Record(&word{k, k}, 1)
	}
	out.want(t, "x @1", "y @1", "z @1")
}

// loose is a Processor with optional methods of the wrong form.
type loose struct{}

func (loose) Process(*window.Context[string, string], iter.Seq[word]) error { return nil }
func (loose) Clear() error                                                  { return nil }
func (loose) WindowState() state.Descriptor                                 { return nil }

// noMerge is a trigger that cannot merge.
type noMerge struct{}

func (noMerge) OnRecord(*window.TriggerContext, any, int64) window.Decision { return window.Fire }
func (noMerge) OnEventTime(*window.TriggerContext, int64) window.Decision   { return window.Continue }
func (noMerge) OnProcessingTime(*window.TriggerContext, int64) window.Decision {
	return window.Continue
}
func (noMerge) Clear(*window.TriggerContext) {}

// stateful is a trigger that asks for too much: two states of one name.
type stateful struct{ noMerge }

func (stateful) State() []state.Descriptor {
	return []state.Descriptor{state.NewValue[int]("n"), state.NewValue[int]("n")}
}

func TestFaultsOfWindows(t *testing.T) {
	minute := window.Tumbling(time.Minute)
	for _, test := range []struct {
		name string
		spec window.Spec
		want string
	}{
		{"nil trigger", minute.Trigger(nil), "WindowProcess: Tumbling(1m0s): the trigger is nil"},
		{"nil evictor", minute.Evictor(nil), "the evictor is nil"},
		{"nil assigner", window.Assign(nil), "the assigner is nil"},
		{"count of 0", minute.Trigger(window.CountTrigger(0)), "CountTrigger of 0 records: want at least 1"},
		{"evictor of 0", minute.Evictor(window.CountEvictor(0)), "CountEvictor of 0 records: want at least 1"},
		{"interval of 0", minute.Trigger(window.ContinuousEventTimeTrigger(0)), "ContinuousEventTimeTrigger: the interval is less than 1ms"},
		{"nil in purging", minute.Trigger(window.PurgingTrigger(nil)), "PurgingTrigger: the trigger is nil"},
		{"nil in early", minute.Trigger(window.EarlyTrigger(nil, nil)), "EarlyTrigger: early: the trigger is nil"},
		{"early by the clock", minute.ProcessingTime().Trigger(window.EarlyTrigger(window.NeverTrigger(), nil)), "EarlyTrigger is for windows in event time"},
		{"nil delta", minute.Trigger(window.DeltaTrigger[word](1, nil)), "DeltaTrigger: the function is nil"},
		{"delta of others", minute.Trigger(window.DeltaTrigger(1, func(a, b int) float64 { return 0 })), "DeltaTrigger: its function takes int, the records are window_test.word"},
		{"delta in sessions", window.Session(time.Second).Trigger(window.DeltaTrigger(1, func(a, b word) float64 { return 0 })), "the windows merge, which needs a trigger with OnMerge"},
		{"custom in sessions", window.Session(time.Second).Trigger(noMerge{}), "the windows merge, which needs a trigger with OnMerge; window_test.noMerge has none"},
		{"purging in sessions", window.Session(time.Second).Trigger(window.PurgingTrigger(noMerge{})), "the windows merge"},
		{"evictor of others", minute.Evictor(window.EvictAfter(window.DeltaEvictor(1, func(a, b int) float64 { return 0 }))), "EvictAfter: DeltaEvictor: its function takes int"},
		{"short time evictor", minute.Evictor(window.TimeEvictor(0)), "TimeEvictor of 0s: want at least 1ms"},
		{"early without end", window.Global().EarlyEvery(time.Second), "it has EarlyEvery: its windows have no end"},
		{"early twice", minute.EarlyEvery(time.Second).Trigger(window.NeverTrigger()), "it has both Trigger and EarlyEvery"},
		{"two states of one name", minute.Trigger(stateful{}), `trigger: state "n" is declared twice`},
		{"gap of others", window.SessionBy(func(*int) time.Duration { return 0 }), "the gap of SessionBy is of int, the records are of window_test.word"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantFaults(t, func(env *stream.Env) {
				out := window.ProcessFunc(stream.KeyBy(input[word](env, "words"), word.key), test.spec, texts)
				stream.To(out, nowhere)
			}, "window/general_test.go:", test.want)
		})
	}
	wantFaults(t, func(env *stream.Env) {
		words := stream.KeyBy(input[word](env, "words"), word.key)
		stream.To(window.Process(words, minute, loose{}), nowhere)
		stream.To(window.ProcessFunc[string, word, string](words, minute, nil), nowhere)
		stream.To(window.Process(words, window.Session(time.Second), newSeen()), nowhere)
	}, "WindowProcess: window_test.loose has a method Clear, which is never called: it must be Clear(ctx *window.Context[string,string]) error",
		"has a method WindowState, which is never called: it must be WindowState() []state.Descriptor",
		"WindowProcess: the function or processor is nil",
		"windows that merge have no states of their own: use GlobalState")
}

// TestStateOfTheGeneralOperatorIsReleased runs long: many windows of many keys come and go, with triggers that have
// states and timers of their own.
func TestStateOfTheGeneralOperatorIsReleased(t *testing.T) {
	for _, spec := range []window.Spec{
		window.Sliding(20*time.Millisecond, 5*time.Millisecond).Lateness(10 * time.Millisecond),
		window.Session(3 * time.Millisecond).Lateness(2 * time.Millisecond),
		window.Session(3 * time.Millisecond).Trigger(window.EarlyTrigger(window.CountTrigger(3), window.CountTrigger(2))),
		window.Tumbling(7 * time.Millisecond).Trigger(window.ContinuousEventTimeTrigger(2 * time.Millisecond)).Evictor(window.CountEvictor(2)),
		window.Tumbling(7 * time.Millisecond).Trigger(window.PurgingTrigger(window.CountTrigger(2))).Lateness(time.Millisecond),
	} {
		s := play(t, nil, spec)
		most := 0
		for at := range int64(20_000) {
			v := word{Key: fmt.Sprint(at % 1013), Text: "a"}
			s.in.Record(&v, at-at%3)
			if at%8 == 7 {
				s.in.Watermark(at - 6)
				most = max(most, window.Rows(s.Lifecycle))
			}
			s.out.lines = nil
		}
		if most > 400 {
			t.Errorf("%v: up to %d rows of state, though only some 60 windows are open at a time", spec, most)
		}
		s.in.Watermark(operator.MaxWatermark)
		s.wantEmpty()
		if n := window.Timers(s.Lifecycle); n != 0 {
			t.Errorf("%v: %d timers are left", spec, n)
		}
	}
}

func TestTheGeneralOperatorAllocatesNothingPerRecord(t *testing.T) {
	for _, spec := range []window.Spec{
		window.Tumbling(time.Hour).Trigger(window.EventTimeTrigger()),
		window.Sliding(time.Hour, 20*time.Minute).Trigger(window.PurgingTrigger(window.CountTrigger(1 << 40))),
		window.Count(1 << 40),
	} {
		var out operator.Node[window.Result[string, int64]] = &transcript[window.Result[string, int64]]{}
		d := operate(t, nil, []any{out}, func(env *stream.Env) {
			stream.To(window.Counts(stream.KeyBy(input[word](env, "words"), word.key), spec).UID("it"), nowhere)
		})
		in := d.Inputs[0].(operator.Node[word])
		v := word{"k", "a"}
		in.Record(&v, 1)
		if n := testing.AllocsPerRun(1000, func() { in.Record(&v, 2) }); n != 0 {
			t.Errorf("%v: %v allocations per record, want 0", spec, n)
		}
	}
}
