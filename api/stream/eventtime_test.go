package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// tick is a record that is nothing but its event time.
type tick struct{ At int64 }

func tickTime(v *tick) int64 { return v.At }

// clockTask is a task whose processing time is the test's.
type clockTask struct {
	operator.Task
	now    time.Time
	timers []*clockTimer
	idlers []func()
	sent   []*pb.SourceEvent
	gauges map[string]func() float64
}

type clockTimer struct {
	at time.Time
	fn func()
}

func newClockTask() *clockTask {
	return &clockTask{now: time.UnixMilli(1_000_000), gauges: map[string]func() float64{}}
}

type failed struct{ err error }

func (k *clockTask) Context() context.Context                     { return context.Background() }
func (k *clockTask) Now() time.Time                               { return k.now }
func (k *clockTask) Run(func())                                   {}
func (k *clockTask) Fail(err error)                               { panic(failed{err}) }
func (k *clockTask) OnIdle(fn func())                             { k.idlers = append(k.idlers, fn) }
func (k *clockTask) Metrics(core.OperatorID) operator.MetricGroup { return k }
func (k *clockTask) Counter(string) *operator.Counter             { return new(operator.Counter) }
func (k *clockTask) Gauge(name string, value func() float64)      { k.gauges[name] = value }

func (k *clockTask) SendEvent(_ core.OperatorID, payload []byte) {
	var e pb.SourceEvent
	if err := proto.Unmarshal(payload, &e); err != nil {
		panic(err)
	}
	k.sent = append(k.sent, &e)
}

func (k *clockTask) At(t time.Time, fn func()) func() {
	timer := &clockTimer{t, fn}
	k.timers = append(k.timers, timer)
	return func() { k.timers = slices.DeleteFunc(k.timers, func(x *clockTimer) bool { return x == timer }) }
}

