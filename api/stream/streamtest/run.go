package streamtest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// Result is what a program leaves behind.
type Result struct {
	Accumulators map[string]string // JSON value by name
}

// Run runs a bounded program to its end. The error is that of the program's faults, of a user function, or of ctx.
func Run(ctx context.Context, build func(env *stream.Env)) (*Result, error) {
	env := stream.NewEnv("test", nil)
	build(env)
	sg, err := env.StreamGraph()
	if err != nil {
		return nil, err
	}
	compiled, err := graph.Translate(sg)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := newRunner(ctx, sg, compiled)
	err = r.protect(func() error {
		if err := r.start(); err != nil {
			return err
		}
		return r.loop()
	})
	if e := r.close(); err == nil {
		err = e
	}
	if err != nil {
		return nil, err
	}
	res := &Result{Accumulators: map[string]string{}}
	for name, a := range r.accumulators {
		res.Accumulators[name] = a.JSON()
	}
	return res, nil
}

// runner is all tasks of the program.
type runner struct {
	ctx          context.Context
	compiled     *graph.Compiled
	wake         chan struct{} // capacity 1: a wake-up that is not taken yet stands for all
	active       int32
	names        []string              // of operators, by index in the program
	contexts     [][]*operator.Context // of their subtasks
	lifecycles   []operator.Lifecycle
	opened       int               // how many of lifecycles, from the end
	sources      []liveSource      // that have not ended
	outputs      []operator.Output // upstream before downstream
	gates        map[gateKey]*gate
	order        []*gate // gates, downstream before upstream
	onIdle       []func()
	accumulators map[string]operator.Accumulator
	coordinators map[core.OperatorID]*coordinator
	metrics      map[core.OperatorID]metrics
	closed       bool

	// Of a Harness:
	time    *virtualTime // nil: processing time is that of the clock
	feeds   map[*graph.StreamNode][]*fed
	narrow  bool // channels have little room and are read only when a producer waits for it
	segment int  // bytes of a batch, 0: as in a cluster

	mu      sync.Mutex
	actions []action
}

// action is what one chain gave to Run.
type action struct {
	chain *chainTask
	run   func()
}

// chainTask is the task as the operators of one chain see it: Yield runs the actions of that chain only, because
// others may be in the middle of a record.
type chainTask struct{ *runner }

func (t *chainTask) Run(fn func()) { t.queue(action{t, fn}) }

func (t *chainTask) At(at time.Time, fn func()) func() {
	if t.time != nil {
		return t.time.at(at, t, fn)
	}
	timer := time.AfterFunc(time.Until(at), func() { t.Run(fn) })
	return func() { timer.Stop() }
}

func (t *chainTask) Yield() {
	for {
		if mine := t.take(func(a action) bool { return a.chain == t }); len(mine) > 0 {
			for _, a := range mine {
				a.run()
			}
			return
		}
		if t.time != nil && t.time.fire(t) {
			return
		}
		t.wait(time.Time{})
		if t.ctx.Err() != nil {
			t.Fail(context.Cause(t.ctx))
		}
	}
}

// failure is the panic by which Fail unwinds.
type failure struct{ err error }

// Unwound implements operator.Unwound.
func (f failure) Unwound() error { return f.err }

func newRunner(ctx context.Context, sg *graph.StreamGraph, compiled *graph.Compiled) *runner {
	r := &runner{
		ctx:          ctx,
		compiled:     compiled,
		wake:         make(chan struct{}, 1),
		gates:        map[gateKey]*gate{},
		accumulators: map[string]operator.Accumulator{},
		coordinators: map[core.OperatorID]*coordinator{},
		metrics:      map[core.OperatorID]metrics{},
		feeds:        map[*graph.StreamNode][]*fed{},
	}
	for _, n := range sg.Nodes {
		r.names = append(r.names, n.Name)
		r.contexts = append(r.contexts, nil)
	}
	return r
}

// close closes what was opened, from head to end.
func (r *runner) close() (err error) {
	if r.closed {
		return nil
	}
	r.closed = true
	for _, l := range r.lifecycles[len(r.lifecycles)-r.opened:] {
		if e := r.protect(l.Close); err == nil {
			err = e
		}
	}
	return err
}

