package graph_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// recipe is a program as data, so that it can be built twice.
type recipe []struct {
	kind     graph.NodeKind
	inputs   []int
	strategy []graph.ShipStrategy
	p, max   int
	group    string
	chaining graph.Chaining
	uid      bool
}

func drawRecipe(t *rapid.T) recipe {
	n := rapid.IntRange(2, 12).Draw(t, "nodes")
	r := make(recipe, n)
	open := []int{} // nodes that others may read
	for i := range r {
		x := &r[i]
		switch {
		case i == 0 || i < n-1 && rapid.IntRange(0, 4).Draw(t, "source") == 0:
			x.kind = graph.Source
		case i == n-1 || rapid.IntRange(0, 4).Draw(t, "sink") == 0:
			x.kind = graph.Sink
		default:
			x.kind = graph.Transform
		}
		x.p = rapid.IntRange(0, 2).Draw(t, "p")
		x.max = rapid.SampledFrom([]int{0, 0, 0, 8}).Draw(t, "max")
		x.group = rapid.SampledFrom([]string{"", "", "", "g"}).Draw(t, "group")
		x.chaining = rapid.SampledFrom([]graph.Chaining{graph.ChainAlways, graph.ChainAlways, graph.ChainHead, graph.ChainNever}).Draw(t, "chaining")
		x.uid = rapid.Bool().Draw(t, "uid")
		if x.kind != graph.Source {
			for range rapid.IntRange(1, 2).Draw(t, "inputs") {
				x.inputs = append(x.inputs, rapid.SampledFrom(open).Draw(t, "input"))
				x.strategy = append(x.strategy, rapid.SampledFrom([]graph.ShipStrategy{"", "", graph.Hash, graph.Broadcast, graph.Rescale}).Draw(t, "strategy"))
			}
		}
		if x.kind != graph.Sink {
			open = append(open, i)
		}
	}
	return r
}

func (r recipe) build() program {
	p := newProgram()
	for i, x := range r {
		n := p.add(x.kind, fmt.Sprintf("op %d", i))
		n.Parallelism, n.MaxParallelism, n.SlotSharingGroup, n.Chaining = x.p, x.max, x.group, x.chaining
		if x.uid {
			n.UID = fmt.Sprint(i)
		}
		for k, in := range x.inputs {
			n.Inputs = append(n.Inputs, graph.StreamEdge{Source: p.Nodes[in], Input: k, Strategy: x.strategy[k]})
		}
	}
	return p
}

// Any program becomes a graph in which each operator is in one chain, each of its edges is either inside a chain or
// a JobEdge, and which is the same whenever it is built.
func TestTranslationKeepsEveryEdge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := drawRecipe(rt)
		p := r.build()
		c, err := graph.Translate(p.StreamGraph)
		if err != nil {
			rt.Fatal(err)
		}
		again, err := graph.Translate(r.build().StreamGraph)
		if err != nil || again.Job.Hash != c.Job.Hash {
			rt.Fatalf("built again: hash %s, %v; was %s", again.Job.Hash, err, c.Job.Hash)
		}

		vertexOf := map[*graph.StreamNode]*graph.Chain{}
		seen := map[core.VertexID]bool{}
		for _, v := range c.Job.Vertices {
			chain := c.Chains[v.ID]
			if seen[v.ID] || len(chain.Nodes) != len(v.Operators) || chain.Vertex.Name != v.Name {
				rt.Fatalf("vertex %s and its chain do not agree", v.Name)
			}
			for _, e := range v.Inputs {
				if !seen[e.Source] {
					rt.Fatalf("%s comes before what it reads", v.Name)
				}
			}
			seen[v.ID] = true
			for _, n := range chain.Nodes {
				if vertexOf[n] != nil {
					rt.Fatalf("%s is in two chains", n.Name)
				}
				vertexOf[n] = chain
			}
		}
		outs := 0
		for _, n := range p.Nodes {
			chain := vertexOf[n]
			if chain == nil {
				rt.Fatalf("%s is in no chain", n.Name)
			}
			for k, e := range n.Inputs {
				if chain.Nodes[0] != n {
					up := slices.Index(chain.Nodes, e.Source)
					if len(n.Inputs) != 1 || up < 0 || up >= slices.Index(chain.Nodes, n) {
						rt.Fatalf("%s is inside a chain but its input is not before it", n.Name)
					}
					continue
				}
				outs++
				je := chain.Vertex.Inputs[k]
				from := vertexOf[e.Source]
				if o := from.Outs[je.Output]; je.Source != from.Vertex.ID || from.Nodes[o.Node] != e.Source || o.Target != chain.Vertex.ID ||
					o.Input != k || o.Strategy != je.Strategy || je.Input != e.Input {
					rt.Fatalf("input %d of %s is %+v, the output is %+v", k, n.Name, je, o)
				}
			}
		}
		for _, chain := range c.Chains {
			outs -= len(chain.Outs)
		}
		if outs != 0 {
			rt.Fatalf("%d more inputs than outputs", outs)
		}
	})
}