// advance lets time pass, firing timers at their instants; idle says whether the task has nothing to do meanwhile.
func (k *clockTask) advance(d time.Duration, idle bool) {
	end := k.now.Add(d)
	rest := func() {
		for _, fn := range k.idlers {
			if idle {
				fn()
			}
		}
	}
	rest()
	for {
		var next *clockTimer
		for _, t := range k.timers {
			if !t.at.After(end) && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		if next == nil {
			break
		}
		k.timers = slices.DeleteFunc(k.timers, func(x *clockTimer) bool { return x == next })
		k.now = later(k.now, next.at)
		next.fn()
		rest()
	}
	k.now = end
	rest()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// trail records what an operator sends: "5" a record of event time 5, "w4" a watermark, "idle", "end".
type trail[T any] struct{ lines []string }

func (p *trail[T]) Record(_ *T, ts int64) { p.lines = append(p.lines, fmt.Sprint(ts)) }
func (p *trail[T]) Watermark(ts int64) {
	if ts == operator.MaxWatermark {
		p.lines = append(p.lines, "wmax")
		return
	}
	p.lines = append(p.lines, fmt.Sprintf("w%d", ts))
}
func (p *trail[T]) Idle() { p.lines = append(p.lines, "idle") }
func (p *trail[T]) End()  { p.lines = append(p.lines, "end") }

// take returns what came since the last call.
func (p *trail[T]) take() string {
	text := strings.Join(p.lines, " ")
	p.lines = p.lines[:0]
	return text
}

// queue is a Reader of what the test puts in.
type queue struct {
	items []tick
	over  bool
	ts    int64 // given with each record
	reads int
}

func (q *queue) Next(v *tick) (int64, stream.Status, error) {
	q.reads++
	switch {
	case len(q.items) > 0:
		*v, q.items = q.items[0], q.items[1:]
		return q.ts, stream.Record, nil
	case q.over:
		return 0, stream.End, nil
	default:
		return 0, stream.Idle, nil
	}
}

func (q *queue) Close() error { return nil }

func (q *queue) put(times ...int64) {
	for _, t := range times {
		q.items = append(q.items, tick{t})
	}
}

// timed is one subtask of a source under test.
type timed struct {
	t      *testing.T
	task   *clockTask
	out    *trail[tick]
	source operator.Source
	splits map[string]*queue
}

// newTimed makes a source with event time by a strategy. It is unbounded unless the test changes that.
func newTimed(t *testing.T, strategy stream.WatermarkStrategy[tick], change func(*stream.Source[tick], *stream.Env)) *timed {
	t.Helper()
	h := &timed{t: t, task: newClockTask(), out: &trail[tick]{}, splits: map[string]*queue{}}
	src := stream.Source[tick]{
		Enumerate: func(*stream.RuntimeContext, func(...stream.Split)) error { return nil },
		OpenSplit: func(_ *stream.RuntimeContext, s stream.Split) (stream.Reader[tick], error) {
			q := &queue{ts: stream.NoTimestamp}
			h.splits[s.ID] = q
			return q, nil
		},
	}
	env := stream.NewEnv("time", nil)
	if change != nil {
		change(&src, env)
	}
	stream.Discard(stream.EventTime(stream.From(env, src), strategy))
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	// Subtask 1 discovers nothing.
	in, err := sg.Nodes[0].New(&operator.Context{Name: "ticks", Subtask: 1, Parallelism: 2, Task: h.task, Log: slog.New(slog.DiscardHandler)},
		[]any{operator.Node[tick](h.out)})
	if err != nil {
		t.Fatal(err)
	}
	h.source = in.Source
	if err := in.Lifecycle.Open(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *timed) event(e *pb.SourceEvent) {
	h.t.Helper()
	b, err := proto.Marshal(e)
	if err == nil {
		err = h.source.HandleEvent(b)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *timed) assign(ids ...string) {
	h.t.Helper()
	var splits []*pb.Split
	for _, id := range ids {
		splits = append(splits, &pb.Split{Id: id})
	}
	h.event(&pb.SourceEvent{Event: &pb.SourceEvent_Assigned{Assigned: &pb.SplitsAssigned{Splits: splits}}})
}

// settle polls until the source waits, and returns until when.
func (h *timed) settle() operator.Next {
	for range 1000 {
		if next := h.source.Poll(512); next.State != operator.NextNow {
			return next
		}
	}
	h.t.Fatal("the source never waits")
	return operator.Next{}
}

// pass lets processing time pass, polling when the source wants to be polled.
func (h *timed) pass(d time.Duration) {
	end := h.task.now.Add(d)
	for range 10_000 {
		next := h.settle()
		if next.State != operator.NextAt || next.At.After(end) {
			h.task.now = end
			return
		}
		if !next.At.After(h.task.now) {
			h.t.Fatalf("at %v the source wants to be polled at %v", h.task.now, next.At)
		}
		h.task.now = next.At
	}
	h.t.Fatal("the source does not let time pass")
}

func (h *timed) want(want string) {
	h.t.Helper()
	if got := h.out.take(); got != want {
		h.t.Errorf("the source sent %q, want %q", got, want)
	}
}

func TestWatermarkOfASourceIsTheLeastOfItsSplits(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime), nil)
	h.assign("a", "b")
	h.splits["a"].put(10, 12)
	h.pass(time.Second)
	h.want("10 12")
	h.splits["b"].put(5)
	h.pass(time.Second)
	h.want("5 w4")
	h.splits["b"].put(20, 18)
	h.pass(time.Second)
	h.want("20 18 w11")
	h.splits["a"].over = true // a split that ended does not hold back
	h.pass(time.Second)
	h.want("w19")
	h.splits["b"].put(20)
	h.pass(time.Second)
	h.want("20")
}

func TestWatermarkStaysBehindByTheDisorderAllowed(t *testing.T) {
	h := newTimed(t, stream.Timestamps(func(v tick) time.Time { return time.UnixMilli(v.At) }).OutOfOrder(5*time.Millisecond-1), nil)
	h.assign("a")
	h.splits["a"].put(100, 97)
	h.pass(time.Second)
	h.want("100 97 w94")
}

func TestASourceThatHasMoreToReadSendsFewWatermarks(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime), nil)
	h.assign("a")
	for i := range int64(100) {
		h.splits["a"].put(i)
	}
	for range 100 {
		h.source.Poll(1)
		h.task.now = h.task.now.Add(100 * time.Microsecond)
	}
	marks := 0
	for _, l := range h.out.lines {
		if l[0] == 'w' {
			marks++
		}
	}
	if marks != 2 {
		t.Errorf("%d watermarks in 10 ms: %s", marks, h.out.take())
	}
}

