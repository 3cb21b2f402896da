package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// fakeTask is a task of one operator whose clock the test sets.
type fakeTask struct {
	operator.Task
	ctx    context.Context
	now    time.Time
	alarms []*fakeAlarm
	counts map[string]*operator.Counter
}

type fakeAlarm struct {
	at   time.Time
	fn   func()
	gone bool
}

// unwound is the panic by which fakeTask.Fail leaves.
type unwound struct{ err error }

func (u unwound) Unwound() error { return u.err }

func (f *fakeTask) Context() context.Context { return f.ctx }

func (f *fakeTask) Now() time.Time { return f.now }

func (f *fakeTask) At(t time.Time, fn func()) func() {
	a := &fakeAlarm{at: t, fn: fn}
	f.alarms = append(f.alarms, a)
	return func() { a.gone = true }
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

// pending is the number of alarms that will ring.
func (f *fakeTask) pending() int {
	return len(slices.DeleteFunc(slices.Clone(f.alarms), func(a *fakeAlarm) bool { return a.gone }))
}

// advance sets the clock and rings what is due, the earliest first.
func (f *fakeTask) advance(to time.Time) {
	for {
		var next *fakeAlarm
		for _, a := range f.alarms {
			if !a.gone && !a.at.After(to) && (next == nil || a.at.Before(next.at)) {
				next = a
			}
		}
		if next == nil {
			f.now = to
			return
		}
		next.gone = true
		if next.at.After(f.now) {
			f.now = next.at
		}
		next.fn()
	}
}

// transcript writes down what an operator sends.
type transcript[T any] struct{ lines []string }

func (p *transcript[T]) add(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *transcript[T]) Record(v *T, ts int64) {
	if ts == stream.NoTimestamp {
		p.add("%v", *v)
	} else {
		p.add("%v @%d", *v, ts)
	}
}

func (p *transcript[T]) Watermark(ts int64) {
	if ts == operator.MaxWatermark {
		p.add("w max")
	} else {
		p.add("w %d", ts)
	}
}

func (p *transcript[T]) Idle() { p.add("idle") }

func (p *transcript[T]) End() { p.add("end") }

// want compares what came since the last call.
func (p *transcript[T]) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(p.lines, lines) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(p.lines, "\n\t"), strings.Join(lines, "\n\t"))
	}
	p.lines = nil
}

// single is one operator in one subtask.
type single struct {
	*fakeTask
	operator.Instance
	active int32
}

// subtask says in which subtask the operator runs.
type subtask struct{ index, of int }

// operate opens the operator that the verb makes, the last but one of the program.
func operate(t testing.TB, outs []any, build func(env *stream.Env), where ...subtask) *single {
	t.Helper()
	env := stream.NewEnv("single", nil)
	build(env)
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	place := subtask{0, 1}
	if len(where) > 0 {
		place = where[0]
	}
	s := &single{fakeTask: &fakeTask{ctx: t.Context(), now: time.UnixMilli(1000), counts: map[string]*operator.Counter{}}}
	for _, n := range sg.Nodes {
		if n.UID != "it" {
			continue
		}
		s.Instance, err = n.New(&operator.Context{Name: n.Name, Subtask: place.index, Parallelism: place.of,
			MaxParallelism: core.DefaultMaxParallelism, Task: s.fakeTask, Active: &s.active, Index: 1}, outs)
		if err != nil {
			t.Fatal(err)
		}
		if l := s.Lifecycle; l != nil {
			if err := l.Open(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		return s
	}
	t.Fatal("no operator has the uid it")
	return nil
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

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error %q\nwant  %q", fmt.Sprint(err), want)
	}
}
