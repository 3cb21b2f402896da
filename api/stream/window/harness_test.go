package window_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// operate drives one operator in one subtask: the one with the uid "it". Its clock stands at 0 until the test advances
// it.
func operate(t testing.TB, disk keyed.KeyValue, outs []any, build func(env *stream.Env)) *driven {
	t.Helper()
	env := stream.NewEnv("test", nil)
	build(env)
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(sg.Nodes, func(n *graph.StreamNode) bool { return n.UID == "it" })
	if i < 0 {
		t.Fatal("no operator has the uid it")
	}
	d := &driven{task: &fakeTask{ctx: t.Context(), now: time.UnixMilli(0), counts: map[string]*operator.Counter{}}}
	d.context = &operator.Context{Name: "it", Parallelism: 1, MaxParallelism: core.DefaultMaxParallelism, Task: d.task,
		Active: new(int32), Index: 1, Disk: disk}
	if d.Instance, err = sg.Nodes[i].New(d.context, outs); err != nil {
		t.Fatal(err)
	}
	if err := d.Lifecycle.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Lifecycle.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// input is a source that nobody reads: records come from the test.
func input[T any](env *stream.Env, name string) *stream.Stream[T] {
	return stream.From(env, stream.Source[T]{Name: name, Open: func(*stream.RuntimeContext) (stream.Reader[T], error) {
		return nil, errors.New("the test drives the operator")
	}})
}

// nowhere is where records end in a program that is not run.
func nowhere[T any](*stream.RuntimeContext) (stream.Writer[T], error) {
	return nil, errors.New("the test drives the operator")
}

type driven struct {
	operator.Instance
	task    *fakeTask
	context *operator.Context
}

// transcript writes down what an operator sends; watermarks only if marks is set.
type transcript[T any] struct {
	lines []string
	marks bool
}

func (p *transcript[T]) Record(v *T, ts int64) {
	if ts == stream.NoTimestamp {
		p.lines = append(p.lines, fmt.Sprint(*v))
	} else {
		p.lines = append(p.lines, fmt.Sprintf("%v @%d", *v, ts))
	}
}

func (p *transcript[T]) Watermark(ts int64) {
	if p.marks {
		p.lines = append(p.lines, fmt.Sprintf("w %d", ts))
	}
}

func (p *transcript[T]) Idle() {}

func (p *transcript[T]) End() {}

// want compares what came since the last call.
func (p *transcript[T]) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(p.lines, lines) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(p.lines, "\n\t"), strings.Join(lines, "\n\t"))
	}
	p.lines = nil
}

// fakeTask is a task of one operator whose clock the test sets.
type fakeTask struct {
	operator.Task
	ctx    context.Context
	now    time.Time
	alarms []*fakeAlarm
	counts map[string]*operator.Counter
}

type fakeAlarm struct {
	at time.Time
	fn func()
}

type unwound struct{ err error }

func (f *fakeTask) Context() context.Context { return f.ctx }

func (f *fakeTask) Now() time.Time { return f.now }

func (f *fakeTask) At(t time.Time, fn func()) func() {
	a := &fakeAlarm{t, fn}
	f.alarms = append(f.alarms, a)
	return func() { f.alarms = slices.DeleteFunc(f.alarms, func(b *fakeAlarm) bool { return a == b }) }
}

func (f *fakeTask) Fail(err error) { panic(unwound{err}) }

func (f *fakeTask) OnIdle(func()) {}

func (f *fakeTask) Metrics(core.OperatorID) operator.MetricGroup { return f }

func (f *fakeTask) Counter(name string) *operator.Counter {
	if f.counts[name] == nil {
		f.counts[name] = new(operator.Counter)
	}
	return f.counts[name]
}

func (f *fakeTask) Gauge(string, func() float64) {}

// advance sets the clock, in milliseconds, and rings what is due, the earliest first.
func (f *fakeTask) advance(ms int64) {
	to := time.UnixMilli(ms)
	for {
		due := slices.DeleteFunc(slices.Clone(f.alarms), func(a *fakeAlarm) bool { return a.at.After(to) })
		if len(due) == 0 {
			f.now = to
			return
		}
		next := slices.MinFunc(due, func(a, b *fakeAlarm) int { return a.at.Compare(b.at) })
		f.alarms = slices.DeleteFunc(f.alarms, func(a *fakeAlarm) bool { return a == next })
		if next.at.After(f.now) {
			f.now = next.at
		}
		next.fn()
	}
}

// failure returns the error with which f ends the attempt.
func failure(t *testing.T, f func()) (err error) {
	t.Helper()
	defer func() {
		switch p := recover().(type) {
		case unwound:
			err = p.err
		case error:
			err = p
		case nil:
			t.Error("it did not fail")
			err = errors.New("no failure")
		default:
			err = fmt.Errorf("%v", p)
		}
	}()
	f()
	return nil
}

// wantFaults compares the faults of a program.
func wantFaults(t *testing.T, build func(env *stream.Env), texts ...string) {
	t.Helper()
	env := stream.NewEnv("test", nil)
	build(env)
	_, err := env.StreamGraph()
	if err == nil {
		t.Error("the program has no fault")
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("faults\n%v\nlack\n%s", err, text)
		}
	}
}

// bothBackends runs a test with state on the heap and in an ordered store of bytes.
func bothBackends(t *testing.T, test func(t *testing.T, disk keyed.KeyValue)) {
	t.Run("heap", func(t *testing.T) { test(t, nil) })
	t.Run("disk", func(t *testing.T) { test(t, new(window.Memory)) })
}