// protect turns a failure or a panic of user code into an error.
func (r *runner) protect(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			err = p.err
		default:
			err = fmt.Errorf("panic: %v", p)
			for _, c := range r.contexts[r.active] {
				err = c.AtKey(err) // only the subtask that ran has a key
			}
			err = &operator.Failure{Operator: r.names[r.active], Err: err, Stack: stream.PanicStack()}
		}
	}()
	return f()
}

// start makes and opens all operators.
func (r *runner) start() error {
	for i := range slices.Backward(r.compiled.Job.Vertices) {
		v := &r.compiled.Job.Vertices[i]
		for subtask := range slices.Backward(make([]struct{}, v.Parallelism)) {
			if err := r.task(r.compiled.Chains[v.ID], subtask); err != nil {
				return err
			}
		}
	}
	slices.Reverse(r.lifecycles)
	slices.Reverse(r.outputs)
	for _, l := range slices.Backward(r.lifecycles) {
		r.opened++
		if err := l.Open(); err != nil {
			return err
		}
	}
	return nil
}

// task makes the operators of one subtask, from the end of the chain to its head.
func (r *runner) task(c *graph.Chain, subtask int) error {
	v := c.Vertex
	instances := map[*graph.StreamNode]operator.Instance{}
	task := &chainTask{r}
	for k, n := range slices.Backward(c.Nodes) {
		outs := make([]any, len(n.Outputs))
		for i, t := range n.Outputs {
			readers, err := r.readers(c, k, i, subtask, instances)
			if err != nil {
				return err
			}
			outs[i] = t.Tee(readers)
		}
		ctx := &operator.Context{
			JobName: r.compiled.Job.Name, TaskName: v.Name, Operator: v.Operators[k].ID, Name: n.Name, UID: n.UID,
			Subtask: subtask, Parallelism: v.Parallelism, MaxParallelism: v.MaxParallelism,
			Params: r.compiled.Job.Config.Params, Log: slog.New(slog.DiscardHandler),
			Task: task, Index: int32(n.Index), Active: &r.active,
		}
		r.contexts[n.Index] = append(r.contexts[n.Index], ctx)
		source := &sourceTask{chainTask: task}
		if n.Kind == graph.Source {
			ctx.Task = source
		}
		in, err := n.New(ctx, outs)
		if err != nil {
			return fmt.Errorf("make operator %q: %w", n.Name, err)
		}
		instances[n] = in
		if in.Lifecycle != nil {
			r.lifecycles = append(r.lifecycles, in.Lifecycle)
		}
		if in.Source != nil {
			r.sources = append(r.sources, liveSource{in.Source, outs})
			source.source = in.Source
			if r.time != nil && n.UID != "" {
				r.feed(n, in.Source)
			}
		}
	}
	return r.openGates(v, subtask, instances[c.Nodes[0]])
}

// readers returns what reads output i of operator k of a chain: operators of the same chain, and edges.
func (r *runner) readers(c *graph.Chain, k, i, subtask int, instances map[*graph.StreamNode]operator.Instance) ([]any, error) {
	var readers []any
	for _, n := range c.Nodes[1:] {
		if e := n.Inputs[0]; e.Source == c.Nodes[k] && e.Output == i {
			readers = append(readers, instances[n].Inputs[0])
		}
	}
	for _, out := range c.Outs {
		if out.Node != k || out.Output != i {
			continue
		}
		target := r.compiled.Job.Vertex(out.Target)
		from, to := out.Strategy.Targets(subtask, c.Vertex.Parallelism, target.Parallelism)
		o := &outlet{r: r, target: target, input: out.Input, first: from, subtask: subtask}
		node, output, err := out.Type.NewWriter(operator.WriterConfig{Outlet: o, Select: selection(out.Strategy), Partition: out.Partition,
			Targets: to - from, MaxParallelism: target.MaxParallelism, Start: subtask, SegmentSize: r.segment})
		if err != nil {
			return nil, err
		}
		readers = append(readers, node)
		r.outputs = append(r.outputs, output)
	}
	return readers, nil
}

func selection(s graph.ShipStrategy) operator.Selection {
	switch s {
	case graph.Hash, graph.Custom:
		return operator.SelectPartition
	case graph.Rebalance, graph.Rescale:
		return operator.SelectRoundRobin
	case graph.Shuffle:
		return operator.SelectRandom
	case graph.Broadcast:
		return operator.SelectAll
	default:
		return operator.SelectFirst
	}
}