func TestAWatermarkFollowsAtOnceWhenTheSourceWaits(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime), nil)
	h.assign("a")
	h.settle()
	h.task.now = h.task.now.Add(time.Second)
	h.splits["a"].put(7)
	h.settle()
	h.want("7 w6")
	h.splits["a"].put(9)
	if next := h.settle(); next.State != operator.NextAt || next.At.Sub(h.task.now) != time.Millisecond {
		t.Errorf("within a millisecond of the last watermark the source wants %+v", next)
	}
	h.want("9")
	h.pass(time.Millisecond)
	h.want("w8")
}

func TestAutoWatermarkInterval(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime), func(_ *stream.Source[tick], env *stream.Env) {
		env.AutoWatermarkInterval(200 * time.Millisecond)
	})
	h.assign("a")
	h.splits["a"].put(5)
	h.pass(50 * time.Millisecond)
	h.splits["a"].put(7)
	h.pass(140 * time.Millisecond)
	h.want("5 w4 7")
	h.pass(10 * time.Millisecond)
	h.want("w6")

	h = newTimed(t, stream.TimestampsMillis(tickTime), func(_ *stream.Source[tick], env *stream.Env) { env.AutoWatermarkInterval(0) })
	h.assign("a")
	h.splits["a"].put(5)
	h.pass(time.Hour)
	h.want("5 idle")
}

// P12, apache/flink#29039: exact to the millisecond, not up to the timeout and some intervals.
func TestASilentSplitStopsHoldingBackEventTimeExactly(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Idle(10*time.Second), nil)
	h.assign("a", "b")
	h.splits["a"].put(10)
	h.splits["b"].put(5)
	h.pass(0)
	h.want("10 5 w4")
	h.pass(5 * time.Second)
	h.splits["a"].put(20)
	h.pass(0)
	h.pass(5*time.Second - 1)
	h.want("20")
	h.pass(1)
	h.want("w19")
	h.pass(5 * time.Second) // a has rested, too
	h.want("idle")

	h.splits["b"].put(6) // late; event time does not go back
	h.pass(time.Second)
	h.want("w19 6")
	h.splits["a"].put(30) // b counts again
	h.pass(time.Second)
	h.want("30")
	h.splits["b"].put(25)
	h.pass(time.Second)
	h.want("25 w24")
}

func TestIdleSplitsHaveADefaultAndCanBeForbidden(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime), nil)
	h.assign("a", "b")
	h.splits["a"].put(10)
	h.pass(stream.DefaultIdle - 1)
	h.want("10")
	h.pass(1)
	h.want("w9 idle")
	h = newTimed(t, stream.TimestampsMillis(tickTime).Idle(0), nil)
	h.assign("a", "b")
	h.splits["a"].put(10)
	h.pass(1000 * time.Hour)
	h.want("10")
}

func TestASourceWithoutSplitIsIdleByTheSameRule(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Idle(time.Second), nil)
	h.pass(time.Second - 1)
	h.want("")
	h.pass(1)
	h.want("idle")
	h.assign("late")
	h.splits["late"].put(3)
	h.pass(time.Millisecond)
	h.want("3 w2")
	h.splits["late"].over = true
	h.pass(time.Second - 1)
	h.want("")
	h.pass(2)
	h.want("idle")
}

// All idle: what is said does not depend on which split went to rest last.
func TestTheLastSplitToRestLeavesTheLatestEventTime(t *testing.T) {
	for _, first := range []string{"a", "b"} {
		h := newTimed(t, stream.TimestampsMillis(tickTime).Idle(time.Second), nil)
		h.assign("a", "b")
		at := map[string]int64{"a": 10, "b": 20}
		second := map[string]string{"a": "b", "b": "a"}[first]
		h.splits[first].put(at[first])
		h.pass(500 * time.Millisecond)
		h.splits[second].put(at[second])
		h.pass(2 * time.Second)
		got := h.out.take()
		if !strings.HasSuffix(got, "w19 idle") {
			t.Errorf("%s rests first: %q", first, got)
		}
	}
}

