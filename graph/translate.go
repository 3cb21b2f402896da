package graph

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flink-go/flink-go/core"
)

// DefaultSlotSharingGroup is the group of operators that name none.
const DefaultSlotSharingGroup = "default"

// Translate makes the JobGraph of a program: operators that may share a task become one vertex, edges between
// vertices are numbered, ids are derived. It is a pure function of the program, so that a worker that builds the
// same StreamGraph gets the same ids and the same hash. The JobGraph has no ID and no Program yet. The error is a
// Faults.
func Translate(sg *StreamGraph) (*Compiled, error) {
	if faults := sg.Faults(); len(faults) > 0 {
		return nil, faults
	}
	t := newTranslation(sg)
	t.assignOperatorIDs()
	t.warnOfUnread()
	t.chain()
	return t.build(), nil
}

// translation holds what is derived per node, by StreamNode.Index.
type translation struct {
	sg       *StreamGraph
	groups   []string          // slot sharing group
	ids      []core.OperatorID // operator id
	heads    []int             // head of the chain that the node is in
	chained  [][]int           // nodes chained to the node's outputs
	warnings []string
}

func newTranslation(sg *StreamGraph) *translation {
	n := len(sg.Nodes)
	t := &translation{sg: sg, groups: make([]string, n), ids: make([]core.OperatorID, n), heads: make([]int, n), chained: make([][]int, n)}
	for i, node := range sg.Nodes {
		t.groups[i] = t.group(node)
	}
	return t
}

// group is the slot sharing group of a node: its own, else that of all its inputs if they agree.
func (t *translation) group(n *StreamNode) string {
	if n.SlotSharingGroup != "" {
		return n.SlotSharingGroup
	}
	group := ""
	for _, e := range n.Inputs {
		g := t.groups[e.Source.Index]
		if group != "" && g != group {
			return DefaultSlotSharingGroup
		}
		group = g
	}
	if group == "" {
		return DefaultSlotSharingGroup
	}
	return group
}

// assignOperatorIDs derives each operator's id from its uid, else from its verb, the ids of its inputs, and its
// number among operators that agree in these: names and parallelism do not change it, nor do operators elsewhere.
func (t *translation) assignOperatorIDs() {
	seen := map[core.OperatorID]int{}
	for i, n := range t.sg.Nodes {
		if n.UID != "" {
			t.ids[i] = core.HashOperatorID("uid", n.UID)
			continue
		}
		parts := []string{"position", n.Verb}
		for _, e := range n.Inputs {
			parts = append(parts, t.ids[e.Source.Index].String(), strconv.Itoa(e.Output), strconv.Itoa(e.Input))
		}
		id := core.HashOperatorID(parts...)
		if k := seen[id]; k > 0 {
			t.ids[i] = core.HashOperatorID(append(parts, strconv.Itoa(k))...)
		} else {
			t.ids[i] = id
		}
		seen[id]++
		if n.Stateful {
			t.warnings = append(t.warnings, fmt.Sprintf(
				"%s: operator %q keeps state but has no UID: after a change of the program its state may not be found", n.Position, n.Name))
		}
	}
}

// warnOfUnread names operators whose records go nowhere: most likely a To was forgotten.
func (t *translation) warnOfUnread() {
	read := make([]bool, len(t.sg.Nodes))
	for _, n := range t.sg.Nodes {
		for _, e := range n.Inputs {
			read[e.Source.Index] = true
		}
	}
	for i, n := range t.sg.Nodes {
		if !read[i] && n.Kind != Sink {
			t.warnings = append(t.warnings, fmt.Sprintf("%s: nothing reads what operator %q emits", n.Position, n.Name))
		}
	}
}

// strategy is how the records of an edge travel.
func (t *translation) strategy(n *StreamNode, e StreamEdge) ShipStrategy {
	switch {
	case e.Strategy != "":
		return e.Strategy
	case t.sg.parallelism(e.Source) == t.sg.parallelism(n):
		return Forward
	default:
		return Rebalance
	}
}

// chainable tells whether n may run in the task of its only input.
func (t *translation) chainable(n *StreamNode) bool {
	if len(n.Inputs) != 1 || n.Chaining != ChainAlways || !t.sg.Config.Chaining {
		return false
	}
	e := n.Inputs[0]
	up := e.Source
	return up.Chaining != ChainNever &&
		t.strategy(n, e) == Forward &&
		t.sg.parallelism(up) == t.sg.parallelism(n) &&
		t.sg.maxParallelism(up) == t.sg.maxParallelism(n) && // a vertex has one number of key groups
		t.groups[up.Index] == t.groups[n.Index]
}