// gateKey names one input of the head of a subtask.
type gateKey struct {
	vertex         core.VertexID
	subtask, input int
}

// gate reads what is put into it at once, on the goroutine that puts, or when it is told to.
type gate struct {
	in    operator.Input
	later bool
	queue []operator.Message
}

func (g *gate) Put(m operator.Message) {
	if g.later {
		g.queue = append(g.queue, m)
		return
	}
	g.read(&m)
}

func (g *gate) read(m *operator.Message) {
	if err := g.in.Read(m); err != nil {
		panic(failure{err})
	}
}

// take reads one message and tells whether there was one.
func (g *gate) take() bool {
	if len(g.queue) == 0 {
		return false
	}
	m := g.queue[0]
	g.queue = g.queue[1:]
	g.read(&m)
	return true
}

// channels returns the number of the first channel of each edge into v within its input, and of all channels of
// each input.
func (r *runner) channels(v *graph.JobVertex, subtask int) (first []int, total map[int]int) {
	total = map[int]int{}
	for _, e := range v.Inputs {
		from, to := e.Strategy.SourcesOf(subtask, r.compiled.Job.Vertex(e.Source).Parallelism, v.Parallelism)
		first = append(first, total[e.Input]-from)
		total[e.Input] += to - from
	}
	return first, total
}

func (r *runner) openGates(v *graph.JobVertex, subtask int, head operator.Instance) error {
	_, total := r.channels(v, subtask)
	edges := r.compiled.Chains[v.ID].Nodes[0].Inputs
	for _, e := range edges {
		key := gateKey{v.ID, subtask, e.Input}
		if r.gates[key] != nil {
			continue
		}
		in, err := e.Source.Outputs[e.Output].NewReader(head.Inputs[e.Input], operator.ReaderConfig{Channels: total[e.Input]})
		if err != nil {
			return err
		}
		r.gates[key] = &gate{in: in, later: r.narrow}
		r.order = append(r.order, r.gates[key])
	}
	return nil
}

// outlet connects a writer with gates.
type outlet struct {
	r              *runner
	target         *graph.JobVertex
	input          int // index of the edge
	first, subtask int
	gates          []*gate // connected
}

func (o *outlet) Connect(i int) operator.Link {
	first, _ := o.r.channels(o.target, o.first+i)
	in := o.target.Inputs[o.input].Input
	credits := 8
	if o.r.narrow {
		credits = 2
	}
	g := o.r.gates[gateKey{o.target.ID, o.first + i, in}]
	o.gates = append(o.gates, g)
	return operator.Link{Gate: g, Input: uint8(in), Channel: int32(first[o.input] + o.subtask), Credits: credits}
}

// Wait lets the consumers read: nobody else would.
func (o *outlet) Wait() {
	active := o.r.active
	for _, g := range o.gates {
		if g.take() {
			o.r.active = active
			return
		}
	}
	panic("streamtest: a channel has no credit though all batches were read")
}

func (o *outlet) Wake() {}

func (o *outlet) Flush() {}

func (o *outlet) Fail(err error) { o.r.Fail(err) }

// liveSource is a source that has not ended, with its outputs.
type liveSource struct {
	operator.Source
	outs []any
}

// end tells what follows that the input is over, as a task does.
func (s liveSource) end() {
	for _, o := range s.outs {
		o := o.(interface { // every Node[T] has both
			Watermark(ts int64)
			End()
		})
		o.Watermark(operator.MaxWatermark)
		o.End()
	}
}

// loop polls the sources until all have ended.
func (r *runner) loop() error {
	for len(r.sources) > 0 {
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		r.act()
		busy, due := r.poll()
		if !busy && !r.pending() {
			r.flush()
			r.wait(due)
		}
	}
	r.flush()
	return nil
}

// poll polls each source once. It tells whether one has more, and when the first of them wants to be polled again.
func (r *runner) poll() (busy bool, due time.Time) {
	r.sources = slices.DeleteFunc(r.sources, func(s liveSource) bool {
		next := s.Poll(100)
		busy = busy || next.State == operator.NextNow || next.State == operator.NextEnd
		if next.State == operator.NextAt && (due.IsZero() || next.At.Before(due)) {
			due = next.At
		}
		if next.State == operator.NextEnd {
			s.end()
		}
		return next.State == operator.NextEnd
	})
	return busy, due
}

