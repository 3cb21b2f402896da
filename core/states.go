package core

import "fmt"

// JobStatus is the state of a job, with Flink's names.
type JobStatus uint8

// The states of a job. Finished, Canceled and Failed are globally terminal: only they allow clean-up. Suspended is
// terminal for one JobMaster only: another may take the job over.
const (
	JobInitializing JobStatus = iota
	JobCreated
	JobRunning
	JobFailing
	JobFailed
	JobCancelling
	JobCanceled
	JobFinished
	JobRestarting
	JobSuspended
	JobReconciling
	numJobStatus
)

var jobStatusNames = [numJobStatus]string{"INITIALIZING", "CREATED", "RUNNING", "FAILING", "FAILED", "CANCELLING",
	"CANCELED", "FINISHED", "RESTARTING", "SUSPENDED", "RECONCILING"}

// JobStatuses lists all states in their order.
func JobStatuses() []JobStatus {
	all := make([]JobStatus, numJobStatus)
	for i := range all {
		all[i] = JobStatus(i)
	}
	return all
}

func (s JobStatus) String() string {
	if s < numJobStatus {
		return jobStatusNames[s]
	}
	return fmt.Sprintf("JobStatus(%d)", s)
}

// ParseJobStatus reads what String wrote.
func ParseJobStatus(name string) (JobStatus, error) {
	for i, n := range jobStatusNames {
		if n == name {
			return JobStatus(i), nil
		}
	}
	return 0, fmt.Errorf("unknown job status %q", clip(name))
}

// Terminal tells whether the job can never run again: finished, canceled or failed.
func (s JobStatus) Terminal() bool { return s == JobFinished || s == JobCanceled || s == JobFailed }

// MarshalText writes the name in JSON.
func (s JobStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *JobStatus) UnmarshalText(b []byte) (err error) {
	*s, err = ParseJobStatus(string(b))
	return err
}

// ExecutionState is the state of one attempt of a subtask, with Flink's names.
type ExecutionState uint8

// The states of an attempt, in the order in which it normally goes through them.
const (
	ExecutionCreated ExecutionState = iota
	ExecutionScheduled
	ExecutionDeploying
	ExecutionInitializing
	ExecutionRunning
	ExecutionFinished
	ExecutionCanceling
	ExecutionCanceled
	ExecutionFailed
	ExecutionReconciling
	numExecutionState
)

var executionStateNames = [numExecutionState]string{"CREATED", "SCHEDULED", "DEPLOYING", "INITIALIZING", "RUNNING",
	"FINISHED", "CANCELING", "CANCELED", "FAILED", "RECONCILING"}

// ExecutionStates lists all states in their order.
func ExecutionStates() []ExecutionState {
	all := make([]ExecutionState, numExecutionState)
	for i := range all {
		all[i] = ExecutionState(i)
	}
	return all
}

func (s ExecutionState) String() string {
	if s < numExecutionState {
		return executionStateNames[s]
	}
	return fmt.Sprintf("ExecutionState(%d)", s)
}

// ParseExecutionState reads what String wrote.
func ParseExecutionState(name string) (ExecutionState, error) {
	for i, n := range executionStateNames {
		if n == name {
			return ExecutionState(i), nil
		}
	}
	return 0, fmt.Errorf("unknown execution state %q", clip(name))
}

// Terminal tells whether the attempt has ended.
func (s ExecutionState) Terminal() bool {
	return s == ExecutionFinished || s == ExecutionCanceled || s == ExecutionFailed
}

// MarshalText writes the name in JSON.
func (s ExecutionState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *ExecutionState) UnmarshalText(b []byte) (err error) {
	*s, err = ParseExecutionState(string(b))
	return err
}
