package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// world is what the simulated tasks do, decided by the seed, and what they did.
type world struct {
	mu       sync.Mutex
	rng      *rand.Rand // of the tasks alone, so that the network's choices do not change theirs
	graphs   map[core.JobID]*graph.JobGraph
	failures int               // planned task failures that are left
	live     map[string]string // attempt -> node on which it is initializing or running
}

func newWorld(seed uint64, failures int) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 2)), graphs: map[core.JobID]*graph.JobGraph{}, failures: failures, live: map[string]string{}}
}

func (w *world) vertex(job []byte, index int) core.VertexID {
	id, err := core.JobIDFromBytes(job)
	if err != nil {
		panic(err) // our own messages
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.graphs[id].Vertices[index].ID
}

// length is for how many steps a task works.
func (w *world) length() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(4)
}

func (w *world) taskFails() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failures == 0 || w.rng.IntN(4) > 0 {
		return false
	}
	w.failures--
	return true
}

// attempt notes a change of state of a simulated task.
func (w *world) attempt(node string, id *pb.ExecutionAttemptID, to core.ExecutionState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := attemptKey(id)
	if to.Terminal() {
		delete(w.live, key)
		return
	}
	w.live[key] = node
}

// nodeGone forgets the attempts of a node that was killed.
func (w *world) nodeGone(node string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, n := range w.live {
		if n == node {
			delete(w.live, k)
		}
	}
}

func (w *world) running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.live)
}

// job makes a graph of two regions: a keyed one of three vertices and a single task by itself.
func (w *world) job(n int) (*graph.JobGraph, []byte) {
	record, err := operator.TypeOf[int64]()
	if err != nil {
		panic(err)
	}
	noop := func(*operator.Context, []any) (operator.Instance, error) { return operator.Instance{}, nil }
	source := &graph.StreamNode{Index: 0, Kind: graph.Source, Name: "source", UID: "source", Parallelism: 2, Outputs: []operator.Type{record}, New: noop}
	count := &graph.StreamNode{Index: 1, Name: "count", UID: "count", Parallelism: 3, Outputs: []operator.Type{record}, New: noop,
		Inputs: []graph.StreamEdge{{Source: source, Strategy: graph.Hash}}}
	sink := &graph.StreamNode{Index: 2, Kind: graph.Sink, Name: "sink", UID: "sink", Parallelism: 1, New: noop,
		Inputs: []graph.StreamEdge{{Source: count, Strategy: graph.Rebalance}}}
	alone := &graph.StreamNode{Index: 3, Kind: graph.Source, Name: "alone", UID: "alone", Parallelism: 1, Outputs: []operator.Type{record}, New: noop}
	aside := &graph.StreamNode{Index: 4, Kind: graph.Sink, Name: "aside", UID: "aside", Parallelism: 1, New: noop,
		Inputs: []graph.StreamEdge{{Source: alone, Strategy: graph.Forward}}}
	c, err := graph.Translate(&graph.StreamGraph{Name: fmt.Sprintf("job %d", n), Config: graph.JobConfig{Parallelism: 1, Chaining: true, ObjectReuse: true, RuntimeMode: "STREAMING"},
		Nodes: []*graph.StreamNode{source, count, sink, alone, aside}})
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.Job.ID[15] = byte(n + 1)
	w.graphs[c.Job.ID] = c.Job
	b, err := json.Marshal(c.Job)
	if err != nil {
		panic(err)
	}
	return c.Job, b
}
