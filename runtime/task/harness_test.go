package task_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/runtime/network"
	"github.com/flink-go/flink-go/runtime/task"
)

// plan is a job made by hand: vertices with the factories of their chains.
type plan struct {
	t       testing.TB
	segment int
	attempt int
	graph   core.GraphID
	job     *graph.JobGraph
	c       map[core.VertexID]*graph.Chain
}

func newPlan(t testing.TB) *plan {
	return &plan{t: t, job: &graph.JobGraph{ID: core.NewJobID(), Name: "test"}, c: map[core.VertexID]*graph.Chain{}, graph: core.NewGraphID()}
}

func typeOf[T any](t testing.TB) operator.Type {
	t.Helper()
	typ, err := operator.TypeOf[T]()
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// vertex adds a chain; each node but the head reads the main output of the one before.
func (p *plan) vertex(name string, parallelism int, nodes ...*graph.StreamNode) *graph.Chain {
	for i, n := range nodes {
		if i > 0 {
			n.Inputs = []graph.StreamEdge{{Source: nodes[i-1]}}
		}
	}
	v := graph.JobVertex{
		ID: core.HashVertexID(name), Name: name, Parallelism: parallelism, MaxParallelism: core.DefaultMaxParallelismFor(parallelism),
	}
	for _, n := range nodes {
		v.Operators = append(v.Operators, graph.Operator{ID: core.HashOperatorID(name, n.Name), Name: n.Name})
	}
	p.job.Vertices = append(p.job.Vertices, v)
	c := &graph.Chain{Nodes: nodes}
	p.c[v.ID] = c
	return c
}

// edge connects output 0 of the last node of up with input of the head of down.
func (p *plan) edge(up, down string, s graph.ShipStrategy, partition any, input int) {
	u, d := p.c[core.HashVertexID(up)], p.c[core.HashVertexID(down)]
	last := len(u.Nodes) - 1
	typ := u.Nodes[last].Outputs[0]
	dv := p.job.Vertex(core.HashVertexID(down))
	u.Outs = append(u.Outs, graph.ChainOut{
		Node: last, Target: dv.ID, Input: len(dv.Inputs), Strategy: s, Type: typ, Partition: partition,
	})
	dv.Inputs = append(dv.Inputs, graph.JobEdge{
		Source: core.HashVertexID(up), Output: len(u.Outs) - 1, Input: input, Strategy: s, Type: typ.String(), Schema: typ.Fingerprint(),
	})
	d.Nodes[0].Inputs = append(d.Nodes[0].Inputs, graph.StreamEdge{Source: u.Nodes[last], Input: input, Strategy: s, Partition: partition})
}

// cluster holds the networks of some workers in this process.
type cluster struct {
	t    testing.TB
	nets []*network.Network
}

// newCluster starts n workers with TCP between them; for 0 there is one without a listener.
func newCluster(t testing.TB, job core.JobID, n int) *cluster {
	c := &cluster{t: t}
	if n == 0 {
		c.nets = []*network.Network{network.New(network.Config{Job: job})}
	}
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.nets = append(c.nets, network.New(network.Config{Job: job, Secret: []byte("s"), Address: l.Addr().String(), Listener: l}))
	}
	t.Cleanup(c.close)
	return c
}

// close ends all workers at once, as the end of a job does.
func (c *cluster) close() {
	var wg sync.WaitGroup
	for _, n := range c.nets {
		wg.Go(func() {
			if err := n.Close(); err != nil {
				c.t.Error(err)
			}
		})
	}
	wg.Wait()
}

// states records the events of all tasks of a run.
type states struct {
	mu     sync.Mutex
	last   map[core.ExecutionAttemptID]core.ExecutionState
	causes map[core.ExecutionAttemptID]error
	events func(core.ExecutionAttemptID, core.OperatorID, []byte)
	seen   chan core.ExecutionState
}

func newStates() *states {
	return &states{last: map[core.ExecutionAttemptID]core.ExecutionState{}, causes: map[core.ExecutionAttemptID]error{}, seen: make(chan core.ExecutionState, 100_000)}
}

