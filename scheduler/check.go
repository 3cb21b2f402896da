package scheduler

import (
	"errors"
	"fmt"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// Limits of one job (SEC-22).
const (
	maxVertices = 10_000
	maxTasks    = 1 << 20
)

func vertexIndex(job *graph.JobGraph) map[core.VertexID]int {
	index := make(map[core.VertexID]int, len(job.Vertices))
	for i := range job.Vertices {
		index[job.Vertices[i].ID] = i
	}
	return index
}

// Check tells why a job can never be scheduled (B-35, B-36); all faults are joined in one error of kind Invalid, or
// TooLarge. It allocates no more than the graph holds already.
func Check(job *graph.JobGraph) error {
	invalid := func(err error) error { return core.E("check job graph", core.Invalid, job.ID.String(), err) }
	switch {
	case job.Version > graph.FormatVersion:
		return invalid(fmt.Errorf("the graph has format version %d, this version reads up to %d (B-40)", job.Version, graph.FormatVersion))
	case len(job.Vertices) == 0:
		return invalid(errors.New("the graph has no vertices"))
	case len(job.Vertices) > maxVertices:
		return core.E("check job graph", core.TooLarge, job.ID.String(),
			fmt.Errorf("the graph has %d vertices, at most %d are allowed", len(job.Vertices), maxVertices))
	}
	var faults []error
	add := func(v *graph.JobVertex, format string, args ...any) {
		if len(faults) < 32 { // enough to see what is wrong
			faults = append(faults, fmt.Errorf("vertex %q (%s): %w", clip(v.Name), v.ID, fmt.Errorf(format, args...)))
		}
	}
	seen := make(map[core.VertexID]int, len(job.Vertices))
	all := vertexIndex(job)
	tasks := 0
	for i := range job.Vertices {
		v := &job.Vertices[i]
		if _, twice := seen[v.ID]; twice {
			add(v, "the id is used twice")
		}
		limit := v.MaxParallelism
		if limit <= 0 {
			limit = core.UpperMaxParallelism
		}
		switch {
		case v.Parallelism < 1:
			add(v, "the parallelism is %d, it must be at least 1", v.Parallelism)
		case v.MaxParallelism > core.UpperMaxParallelism:
			add(v, "the max parallelism is %d, it must be at most %d", v.MaxParallelism, core.UpperMaxParallelism)
		case v.Parallelism > limit:
			add(v, "the parallelism %d is above the max parallelism %d", v.Parallelism, limit)
		default:
			tasks += v.Parallelism
		}
		for _, e := range v.Inputs {
			s, before := seen[e.Source]
			switch _, known := all[e.Source]; {
			case !known:
				add(v, "an input comes from %s, which is no vertex of the graph", e.Source)
			case !before:
				add(v, "an input comes from %s, which is not upstream of it: the graph has a cycle or is out of order", e.Source)
			case e.Strategy == graph.Forward && job.Vertices[s].Parallelism != v.Parallelism:
				add(v, "a FORWARD edge needs the same parallelism on both sides, it has %d and %d", job.Vertices[s].Parallelism, v.Parallelism)
			}
		}
		seen[v.ID] = i
	}
	if len(faults) > 0 {
		return invalid(errors.Join(faults...))
	}
	if tasks > maxTasks {
		return core.E("check job graph", core.TooLarge, job.ID.String(),
			fmt.Errorf("the job has %d subtasks, at most %d are allowed", tasks, maxTasks))
	}
	return nil
}

func clip(s string) string {
	if len(s) > 256 {
		return s[:256] + "..."
	}
	return s
}
