package window_test

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// word is a record of the tests: a key and a letter or number.
type word struct {
	Key  string
	Text string
}

func (w word) key() string { return w.Key }

// texts is a function of windows that emits key, start and end of the window and the texts of its records.
func texts(ctx *window.Context[string, string], records iter.Seq[word]) error {
	var b strings.Builder
	for r := range records {
		b.WriteString(r.Text)
	}
	ctx.Emit(fmt.Sprintf("%s %s %s", ctx.Key(), span(ctx.Window()), b.String()))
	return nil
}

func span(w window.Window) string {
	if w.Start < -1<<60 {
		return "all"
	}
	return fmt.Sprintf("%d-%d", w.Start, w.End)
}

// script is a test of a general operator: lines of what comes in and what goes out.
type script struct {
	*driven
	in   operator.Node[word]
	out  transcript[string]
	t    *testing.T
	disk bool
}

func play(t *testing.T, disk keyed.KeyValue, spec window.Spec) *script {
	t.Helper()
	s := &script{t: t, disk: disk != nil}
	s.driven = operate(t, disk, []any{operator.Node[string](&s.out)}, func(env *stream.Env) {
		out := window.ProcessFunc(stream.KeyBy(input[word](env, "words"), word.key), spec, texts)
		stream.To(out.UID("it"), nowhere)
	})
	s.in = s.Inputs[0].(operator.Node[word])
	return s
}

// send plays what came in. "a5" is a record of key k, text a and event time 5; "w7" a watermark, "#9" the clock;
// "!" the end of the input. Another key comes first: "x/a5".
func (s *script) send(events string) *script {
	s.t.Helper()
	for e := range strings.FieldsSeq(events) {
		key := "k"
		if i := strings.IndexByte(e, '/'); i >= 0 {
			key, e = e[:i], e[i+1:]
		}
		if e == "!" {
			s.in.Watermark(operator.MaxWatermark)
			s.in.End()
			continue
		}
		at, err := strconv.ParseInt(e[1:], 10, 64)
		if err != nil && len(e) > 1 {
			s.t.Fatal(err)
		}
		switch {
		case e[0] == 'w':
			s.in.Watermark(at)
		case e[0] == '#':
			s.task.advance(at)
		case len(e) == 1:
			s.in.Record(&word{key, e}, stream.NoTimestamp)
		default:
			s.in.Record(&word{key, e[:1]}, at)
		}
	}
	return s
}

func (s *script) want(lines ...string) *script {
	s.t.Helper()
	s.out.want(s.t, lines...)
	return s
}

// wantEmpty holds that no window has left anything behind.
func (s *script) wantEmpty() {
	s.t.Helper()
	if n := window.Rows(s.Lifecycle); n != 0 && !s.disk { // of a disk, Len is what is in memory
		s.t.Errorf("%d rows of state are left", n)
	}
}

func TestEventTimeTriggerFiresAtTheEndOfTheWindow(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(10*time.Millisecond))
		s.send("a1 b9 c12 x/d3 w8").want()
		s.send("w9").want("k 0-10 ab @9", "x 0-10 d @9")
		s.send("w18").want().send("w19").want("k 10-20 c @19").wantEmpty()
	})
}

func TestAllowedLateRecordsFireAgain(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(10*time.Millisecond).Lateness(5*time.Millisecond))
		s.send("a1 w9").want("k 0-10 a @9")
		s.send("b2").want("k 0-10 ab @9")
		s.send("w13 c3").want("k 0-10 abc @9")
		s.send("w14 d4").want()
		if n := s.task.Counter("numLateRecordsDropped").Value(); n != 1 {
			t.Errorf("%d records were late, want 1", n)
		}
		s.wantEmpty()
	})
}

func TestProcessingTimeTriggerFiresByTheClock(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(10*time.Millisecond).ProcessingTime().Trigger(window.ProcessingTimeTrigger()))
		s.send("a b #9 c #9").want()
		s.send("#10").want("k 0-10 abc @9")
		s.send("d !").want("k 10-20 d @19").wantEmpty()
	})
}

func TestCountTriggerFiresEveryNRecords(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(100*time.Millisecond).Trigger(window.CountTrigger(2)))
		s.send("a1 x/y1 b2").want("k 0-100 ab @99")
		s.send("c3 d4").want("k 0-100 abcd @99")
		s.send("e5 w99").want().wantEmpty() // the end of the window is none of its business
	})
}

func TestDeltaTriggerFiresWhenFarFromTheLast(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		far := window.DeltaTrigger(2, func(last, v word) float64 { return float64(v.Text[0]) - float64(last.Text[0]) })
		s := play(t, disk, window.Tumbling(100*time.Millisecond).Trigger(far))
		s.send("a1 c2").want() // not above the threshold
		s.send("d3").want("k 0-100 acd @99")
		s.send("f4").want().send("g5").want("k 0-100 acdfg @99")
		s.send("w99").want().wantEmpty()
	})
}