func (s *states) StateChanged(a core.ExecutionAttemptID, st core.ExecutionState, cause error) {
	s.mu.Lock()
	s.last[a], s.causes[a] = st, cause
	s.mu.Unlock()
	s.seen <- st
}

func (s *states) OperatorEvent(a core.ExecutionAttemptID, op core.OperatorID, payload []byte) {
	if s.events != nil {
		s.events(a, op, payload)
	}
}

// run is one deployment of a plan.
type run struct {
	t      testing.TB
	states *states
	tasks  []*task.Task
}

// place says on which worker a subtask runs.
type place func(vertex, subtask int) int

// deploy starts all tasks of the plan.
func (p *plan) deploy(c *cluster, at place) *run {
	p.t.Helper()
	if at == nil {
		at = func(_, subtask int) int { return subtask % len(c.nets) }
	}
	l := &network.Locations{}
	for _, n := range c.nets {
		l.Workers = append(l.Workers, n.Address())
	}
	for i := range p.job.Vertices {
		v := &p.job.Vertices[i]
		p.c[v.ID].Vertex = v
		var loc network.VertexLocation
		for s := range v.Parallelism {
			loc.Worker = append(loc.Worker, int32(at(i, s)))
			loc.Attempt = append(loc.Attempt, int32(p.attempt))
		}
		l.Vertices = append(l.Vertices, loc)
	}
	r := &run{t: p.t, states: newStates()}
	for i := range p.job.Vertices {
		v := &p.job.Vertices[i]
		for s := range v.Parallelism {
			r.tasks = append(r.tasks, task.Start(task.Config{
				Chain: p.c[v.ID], Job: p.job, Attempt: core.ExecutionAttemptID{Graph: p.graph, Vertex: v.ID, Subtask: s, Attempt: p.attempt},
				Network: c.nets[at(i, s)], Locations: l, Events: r.states, SegmentSize: p.segment,
			}))
		}
	}
	return r
}

// wait waits until all tasks have ended and returns how many ended in each state.
func (r *run) wait(limit time.Duration) map[core.ExecutionState]int {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, tk := range r.tasks {
		select {
		case <-tk.Done():
		case <-ctx.Done():
			for _, tk := range r.tasks {
				tk.Cancel(fmt.Errorf("the test is over"))
			}
			r.t.Fatalf("task %s has not ended after %s: %+v", tk.Attempt(), limit, tk.Report())
		}
	}
	r.states.mu.Lock()
	defer r.states.mu.Unlock()
	count := map[core.ExecutionState]int{}
	for _, s := range r.states.last {
		count[s]++
	}
	return count
}

// finish waits and wants every task to be FINISHED.
func (r *run) finish(limit time.Duration) {
	r.t.Helper()
	if got := r.wait(limit); got[core.ExecutionFinished] != len(r.tasks) {
		for a, c := range r.states.causes {
			if c != nil {
				r.t.Errorf("%s: %v", a, c)
			}
		}
		r.t.Fatalf("%d tasks ended as %v", len(r.tasks), got)
	}
}

// awaitRunning waits until all tasks have reported RUNNING.
func (r *run) awaitRunning(limit time.Duration) {
	r.t.Helper()
	deadline := time.After(limit)
	for running := 0; running < len(r.tasks); {
		select {
		case s := <-r.states.seen:
			if s == core.ExecutionRunning {
				running++
			}
		case <-deadline:
			r.t.Fatalf("%d of %d tasks are RUNNING after %s", running, len(r.tasks), limit)
		}
	}
}

// Operators for tests.

// emitter is a source of n records per subtask, each made by gen.
type emitter[T any] struct {
	ctx  *operator.Context
	out  operator.Node[T]
	n, i int
	gen  func(subtask, i int, v *T) int64
	slot T
}

func source[T any](t testing.TB, n int, gen func(subtask, i int, v *T) int64) *graph.StreamNode {
	return &graph.StreamNode{
		Kind: graph.Source, Name: "source", Outputs: []operator.Type{typeOf[T](t)},
		New: func(ctx *operator.Context, outs []any) (operator.Instance, error) {
			return operator.Instance{Source: &emitter[T]{ctx: ctx, out: outs[0].(operator.Node[T]), n: n, gen: gen}}, nil
		},
	}
}

