package job

import (
	"errors"
	"fmt"

	"github.com/flink-go/flink-go/core"
)

// InvocationError says that a job could not be started: the program has faults, or no cluster took it (S-174).
type InvocationError struct{ Err error }

func (e *InvocationError) Error() string { return e.Err.Error() }

func (e *InvocationError) Unwrap() error { return e.Err }

// ExecutionError says that a job was started and did not finish (S-176, S-188). It wraps the cause.
type ExecutionError struct {
	JobID  core.JobID
	Status core.JobStatus // FAILED or CANCELED; SUSPENDED: how it ended is not known
	Err    error
	Stack  string // of the user code that failed, may be empty
}

func (e *ExecutionError) Error() string {
	switch {
	case !e.Status.Terminal():
		return fmt.Sprintf("job %s: %v", e.JobID, e.Err)
	case e.Err == nil:
		return fmt.Sprintf("job %s ended as %s", e.JobID, e.Status)
	default:
		return fmt.Sprintf("job %s ended as %s: %v", e.JobID, e.Status, e.Err)
	}
}

func (e *ExecutionError) Unwrap() error { return e.Err }

// Exit codes of a program and of the flink-go command.
const (
	ExitOK          = 0   // the job finished
	ExitFailure     = 1   // the job failed or was canceled, or could not be submitted
	ExitUsage       = 2   // the command line is wrong
	ExitInterrupted = 130 // the user interrupted
)

// ExitCode returns the exit code for what Execute returned.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errInterrupted):
		return ExitInterrupted
	default:
		return ExitFailure
	}
}

// errInterrupted ends an Execute that the user interrupted.
var errInterrupted = errors.New("interrupted")
