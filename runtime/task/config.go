package task

import (
	"log/slog"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/runtime/network"
)

// Config says what to run, and where.
type Config struct {
	Chain     *graph.Chain    // the operators, from the worker's own run of the program
	Job       *graph.JobGraph // what was submitted
	Attempt   core.ExecutionAttemptID
	Network   *network.Network
	Locations *network.Locations // shared by all tasks of a deployment
	Log       *slog.Logger
	Events    Events
	// SegmentSize is the size of a full batch or frame in bytes (taskmanager.memory.segment-size), 0: 32 KiB.
	SegmentSize int
	// OpenState opens a store on disk for the keyed state of this task, nil if that is kept on the heap. It is called
	// at most once, if an operator of the chain has state, and the task closes what it returns.
	OpenState func(name string) (StateStore, error)
}

// StateStore keeps the keyed state of a task on disk.
type StateStore interface {
	keyed.KeyValue
	Close() error
}

// Events is told what happens in a task. Its methods are called from the task's goroutine, in order, and must not
// block.
type Events interface {
	// StateChanged reports INITIALIZING, RUNNING, FINISHED, CANCELED and FAILED, the last with its cause. After one
	// of the last three Report is final.
	StateChanged(attempt core.ExecutionAttemptID, state core.ExecutionState, cause error)
	// OperatorEvent carries what an operator tells its coordinator.
	OperatorEvent(attempt core.ExecutionAttemptID, op core.OperatorID, payload []byte)
}

// Report is what a task says about itself.
type Report struct {
	Attempt      core.ExecutionAttemptID
	State        core.ExecutionState
	Cause        error // of FAILED
	IO           core.IOMetrics
	Accumulators []core.Accumulator
	Metrics      []Metric
}

// Metric is the value of one metric of an operator.
type Metric struct {
	Operator core.OperatorID
	Name     string
	Kind     string // "counter" or "gauge"
	Value    float64
}