// chain finds the head of each node's chain.
func (t *translation) chain() {
	for i, n := range t.sg.Nodes {
		t.heads[i] = i
		if t.chainable(n) {
			up := n.Inputs[0].Source.Index
			t.heads[i] = t.heads[up]
			t.chained[up] = append(t.chained[up], i)
		}
	}
}

// build makes the vertices, upstream before downstream: a chain's head comes after all that it reads from, so the
// order of heads will do.
func (t *translation) build() *Compiled {
	job := &JobGraph{Version: FormatVersion, Name: t.sg.Name, Config: t.sg.Config, Warnings: t.warnings}
	c := &Compiled{Job: job, Chains: map[core.VertexID]*Chain{}}
	vertexOf := make([]int, len(t.sg.Nodes)) // by head
	var chains []*Chain
	for i := range t.sg.Nodes {
		if t.heads[i] == i {
			vertexOf[i] = len(job.Vertices)
			chain := &Chain{Nodes: t.members(i, nil)}
			chains = append(chains, chain)
			job.Vertices = append(job.Vertices, t.vertex(chain))
		}
	}
	// Edges in the order of consumers give each producer its outputs numbered and each consumer its inputs.
	for v, chain := range chains {
		head := chain.Nodes[0]
		for _, e := range head.Inputs {
			from := vertexOf[t.heads[e.Source.Index]]
			up, typ := chains[from], e.Source.Outputs[e.Output]
			job.Vertices[v].Inputs = append(job.Vertices[v].Inputs, JobEdge{
				Source: job.Vertices[from].ID, Output: len(up.Outs), Input: e.Input,
				Strategy: t.strategy(head, e), Type: typ.String(), Schema: typ.Fingerprint(),
			})
			up.Outs = append(up.Outs, ChainOut{
				Node: slices.Index(up.Nodes, e.Source), Output: e.Output,
				Target: job.Vertices[v].ID, Input: len(job.Vertices[v].Inputs) - 1,
				Strategy: t.strategy(head, e), Type: typ, Partition: e.Partition,
			})
		}
	}
	for v, chain := range chains {
		chain.Vertex = &job.Vertices[v]
		c.Chains[chain.Vertex.ID] = chain
	}
	job.ComputeHash()
	return c
}

// members lists the chain of node i, upstream before downstream.
func (t *translation) members(i int, nodes []*StreamNode) []*StreamNode {
	nodes = append(nodes, t.sg.Nodes[i])
	for _, next := range t.chained[i] {
		nodes = t.members(next, nodes)
	}
	return nodes
}

// vertex makes the JobVertex of a chain, without its inputs.
func (t *translation) vertex(chain *Chain) JobVertex {
	head := chain.Nodes[0]
	v := JobVertex{
		Name:             cut(t.name(head.Index), MaxNameLength),
		Description:      t.description(head.Index),
		Parallelism:      t.sg.parallelism(head),
		MaxParallelism:   t.sg.maxParallelism(head),
		SlotSharingGroup: t.groups[head.Index],
		Source:           head.Kind == Source,
	}
	parts := []string{"vertex"}
	for _, n := range chain.Nodes {
		id := t.ids[n.Index]
		parts = append(parts, id.String())
		v.Operators = append(v.Operators, Operator{ID: id, UID: n.UID, Name: n.Name, Stateful: n.Stateful, Coordinated: n.Coordinated})
	}
	v.ID = core.HashVertexID(parts...)
	return v
}

// label is the name of a node with its kind, as Flink shows it.
func (t *translation) label(i int) string {
	n := t.sg.Nodes[i]
	switch n.Kind {
	case Source:
		return "Source: " + n.Name
	case Sink:
		return "Sink: " + n.Name
	default:
		return n.Name
	}
}

// name is the chain in one line: "A -> B -> (C, D)".
func (t *translation) name(i int) string {
	var next []string
	for _, c := range t.chained[i] {
		next = append(next, t.name(c))
	}
	switch len(next) {
	case 0:
		return t.label(i)
	case 1:
		return t.label(i) + " -> " + next[0]
	default:
		return t.label(i) + " -> (" + strings.Join(next, ", ") + ")"
	}
}

var escapeAngles = strings.NewReplacer("<", "&lt;", ">", "&gt;")

// description is the chain as a tree of lines, each ended by <br/>, angle brackets of names escaped.
func (t *translation) description(head int) string {
	var b strings.Builder
	var walk func(i int, lead, indent string)
	walk = func(i int, lead, indent string) {
		b.WriteString(lead + escapeAngles.Replace(t.label(i)) + "<br/>")
		for k, c := range t.chained[i] {
			if k == len(t.chained[i])-1 {
				walk(c, indent+"+- ", indent+"   ")
			} else {
				walk(c, indent+":- ", indent+":  ")
			}
		}
	}
	walk(head, "", "")
	return b.String()
}