func TestContinuousEventTimeTriggerFiresEveryInterval(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(100*time.Millisecond).Trigger(window.ContinuousEventTimeTrigger(10*time.Millisecond)))
		s.send("a1 w9").want().send("w10").want("k 0-100 a @99")
		s.send("b12 w20").want("k 0-100 ab @99")
		s.send("w55").want("k 0-100 ab @99") // once, though it passed 30, 40 and 50
		s.send("w59").want().send("w60").want("k 0-100 ab @99")
		s.send("w99").want("k 0-100 ab @99").wantEmpty()
	})
}

func TestContinuousProcessingTimeTriggerFiresByTheClock(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		every := window.ContinuousProcessingTimeTrigger(10 * time.Millisecond)
		s := play(t, disk, window.Tumbling(30*time.Millisecond).ProcessingTime().Trigger(every))
		s.send("#1 a").want().send("#11").want("k 0-30 a @29")
		s.send("b #21").want("k 0-30 ab @29")
		s.send("#29").want().send("#30").want("k 0-30 ab @29").wantEmpty()

		s = play(t, disk2(disk), window.Tumbling(30*time.Millisecond).Trigger(every))
		s.send("#101 a1 #111").want("k 0-30 a @29") // the clock is far behind the end in event time, and goes on
		s.send("#125").want("k 0-30 a @29")
		s.send("w29 #200").want().wantEmpty()
	})
}

// disk2 is another backend of the same kind.
func disk2(disk keyed.KeyValue) keyed.KeyValue {
	if disk == nil {
		return nil
	}
	return new(window.Memory)
}

func TestPurgingTriggerDropsWhatFired(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(100*time.Millisecond).Trigger(window.PurgingTrigger(window.CountTrigger(2))))
		s.send("a1 b2").want("k 0-100 ab @99")
		s.send("c3 d4").want("k 0-100 cd @99")
		s.send("e5 w99").want().wantEmpty()
	})
}

func TestNeverTriggerNeverFires(t *testing.T) {
	s := play(t, nil, window.Tumbling(10*time.Millisecond).Trigger(window.NeverTrigger()))
	s.send("a1 b2 w9 c12 !").want().wantEmpty()
}

func TestEarlyTriggerFiresBeforeAtAndAfterTheEnd(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		spec := window.Tumbling(100 * time.Millisecond).Lateness(100 * time.Millisecond)
		s := play(t, disk, spec.Trigger(window.EarlyTrigger(window.CountTrigger(2), window.CountTrigger(3))))
		s.send("a1").want().send("b2").want("k 0-100 ab @99") // early
		s.send("c3 w98").want().send("w99").want("k 0-100 abc @99")
		s.send("d4 e5").want().send("f6").want("k 0-100 abcdef @99") // late
		s.send("g7 w199").want().wantEmpty()

		s = play(t, disk2(disk), spec.Trigger(window.EarlyTrigger(window.NeverTrigger(), nil)))
		s.send("a1 w99").want("k 0-100 a @99")
		s.send("b1").want("k 0-100 ab @99").send("c1").want("k 0-100 abc @99")
		s.send("w199").want().wantEmpty()
	})
}

func TestEarlyEveryFiresInTheTimeOfTheWindows(t *testing.T) {
	s := play(t, nil, window.Tumbling(100*time.Millisecond).EarlyEvery(40*time.Millisecond))
	s.send("a1 w40").want("k 0-100 a @99")
	s.send("w99").want("k 0-100 a @99").wantEmpty()
	s = play(t, nil, window.Tumbling(100*time.Millisecond).EarlyEvery(40*time.Millisecond).ProcessingTime())
	s.send("a #41").want("k 0-100 a @99")
	s.send("#81").want("k 0-100 a @99").send("#100").want("k 0-100 a @99").wantEmpty()
}