// The time in which a split could not be read is not silence: here what follows takes longer than the timeout.
func TestBackpressureIsNotSilence(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Idle(time.Second), nil)
	h.assign("a", "b")
	h.splits["b"].put(5)
	h.pass(time.Millisecond)
	h.out.take()
	h.splits["a"].put(10)
	h.source.Poll(1)
	h.task.now = h.task.now.Add(time.Minute) // blocked
	h.splits["b"].put(6)                     // came meanwhile
	h.pass(time.Millisecond)
	h.want("10 w4 6 w5")
}

// B-46: timestamps at the ends of int64, a generator that goes back or says that nothing more will come.
func TestEventTimeAtTheEndsOfInt64(t *testing.T) {
	for _, c := range []struct {
		at   []int64
		want string
	}{
		{[]int64{math.MinInt64 + 1}, fmt.Sprint(math.MinInt64 + 1)},
		{[]int64{math.MinInt64 + 7}, fmt.Sprintf("%d w%d", math.MinInt64+7, math.MinInt64+1)},
		{[]int64{math.MaxInt64}, fmt.Sprintf("%d w%d", math.MaxInt64, math.MaxInt64-6)},
		{[]int64{math.MaxInt64, math.MinInt64 + 1, 0}, fmt.Sprintf("%d %d 0 w%d", math.MaxInt64, math.MinInt64+1, math.MaxInt64-6)},
	} {
		h := newTimed(t, stream.TimestampsMillis(tickTime).OutOfOrder(5*time.Millisecond), nil)
		h.assign("a")
		h.splits["a"].put(c.at...)
		h.pass(time.Second)
		h.want(c.want)
	}
	h := newTimed(t, stream.TimestampsMillis(tickTime).OutOfOrder(math.MaxInt64), nil)
	h.assign("a")
	h.splits["a"].put(0)
	h.pass(time.Second)
	h.want(fmt.Sprintf("0 w%d", -int64(math.MaxInt64/1_000_000)-2))
}

func TestPunctuatedWatermarksFollowTheirRecord(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Punctuated(func(v *tick, ts int64) (int64, bool) { return ts - 1, ts%10 == 0 }), nil)
	h.assign("a")
	h.splits["a"].put(5, 10, 11, 7, 0, 20, math.MaxInt64/10*10, 3)
	h.pass(time.Second)
	h.want(fmt.Sprintf("5 10 w9 11 7 0 20 w19 %d w%d 3", math.MaxInt64/10*10, math.MaxInt64/10*10-1))

	h = newTimed(t, stream.TimestampsMillis(tickTime).Punctuated(func(_ *tick, ts int64) (int64, bool) { return ts, true }), nil)
	h.assign("a")
	h.splits["a"].put(math.MaxInt64, 5)
	h.pass(time.Second)
	h.want(fmt.Sprintf("%d w%d 5", math.MaxInt64, math.MaxInt64-1)) // MaxWatermark is for the end
}

func TestGeneratorThatIsNotThereFailsTheAttempt(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Generator(func() stream.WatermarkGenerator[tick] { return nil }), nil)
	if err := failure(t, func() { h.assign("a") }); !strings.Contains(err.Error(), "Generator returned nil: want a generator for each split") {
		t.Errorf("error %v", err)
	}
}

// lag is a generator as Flink's documentation shows it: by the clock, some time behind.
type lag struct {
	task *clockTask
	rest bool
}

func (l *lag) OnRecord(v *tick, _ int64, _ *stream.WatermarkOutput) { l.rest = v.At < 0 }
func (l *lag) OnPeriodic(out *stream.WatermarkOutput) {
	if l.rest {
		out.Idle()
		return
	}
	out.Emit(l.task.now.UnixMilli() - 1_000_500)
}

func TestAnOwnGeneratorGoesByTheClock(t *testing.T) {
	var h *timed
	h = newTimed(t, stream.TimestampsMillis(tickTime).Generator(func() stream.WatermarkGenerator[tick] { return &lag{task: h.task} }), nil)
	h.assign("a", "b")
	h.pass(399 * time.Millisecond)
	h.want("w-500 w-300")
	h.splits["a"].put(1)
	h.pass(2 * time.Millisecond)
	h.want("1 w-101")
	h.splits["a"].put(-1)
	h.splits["b"].put(-1)
	h.pass(time.Millisecond)
	h.want("-1 -1 idle")
}