func (e *emitter[T]) Poll(limit int) operator.Next {
	for range limit {
		if e.i == e.n {
			return operator.Next{State: operator.NextEnd}
		}
		ts := e.gen(e.ctx.Subtask, e.i, &e.slot)
		e.i++
		e.out.Record(&e.slot, ts)
	}
	return operator.Next{State: operator.NextNow}
}

func (e *emitter[T]) HandleEvent([]byte) error { return nil }

// mapper applies f.
type mapper[T, U any] struct {
	ctx *operator.Context
	f   func(*T) U
	out operator.Node[U]
	tmp U
}

func mapNode[T, U any](t testing.TB, name string, f func(*T) U) *graph.StreamNode {
	return &graph.StreamNode{
		Name: name, Outputs: []operator.Type{typeOf[U](t)},
		New: func(ctx *operator.Context, outs []any) (operator.Instance, error) {
			return operator.Instance{Inputs: []any{&mapper[T, U]{ctx: ctx, f: f, out: outs[0].(operator.Node[U])}}}, nil
		},
	}
}

func (m *mapper[T, U]) Record(v *T, ts int64) {
	*m.ctx.Active = m.ctx.Index
	m.tmp = m.f(v)
	m.out.Record(&m.tmp, ts)
}
func (m *mapper[T, U]) Watermark(ts int64) { m.out.Watermark(ts) }
func (m *mapper[T, U]) Idle()              { m.out.Idle() }
func (m *mapper[T, U]) End()               { m.out.End() }

// filter passes what f likes.
type filter[T any] struct {
	f   func(*T) bool
	out operator.Node[T]
}

func filterNode[T any](t testing.TB, name string, f func(*T) bool) *graph.StreamNode {
	return &graph.StreamNode{
		Name: name, Outputs: []operator.Type{typeOf[T](t)},
		New: func(_ *operator.Context, outs []any) (operator.Instance, error) {
			return operator.Instance{Inputs: []any{&filter[T]{f, outs[0].(operator.Node[T])}}}, nil
		},
	}
}

func (m *filter[T]) Record(v *T, ts int64) {
	if m.f(v) {
		m.out.Record(v, ts)
	}
}
func (m *filter[T]) Watermark(ts int64) { m.out.Watermark(ts) }
func (m *filter[T]) Idle()              { m.out.Idle() }
func (m *filter[T]) End()               { m.out.End() }

// sink calls f with each record.
type sink[T any] struct {
	ctx   *operator.Context
	f     func(ctx *operator.Context, v *T, ts int64)
	marks func(ctx *operator.Context, ts int64)
	ended int
}

func sinkNode[T any](f func(ctx *operator.Context, v *T, ts int64), marks func(ctx *operator.Context, ts int64)) *graph.StreamNode {
	return &graph.StreamNode{
		Kind: graph.Sink, Name: "sink",
		New: func(ctx *operator.Context, _ []any) (operator.Instance, error) {
			s := &sink[T]{ctx: ctx, f: f, marks: marks}
			return operator.Instance{Inputs: []any{s}}, nil
		},
	}
}

func (s *sink[T]) Record(v *T, ts int64) { s.f(s.ctx, v, ts) }
func (s *sink[T]) Watermark(ts int64) {
	if s.marks != nil {
		s.marks(s.ctx, ts)
	}
}
func (s *sink[T]) Idle() {}
func (s *sink[T]) End() {
	if s.ended++; s.ended > 1 {
		panic("second End")
	}
}

// byKey partitions by a key of the record, as KeyBy does.
func byKey[T any](key func(*T) uint64) operator.Partition[T] {
	return func(parallelism, maxParallelism int) func(*T) int {
		return func(v *T) int {
			h := key(v) * 0x9e3779b97f4a7c15
			return core.SubtaskOfKeyGroup(core.KeyGroup(h, maxParallelism), maxParallelism, parallelism)
		}
	}
}
