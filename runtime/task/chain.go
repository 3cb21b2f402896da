package task

import (
	"fmt"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/runtime/network"
)

// node is one operator of the chain.
type node struct {
	stream   *graph.StreamNode
	context  *operator.Context
	instance operator.Instance
	opened   bool
}

// sink is the part of a Node[T] that does not need T.
type sink interface {
	Watermark(ts int64)
	End()
}

// edges lists the edges into this subtask, with the numbering of their channels.
func (t *Task) edges() []network.Edge {
	var edges []network.Edge
	base := map[int]int{} // channels so far, by input
	for i := range t.vertex.Inputs {
		in := &t.vertex.Inputs[i]
		index, up := t.findVertex(in.Source)
		if up == nil || t.cfg.Locations == nil || index >= len(t.cfg.Locations.Vertices) {
			continue // build reports it
		}
		from, to := in.Strategy.SourcesOf(t.cfg.Attempt.Subtask, up.Parallelism, t.vertex.Parallelism)
		edges = append(edges, network.Edge{
			Producer: in.Source, Output: in.Output, From: from, To: to, Location: t.cfg.Locations.Vertices[index],
			Input: uint8(in.Input), Base: int32(base[in.Input]), Schema: in.Schema,
		})
		base[in.Input] += to - from
	}
	return edges
}

func (t *Task) findVertex(id core.VertexID) (int, *graph.JobVertex) {
	for i := range t.cfg.Job.Vertices {
		if t.cfg.Job.Vertices[i].ID == id {
			return i, &t.cfg.Job.Vertices[i]
		}
	}
	return -1, nil
}

// build makes the operators, from the chain's end to its head, each with its outputs in place.
func (t *Task) build() error {
	chain := t.cfg.Chain
	if len(chain.Nodes) != len(t.vertex.Operators) {
		return fmt.Errorf("vertex %s has %d operators, its chain %d", t.vertex.Name, len(t.vertex.Operators), len(chain.Nodes))
	}
	if err := t.openState(); err != nil {
		return err
	}
	t.nodes = make([]*node, len(chain.Nodes))
	// consumers[i][k] are the nodes behind output k of operator i.
	consumers := make([][][]any, len(chain.Nodes))
	for i, n := range chain.Nodes {
		consumers[i] = make([][]any, len(n.Outputs))
	}
	for k := range chain.Outs {
		if err := t.addWriter(k, consumers); err != nil {
			return err
		}
	}
	t.coupleWriters()
	for i := len(chain.Nodes) - 1; i >= 0; i-- {
		n := chain.Nodes[i]
		outs := make([]any, len(n.Outputs))
		for k, typ := range n.Outputs {
			outs[k] = typ.Tee(consumers[i][k])
		}
		t.nodes[i] = &node{stream: n, context: t.operatorContext(i)}
		instance, err := n.New(t.nodes[i].context, outs)
		if err != nil {
			return t.failureOf(t.nodes[i], err)
		}
		t.nodes[i].instance = instance
		if i == 0 {
			if t.source = instance.Source; t.source != nil {
				for _, o := range outs {
					t.sinks = append(t.sinks, o.(sink)) // every Node is one
				}
			}
			break
		}
		for _, e := range n.Inputs {
			up := indexOf(chain.Nodes, e.Source)
			if up < 0 || up >= i || e.Input >= len(instance.Inputs) || e.Output >= len(consumers[up]) {
				return fmt.Errorf("operator %q: its input %d is not in the chain before it", n.Name, e.Input)
			}
			consumers[up][e.Output] = append(consumers[up][e.Output], instance.Inputs[e.Input])
		}
	}
	return t.addReaders()
}

func indexOf(nodes []*graph.StreamNode, n *graph.StreamNode) int {
	for i := range nodes {
		if nodes[i] == n {
			return i
		}
	}
	return -1
}

// addWriter puts the writer of output edge k behind its operator.
func (t *Task) addWriter(k int, consumers [][][]any) error {
	out := &t.cfg.Chain.Outs[k]
	_, down := t.findVertex(out.Target)
	if down == nil || out.Node >= len(consumers) || out.Output >= len(consumers[out.Node]) {
		return fmt.Errorf("output %d of vertex %s leads nowhere", k, t.vertex.Name)
	}
	subtask := t.cfg.Attempt.Subtask
	from, to := out.Strategy.Targets(subtask, t.vertex.Parallelism, down.Parallelism)
	outlet := t.cfg.Network.NewOutlet(owner{t}, t.cfg.Attempt, k, from, out.Type.Fingerprint())
	t.outlets = append(t.outlets, outlet)
	selection, err := selectionOf(out.Strategy)
	if err != nil {
		return err
	}
	// A round robin of each subtask begins elsewhere, so that few records still reach all targets.
	node, output, err := out.Type.NewWriter(operator.WriterConfig{
		Outlet: outlet, Select: selection, Partition: out.Partition, Targets: to - from, MaxParallelism: down.MaxParallelism,
		Start: subtask, SegmentSize: t.cfg.SegmentSize, Records: &t.meter.recordsOut, Bytes: &t.meter.bytesOut,
	})
	if err != nil {
		return fmt.Errorf("output %d of operator %q: %w", out.Output, t.cfg.Chain.Nodes[out.Node].Name, err)
	}
	t.outputs = append(t.outputs, output)
	consumers[out.Node][out.Output] = append(consumers[out.Node][out.Output], node)
	return nil
}

