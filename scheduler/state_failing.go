package scheduler

import "github.com/flink-go/flink-go/core"

// failing is a job that will not be restarted, until all of its attempts have ended.
type failing struct{ x *ExecutionGraph }

func (failing) status() core.JobStatus { return core.JobFailing }
func (failing) schedules() bool        { return false }
func (failing) start()                 {}
func (s failing) cancel()              { s.x.toCancelling() }

func (s failing) failed(failures []failed) {
	for _, f := range failures {
		s.x.history.join(s.x.entry(f.task, f.info))
	}
}

func (s failing) settle() {
	if s.x.live == 0 {
		s.x.enter(ended{s.x, core.JobFailed}, s.x.failure)
	}
}

// toFailing is the move of the states in which a failure can end the job.
func (x *ExecutionGraph) toFailing(failures []failed) {
	root := failures[0]
	for _, f := range failures { // the one that decided it
		if !x.restartable(f) {
			root = f
			break
		}
	}
	x.failure = &root.info
	entry := x.entry(root.task, root.info)
	x.history.add(entry)
	for _, f := range failures {
		if f != root {
			x.history.join(x.entry(f.task, f.info))
		}
	}
	x.out = append(x.out, FailureRecorded{Entry: entry})
	x.enter(failing{x}, x.failure)
	x.stopAll()
}
