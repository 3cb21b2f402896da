package scheduler

import "github.com/flink-go/flink-go/core"

// ended is a job in a terminal state, which it never leaves.
type ended struct {
	x  *ExecutionGraph
	in core.JobStatus
}

func (s ended) status() core.JobStatus { return s.in }
func (ended) schedules() bool          { return false }
func (ended) start()                   {}
func (ended) cancel()                  {}
func (ended) failed([]failed)          {}
func (ended) settle()                  {}
