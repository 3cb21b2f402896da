package scheduler

import (
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// ArchivedJob is a picture of a job at one moment, running or ended: all that REST and the archive show. It is a
// plain value: the JobMaster makes it on its main goroutine and gives it away. JSON is its stored form.
type ArchivedJob struct {
	ID         core.JobID               `json:"id"`
	Name       string                   `json:"name"`
	Status     core.JobStatus           `json:"status"`
	Timestamps map[core.JobStatus]int64 `json:"timestamps"` // ms since 1970 of the last entry into each status, absent: never
	Start      int64                    `json:"start"`      // ms since 1970
	End        int64                    `json:"end"`        // -1 while it runs
	Graph      *graph.JobGraph          `json:"graph"`
	Vertices   []ArchivedVertex         `json:"vertices"`             // as Graph.Vertices
	Exceptions []ExceptionEntry         `json:"exceptions,omitempty"` // newest first, bounded
	Truncated  bool                     `json:"truncated,omitempty"`  // older exceptions were dropped
	Failure    *FailureInfo             `json:"failure,omitempty"`    // why it failed, or why it last restarted
	Restarts   int                      `json:"restarts"`
	// Waiting says what a job that makes no progress waits for (P-6), "" if it does not wait.
	Waiting      string             `json:"waiting,omitempty"`
	Accumulators []core.Accumulator `json:"accumulators,omitempty"` // merged over all subtasks
}

// ArchivedVertex is the picture of a JobVertex.
type ArchivedVertex struct {
	Subtasks []ArchivedSubtask `json:"subtasks"`
}

// ArchivedSubtask is the picture of one subtask: its current attempt and those before it.
type ArchivedSubtask struct {
	Current ArchivedAttempt   `json:"current"`
	Prior   []ArchivedAttempt `json:"prior,omitempty"` // oldest first, bounded
}

// ArchivedAttempt is the picture of one attempt.
type ArchivedAttempt struct {
	Attempt      int                           `json:"attempt"`
	State        core.ExecutionState           `json:"state"`
	Timestamps   map[core.ExecutionState]int64 `json:"timestamps"` // ms since 1970, absent: never
	Resource     core.ResourceID               `json:"resource,omitempty"`
	Host         string                        `json:"host,omitempty"` // "host:port" of the TaskManager, "" if unassigned
	Allocation   core.AllocationID             `json:"allocation"`
	IO           core.IOMetrics                `json:"io"`
	Failure      *FailureInfo                  `json:"failure,omitempty"`
	Accumulators []core.Accumulator            `json:"accumulators,omitempty"`
}

// ExceptionEntry is one failure in a job's history.
type ExceptionEntry struct {
	FailureInfo
	Task       string           `json:"task,omitempty"` // "name (1/2) - execution #0"; "" for a failure of the whole job
	Host       string           `json:"host,omitempty"`
	Resource   core.ResourceID  `json:"resource,omitempty"`
	Concurrent []ExceptionEntry `json:"concurrent,omitempty"` // failures that came with it
}

// FailureInfo is a failure as it is kept and shown.
type FailureInfo struct {
	Message string `json:"message"`
	Stack   string `json:"stack,omitempty"` // of user code
	Type    string `json:"type"`            // Go type of the root cause
	Kind    string `json:"kind"`            // core.Kind by name
	At      int64  `json:"at"`              // ms since 1970
}

// JobSummary is one line of a job list.
type JobSummary struct {
	ID           core.JobID                  `json:"id"`
	Name         string                      `json:"name"`
	Status       core.JobStatus              `json:"status"`
	Start        int64                       `json:"start"`
	End          int64                       `json:"end"`
	LastModified int64                       `json:"lastModified"`
	Tasks        map[core.ExecutionState]int `json:"tasks"`
	Waiting      string                      `json:"waiting,omitempty"`
}

// Summary condenses j.
func (j *ArchivedJob) Summary() JobSummary {
	s := JobSummary{ID: j.ID, Name: j.Name, Status: j.Status, Start: j.Start, End: j.End, Waiting: j.Waiting, Tasks: map[core.ExecutionState]int{}}
	for _, at := range j.Timestamps {
		s.LastModified = max(s.LastModified, at)
	}
	for _, v := range j.Vertices {
		for _, t := range v.Subtasks {
			s.Tasks[t.Current.State]++
		}
	}
	return s
}

// Duration is how long the job has run, or ran.
func (j *ArchivedJob) Duration(now time.Time) time.Duration {
	end := j.End
	if end < 0 {
		end = now.UnixMilli()
	}
	return time.Duration(end-j.Start) * time.Millisecond
}
