// Package connectortest runs sources and sinks of connectors without a cluster: each subtask on the goroutine of the
// test, with a coordinator that hands out splits in turn. Time stands still unless a source waits for it.
package connectortest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// Start is the time at which tasks begin.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Task is a task of one subtask.
type Task struct {
	Counters map[string]*operator.Counter

	ctx    context.Context
	cancel context.CancelFunc
	now    time.Time
	onIdle []func()
	coord  *coordinator
	source operator.Source

	mu   sync.Mutex
	todo []func()
	wake chan struct{}
}

// coordinator hands out splits as the JobMaster does.
type coordinator struct {
	all, left []*pb.Split
	complete  bool
	waiting   []*Task // that asked and got nothing yet
}

// event takes what a reader sends, on the goroutine of the test.
func (c *coordinator) event(from *Task, payload []byte) {
	var e pb.SourceEvent
	if err := proto.Unmarshal(payload, &e); err != nil {
		panic(err)
	}
	switch e := e.Event.(type) {
	case *pb.SourceEvent_Discovered:
		c.all, c.left = append(c.all, e.Discovered.Splits...), append(c.left, e.Discovered.Splits...)
		c.complete = c.complete || e.Discovered.Complete
	case *pb.SourceEvent_Request:
		c.waiting = append(c.waiting, from)
	}
	for len(c.waiting) > 0 && (len(c.left) > 0 || c.complete) {
		answer := &pb.SourceEvent{Event: &pb.SourceEvent_NoMore{NoMore: &pb.NoMoreSplits{}}}
		if len(c.left) > 0 {
			answer.Event = &pb.SourceEvent_Assigned{Assigned: &pb.SplitsAssigned{Splits: c.left[:1]}}
			c.left = c.left[1:]
		}
		to := c.waiting[0]
		c.waiting = c.waiting[1:]
		b, err := proto.Marshal(answer)
		if err != nil {
			panic(err)
		}
		to.Run(func() {
			if err := to.source.HandleEvent(b); err != nil {
				to.Fail(err)
			}
		})
	}
}

// failure is what Fail unwinds with.
type failure struct{ err error }

func newTask(t testing.TB, coord *coordinator) *Task {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return &Task{ctx: ctx, cancel: cancel, now: Start, coord: coord, wake: make(chan struct{}, 1), Counters: map[string]*operator.Counter{}}
}

// Context implements operator.Task.
func (k *Task) Context() context.Context { return k.ctx }

// Run implements operator.Task.
func (k *Task) Run(fn func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.todo = append(k.todo, fn)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Now implements operator.Task.
func (k *Task) Now() time.Time { return k.now }

// At is not for connectors.
func (k *Task) At(time.Time, func()) func() { panic("connectors have no timers") }

// Fail implements operator.Task.
func (k *Task) Fail(err error) { panic(failure{err}) }

// SendEvent implements operator.Task.
func (k *Task) SendEvent(_ core.OperatorID, payload []byte) { k.coord.event(k, payload) }

// OnIdle implements operator.Task.
func (k *Task) OnIdle(fn func()) { k.onIdle = append(k.onIdle, fn) }

// Yield is not for connectors.
func (k *Task) Yield() { panic("connectors have nothing to yield for") }

// Metrics implements operator.Task.
func (k *Task) Metrics(core.OperatorID) operator.MetricGroup { return metrics{k} }

// Accumulate is not for connectors.
func (k *Task) Accumulate(string, operator.Accumulator) (operator.Accumulator, error) {
	return nil, errors.ErrUnsupported
}

type metrics struct{ task *Task }

func (m metrics) Counter(name string) *operator.Counter {
	if m.task.Counters[name] == nil {
		m.task.Counters[name] = &operator.Counter{}
	}
	return m.task.Counters[name]
}

func (metrics) Gauge(string, func() float64) {}

// actions runs what Run was given.
func (k *Task) actions() {
	k.mu.Lock()
	todo := k.todo
	k.todo = nil
	k.mu.Unlock()
	for _, fn := range todo {
		fn()
	}
}

// guard turns Fail into an error.
func guard(fn func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			err = p.err
		default:
			panic(p)
		}
	}()
	return fn()
}

// Record is a record with its event time.
type Record[T any] struct {
	Value T
	Time  int64
}

// Result is what the subtasks of a source gave.
type Result[T any] struct {
	Subtasks [][]Record[T] // by subtask
	Tasks    []*Task
	Splits   []string // ids
	Now      time.Time
}

// Values are the records of all subtasks, one subtask after the other.
func (r *Result[T]) Values() []T {
	var all []T
	for _, s := range r.Subtasks {
		for _, rec := range s {
			all = append(all, rec.Value)
		}
	}
	return all
}

// Counter is the sum of a counter over all subtasks.
func (r *Result[T]) Counter(name string) (n int64) {
	for _, k := range r.Tasks {
		if c := k.Counters[name]; c != nil {
			n += c.Value()
		}
	}
	return n
}

// collect is the node behind a source.
type collect[T any] struct{ records []Record[T] }