func (r *runner) flush() {
	for _, o := range r.outputs {
		o.Flush()
	}
	for _, f := range r.onIdle {
		f()
	}
}

func (r *runner) wait(due time.Time) {
	var timer <-chan time.Time
	if !due.IsZero() {
		t := time.NewTimer(time.Until(due))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-r.wake:
	case <-r.ctx.Done():
	}
}

func (r *runner) pending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.actions) > 0
}

// act runs what was given to Run.
func (r *runner) act() {
	for _, a := range r.take(func(action) bool { return true }) {
		a.run()
	}
}

// take removes actions from the queue, in their order.
func (r *runner) take(which func(action) bool) (taken []action) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.actions = slices.DeleteFunc(r.actions, func(a action) bool {
		if which(a) {
			taken = append(taken, a)
			return true
		}
		return false
	})
	return taken
}

// The methods of operator.Task.

func (r *runner) Context() context.Context { return r.ctx }

func (r *runner) queue(a action) {
	r.mu.Lock()
	r.actions = append(r.actions, a)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *runner) Now() time.Time {
	if r.time != nil {
		return r.time.now
	}
	return time.Now()
}

func (r *runner) Fail(err error) { panic(failure{err}) }

func (r *runner) OnIdle(fn func()) { r.onIdle = append(r.onIdle, fn) }

func (r *runner) Metrics(op core.OperatorID) operator.MetricGroup {
	m := r.metrics[op]
	if m == nil {
		m = metrics{}
		r.metrics[op] = m
	}
	return m
}

func (r *runner) Accumulate(name string, a operator.Accumulator) (operator.Accumulator, error) {
	have, ok := r.accumulators[name]
	switch {
	case !ok:
		r.accumulators[name] = a
		return a, nil
	case have.Kind() != a.Kind():
		return nil, fmt.Errorf("accumulator %q is a %s, not a %s", name, have.Kind(), a.Kind())
	default:
		return have, nil
	}
}

// SendEvent is for sources, which have a sourceTask.
func (r *runner) SendEvent(core.OperatorID, []byte) {}

// sourceTask is the task as a source sees it: its events reach a coordinator.
type sourceTask struct {
	*chainTask
	source operator.Source
}

// coordinator hands each split of a source out once, in the order of discovery.
type coordinator struct {
	splits   []*pb.Split
	complete bool
	waiting  []*sourceTask
}

func (t *sourceTask) SendEvent(op core.OperatorID, payload []byte) {
	var e pb.SourceEvent
	if err := proto.Unmarshal(payload, &e); err != nil {
		t.Fail(fmt.Errorf("source event: %w", err))
	}
	c := t.coordinators[op]
	if c == nil {
		c = &coordinator{}
		t.coordinators[op] = c
	}
	switch e := e.Event.(type) {
	case *pb.SourceEvent_Discovered:
		c.splits = append(c.splits, e.Discovered.Splits...)
		c.complete = c.complete || e.Discovered.Complete
	case *pb.SourceEvent_Request:
		c.waiting = append(c.waiting, t)
	}
	for len(c.waiting) > 0 && (len(c.splits) > 0 || c.complete) {
		answer := &pb.SourceEvent{Event: &pb.SourceEvent_NoMore{NoMore: &pb.NoMoreSplits{}}}
		if len(c.splits) > 0 {
			answer.Event = &pb.SourceEvent_Assigned{Assigned: &pb.SplitsAssigned{Splits: c.splits[:1]}}
			c.splits = c.splits[1:]
		}
		c.waiting[0].deliver(answer)
		c.waiting = c.waiting[1:]
	}
}

func (t *sourceTask) deliver(e *pb.SourceEvent) {
	t.Run(func() {
		b, err := proto.Marshal(e)
		if err == nil {
			err = t.source.HandleEvent(b)
		}
		if err != nil {
			t.Fail(err)
		}
	})
}

// metrics are the counters of an operator by name, those of all subtasks in one.
type metrics map[string]*operator.Counter

func (m metrics) Counter(name string) *operator.Counter {
	if m[name] == nil {
		m[name] = new(operator.Counter)
	}
	return m[name]
}

func (metrics) Gauge(string, func() float64) {}
