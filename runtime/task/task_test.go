package task_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/operator"
)

// script is an operator of two inputs that writes down what is called on it.
type script struct {
	name    string
	log     *journal
	out     operator.Node[small]
	openErr error
}

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (s *script) Open() error  { s.log.add("open %s", s.name); return s.openErr }
func (s *script) Close() error { s.log.add("close %s", s.name); return nil }

// port is one input of a script.
type port struct {
	*script
	n int
}

func (p port) Record(v *small, ts int64) {
	p.log.add("%s.%d: %d", p.name, p.n, v.Value)
	if p.out != nil {
		p.out.Record(v, ts)
	}
}
func (p port) Watermark(ts int64) {
	if ts == operator.MaxWatermark {
		p.log.add("%s.%d: last watermark", p.name, p.n)
	} else {
		p.log.add("%s.%d: watermark %d", p.name, p.n, ts)
	}
	if p.out != nil {
		p.out.Watermark(ts)
	}
}
func (p port) Idle() { p.log.add("%s.%d: idle", p.name, p.n) }
func (p port) End() {
	p.log.add("%s.%d: end", p.name, p.n)
	if p.out != nil {
		p.out.End()
	}
}

func scriptNode(t testing.TB, name string, log *journal, inputs int, openErr error) *graph.StreamNode {
	return &graph.StreamNode{
		Name: name, Outputs: []operator.Type{typeOf[small](t)},
		New: func(_ *operator.Context, outs []any) (operator.Instance, error) {
			log.add("new %s", name)
			s := &script{name: name, log: log, out: outs[0].(operator.Node[small]), openErr: openErr}
			in := operator.Instance{Lifecycle: s}
			for i := range inputs {
				in.Inputs = append(in.Inputs, port{s, i})
			}
			return in, nil
		},
	}
}

func genValue(_, i int, v *small) int64 { v.Value = uint64(i); return int64(i) }

// Operators are made and opened from the chain's end to its head and closed from head to end; a last watermark comes
// before End.
func TestLifecycleOfAChain(t *testing.T) {
	p, log := newPlan(t), &journal{}
	p.vertex("all", 1, source(t, 2, genValue), scriptNode(t, "a", log, 1, nil), scriptNode(t, "b", log, 1, nil))
	p.deploy(newCluster(t, p.job.ID, 0), nil).finish(5 * time.Second)
	want := []string{
		"new b", "new a", "open b", "open a", "a.0: 0", "b.0: 0", "a.0: 1", "b.0: 1", "a.0: last watermark", "b.0: last watermark",
		"a.0: end", "b.0: end", "close a", "close b",
	}
	if !slices.Equal(log.lines, want) {
		t.Errorf("got %q", log.lines)
	}
}

func TestFailedOpenClosesWhatWasOpened(t *testing.T) {
	p, log := newPlan(t), &journal{}
	p.vertex("all", 1, source(t, 2, genValue), scriptNode(t, "a", log, 1, nil), scriptNode(t, "b", log, 1, errors.New("no disk")), scriptNode(t, "c", log, 1, nil))
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	if got := r.wait(5 * time.Second); got[core.ExecutionFailed] != 1 {
		t.Fatalf("ended as %v", got)
	}
	f, ok := errors.AsType[*operator.Failure](r.cause())
	if !ok || f.Operator != "b" || !strings.Contains(f.Error(), "no disk") {
		t.Errorf("cause %v", r.cause())
	}
	want := []string{"new c", "new b", "new a", "open c", "open b", "close b", "close c"}
	if !slices.Equal(log.lines, want) {
		t.Errorf("got %q", log.lines)
	}
}

// cause is the first cause that a task reported.
func (r *run) cause() error {
	r.states.mu.Lock()
	defer r.states.mu.Unlock()
	for _, c := range r.states.causes {
		if c != nil {
			return c
		}
	}
	return nil
}

