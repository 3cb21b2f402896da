package scheduler

import "github.com/flink-go/flink-go/core"

// cancelling is a job that shall end, until all of its attempts have ended.
type cancelling struct{ x *ExecutionGraph }

func (cancelling) status() core.JobStatus { return core.JobCancelling }
func (cancelling) schedules() bool        { return false }
func (cancelling) start()                 {}
func (cancelling) cancel()                {}

// failed does nothing: an attempt that failed has ended, which is what is wanted.
func (cancelling) failed([]failed) {}

func (s cancelling) settle() {
	if s.x.live == 0 {
		s.x.enter(ended{s.x, core.JobCanceled}, nil)
	}
}
