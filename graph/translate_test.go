package graph_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// program builds StreamGraphs for tests.
type program struct{ *graph.StreamGraph }

func newProgram() program {
	return program{&graph.StreamGraph{Name: "test", Config: graph.JobConfig{Parallelism: 2, Chaining: true, RuntimeMode: "STREAMING"}}}
}

var text = func() operator.Type {
	t, err := operator.TypeOf[string]()
	if err != nil {
		panic(err)
	}
	return t
}()

func (p program) add(kind graph.NodeKind, name string, inputs ...*graph.StreamNode) *graph.StreamNode {
	n := &graph.StreamNode{Index: len(p.Nodes), Kind: kind, Verb: strings.Fields(name)[0], Name: name, Position: name + ".go:1"}
	for _, in := range inputs {
		n.Inputs = append(n.Inputs, graph.StreamEdge{Source: in})
	}
	if kind != graph.Sink {
		n.Outputs = []operator.Type{text}
	}
	p.Nodes = append(p.Nodes, n)
	return n
}

func (p program) translate(t *testing.T) *graph.Compiled {
	t.Helper()
	c, err := graph.Translate(p.StreamGraph)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func names(c *graph.Compiled) (all []string) {
	for _, v := range c.Job.Vertices {
		all = append(all, v.Name)
	}
	return all
}

func TestChaining(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(p program, a, b *graph.StreamNode)
		want   []string
	}{
		"forward and alike":        {func(program, *graph.StreamNode, *graph.StreamNode) {}, []string{"Source: in -> A -> B -> Sink: out"}},
		"other parallelism":        {func(_ program, _, b *graph.StreamNode) { b.Parallelism = 3 }, []string{"Source: in -> A", "B", "Sink: out"}},
		"hash edge":                {func(_ program, _, b *graph.StreamNode) { b.Inputs[0].Strategy = graph.Hash }, []string{"Source: in -> A", "B -> Sink: out"}},
		"head":                     {func(_ program, _, b *graph.StreamNode) { b.Chaining = graph.ChainHead }, []string{"Source: in -> A", "B -> Sink: out"}},
		"never":                    {func(_ program, a, _ *graph.StreamNode) { a.Chaining = graph.ChainNever }, []string{"Source: in", "A", "B -> Sink: out"}},
		"other slot sharing group": {func(_ program, _, b *graph.StreamNode) { b.SlotSharingGroup = "g" }, []string{"Source: in -> A", "B -> Sink: out"}},
		"other max parallelism":    {func(_ program, _, b *graph.StreamNode) { b.MaxParallelism = 7 }, []string{"Source: in -> A", "B", "Sink: out"}},
		"chaining off":             {func(p program, _, _ *graph.StreamNode) { p.Config.Chaining = false }, []string{"Source: in", "A", "B", "Sink: out"}},
		"two inputs": {func(p program, a, b *graph.StreamNode) {
			b.Inputs = append(b.Inputs, graph.StreamEdge{Source: a, Input: 1})
		}, []string{"Source: in -> A", "B -> Sink: out"}},
		"a tree": {func(p program, a, _ *graph.StreamNode) { p.add(graph.Sink, "other", a) },
			[]string{"Source: in -> A -> (B -> Sink: out, Sink: other)"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram()
			a := p.add(graph.Transform, "A", p.add(graph.Source, "in"))
			b := p.add(graph.Transform, "B", a)
			p.add(graph.Sink, "out", b)
			tc.change(p, a, b)
			if got := names(p.translate(t)); !slices.Equal(got, tc.want) {
				t.Errorf("vertices %q, want %q", got, tc.want)
			}
		})
	}
}

func TestDescriptionIsATree(t *testing.T) {
	p := newProgram()
	in := p.add(graph.Source, "in")
	a := p.add(graph.Transform, "A<int>", in)
	p.add(graph.Sink, "x", a)
	p.add(graph.Sink, "y", a)
	p.add(graph.Sink, "z", in)
	got := p.translate(t).Job.Vertices[0].Description
	want := "Source: in<br/>:- A&lt;int&gt;<br/>:  :- Sink: x<br/>:  +- Sink: y<br/>+- Sink: z<br/>"
	if got != want {
		t.Errorf("description\n%s, want\n%s", got, want)
	}
}