// Each of two inputs has its own watermark and its own end; a union of edges is one input.
func TestInputsOfAHead(t *testing.T) {
	p, log := newPlan(t), &journal{}
	p.vertex("a", 2, source(t, 3, genValue))
	p.vertex("b", 1, source(t, 2, genValue))
	p.vertex("c", 1, source(t, 4, genValue))
	p.vertex("join", 1, scriptNode(t, "j", log, 2, nil))
	p.edge("a", "join", graph.Rebalance, nil, 0)
	p.edge("b", "join", graph.Rebalance, nil, 0)
	p.edge("c", "join", graph.Rebalance, nil, 1)
	p.deploy(newCluster(t, p.job.ID, 0), nil).finish(5 * time.Second)
	count := map[string]int{}
	for _, l := range log.lines {
		if i := strings.LastIndexByte(l, ':'); i > 0 && l[i+2] >= '0' && l[i+2] <= '9' {
			l = l[:i] + " record"
		}
		count[l]++
	}
	for l, n := range map[string]int{
		"j.0 record": 8, "j.1 record": 4, "j.0: end": 1, "j.1: end": 1, "j.0: last watermark": 1, "j.1: last watermark": 1,
	} {
		if count[l] != n {
			t.Errorf("%s: %d times, want %d", l, count[l], n)
		}
	}
}

// explode is user code that panics, some calls deep.
func explode(v *small) small {
	if v.Value == 3 {
		v.Value = divide(v.Value, v.Key)
	}
	return *v
}

func divide(a, b uint64) uint64 { return a / b }

// A panic fails that attempt with a stack that begins in user code and ends before the engine's.
func TestPanicOfUserCode(t *testing.T) {
	p := newPlan(t)
	p.vertex("all", 1, source(t, 9, genValue), mapNode(t, "explode", explode), sinkNode(func(*operator.Context, *small, int64) {}, nil))
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	if got := r.wait(5 * time.Second); got[core.ExecutionFailed] != 1 {
		t.Fatalf("ended as %v", got)
	}
	f, ok := errors.AsType[*operator.Failure](r.cause())
	if !ok || core.KindOf(r.cause()) != core.UserCode || !strings.Contains(f.Error(), "integer divide by zero") {
		t.Fatalf("cause %v", r.cause())
	}
	lines := strings.Split(f.Stack, "\n")
	if !strings.Contains(lines[0], "task_test.divide") || !strings.Contains(lines[2], "task_test.explode") {
		t.Errorf("stack begins with\n%s", f.Stack)
	}
	if strings.Contains(f.Stack, "runtime/task.(*Task)") || strings.Contains(f.Stack, "runtime.goexit") {
		t.Errorf("stack goes on into the engine:\n%s", f.Stack)
	}
	if f.Operator != "explode" {
		t.Errorf("operator %q", f.Operator)
	}
}

// B-46: an error that the engine panics with is about what the program did: the stack begins in the program, or there
// is none.
func TestStackOfAnErrorOfTheEngineBeginsInTheProgram(t *testing.T) {
	hash, err := codec.HashFor[float64]()
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(t)
	p.vertex("all", 1, source(t, 9, genValue), mapNode(t, "hash", func(v *small) small {
		nan := math.NaN()
		return small{Value: hash(&nan)}
	}), sinkNode(func(*operator.Context, *small, int64) {}, nil))
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	if got := r.wait(5 * time.Second); got[core.ExecutionFailed] != 1 {
		t.Fatalf("ended as %v", got)
	}
	f, ok := errors.AsType[*operator.Failure](r.cause())
	if !ok || !errors.Is(f, codec.ErrNaNKey) {
		t.Fatalf("cause %v", r.cause())
	}
	if first, _, _ := strings.Cut(f.Stack, "\n"); !strings.Contains(first, "task_test.") {
		t.Errorf("stack begins with\n%s", f.Stack)
	}
}

// User code that ends the goroutine fails the attempt; it does not vanish.
func TestGoexitOfUserCode(t *testing.T) {
	p := newPlan(t)
	p.vertex("all", 1, source(t, 9, genValue), sinkNode(func(*operator.Context, *small, int64) { runtime.Goexit() }, nil))
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	if got := r.wait(5 * time.Second); got[core.ExecutionFailed] != 1 || !strings.Contains(r.cause().Error(), "ended the goroutine") {
		t.Errorf("ended as %v: %v", got, r.cause())
	}
}

