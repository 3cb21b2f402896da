package scheduler

import "github.com/flink-go/flink-go/core"

// jobState is the job in one of its states. A state is a type: what it does with an event is its methods, and the
// only moves it can make are the ones in its file.
//
//	CREATED -> RUNNING <-> RESTARTING      RUNNING, RESTARTING -> FAILING -> FAILED
//	                RUNNING -> FINISHED    any that has not ended -> CANCELLING -> CANCELED
type jobState interface {
	status() core.JobStatus
	schedules() bool          // slots are asked for and subtasks deployed
	start()                   // the job shall run
	cancel()                  // the job shall end
	failed(failures []failed) // subtasks, or the job as a whole, have failed together; the first is the root cause
	settle()                  // after every event: moves that follow from what the job has become
}

// enter moves the job to another state.
func (x *ExecutionGraph) enter(s jobState, cause *FailureInfo) {
	from := x.state.status()
	x.state = s
	x.stamps[s.status()] = x.now.UnixMilli()
	x.out = append(x.out, StatusChanged{From: from, To: s.status(), At: x.now, Cause: cause})
}

// toCancelling is the move that every state but the ended ones can make.
func (x *ExecutionGraph) toCancelling() {
	x.enter(cancelling{x}, nil)
	x.stopAll()
}