func TestEdgesAreNumberedOnBothSides(t *testing.T) {
	p := newProgram()
	in := p.add(graph.Source, "in")
	a := p.add(graph.Transform, "A", in)
	join := p.add(graph.Transform, "Join", a, in)
	join.Inputs[1].Input = 1
	out := p.add(graph.Sink, "out", join)
	out.Inputs[0].Strategy = graph.Broadcast
	p.add(graph.Sink, "other", in).Parallelism = 1
	c := p.translate(t)
	if got, want := names(c), []string{"Source: in -> A", "Join", "Sink: out", "Sink: other"}; !slices.Equal(got, want) {
		t.Fatalf("vertices %q, want %q", got, want)
	}
	for _, v := range c.Job.Vertices {
		for i, e := range v.Inputs {
			o := c.Chains[e.Source].Outs[e.Output]
			if o.Target != v.ID || o.Input != i || o.Strategy != e.Strategy || o.Type.Fingerprint() != e.Schema {
				t.Errorf("input %d of %s is %+v, the output is %+v", i, v.Name, e, o)
			}
		}
	}
	outs := c.Chains[c.Job.Vertices[0].ID].Outs
	if len(outs) != 3 || outs[0].Node != 1 || outs[1].Node != 0 || outs[2].Node != 0 {
		t.Errorf("outputs of the source's vertex: %+v", outs)
	}
	j := c.Job.Vertices[1].Inputs
	if j[0].Input != 0 || j[1].Input != 1 || j[0].Strategy != graph.Forward {
		t.Errorf("inputs of the join: %+v", j)
	}
	if e := c.Job.Vertices[3].Inputs[0]; e.Strategy != graph.Rebalance {
		t.Errorf("an edge to another parallelism travels by %s", e.Strategy)
	}
}

func TestOperatorIDs(t *testing.T) {
	build := func(change func(p program)) []core.OperatorID {
		p := newProgram()
		in := p.add(graph.Source, "in")
		p.add(graph.Sink, "out", p.add(graph.Transform, "Map 1", in))
		p.add(graph.Sink, "out", p.add(graph.Transform, "Map 2", in))
		change(p)
		var ids []core.OperatorID
		c := p.translate(t)
		for _, n := range p.Nodes {
			for _, v := range c.Job.Vertices {
				if i := slices.Index(c.Chains[v.ID].Nodes, n); i >= 0 {
					ids = append(ids, v.Operators[i].ID)
				}
			}
		}
		return ids
	}
	plain := build(func(program) {})
	for i, id := range plain {
		if slices.Contains(plain[:i], id) {
			t.Errorf("operators share the id %s", id)
		}
	}
	renamed := build(func(p program) {
		for _, n := range p.Nodes {
			n.Name, n.Parallelism = "other", 1+n.Index%2
		}
	})
	if !slices.Equal(plain, renamed) {
		t.Error("names and parallelism change ids")
	}
	with := func(p program) { p.Nodes[1].UID = "mine" }
	if a, b := build(with), build(func(p program) { with(p); p.Nodes[1].Verb = "Filter" }); a[1] != b[1] || a[1] == plain[1] {
		t.Error("a uid alone must give the id")
	}
}

func TestStateWithoutUIDIsAWarning(t *testing.T) {
	p := newProgram()
	n := p.add(graph.Transform, "Count", p.add(graph.Source, "in"))
	n.Stateful = true
	p.add(graph.Sink, "out", n)
	got := p.translate(t).Job.Warnings
	if len(got) != 1 || !strings.HasPrefix(got[0], `Count.go:1: operator "Count" keeps state but has no UID`) {
		t.Errorf("warnings %q", got)
	}
	n.UID = "count"
	if got := p.translate(t).Job.Warnings; len(got) != 0 {
		t.Errorf("warnings with a uid: %q", got)
	}
}

func TestAnOperatorThatNothingReadsIsAWarning(t *testing.T) {
	p := newProgram()
	in := p.add(graph.Source, "in")
	p.add(graph.Sink, "out", in)
	p.add(graph.Transform, "Map", in)
	if got := p.translate(t).Job.Warnings; !slices.Equal(got, []string{`Map.go:1: nothing reads what operator "Map" emits`}) {
		t.Errorf("warnings %q", got)
	}
}

func TestSlotSharingGroupsAreInherited(t *testing.T) {
	p := newProgram()
	a, b := p.add(graph.Source, "a"), p.add(graph.Source, "b")
	a.SlotSharingGroup = "g"
	p.add(graph.Sink, "one", p.add(graph.Transform, "one", a))
	p.add(graph.Sink, "both", a, b)
	c := p.translate(t)
	want := map[string]string{"Source: a -> one -> Sink: one": "g", "Source: b": "default", "Sink: both": "default"}
	for _, v := range c.Job.Vertices {
		if v.SlotSharingGroup != want[v.Name] {
			t.Errorf("%s is in group %q, want %q", v.Name, v.SlotSharingGroup, want[v.Name])
		}
	}
}