// waiter is a source that waits for events, the mailbox and timers.
type waiter struct {
	ctx *operator.Context
	out operator.Node[small]
	log *journal
	end bool
}

func (w *waiter) Poll(int) operator.Next {
	if w.end {
		return operator.Next{State: operator.NextEnd}
	}
	return operator.Next{State: operator.NextEvent}
}

func (w *waiter) HandleEvent(payload []byte) error {
	w.log.add("event %s", payload)
	if string(payload) == "bad" {
		return errors.New("no such split")
	}
	w.ctx.Task.SendEvent(w.ctx.Operator, append([]byte("re "), payload...))
	at := w.ctx.Task.Now()
	w.ctx.Task.At(at.Add(20*time.Millisecond), func() {
		w.log.add("timer 20")
		go w.ctx.Task.Run(func() { w.log.add("mailbox"); w.end = true })
	})
	w.ctx.Task.At(at.Add(10*time.Millisecond), func() { w.log.add("timer 10") })
	stop := w.ctx.Task.At(at.Add(5*time.Millisecond), func() { w.log.add("stopped timer") })
	stop()
	return nil
}

func waiterNode(t testing.TB, log *journal) *graph.StreamNode {
	return &graph.StreamNode{
		Kind: graph.Source, Name: "waiter", Outputs: []operator.Type{typeOf[small](t)},
		New: func(ctx *operator.Context, outs []any) (operator.Instance, error) {
			w := &waiter{ctx: ctx, out: outs[0].(operator.Node[small]), log: log}
			ctx.Task.OnIdle(func() { w.log.add("idle") })
			return operator.Instance{Source: w}, nil
		},
	}
}

