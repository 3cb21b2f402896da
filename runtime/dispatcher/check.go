package dispatcher

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// Quotas bound what one client may ask for (SEC-22).
type Quotas struct {
	Vertices             int // of one job
	Parallelism          int // of one vertex
	Tasks                int // of one job: the sum of its vertices' parallelism
	NameBytes            int // of a job, vertex, operator, uid or slot sharing group
	Jobs                 int // not ended at the same time
	SubmissionsPerMinute int
}

// DefaultQuotas are far above what a sensible job needs and far below what hurts a JobManager.
func DefaultQuotas() Quotas {
	return Quotas{Vertices: 10_000, Parallelism: core.UpperMaxParallelism, Tasks: 1 << 18, NameBytes: 256, Jobs: 10_000, SubmissionsPerMinute: 6_000}
}

// maxFaults bounds how many faults of a graph are reported at once.
const maxFaults = 20

// Check returns all that makes g impossible to run, nil if nothing does (B-35, B-36, B-38, B-40).
func (q Quotas) Check(g *graph.JobGraph) error {
	c := checker{quotas: q}
	c.graph(g)
	return errors.Join(c.faults...)
}

type checker struct {
	quotas Quotas
	faults []error
}

func (c *checker) fault(format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, fmt.Errorf(format, args...))
	}
}

func (c *checker) graph(g *graph.JobGraph) {
	if g.Version != graph.FormatVersion {
		c.fault("the job graph has format version %d, this JobManager reads version %d", g.Version, graph.FormatVersion)
		return // the rest may mean something else
	}
	if g.ID == (core.JobID{}) {
		c.fault("the job graph has no job id")
	}
	if g.Name == "" {
		c.fault("the job has no name")
	}
	c.name("job name", g.Name, false)
	if len(g.Vertices) == 0 {
		c.fault("the job graph has no vertices")
	}
	if n := len(g.Vertices); n > c.quotas.Vertices {
		c.fault("the job graph has %d vertices, more than the limit of %d", n, c.quotas.Vertices)
		return
	}
	c.vertices(g)
	if len(c.faults) > 0 {
		return // the hash of a broken graph says nothing
	}
	want := *g
	want.ComputeHash()
	if g.Hash != want.Hash {
		c.fault("the job graph's hash is %s, its content gives %s: it was changed after its translation", clip(g.Hash), want.Hash)
	}
}

func (c *checker) vertices(g *graph.JobGraph) {
	seen := make(map[core.VertexID]*graph.JobVertex, len(g.Vertices))
	operators := map[core.OperatorID]string{}
	outputs := map[core.VertexID]map[int]bool{}
	tasks := 0
	for i := range g.Vertices {
		v := &g.Vertices[i]
		if first, twice := seen[v.ID]; twice {
			c.fault("vertices %q and %q have the same id %s", first.Name, v.Name, v.ID)
			continue
		}
		c.vertex(v)
		tasks += max(v.Parallelism, 0)
		for _, op := range v.Operators {
			if first, twice := operators[op.ID]; twice {
				c.fault("operators %q and %q have the same id %s", first, op.Name, op.ID)
			}
			operators[op.ID] = op.Name
		}
		for _, in := range v.Inputs {
			source := seen[in.Source]
			if source == nil {
				c.badSource(g, v, in.Source)
				continue
			}
			if in.Strategy == graph.Forward && source.Parallelism != v.Parallelism {
				c.fault("edge %q -> %q is FORWARD from parallelism %d to %d", source.Name, v.Name, source.Parallelism, v.Parallelism)
			}
			if outputs[in.Source] == nil {
				outputs[in.Source] = map[int]bool{}
			}
			if outputs[in.Source][in.Output] {
				c.fault("output %d of vertex %q has two edges", in.Output, source.Name)
			}
			outputs[in.Source][in.Output] = true
		}
		seen[v.ID] = v
	}
	for id, outs := range outputs {
		for i := range len(outs) {
			if !outs[i] {
				c.fault("the outputs of vertex %q are not numbered from 0 without a gap: %d is missing", seen[id].Name, i)
				break
			}
		}
	}
	if tasks > c.quotas.Tasks {
		c.fault("the job has %d tasks, more than the limit of %d", tasks, c.quotas.Tasks)
	}
}

// badSource says what is wrong with an input whose source did not come before v.
func (c *checker) badSource(g *graph.JobGraph, v *graph.JobVertex, source core.VertexID) {
	switch later := g.Vertex(source); {
	case later == v:
		c.fault("vertex %q reads its own output: a job graph has no cycles", v.Name)
	case later != nil:
		c.fault("vertex %q reads from %q, which does not come before it: a job graph has no cycles, and lists upstream before downstream", v.Name, later.Name)
	default:
		c.fault("vertex %q reads from vertex %s, which the job graph does not have", v.Name, source)
	}
}

func (c *checker) vertex(v *graph.JobVertex) {
	if v.ID == (core.VertexID{}) {
		c.fault("vertex %q has no id", clip(v.Name))
	}
	c.name("vertex name", v.Name, true)
	c.name("slot sharing group", v.SlotSharingGroup, false)
	if v.MaxParallelism < 1 || v.MaxParallelism > c.quotas.Parallelism {
		c.fault("vertex %q: max parallelism %d is not between 1 and %d", clip(v.Name), v.MaxParallelism, c.quotas.Parallelism)
	}
	if v.Parallelism < 1 || v.Parallelism > c.quotas.Parallelism {
		c.fault("vertex %q: parallelism %d is not between 1 and %d", clip(v.Name), v.Parallelism, c.quotas.Parallelism)
	} else if v.Parallelism > v.MaxParallelism {
		c.fault("vertex %q: parallelism %d is above max parallelism %d", clip(v.Name), v.Parallelism, v.MaxParallelism)
	}
	if len(v.Operators) == 0 {
		c.fault("vertex %q has no operators", clip(v.Name))
	}
	for _, op := range v.Operators {
		c.name("operator name", op.Name, false)
		c.name("uid", op.UID, false)
	}
	if v.Source != (len(v.Inputs) == 0) {
		c.fault("vertex %q: a source has no inputs, and every other vertex has one at least", clip(v.Name))
	}
	strategies := []graph.ShipStrategy{graph.Forward, graph.Hash, graph.Rebalance, graph.Rescale, graph.Shuffle, graph.Broadcast, graph.Global, graph.Custom}
	for _, in := range v.Inputs {
		if !slices.Contains(strategies, in.Strategy) {
			c.fault("vertex %q: unknown ship strategy %q", clip(v.Name), clip(string(in.Strategy)))
		}
		if in.Input < 0 || in.Input > 1 {
			c.fault("vertex %q: input number %d is neither 0 nor 1", clip(v.Name), in.Input)
		}
		if in.Output < 0 {
			c.fault("vertex %q: output number %d is negative", clip(v.Name), in.Output)
		}
	}
}

// name checks text that people will read in tables and logs. The name of a chain is made of its operators' names, so
// it may be as long as they are together.
func (c *checker) name(what, s string, chain bool) {
	limit := c.quotas.NameBytes
	if chain {
		limit *= 64
	}
	switch {
	case len(s) > limit:
		c.fault("%s %q has %d bytes, more than the limit of %d", what, clip(s), len(s), limit)
	case !utf8.ValidString(s):
		c.fault("%s %q is not valid UTF-8", what, clip(s))
	case strings.ContainsFunc(s, unicode.IsControl):
		c.fault("%s %q has a control character", what, clip(s))
	}
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
