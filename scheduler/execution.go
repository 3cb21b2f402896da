package scheduler

import (
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/slots"
)

// maxPrior bounds how many former attempts of a subtask are kept for people.
const maxPrior = 16

// task is one subtask of a vertex, an ExecutionVertex in Flink's words, with its current attempt.
type task struct {
	vertex  *vertex
	subtask int
	region  *region
	slot    *sharedSlot
	now     execution         // the current attempt
	prior   []ArchivedAttempt // oldest first, at most maxPrior
}

// execution is one attempt to run a subtask.
type execution struct {
	attempt      int
	state        core.ExecutionState
	stamps       [core.ExecutionReconciling + 1]int64 // ms since 1970 of the entry into each state, 0: never
	resource     core.ResourceID
	host         string
	alloc        core.AllocationID
	io           core.IOMetrics
	failure      *FailureInfo
	accumulators []core.Accumulator
	arrived      bool // the call that deploys it was answered
	missed       int  // reports in a row of its TaskManager that did not list it since then
}

// vertex is a JobVertex with its subtasks, an ExecutionJobVertex in Flink's words.
type vertex struct {
	index int
	*graph.JobVertex
	tasks []task
}

// sharedSlot is a slot that serves one subtask of each vertex of a slot sharing group: subtask i of all vertices
// shares slot i of the group.
type sharedSlot struct {
	id             int
	group          string
	tasks          []*task
	regions        []*region // that have tasks here, each once
	needed         int       // tasks that are not finished; the slot is given back when none is left
	requested      bool
	held           bool
	host           string
	slots.PoolSlot // while held; afterwards what it was, to be preferred when it is asked for again
}

// region is a pipelined region: subtasks that run and restart together.
type region struct {
	id        int
	tasks     []*task
	slots     []*sharedSlot
	missing   int // slots that are not held
	phase     regionPhase
	live      int  // attempts that are deployed and have not ended
	ran       bool // it was deployed before
	restartAt time.Time
}

// regionPhase is what a region is about.
type regionPhase uint8

const (
	regionIdle     regionPhase = iota // before the job starts
	regionWaiting                     // for slots
	regionDeployed                    // its subtasks run, or have ended
	regionStopping                    // its attempts are being ended; it restarts at restartAt unless the job ends
)

func (t *task) id(g core.GraphID) core.ExecutionAttemptID {
	return core.ExecutionAttemptID{Graph: g, Vertex: t.vertex.ID, Subtask: t.subtask, Attempt: t.now.attempt}
}

// name is how people know an attempt: "map (1/2) - execution #0".
func (t *task) name() string {
	return fmt.Sprintf("%s (%d/%d) - execution #%d", t.vertex.Name, t.subtask+1, t.vertex.Parallelism, t.now.attempt)
}

// deployed tells whether the current attempt is, or is about to be, on a TaskManager.
func (e *execution) deployed() bool {
	switch e.state {
	case core.ExecutionDeploying, core.ExecutionInitializing, core.ExecutionRunning, core.ExecutionCanceling:
		return true
	default:
		return false
	}
}

func (e *execution) enter(s core.ExecutionState, now time.Time) {
	e.state = s
	e.stamps[s] = now.UnixMilli()
}

func (e *execution) archive() ArchivedAttempt {
	a := ArchivedAttempt{
		Attempt: e.attempt, State: e.state, Timestamps: make(map[core.ExecutionState]int64, 8), Resource: e.resource, Host: e.host,
		Allocation: e.alloc, IO: e.io, Failure: e.failure, Accumulators: e.accumulators,
	}
	for s, at := range e.stamps {
		if at != 0 {
			a.Timestamps[core.ExecutionState(s)] = at
		}
	}
	return a
}

// reset makes a new attempt, after the current one has ended.
func (t *task) reset(now time.Time) {
	if len(t.prior) == maxPrior {
		t.prior = append(t.prior[:0], t.prior[1:]...)
	}
	t.prior = append(t.prior, t.now.archive())
	t.now = execution{attempt: t.now.attempt + 1}
	t.now.enter(core.ExecutionCreated, now)
}
