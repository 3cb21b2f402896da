package window

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// click is the record of the tests.
type click struct {
	Key int64
	At  int64
	N   int64
}

func clickKey(c click) int64 { return c.Key }

// rigTask is a task whose clock the test moves.
type rigTask struct {
	operator.Task
	now      time.Time
	alarms   []*rigAlarm
	counters map[string]*operator.Counter
}

type rigAlarm struct {
	at time.Time
	fn func()
}

func newRigTask() *rigTask {
	return &rigTask{now: time.UnixMilli(0), counters: map[string]*operator.Counter{}}
}

func (t *rigTask) Context() context.Context { return context.Background() }

func (t *rigTask) OnIdle(func()) {}

func (t *rigTask) Now() time.Time { return t.now }

func (t *rigTask) At(at time.Time, fn func()) func() {
	a := &rigAlarm{at, fn}
	t.alarms = append(t.alarms, a)
	return func() { t.alarms = slices.DeleteFunc(t.alarms, func(b *rigAlarm) bool { return a == b }) }
}

// pass moves the clock and calls what is due, in order.
func (t *rigTask) pass(to time.Time) {
	for len(t.alarms) > 0 {
		due := slices.MinFunc(t.alarms, func(a, b *rigAlarm) int { return a.at.Compare(b.at) })
		if due.at.After(to) {
			break
		}
		t.alarms = slices.DeleteFunc(t.alarms, func(b *rigAlarm) bool { return due == b })
		t.now = due.at
		due.fn()
	}
	t.now = to
}

// rigFailure is how an attempt ends.
type rigFailure struct{ err error }

func (t *rigTask) Fail(err error) { panic(rigFailure{err}) }

func (t *rigTask) Metrics(core.OperatorID) operator.MetricGroup { return t }

func (t *rigTask) Counter(name string) *operator.Counter {
	if t.counters[name] == nil {
		t.counters[name] = &operator.Counter{}
	}
	return t.counters[name]
}

func (t *rigTask) Gauge(string, func() float64) {}

// sent is a record with its event time.
type sent[U any] struct {
	V  U
	At int64
}

// gather is the end of a chain.
type gather[U any] struct {
	got       []sent[U]
	watermark int64
	idle      bool
}

func (g *gather[U]) Record(v *U, ts int64) { g.got = append(g.got, sent[U]{*v, ts}) }
func (g *gather[U]) Watermark(ts int64)    { g.watermark, g.idle = ts, false }
func (g *gather[U]) Idle()                 { g.idle = true }
func (g *gather[U]) End()                  {}

// take returns what came since the last call.
func (g *gather[U]) take() []sent[U] {
	got := g.got
	g.got = nil
	return got
}

// rig is a verb of this package behind KeyBy, in several subtasks.
type rig[T, U any] struct {
	task  *rigTask
	disk  keyed.KeyValue // nil: heap
	ins   []operator.Node[T]
	out   *gather[U]
	late  *gather[T]
	route func(v *T) int
}

// newRig builds a program of a source, verb and a sink and opens the operator between them.
func newRig[K comparable, T, U any](t testing.TB, subtasks int, readLate bool, key func(T) K, disk keyed.KeyValue, verb func(*stream.Keyed[K, T]) *stream.Stream[U]) *rig[T, U] {
	t.Helper()
	nodes := rigProgram(t, func(in *stream.Stream[T]) {
		out := verb(stream.KeyBy(in, key))
		stream.Discard(out)
		if readLate {
			stream.Discard(Late[T](out))
		}
	})
	r := &rig[T, U]{task: newRigTask(), disk: disk, out: &gather[U]{watermark: math.MinInt64}, late: &gather[T]{}, route: routeBy(key, subtasks)}
	for i := range subtasks {
		r.ins = append(r.ins, openNode[T](t, r.task, disk, nodes[len(nodes)-1], i, subtasks, operator.Node[U](r.out), operator.Node[T](r.late)))
	}
	return r
}

// routeBy returns what KeyBy does.
func routeBy[K comparable, T any](key func(T) K, subtasks int) func(v *T) int {
	hash, err := codec.HashFor[K]()
	if err != nil {
		panic(err)
	}
	return func(v *T) int {
		k := key(*v)
		return core.SubtaskOfKeyGroup(core.KeyGroup(hash(&k), core.DefaultMaxParallelism), core.DefaultMaxParallelism, subtasks)
	}
}

// rigProgram returns the operators of a program that reads one source.
func rigProgram[T any](t testing.TB, build func(in *stream.Stream[T])) []*graph.StreamNode {
	t.Helper()
	env := stream.NewEnv("rig", nil)
	build(stream.From(env, stream.Source[T]{Open: func(*stream.RuntimeContext) (stream.Reader[T], error) { panic("not run") }}))
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(sg.Nodes, func(n *graph.StreamNode) bool { return n.Kind != graph.Transform })
}

// openNode opens one subtask of an operator.
func openNode[T any](t testing.TB, task *rigTask, disk keyed.KeyValue, n *graph.StreamNode, subtask, subtasks int, outs ...any) operator.Node[T] {
	t.Helper()
	in, err := n.New(&operator.Context{Name: n.Name, Subtask: subtask, Parallelism: subtasks, MaxParallelism: core.DefaultMaxParallelism,
		Task: task, Log: slog.New(slog.DiscardHandler), Disk: disk}, outs)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Lifecycle.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Lifecycle.Close(); err != nil {
			t.Error(err)
		}
	})
	return in.Inputs[0].(operator.Node[T])
}

func (r *rig[T, U]) send(v T, ts int64) { r.ins[r.route(&v)].Record(&v, ts) }

func (r *rig[T, U]) watermark(ts int64) {
	for _, in := range r.ins {
		in.Watermark(ts)
	}
}

func (r *rig[T, U]) end() {
	r.watermark(operator.MaxWatermark)
	for _, in := range r.ins {
		in.End()
	}
}

// dropped is the counter of late records.
func (r *rig[T, U]) dropped() int64 { return r.task.Counter("numLateRecordsDropped").Value() }

// sortResults orders results by window, key and value.
func sortResults[R cmp.Ordered](rs []sent[Result[int64, R]]) {
	slices.SortStableFunc(rs, func(a, b sent[Result[int64, R]]) int {
		return cmp.Or(cmp.Compare(a.V.Window.End, b.V.Window.End), cmp.Compare(a.V.Window.Start, b.V.Window.Start),
			cmp.Compare(a.V.Key, b.V.Key), cmp.Compare(a.V.Value, b.V.Value))
	})
}
