package dispatcher

import (
	"context"
	"slices"
	"sync"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// JobStore keeps the graphs of jobs that have not ended, so that a JobManager that starts again finds them (S-137).
// Its methods may be called from any goroutine and may block.
type JobStore interface {
	Put(ctx context.Context, job *graph.JobGraph) error
	Remove(ctx context.Context, id core.JobID) error
	All(ctx context.Context) ([]*graph.JobGraph, error)
}

// MemoryStore is a JobStore that ends with its process.
type MemoryStore struct {
	mu   sync.Mutex
	jobs map[core.JobID]*graph.JobGraph
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore { return &MemoryStore{jobs: map[core.JobID]*graph.JobGraph{}} }

// Put keeps job.
func (s *MemoryStore) Put(_ context.Context, job *graph.JobGraph) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[job.ID] = job
	return nil
}

// Remove forgets a job; an unknown one is no error.
func (s *MemoryStore) Remove(_ context.Context, id core.JobID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, id)
	return nil
}

// All returns the kept jobs in the order of their ids.
func (s *MemoryStore) All(context.Context) ([]*graph.JobGraph, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*graph.JobGraph, 0, len(s.jobs))
	for _, job := range s.jobs {
		all = append(all, job)
	}
	slices.SortFunc(all, func(a, b *graph.JobGraph) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return all, nil
}