func TestARecordWithoutEventTimeFailsTheAttempt(t *testing.T) {
	for _, c := range []struct {
		strategy stream.WatermarkStrategy[tick]
		want     string
	}{
		{stream.SourceTime[tick](), `operator "ticks": a record has no event time: its source gives none, take it from the record with stream.Timestamps`},
		{stream.TimestampsMillis(func(*tick) int64 { return math.MinInt64 }), `operator "ticks": the timestamp of a record is -9223372036854775808, which stands for none`},
	} {
		func() {
			h := newTimed(t, c.strategy, nil)
			h.assign("a")
			h.splits["a"].put(1)
			defer func() {
				f, ok := recover().(failed)
				if !ok || !strings.Contains(f.err.Error(), c.want) {
					t.Errorf("error %v, want %s", f.err, c.want)
				}
			}()
			h.source.Poll(1)
		}()
	}
}

func TestSourceTimeKeepsWhatTheSourceGave(t *testing.T) {
	h := newTimed(t, stream.SourceTime[tick](), nil)
	h.assign("a")
	h.splits["a"].ts = 40
	h.splits["a"].put(1)
	h.pass(time.Second)
	h.want("40 w39")
}

// A subtask of a bounded source reads one split after the other: what the last one left unsaid is for the next to say.
func TestABoundedSourceDoesNotHurryBetweenItsSplits(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime), func(s *stream.Source[tick], _ *stream.Env) { s.Bounded = true })
	h.assign("a")
	h.splits["a"].put(100)
	h.splits["a"].over = true
	h.task.now = h.task.now.Add(time.Hour)
	h.source.Poll(1)
	h.out.take() // the first poll may say w99
	h.splits["a"].put(200)
	h.pass(time.Second)
	h.want("200")
	h.assign("b")
	h.splits["b"].put(150)
	h.pass(time.Second)
	h.want("150 w149")
}

// Flink: BATCH has only the watermark of the end.
func TestBatchHasTimestampsOnly(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Align("g", time.Second), func(_ *stream.Source[tick], env *stream.Env) { env.RuntimeMode(stream.Batch) })
	h.assign("a", "b")
	h.splits["a"].put(10, 20)
	h.pass(time.Hour)
	h.want("10 20")
}

func TestSourceTellsHowItsSplitsStand(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Idle(time.Second), nil)
	h.assign("a", "b")
	h.splits["a"].put(10)
	h.pass(500 * time.Millisecond)
	h.splits["b"].put(8)
	h.pass(600 * time.Millisecond)
	for name, want := range map[string]float64{"currentOutputWatermark": 7, "numActiveSplits": 1, "numIdleSplits": 1, "numPausedSplits": 0} {
		if got := h.task.gauges[name](); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// The law: the watermark is the least of what the active splits know, and never goes back.
func TestWatermarkLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delay := rapid.Int64Range(0, 5).Draw(rt, "delay")
		h := newTimed(t, stream.TimestampsMillis(tickTime).OutOfOrder(time.Duration(delay)*time.Millisecond).Idle(time.Second), nil)
		latest := map[string]int64{} // of open splits
		quiet := map[string]time.Duration{}
		sent, next := int64(math.MinInt64), 0
		check := func() {
			least, any := int64(math.MaxInt64), false
			for id, at := range latest {
				if quiet[id] < time.Second {
					any = true
					if at == math.MinInt64 {
						least = at
					} else {
						least = min(least, at-delay-1)
					}
				}
			}
			for _, l := range h.out.lines {
				var w int64
				if _, err := fmt.Sscanf(l, "w%d", &w); err != nil {
					continue
				}
				if w < sent {
					rt.Fatalf("watermark %d after %d", w, sent)
				}
				sent = w
			}
			h.out.lines = h.out.lines[:0]
			if any && least > sent {
				rt.Fatalf("the watermark is %d, want %d of %v", sent, least, latest)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"split": func(rt *rapid.T) {
				id := fmt.Sprint(next)
				next++
				h.assign(id)
				latest[id] = math.MinInt64
			},
			"record": func(rt *rapid.T) {
				if len(latest) == 0 {
					rt.Skip("no split")
				}
				ids := make([]string, 0, len(latest))
				for id := range latest {
					ids = append(ids, id)
				}
				slices.Sort(ids)
				id, at := rapid.SampledFrom(ids).Draw(rt, "split"), rapid.Int64Range(-50, 50).Draw(rt, "at")
				h.splits[id].put(at)
				latest[id] = max(latest[id], at)
				quiet[id] = -time.Millisecond
			},
			"end": func(rt *rapid.T) {
				for id := range latest {
					h.splits[id].over = true
					delete(latest, id)
					break
				}
			},
			"time": func(rt *rapid.T) {
				d := time.Duration(rapid.IntRange(1, 600).Draw(rt, "ms")) * time.Millisecond
				h.pass(2 * time.Millisecond)
				h.pass(d)
				for id := range latest {
					quiet[id] += d + 2*time.Millisecond
				}
				check()
			},
		})
	})
}