// coupleWriters couples the outputs that lead to the same consumers.
func (t *Task) coupleWriters() {
	type consumers struct {
		vertex   core.VertexID
		from, to int
	}
	byConsumers := map[consumers][]operator.Output{}
	for k := range t.cfg.Chain.Outs {
		out := &t.cfg.Chain.Outs[k]
		_, down := t.findVertex(out.Target)
		from, to := out.Strategy.Targets(t.cfg.Attempt.Subtask, t.vertex.Parallelism, down.Parallelism)
		key := consumers{out.Target, from, to}
		byConsumers[key] = append(byConsumers[key], t.outputs[k])
	}
	for _, outputs := range byConsumers {
		operator.Couple(outputs...)
	}
}

func selectionOf(s graph.ShipStrategy) (operator.Selection, error) {
	switch s {
	case graph.Forward, graph.Global:
		return operator.SelectFirst, nil
	case graph.Hash, graph.Custom:
		return operator.SelectPartition, nil
	case graph.Rebalance, graph.Rescale:
		return operator.SelectRoundRobin, nil
	case graph.Shuffle:
		return operator.SelectRandom, nil
	case graph.Broadcast:
		return operator.SelectAll, nil
	default:
		return 0, fmt.Errorf("unknown ship strategy %q", s)
	}
}

// addReaders connects the inputs of the head operator with the gate.
func (t *Task) addReaders() error {
	head := t.nodes[0]
	channels := map[int]int{}
	types := map[int]operator.Type{}
	for i := range t.vertex.Inputs {
		in := &t.vertex.Inputs[i]
		_, up := t.findVertex(in.Source)
		if up == nil || t.cfg.Locations == nil {
			return fmt.Errorf("input %d of vertex %s comes from nowhere", i, t.vertex.Name)
		}
		from, to := in.Strategy.SourcesOf(t.cfg.Attempt.Subtask, up.Parallelism, t.vertex.Parallelism)
		channels[in.Input] += to - from
		if types[in.Input] == nil {
			types[in.Input] = inputType(head.stream, in.Input)
		}
	}
	var inputs []operator.Input
	for i := range len(channels) {
		typ := types[i]
		if typ == nil || i >= len(head.instance.Inputs) {
			return fmt.Errorf("operator %q has no input %d", head.stream.Name, i)
		}
		input, err := typ.NewReader(head.instance.Inputs[i], operator.ReaderConfig{
			Channels: channels[i], Records: &t.meter.recordsIn, Bytes: &t.meter.bytesIn,
		})
		if err != nil {
			return fmt.Errorf("input %d of operator %q: %w", i, head.stream.Name, err)
		}
		inputs = append(inputs, input)
	}
	if len(inputs) > 0 {
		t.inputs = inputs
		handle{t}.Metrics(t.vertex.Operators[0].ID).Gauge("currentInputWatermark", func() float64 {
			least := inputs[0].Watermark()
			for _, in := range inputs[1:] {
				least = min(least, in.Watermark())
			}
			return float64(least)
		})
	}
	return nil
}

// inputType is the record type of an input: that of the outputs which lead to it.
func inputType(n *graph.StreamNode, input int) operator.Type {
	for _, e := range n.Inputs {
		if e.Input == input && e.Output < len(e.Source.Outputs) {
			return e.Source.Outputs[e.Output]
		}
	}
	return nil
}

// operatorContext is what operator i of the chain knows about its place.
func (t *Task) operatorContext(i int) *operator.Context {
	op := &t.vertex.Operators[i]
	ctx := &operator.Context{
		Job: t.cfg.Job.ID, JobName: t.cfg.Job.Name, Attempt: t.cfg.Attempt, TaskName: t.vertex.Name,
		Operator: op.ID, Name: op.Name, UID: op.UID,
		Subtask: t.cfg.Attempt.Subtask, Parallelism: t.vertex.Parallelism, MaxParallelism: t.vertex.MaxParallelism,
		Params: t.cfg.Job.Config.Params, Log: t.log.With("operator", op.Name), Task: handle{t},
		Index: int32(i), Active: &t.active,
	}
	if t.disk != nil {
		ctx.Disk = t.disk
	}
	return ctx
}
