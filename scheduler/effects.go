package scheduler

import (
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/slots"
)

// Effect is what the owner of an ExecutionGraph must do, in order: one of the types of this file.
type Effect interface{ effect() }

// RequestSlots asks the SlotPool for slots. The ids of the requests are the numbers of shared slots.
type RequestSlots struct{ Requests []slots.PoolRequest }

// ReturnSlots gives shared slots back to the SlotPool, or withdraws their requests.
type ReturnSlots struct{ Slots []int }

// Deploy starts subtasks: one call per TaskManager. Locations and Workers are the same for all of them and read-only.
type Deploy struct {
	TaskManagers []Deployment
	Workers      []string          // data addresses, which Locations refer to
	Locations    []VertexLocations // by index of the vertex; only subtasks of this Deploy are in it
}

// Deployment is the part of a Deploy that one TaskManager gets.
type Deployment struct {
	Resource core.ResourceID
	Tasks    []TaskDeployment
}

// TaskDeployment is one subtask to start. Vertex is its index in the JobGraph.
type TaskDeployment struct {
	Vertex, Subtask, Attempt int
	Allocation               core.AllocationID
}

// VertexLocations says where each subtask of a vertex runs: parallel arrays by subtask. Worker is an index into
// Deploy.Workers, -1 for a subtask that is not deployed along.
type VertexLocations struct{ Worker, Attempt []int32 }

// CancelTasks ends attempts on a TaskManager.
type CancelTasks struct {
	Resource core.ResourceID
	Attempts []core.ExecutionAttemptID
}

// RestartAt asks for a Tick at this time, or soon after.
type RestartAt struct{ At time.Time }

// SubtasksReset says that new attempts of these source subtasks are about to start from the beginning: splits that
// earlier attempts had must be handed out again. It comes before their Deploy.
type SubtasksReset struct {
	Vertex   core.VertexID
	Subtasks []int
}

// FailureRecorded is for the log: something failed. Restart is zero if the job is not restarted because of it.
type FailureRecorded struct {
	Entry   ExceptionEntry
	Tasks   int // subtasks that restart
	Restart time.Time
}

// StatusChanged says that the job is in another state.
type StatusChanged struct {
	From, To core.JobStatus
	At       time.Time
	Cause    *FailureInfo // of Failing, Failed and Restarting
}

func (RequestSlots) effect()    {}
func (ReturnSlots) effect()     {}
func (Deploy) effect()          {}
func (CancelTasks) effect()     {}
func (RestartAt) effect()       {}
func (SubtasksReset) effect()   {}
func (FailureRecorded) effect() {}
func (StatusChanged) effect()   {}