func TestTriggersSurviveTheMergeOfSessions(t *testing.T) {
	for _, test := range []struct {
		name    string
		trigger window.Trigger
		script  func(s *script)
	}{
		{"event time", window.EventTimeTrigger(), func(s *script) {
			s.send("a0 b20 w8").want()
			s.send("c10").want() // joins the two
			s.send("w29").want("k 0-30 abc @29").wantEmpty()
		}},
		{"count", window.CountTrigger(3), func(s *script) {
			s.send("a0 b20").want()
			s.send("c10").want("k 0-30 abc @29") // 1 + 1 + 1
			s.send("d11").want().send("w99").want().wantEmpty()
		}},
		{"continuous", window.ContinuousEventTimeTrigger(10 * time.Millisecond), func(s *script) {
			s.send("a1 b21").want().send("c11").want()
			s.send("w10").want("k 1-31 abc @30") // the earliest of the timers that were set
			s.send("w19").want()
			s.send("w20").want("k 1-31 abc @30")
			s.send("w30").want("k 1-31 abc @30").wantEmpty()
		}},
		{"purging count", window.PurgingTrigger(window.CountTrigger(2)), func(s *script) {
			s.send("a0 b20").want()
			s.send("c10").want("k 0-30 abc @29")
			s.send("d11").want().send("e12").want("k 0-30 de @29")
			s.send("w29").want().wantEmpty()
		}},
		{"early", window.EarlyTrigger(window.CountTrigger(2), nil), func(s *script) {
			s.send("a0").want().send("b5").want("k 0-15 ab @14")
			s.send("c6 w14").want().send("w15").want("k 0-16 abc @15").wantEmpty()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
				test.script(play(t, disk, window.Session(10*time.Millisecond).Trigger(test.trigger)))
			})
		})
	}
}

// weight is a trigger of the program: it fires when the letters of a window add up to limit, and at the latest patience
// after the first of them.
type weight struct {
	limit, patience int64
	sum             *state.Value[int64]
	due             *state.Value[int64]
}

func newWeight(limit, patience int64) *weight {
	return &weight{limit, patience, state.NewValue[int64]("sum"), state.NewValue[int64]("due")}
}

func (t *weight) State() []state.Descriptor { return []state.Descriptor{t.sum, t.due} }

func (t *weight) OnRecord(c *window.TriggerContext, v any, ts int64) window.Decision {
	sum, isNew := t.sum.Ref(c)
	if *sum += int64(v.(*word).Text[0] - 'a' + 1); *sum >= t.limit {
		t.Clear(c)
		return window.FireAndPurge
	}
	if isNew {
		c.SetTimer(ts + t.patience)
		t.due.Set(c, ts+t.patience)
	}
	return window.Continue
}

func (t *weight) OnEventTime(c *window.TriggerContext, at int64) window.Decision {
	if due, ok := t.due.Get(c); !ok || due != at {
		return window.Continue
	}
	t.Clear(c)
	return window.FireAndPurge
}

func (t *weight) OnProcessingTime(*window.TriggerContext, int64) window.Decision {
	return window.Continue
}

func (t *weight) OnMerge(c *window.TriggerContext) {
	var sum, first int64
	for range c.Merged() {
		s, _ := t.sum.Get(c)
		sum += s
		if due, ok := t.due.Get(c); ok && (first == 0 || due < first) {
			first = due
		}
	}
	if first > 0 {
		t.sum.Set(c, sum)
		t.due.Set(c, first)
		c.SetTimer(first)
	}
}

func (t *weight) Clear(c *window.TriggerContext) {
	if due, ok := t.due.Get(c); ok {
		c.CancelTimer(due)
	}
	t.sum.Clear(c)
	t.due.Clear(c)
}

func TestCustomTriggerHasStatesAndTimers(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		s := play(t, disk, window.Tumbling(100*time.Millisecond).Trigger(newWeight(5, 20)))
		s.send("a1 x/d1 c2").want().send("b3").want("k 0-100 acb @99")
		s.send("a5 w21").want("x 0-100 d @99").send("w25").want("k 0-100 a @99")
		s.send("a90 w99").want().wantEmpty() // a timer behind the end of the window is of no use

		s = play(t, disk2(disk), window.Session(10*time.Millisecond).Trigger(newWeight(5, 15)))
		s.send("a1 a21").want().send("a11").want() // one session of weight 3 now
		s.send("b12").want("k 1-31 aaab @30")
		s.send("a13 w27").want().send("w28").want("k 1-31 a @30")
		s.send("w30").want().wantEmpty()
	})
}

// TestContinuousTriggerByTheClockAlwaysFiresAtTheEnd: also where the clock jumps over it, and where the input ends first.
func TestContinuousTriggerByTheClockAlwaysFiresAtTheEnd(t *testing.T) {
	bothBackends(t, func(t *testing.T, disk keyed.KeyValue) {
		spec := window.Tumbling(100 * time.Millisecond).EarlyEvery(40 * time.Millisecond).ProcessingTime()
		s := play(t, disk, spec)
		s.send("a #41").want("k 0-100 a @99").send("b !").want("k 0-100 ab @99").wantEmpty()

		s = play(t, disk2(disk), spec)
		s.send("a")
		s.task.now = time.UnixMilli(150) // the task was busy until then
		s.send("#150").want("k 0-100 a @99").wantEmpty()

		s = play(t, disk2(disk), window.Session(100*time.Millisecond).EarlyEvery(40*time.Millisecond).ProcessingTime())
		s.send("a #30 b !").want("k 0-130 ab @129").wantEmpty()
	})
}