func TestEventsTimersAndMailboxShareTheTasksGoroutine(t *testing.T) {
	p, log := newPlan(t), &journal{}
	p.vertex("all", 1, waiterNode(t, log))
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	sent := make(chan string, 1)
	r.states.events = func(_ core.ExecutionAttemptID, _ core.OperatorID, payload []byte) { sent <- string(payload) }
	r.tasks[0].HandleEvent(p.job.Vertices[0].Operators[0].ID, []byte("split 1"))
	if got := <-sent; got != "re split 1" {
		t.Errorf("sent %q", got)
	}
	r.finish(5 * time.Second)
	got := slices.DeleteFunc(log.lines, func(s string) bool { return s == "idle" })
	if want := []string{"event split 1", "timer 10", "timer 20", "mailbox"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestEventThatCannotBeHandledFailsTheTask(t *testing.T) {
	p, log := newPlan(t), &journal{}
	p.vertex("all", 1, waiterNode(t, log))
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	r.tasks[0].HandleEvent(p.job.Vertices[0].Operators[0].ID, []byte("bad"))
	if got := r.wait(5 * time.Second); got[core.ExecutionFailed] != 1 || !strings.Contains(r.cause().Error(), "no such split") {
		t.Errorf("ended as %v: %v", got, r.cause())
	}
}

func TestCancelEndsAnIdleTask(t *testing.T) {
	p, log := newPlan(t), &journal{}
	p.vertex("all", 3, waiterNode(t, log), scriptNode(t, "a", &journal{}, 1, nil))
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	r.awaitRunning(5 * time.Second)
	for _, tk := range r.tasks {
		tk.Cancel(nil)
		tk.Cancel(errors.New("again"))
	}
	if got := r.wait(5 * time.Second); got[core.ExecutionCanceled] != 3 || r.cause() != nil {
		t.Errorf("ended as %v: %v", got, r.cause())
	}
}

// adder is an accumulator.
type adder struct{ n int }

func (a *adder) Kind() string { return "LongCounter" }
func (a *adder) JSON() string { return fmt.Sprint(a.n) }

func TestAccumulatorsAndMetricsAreReported(t *testing.T) {
	p := newPlan(t)
	n := sinkNode[small](nil, nil)
	n.New = func(ctx *operator.Context, _ []any) (operator.Instance, error) {
		first, err := ctx.Task.Accumulate("seen", &adder{})
		if err != nil {
			return operator.Instance{}, err
		}
		second, err := ctx.Task.Accumulate("seen", &adder{})
		if err != nil || first != second {
			return operator.Instance{}, fmt.Errorf("second registration: %w", err)
		}
		if _, err := ctx.Task.Accumulate("seen", other{}); err == nil {
			return operator.Instance{}, errors.New("another kind was accepted")
		}
		c := ctx.Task.Metrics(ctx.Operator).Counter("hits")
		ctx.Task.Metrics(ctx.Operator).Gauge("level", func() float64 { return 0.5 })
		return operator.Instance{Inputs: []any{&sink[small]{ctx: ctx, f: func(*operator.Context, *small, int64) {
			first.(*adder).n++
			c.Add(2)
		}}}}, nil
	}
	p.vertex("up", 1, source(t, 100, genValue))
	p.vertex("down", 1, n)
	p.edge("up", "down", graph.Rebalance, nil, 0)
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	r.finish(5 * time.Second)
	up, down := r.tasks[0].Report(), r.tasks[1].Report()
	if len(down.Accumulators) != 1 || down.Accumulators[0] != (core.Accumulator{Name: "seen", Kind: "LongCounter", Value: "100"}) {
		t.Errorf("accumulators %+v", down.Accumulators)
	}
	if len(down.Metrics) != 3 || down.Metrics[0].Value != 200 || down.Metrics[1].Value != 0.5 || down.Metrics[2].Value != float64(operator.MaxWatermark) {
		t.Errorf("metrics %+v", down.Metrics)
	}
	if up.IO.RecordsOut != 100 || down.IO.RecordsIn != 100 || up.IO.BytesOut != down.IO.BytesIn || up.IO.BytesOut != 3200 {
		t.Errorf("counters %+v %+v", up.IO, down.IO)
	}
}

type other struct{}

func (other) Kind() string { return "LongMax" }
func (other) JSON() string { return "0" }

// While a task runs, Report asks for a reading of the accumulators on its goroutine, and shows it the next time.
func TestAccumulatorsOfARunningTask(t *testing.T) {
	p := newPlan(t)
	n := waiterNode(t, &journal{})
	made := n.New
	n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
		if _, err := ctx.Task.Accumulate("seen", &adder{7}); err != nil {
			return operator.Instance{}, err
		}
		return made(ctx, outs)
	}
	p.vertex("all", 1, n)
	r := p.deploy(newCluster(t, p.job.ID, 0), nil)
	r.awaitRunning(5 * time.Second)
	eventually(t, func() bool {
		a := r.tasks[0].Report().Accumulators
		return len(a) == 1 && a[0].Value == "7"
	})
	r.tasks[0].Cancel(nil)
	r.wait(5 * time.Second)
}

// A watermark reaches a sink although no record follows it, and a busy source flushes within the buffer timeout.
func TestWatermarksAndPartialBatchesAreFlushed(t *testing.T) {
	for _, workers := range []int{0, 2} {
		p := newPlan(t)
		var mark, records atomic.Int64
		n := source[small](t, 0, nil)
		n.New = func(ctx *operator.Context, outs []any) (operator.Instance, error) {
			return operator.Instance{Source: &busySource{out: outs[0].(operator.Node[small]), ctx: ctx}}, nil
		}
		p.vertex("up", 1, n)
		p.vertex("down", 2, sinkNode(func(*operator.Context, *small, int64) { records.Add(1) }, func(_ *operator.Context, ts int64) { mark.Store(ts) }))
		p.edge("up", "down", graph.Rebalance, nil, 0)
		p.job.Config.BufferTimeout = 5 * time.Millisecond
		r := p.deploy(newCluster(t, p.job.ID, workers), nil)
		eventually(t, func() bool { return mark.Load() == 42 && records.Load() == 1 })
		for _, tk := range r.tasks {
			tk.Cancel(nil)
		}
		r.wait(5 * time.Second)
	}
}

// busySource emits one record and one watermark, then is busy for ever.
type busySource struct {
	ctx  *operator.Context
	out  operator.Node[small]
	done bool
}

func (s *busySource) Poll(int) operator.Next {
	if !s.done {
		s.done = true
		s.out.Record(&small{}, 1)
		s.out.Watermark(42)
	}
	return operator.Next{State: operator.NextNow}
}

func (s *busySource) HandleEvent([]byte) error { return nil }

// When a worker dies, the tasks of others that exchange records with it fail as Unavailable, naming it; and the next
// attempts of all, on workers that live, run through.
func TestLostWorkerFailsItsPeersAndTheJobCanRunAgain(t *testing.T) {
	p := newPlan(t)
	p.vertex("up", 2, trickleNode(t, time.Millisecond))
	p.vertex("down", 2, sinkNode(func(*operator.Context, *small, int64) {}, nil))
	p.edge("up", "down", graph.Rebalance, nil, 0)
	c := newCluster(t, p.job.ID, 2)
	r := p.deploy(c, func(vertex, _ int) int { return vertex })
	r.awaitRunning(5 * time.Second)
	eventually(t, func() bool { return r.tasks[2].Report().IO.RecordsIn > 0 && r.tasks[3].Report().IO.RecordsIn > 0 })
	// As the operating system does when the process is killed.
	if err := c.nets[0].Close(); err != nil {
		t.Fatal(err)
	}
	for _, tk := range r.tasks[2:] {
		<-tk.Done()
		rep := tk.Report()
		if rep.State != core.ExecutionFailed || core.KindOf(rep.Cause) != core.Unavailable || !strings.Contains(rep.Cause.Error(), c.nets[0].Address()) {
			t.Errorf("%s: %v", rep.State, rep.Cause)
		}
	}
	for _, tk := range r.tasks[:2] {
		tk.Cancel(nil)
	}
	r.wait(5 * time.Second)

	again := newPlan(t)
	again.job.ID = p.job.ID
	var n atomic.Int64
	again.vertex("up", 2, source(t, 1000, genValue))
	again.vertex("down", 2, sinkNode(func(*operator.Context, *small, int64) { n.Add(1) }, nil))
	again.edge("up", "down", graph.Rebalance, nil, 0)
	c.nets = c.nets[1:]
	again.attempt, again.graph = 1, p.graph
	again.deploy(c, nil).finish(5 * time.Second)
	if n.Load() != 2000 {
		t.Errorf("%d records", n.Load())
	}
}

// Attempt after attempt on the same workers and connections, each ended in full flight but the last: what is left of
// the earlier ones disturbs nobody (L-1).
func TestAttemptsOnTheSameWorkers(t *testing.T) {
	for _, workers := range []int{0, 2} {
		p := newPlan(t)
		var n atomic.Int64
		p.vertex("up", 3, source(t, 1<<62, func(_, i int, v *item) int64 {
			v.From, v.Seq = p.attempt, i
			return int64(i)
		}))
		p.vertex("down", 3, sinkNode(func(ctx *operator.Context, v *item, _ int64) {
			if v.From != ctx.Attempt.Attempt {
				ctx.Task.Fail(fmt.Errorf("a record of attempt %d in attempt %d", v.From, ctx.Attempt.Attempt))
			}
			n.Add(1)
		}, nil))
		p.edge("up", "down", graph.Rebalance, nil, 0)
		c := newCluster(t, p.job.ID, workers)
		for attempt := range 8 {
			p.attempt = attempt
			before := n.Load()
			r := p.deploy(c, nil)
			eventually(t, func() bool { return n.Load() > before+1000 })
			for _, tk := range r.tasks {
				tk.Cancel(nil)
			}
			if got := r.wait(5 * time.Second); got[core.ExecutionCanceled] != 6 {
				t.Fatalf("attempt %d ended as %v: %v", attempt, got, r.cause())
			}
		}
	}
}
