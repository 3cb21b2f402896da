package scheduler

import "github.com/flink-go/flink-go/core"

// running is a job whose subtasks wait for slots, run or have finished.
type running struct{ x *ExecutionGraph }

func (running) status() core.JobStatus { return core.JobRunning }
func (running) schedules() bool        { return true }
func (running) start()                 {}
func (s running) cancel()              { s.x.toCancelling() }

func (s running) failed(failures []failed) {
	if cause := s.x.failover(failures); cause != nil {
		s.x.enter(restarting{s.x}, cause)
	} else {
		s.x.toFailing(failures)
	}
}

func (s running) settle() {
	if s.x.finished == len(s.x.tasks) {
		s.x.enter(ended{s.x, core.JobFinished}, nil)
	}
}
