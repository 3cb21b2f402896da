package taskexecutor

import (
	"context"
	"net"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// Workers starts workers: as child processes (package process) or inside this process (InProcess).
type Workers interface {
	// Start begins a worker and returns at once, also when the worker cannot come up: that is its Exited event.
	Start(spec WorkerSpec, events WorkerEvents) Worker
}

// WorkerSpec says what a worker is for.
type WorkerSpec struct {
	Job      core.JobID
	Graph    []byte // JSON of graph.JobGraph, as it was submitted
	Blobs    rpc.BlobGateway
	Slots    int // slots of the job here: its share of the machine follows
	Profile  core.ResourceProfile
	Settings map[string]string
	Number   int // counts the workers of this job here, from 0
	// Listener accepts the data connections of the job here. It stays the TaskExecutor's: it outlives the worker, so
	// that its successor has the same address. A child process inherits a duplicate.
	Listener    net.Listener
	DataAddress string // where peers reach Listener, as it was put into the slot offers
	Secret      []byte // what peers must show at Listener; not for logs, arguments or environments
}

// WorkerEvents is told what happens with a worker. Its methods may be called from any goroutine; they do not block,
// and the order of calls of one worker is kept.
type WorkerEvents interface {
	// TaskState says that an attempt came to another state.
	TaskState(*pb.TaskState)
	// OperatorEvent carries what an operator has to say to its coordinator in the JobMaster.
	OperatorEvent(*pb.OperatorEvent)
	// Exited is the last event: the worker is gone, with all it ran. cause is nil after a Stop that went well.
	Exited(cause *pb.ErrorInfo)
}

// Worker runs the subtasks of one job. Its methods may be called from any goroutine; those without a context do not
// block and keep their order. After Exited all of them do nothing.
type Worker interface {
	// Deploy starts the tasks of the request.
	Deploy(*pb.SubmitTasksRequest)
	// Cancel asks attempts to end.
	Cancel([]*pb.ExecutionAttemptID)
	// Deliver hands events of coordinators to operators.
	Deliver([]*pb.OperatorEvent)
	// Report returns the state and the counters of all attempts, and metrics.
	Report(ctx context.Context) (*pb.WorkerReport, error)
	// Stacks returns the stacks of the worker's goroutines.
	Stacks(ctx context.Context) (string, error)
	// Stop ends the worker in good order: what runs is cancelled. A worker that does not follow is killed. Exited
	// comes in bounded time.
	Stop()
	// Kill ends the worker at once; cause is what Exited tells.
	Kill(cause error)
}
