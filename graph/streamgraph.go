package graph

import (
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// StreamGraph is the program as the API built it: one node per verb, not chained yet (S-169). Virtual steps such as
// KeyBy, Union or Rebalance are no nodes but properties of the edges.
type StreamGraph struct {
	Name   string
	Config JobConfig
	Nodes  []*StreamNode // upstream before downstream, by construction
}

// NodeKind tells sources and sinks from what is between.
type NodeKind uint8

// The kinds of nodes.
const (
	Transform NodeKind = iota
	Source
	Sink
)

// StreamNode is one operator of the program.
type StreamNode struct {
	Index            int // its place in StreamGraph.Nodes
	Kind             NodeKind
	Verb             string // of the API: "Map"; ids of operators without uid come from it, not from the name
	Name             string
	UID              string // "" if the program gave none
	Parallelism      int    // 0: the job's
	MaxParallelism   int    // 0: the job's, or derived
	SlotSharingGroup string // "": that of its inputs, "default" if they differ or there are none
	Chaining         Chaining
	Stateful         bool
	Coordinated      bool
	Inputs           []StreamEdge
	Outputs          []operator.Type // record type per output: 0 the main one, then side outputs; none for a sink
	New              operator.Factory
	Position         string // file:line of the verb in the program
}

// Chaining says with which neighbors a node may share a task.
type Chaining uint8

// The chaining policies, Flink's ALWAYS, HEAD and NEVER.
const (
	ChainAlways Chaining = iota
	ChainHead            // may have successors in its chain, no predecessor
	ChainNever
)

// StreamEdge carries the records of one output of Source to one input of the node that has the edge.
type StreamEdge struct {
	Source   *StreamNode
	Output   int          // 0 the main output, then side outputs
	Input    int          // which input of the consumer: 0, or 1 for the second of a Connect
	Strategy ShipStrategy // "" lets the translation choose: Forward if the parallelism is equal, else Rebalance
	// Partition makes the selector of one producer subtask, for Hash and Custom; nil for the other strategies. Its
	// dynamic type is operator.Partition[T] of the edge's record type.
	Partition any
}

// Compiled is a translated StreamGraph: the JobGraph, and what a worker needs to make the operators of a vertex.
type Compiled struct {
	Job    *JobGraph
	Chains map[core.VertexID]*Chain
}

// Chain is the local side of a JobVertex.
type Chain struct {
	Vertex *JobVertex
	Nodes  []*StreamNode // as Vertex.Operators
	// Outs are the edges that leave the chain, numbered as JobEdge.Output.
	Outs []ChainOut
}

// ChainOut is one edge that leaves a chain for another vertex.
type ChainOut struct {
	Node      int // index into Chain.Nodes of the producing operator
	Output    int // which output of that operator
	Target    core.VertexID
	Input     int // index into the target JobVertex's Inputs
	Strategy  ShipStrategy
	Type      operator.Type
	Partition any // operator.Partition[T] or nil, see StreamEdge
}
