package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
)

// Archive makes a picture of the job. It shares nothing with the ExecutionGraph that changes later. waiting is what
// the owner knows the job to wait for, "" if it knows nothing.
func (x *ExecutionGraph) Archive(now time.Time, waiting string) *ArchivedJob {
	a := &ArchivedJob{
		ID:         x.job.ID,
		Name:       x.job.Name,
		Status:     x.Status(),
		Timestamps: maps.Clone(x.stamps),
		Start:      x.stamps[core.JobInitializing],
		End:        -1,
		Graph:      x.job,
		Vertices:   make([]ArchivedVertex, len(x.vertices)),
		Truncated:  x.history.truncated,
		Restarts:   x.restarts,
		Waiting:    waiting,
	}
	switch {
	case a.Status.Terminal():
		a.End = x.stamps[a.Status]
		a.Waiting = ""
	case a.Waiting == "" || !x.state.schedules(): // who ends waits for no slots
		a.Waiting = x.waiting(now)
	}
	if x.failure != nil {
		f := *x.failure
		a.Failure = &f
	}
	a.Exceptions = slices.Clone(x.history.entries)
	for i := range a.Exceptions {
		a.Exceptions[i].Concurrent = slices.Clone(a.Exceptions[i].Concurrent)
	}
	for i := range x.vertices {
		v := &x.vertices[i]
		a.Vertices[i].Subtasks = make([]ArchivedSubtask, len(v.tasks))
		for s := range v.tasks {
			a.Vertices[i].Subtasks[s] = ArchivedSubtask{v.tasks[s].now.archive(), slices.Clone(v.tasks[s].prior)}
		}
	}
	a.Accumulators = x.Accumulators()
	return a
}

// Accumulators merges the accumulators of the current attempts of all subtasks.
func (x *ExecutionGraph) Accumulators() []core.Accumulator {
	var m accumulators
	for i := range x.tasks {
		m.add(x.tasks[i].now.accumulators)
	}
	return m.merged()
}

// waiting says what a job that makes no progress waits for (P-6), "" if it does not wait.
func (x *ExecutionGraph) waiting(now time.Time) string {
	switch x.Status() {
	case core.JobCancelling, core.JobFailing:
		return fmt.Sprintf("the end of %d subtasks", x.live)
	case core.JobRestarting:
		live := 0
		for i := range x.regions {
			if r := &x.regions[i]; r.phase == regionStopping {
				live += r.live
			}
		}
		if live > 0 {
			return fmt.Sprintf("the end of %d subtasks, to restart them", live)
		}
		if at, ok := x.waitingRestart(); ok {
			return fmt.Sprintf("the restart in %v (restart strategy)", at.Sub(now).Round(time.Millisecond))
		}
	default:
	}
	missing := 0
	for i := range x.slots {
		if s := &x.slots[i]; s.requested {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Sprintf("slots: needs %d, %d are missing", len(x.slots), missing)
	}
	return ""
}