func (c *collect[T]) Record(v *T, ts int64) { c.records = append(c.records, Record[T]{*v, ts}) }
func (c *collect[T]) Watermark(int64)       {}
func (c *collect[T]) Idle()                 {}
func (c *collect[T]) End()                  {}

// Read runs a source to its end, or until it has given `most` records if that is more than 0.
func Read[T any](t testing.TB, src stream.Source[T], parallelism, most int) (*Result[T], error) {
	t.Helper()
	env := stream.NewEnv("test", nil)
	stream.Discard(stream.From(env, src).Parallelism(parallelism))
	node := nodeOf(t, env, 0)
	coord := &coordinator{}
	res := &Result[T]{}
	var outs []*collect[T]
	var instances []operator.Instance
	for i := range parallelism {
		task, out := newTask(t, coord), &collect[T]{}
		inst, err := node.New(contextOf(task, i, parallelism, 0), []any{operator.Node[T](out)})
		if err != nil {
			return nil, err
		}
		task.source = inst.Source
		res.Tasks, outs, instances = append(res.Tasks, task), append(outs, out), append(instances, inst)
	}
	err := guard(func() error {
		for i, inst := range instances {
			if err := inst.Lifecycle.Open(); err != nil {
				return fmt.Errorf("subtask %d: %w", i, err)
			}
		}
		running := parallelism
		states := make([]operator.Next, parallelism)
		for running > 0 {
			idle := true
			for i, inst := range instances {
				res.Tasks[i].actions()
				if states[i].State == operator.NextEnd {
					continue
				}
				switch states[i] = inst.Source.Poll(100); states[i].State {
				case operator.NextNow:
					idle = false
				case operator.NextAt:
					res.Tasks[i].now = states[i].At
					idle = false
				case operator.NextEnd:
					running--
				case operator.NextEvent: // idle, unless another is not
				}
			}
			total := 0
			for _, o := range outs {
				total += len(o.records)
			}
			if most > 0 && total >= most {
				return nil
			}
			if idle && running > 0 {
				if err := await(res.Tasks); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for i, inst := range instances {
		res.Tasks[i].cancel()
		err = errors.Join(err, inst.Lifecycle.Close())
	}
	for i, o := range outs {
		res.Subtasks = append(res.Subtasks, o.records)
		if now := res.Tasks[i].now; now.After(res.Now) {
			res.Now = now
		}
	}
	for _, s := range coord.all {
		res.Splits = append(res.Splits, s.Id)
	}
	return res, err
}

// await waits for one of the tasks to be woken.
func await(tasks []*Task) error {
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	woken := make(chan struct{}, len(tasks))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, k := range tasks {
		wg.Go(func() {
			select {
			case <-k.wake:
				woken <- struct{}{}
			case <-done:
			}
		})
	}
	defer wg.Wait()
	defer close(done)
	select {
	case <-woken:
		return nil
	case <-timeout.C:
		return errors.New("the source has nothing to do and nothing comes")
	}
}

// Write runs a sink in one subtask over records, then ends it as `how` says.
func Write[T any](t testing.TB, sink stream.Sink[T], at Place, records []T, how Ending) error {
	t.Helper()
	env := stream.NewEnv("test", nil)
	stream.To(stream.From(env, stream.Source[T]{Name: "records", Open: func(*stream.RuntimeContext) (stream.Reader[T], error) {
		return nil, errors.ErrUnsupported
	}}), sink)
	node := nodeOf(t, env, 1)
	task := newTask(t, nil)
	defer task.cancel()
	inst, err := node.New(contextOf(task, at.Subtask, max(at.Parallelism, 1), at.Attempt), nil)
	if err != nil {
		return err
	}
	in := inst.Inputs[0].(operator.Node[T])
	err = guard(func() error {
		if err := inst.Lifecycle.Open(); err != nil {
			return err
		}
		for i := range records {
			in.Record(&records[i], stream.NoTimestamp)
		}
		for _, fn := range task.onIdle {
			fn()
		}
		if how.Wait != nil {
			<-task.wake
			task.actions()
			how.Wait()
		}
		if !how.Canceled {
			in.Watermark(operator.MaxWatermark)
			in.End()
		}
		return nil
	})
	return errors.Join(err, inst.Lifecycle.Close())
}

// Place is which subtask writes.
type Place struct{ Subtask, Parallelism, Attempt int }

// Ending is how a sink's input ends.
type Ending struct {
	Canceled bool
	Wait     func() // if set, a function given to Run is waited for, and this called after it
}

// JobID is the job of all tasks.
var JobID = core.JobID{1, 2, 3}

func contextOf(task *Task, subtask, parallelism, attempt int) *operator.Context {
	return &operator.Context{Job: JobID, JobName: "test", Name: "connector", Subtask: subtask, Parallelism: parallelism,
		MaxParallelism: core.DefaultMaxParallelism, Attempt: core.ExecutionAttemptID{Subtask: subtask, Attempt: attempt},
		Log: slog.New(slog.DiscardHandler), Task: task}
}

func nodeOf(t testing.TB, env *stream.Env, index int) *graph.StreamNode {
	t.Helper()
	g, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	return g.Nodes[index]
}