func TestMaxParallelismIsDerived(t *testing.T) {
	p := newProgram()
	in := p.add(graph.Source, "in")
	in.Parallelism = 100
	p.add(graph.Sink, "out", in).MaxParallelism = 9
	v := p.translate(t).Job.Vertices
	if v[0].MaxParallelism != 256 || v[1].MaxParallelism != 9 {
		t.Errorf("max parallelism %d and %d", v[0].MaxParallelism, v[1].MaxParallelism)
	}
}

func TestHashIsOverVerticesAndConfigOnly(t *testing.T) {
	build := func() program {
		p := newProgram()
		p.Config.Params = map[string]string{"b": "2", "a": "1", "c": "3"}
		p.add(graph.Sink, "out", p.add(graph.Source, "in"))
		return p
	}
	first := build().translate(t).Job
	again := build().translate(t).Job
	again.ID, again.Name = core.NewJobID(), "other"
	again.Program.Args = []string{"x"}
	again.ComputeHash()
	if first.Hash != again.Hash || len(first.Hash) != 64 {
		t.Errorf("hashes %s and %s", first.Hash, again.Hash)
	}
	b, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	var back graph.JobGraph
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.ComputeHash(); back.Hash != first.Hash {
		t.Error("the hash of what was sent is not that of what was read")
	}
	other := build()
	other.Nodes[1].Name = "renamed"
	if other.translate(t).Job.Hash == first.Hash {
		t.Error("a name does not change the hash")
	}
	config := build()
	config.Config.Parallelism = 3
	if config.translate(t).Job.Hash == first.Hash {
		t.Error("parallelism does not change the hash")
	}
}

func TestDraw(t *testing.T) {
	p := newProgram()
	a := p.add(graph.Transform, "FlatMap", p.add(graph.Source, "lines"))
	count := p.add(graph.Transform, "Count", a)
	count.Inputs[0].Strategy, count.Stateful = graph.Hash, true
	p.add(graph.Sink, "Print", count)
	var b bytes.Buffer
	if err := graph.Draw(&b, p.translate(t).Job); err != nil {
		t.Fatal(err)
	}
	want := `test: 2 vertices, 4 tasks

[1] Source: lines  (parallelism 2)
    +- FlatMap

     | HASH of string from [1]
     v
[2] Count  (parallelism 2)
    +- Sink: Print

warning: Count.go:1: operator "Count" keeps state but has no UID: after a change of the program its state may not be found
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// B-35, B-36, B-38: a program with faults is no job.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		build func(p program)
		want  string
	}{
		"nothing":   {func(program) {}, "it has no source"},
		"no sink":   {func(p program) { p.add(graph.Source, "in") }, "it has no sink"},
		"no input":  {func(p program) { p.add(graph.Source, "in"); p.add(graph.Sink, "out") }, `out.go:1: "out" has no input`},
		"cycle":     {func(p program) { s := p.add(graph.Sink, "out", p.add(graph.Source, "in")); s.Inputs[0].Source = s }, "does not come before it"},
		"two uids":  {func(p program) { a := p.add(graph.Source, "in"); a.UID = "x"; p.add(graph.Sink, "out", a).UID = "x" }, "used twice, first at in.go:1"},
		"negative":  {func(p program) { p.add(graph.Sink, "out", p.add(graph.Source, "in")).Parallelism = -1 }, "has parallelism -1"},
		"too wide":  {func(p program) { p.add(graph.Sink, "out", p.add(graph.Source, "in")).Parallelism = 1 << 20 }, "its max parallelism is 32768"},
		"max":       {func(p program) { p.add(graph.Sink, "out", p.add(graph.Source, "in")).MaxParallelism = 1 << 20 }, "max parallelism 1048576"},
		"job name":  {func(p program) { p.Name = "a\nb"; p.add(graph.Sink, "out", p.add(graph.Source, "in")) }, "has control characters"},
		"bad utf-8": {func(p program) { p.Name = "\xff"; p.add(graph.Sink, "out", p.add(graph.Source, "in")) }, "is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram()
			tc.build(p)
			_, err := graph.Translate(p.StreamGraph)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}