// EventTime that is not directly after a source.

func newTimedOperator(t *testing.T, strategy stream.WatermarkStrategy[tick]) (operator.Node[tick], *clockTask, *trail[tick]) {
	t.Helper()
	env := stream.NewEnv("time", nil)
	same := stream.Map(from[tick](env), func(v tick) tick { return v })
	stream.Discard(stream.EventTime(same, strategy))
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	task, out := newClockTask(), &trail[tick]{}
	in, err := sg.Nodes[2].New(&operator.Context{Name: "EventTime", Parallelism: 1, Task: task, Log: slog.New(slog.DiscardHandler)}, []any{operator.Node[tick](out)})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Lifecycle.Open(); err != nil {
		t.Fatal(err)
	}
	return in.Inputs[0].(operator.Node[tick]), task, out
}

func wantTrail(t *testing.T, out *trail[tick], want string) {
	t.Helper()
	if got := out.take(); got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestEventTimeElsewhereReplacesWatermarks(t *testing.T) {
	in, task, out := newTimedOperator(t, stream.TimestampsMillis(tickTime).OutOfOrder(time.Millisecond).Idle(time.Second))
	in.Watermark(500)
	in.Record(&tick{10}, 499)
	wantTrail(t, out, "10")
	task.advance(0, true)
	wantTrail(t, out, "w8")
	in.Record(&tick{20}, 499)
	task.advance(4*time.Millisecond, false) // always busy
	wantTrail(t, out, "20")
	task.advance(time.Millisecond, false)
	wantTrail(t, out, "w18")
	task.advance(time.Second-1, true)
	wantTrail(t, out, "")
	task.advance(10*time.Millisecond, true)
	wantTrail(t, out, "idle")
	in.Record(&tick{15}, 499)
	wantTrail(t, out, "w18 15")
	in.Record(&tick{30}, 1)
	in.Watermark(operator.MaxWatermark)
	in.End()
	wantTrail(t, out, "30 wmax end")
	task.advance(time.Hour, true)
	wantTrail(t, out, "")
	if len(task.timers) > 0 {
		t.Error("timers are left")
	}
}

func TestIdlenessFromFurtherUpIsPassedOn(t *testing.T) {
	in, task, out := newTimedOperator(t, stream.TimestampsMillis(tickTime))
	in.Record(&tick{10}, 0)
	in.Idle()
	task.advance(time.Millisecond, true)
	wantTrail(t, out, "10 w9 idle")
}

// A task that is busy with records that do not get here is silent here, but not one that was blocked.
func TestSilenceOfABusyTask(t *testing.T) {
	in, task, out := newTimedOperator(t, stream.TimestampsMillis(tickTime).Idle(time.Second))
	in.Record(&tick{10}, 0)
	task.advance(500*time.Millisecond, false)
	in.Record(&tick{11}, 0)
	task.advance(1011*time.Millisecond, false)
	wantTrail(t, out, "10 w9 11 w10 idle")

	in, task, out = newTimedOperator(t, stream.TimestampsMillis(tickTime).Idle(time.Second))
	in.Record(&tick{10}, 0)
	task.advance(500*time.Millisecond, false)
	task.now = task.now.Add(time.Hour) // blocked
	task.advance(0, false)             // its timer fires first
	in.Record(&tick{12}, 0)            // then it reads on
	task.advance(500*time.Millisecond, false)
	wantTrail(t, out, "10 w9 12 w11")
}

func TestEventTimeDoesNotAllocatePerRecord(t *testing.T) {
	strategy := stream.TimestampsMillis(func(v *big) int64 { return int64(v.Key) })
	for name, s := range map[string]stream.WatermarkStrategy[big]{
		"out of order": strategy.OutOfOrder(time.Second),
		"punctuated":   strategy.Punctuated(func(v *big, ts int64) (int64, bool) { return ts, v.Key%2 == 0 }),
	} {
		t.Run(name, func(t *testing.T) {
			env := stream.NewEnv("alloc", nil)
			endless := stream.Source[big]{Open: func(*stream.RuntimeContext) (stream.Reader[big], error) { return new(endless), nil }}
			stream.Discard(stream.EventTime(stream.EventTime(stream.From(env, endless), s), s))
			sg, err := env.StreamGraph()
			if err != nil {
				t.Fatal(err)
			}
			task, out := newClockTask(), &drop[big]{}
			var down any = operator.Node[big](out)
			var source operator.Source
			for _, n := range slices.Backward(sg.Nodes[:2]) {
				in, err := n.New(&operator.Context{Parallelism: 1, Task: task, Log: slog.New(slog.DiscardHandler)}, []any{down})
				if err != nil {
					t.Fatal(err)
				}
				if err := in.Lifecycle.Open(); err != nil {
					t.Fatal(err)
				}
				if source = in.Source; source == nil {
					down = in.Inputs[0]
				}
			}
			source.Poll(512)
			if n := testing.AllocsPerRun(1000, func() { task.now = task.now.Add(time.Millisecond); source.Poll(512) }); n != 0 {
				t.Errorf("%v allocations per poll", n)
			}
			if out.n == 0 {
				t.Error("nothing came out")
			}
		})
	}
}

// endless is a Reader of records with ever higher keys.
type endless struct{ n uint64 }

func (e *endless) Next(v *big) (int64, stream.Status, error) {
	e.n++
	v.Key = e.n
	return stream.NoTimestamp, stream.Record, nil
}

func (*endless) Close() error { return nil }

func TestFaultsOfStrategies(t *testing.T) {
	env := stream.NewEnv("", map[string]string{"pipeline.auto-watermark-interval": "soon", "pipeline.name": "faults"})
	env.AutoWatermarkInterval(-1)
	src := func() *stream.Stream[tick] { return from[tick](env) }
	at := stream.TimestampsMillis(tickTime)
	for _, s := range []*stream.Stream[tick]{
		stream.EventTime(src(), stream.WatermarkStrategy[tick]{}),
		stream.EventTime(src(), stream.Timestamps[tick](nil)),
		stream.EventTime(src(), at.OutOfOrder(-1)),
		stream.EventTime(src(), at.Idle(-1)),
		stream.EventTime(src(), at.Punctuated(nil)),
		stream.EventTime(src(), at.Generator(nil)),
		stream.EventTime(src(), at.Align("", time.Second)),
		stream.EventTime(src(), at.Align("g", 0)),
		stream.EventTime(src(), at.OutOfOrder(1).Punctuated(func(*tick, int64) (int64, bool) { return 0, false })),
		stream.EventTime(stream.Filter(src(), func(tick) bool { return true }), at.Align("g", time.Second)),
		stream.EventTime(src().UID("one"), at).UID("two"),
	} {
		stream.Discard(s)
	}
	_, err := env.StreamGraph()
	if err == nil {
		t.Fatal("no faults")
	}
	for _, want := range []string{
		`setting pipeline.auto-watermark-interval: "soon": want a duration`,
		"auto watermark interval -1ns: want at least 0",
		"EventTime: the strategy is empty: begin with Timestamps",
		"EventTime: the function that gives the timestamps is nil",
		"EventTime: OutOfOrder(-1ns): want at least 0",
		"EventTime: Idle(-1ns): want at least 0",
		"EventTime: Punctuated: the function is nil",
		"EventTime: Generator: the function is nil",
		"EventTime: Align: the group has no name",
		"EventTime: Align(g, 0s): want a drift of at least 1ms",
		"EventTime: OutOfOrder belongs to the built-in rule",
		"EventTime: Align needs splits to stop: call EventTime directly after From",
		`UID "two": the source has uid "one", and EventTime directly after From is part of it`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

// The second EventTime of a source is an operator that replaces the first.
func TestEventTimeTwice(t *testing.T) {
	env := stream.NewEnv("twice", nil)
	first := stream.EventTime(from[tick](env), stream.TimestampsMillis(tickTime))
	stream.Discard(stream.EventTime(first, stream.TimestampsMillis(func(v *tick) int64 { return -v.At })))
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(sg.Nodes); n != 3 || sg.Nodes[1].Verb != "EventTime" {
		t.Errorf("%d nodes", n)
	}
}

func TestAlignedSplitsWaitForTheirGroup(t *testing.T) {
	h := newTimed(t, stream.TimestampsMillis(tickTime).Idle(time.Second).Align("g", 10*time.Millisecond), nil)
	reports := func(want ...string) {
		t.Helper()
		var got []string
		for _, e := range h.task.sent {
			if r := e.GetWatermarkReport(); r != nil {
				got = append(got, fmt.Sprintf("%s %d idle=%t ended=%t", r.Group, r.Watermark, r.Idle, r.Ended))
			}
		}
		h.task.sent = nil
		if !slices.Equal(got, want) {
			t.Errorf("reports %q, want %q", got, want)
		}
	}
	group := func(w int64) {
		h.event(&pb.SourceEvent{Event: &pb.SourceEvent_GroupWatermark{GroupWatermark: &pb.GroupWatermark{Watermark: w}}})
	}
	h.settle()
	reports("g -9223372036854775808 idle=true ended=false")
	h.assign("a", "b")
	h.splits["a"].put(100)
	h.splits["b"].put(50)
	h.pass(time.Millisecond)
	h.want("100 50 w49")
	reports("g 49 idle=false ended=false")
	h.splits["b"].put(51)
	h.pass(50 * time.Millisecond)
	reports() // not more often than every 100 ms
	h.pass(50 * time.Millisecond)
	h.want("51 w50")
	reports("g 50 idle=false ended=false")

	group(60) // a is at 99, further than 60 and 10
	h.splits["a"].put(101)
	h.splits["b"].put(55)
	reads := h.splits["a"].reads
	h.pass(time.Second - 1)
	h.want("55 w54") // b goes on; a, which is not read, is not silent
	reports("g 54 idle=false ended=false")
	if h.splits["a"].reads != reads || h.task.gauges["numPausedSplits"]() != 1 {
		t.Error("split a was read")
	}
	h.pass(time.Hour)
	h.want("w99") // b is idle: a counts alone, and waits
	reports("g 99 idle=false ended=false")
	group(99)
	h.pass(time.Millisecond)
	h.want("101 w100")
	group(math.MaxInt64)
	h.splits["a"].put(1 << 40)
	h.pass(time.Hour)
	reports("g 100 idle=false ended=false", "g 1099511627775 idle=false ended=false", "g 9223372036854775807 idle=true ended=false")
	h.splits["a"].over, h.splits["b"].over = true, true
	h.settle()
	h.event(&pb.SourceEvent{Event: &pb.SourceEvent_NoMore{NoMore: &pb.NoMoreSplits{}}})
	if next := h.settle(); next.State != operator.NextEnd {
		t.Errorf("the source wants %+v", next)
	}
	if r := h.task.sent[len(h.task.sent)-1].GetWatermarkReport(); !r.GetEnded() {
		t.Errorf("the last event is %v", h.task.sent[len(h.task.sent)-1])
	}
}

func TestEventTimeReachesTheEndOfAProgram(t *testing.T) {
	var got []string
	run(t, func(env *stream.Env) {
		timed := stream.EventTime(from(env, tick{5}, tick{9}), stream.TimestampsMillis(tickTime))
		stamped := stream.ProcessFunc(timed, func(ctx *stream.Context[stream.NoKey, string], v tick) error {
			if ctx.Timestamp() != v.At {
				return errors.New("another event time")
			}
			ctx.Emit(fmt.Sprint(v.At))
			return nil
		})
		collect(stamped, &got)
	})
	wantSame(t, got, "5", "9")
}
