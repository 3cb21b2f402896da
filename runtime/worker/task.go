package worker

import (
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/network"
	"github.com/flink-go/flink-go/runtime/task"
)

// runningTask is a task.Task and the task.Events of it.
type runningTask struct {
	*task.Task
	events  Events
	job     core.JobID
	started chan struct{} // closed when Task is set: the task's goroutine may be faster than the one that started it
}

// runTask is the startTask of real tasks.
func runTask(h *Host, chain *graph.Chain, id core.ExecutionAttemptID, locations *network.Locations) subtask {
	t := &runningTask{events: h.cfg.Events, job: h.cfg.Submitted.ID, started: make(chan struct{})}
	t.Task = task.Start(task.Config{
		Chain:       chain,
		Job:         h.cfg.Submitted,
		Attempt:     id,
		Network:     h.net,
		Locations:   locations,
		Log:         h.log,
		Events:      t,
		SegmentSize: h.set.segmentSize,
		OpenState:   h.openState(),
	})
	close(t.started)
	return t
}

// StateChanged implements task.Events.
func (t *runningTask) StateChanged(id core.ExecutionAttemptID, state core.ExecutionState, cause error) {
	m := &pb.TaskState{Attempt: AttemptToProto(id), State: state.String(), AtMillis: time.Now().UnixMilli()}
	if state == core.ExecutionFailed {
		m.Cause = ErrorInfo(cause)
	}
	if state.Terminal() {
		<-t.started
		r := t.Task.Report()
		m.Io, m.Accumulators = ioToProto(r.IO), accumulatorsToProto(r.Accumulators)
	}
	t.events.TaskState(m)
}

// OperatorEvent implements task.Events.
func (t *runningTask) OperatorEvent(id core.ExecutionAttemptID, op core.OperatorID, payload []byte) {
	t.events.OperatorEvent(&pb.OperatorEvent{Attempt: AttemptToProto(id), Operator: op.Bytes(), Payload: payload})
}

// Report implements subtask.
func (t *runningTask) Report() (*pb.TaskReport, []*pb.Metric) {
	r := t.Task.Report()
	report := &pb.TaskReport{
		Attempt:      AttemptToProto(r.Attempt),
		State:        r.State.String(),
		Io:           ioToProto(r.IO),
		Accumulators: accumulatorsToProto(r.Accumulators),
	}
	metrics := make([]*pb.Metric, len(r.Metrics))
	for i, m := range r.Metrics {
		metrics[i] = &pb.Metric{
			Scope: fmt.Sprintf("%s.%s.%d.%s", t.job, r.Attempt.Vertex, r.Attempt.Subtask, m.Operator),
			Name:  m.Name,
			Value: m.Value,
			Kind:  m.Kind,
		}
	}
	return report, metrics
}

func ioToProto(m core.IOMetrics) *pb.IOMetrics {
	return &pb.IOMetrics{
		BytesIn:             m.BytesIn,
		BytesOut:            m.BytesOut,
		RecordsIn:           m.RecordsIn,
		RecordsOut:          m.RecordsOut,
		BusyMillis:          m.BusyMillis,
		IdleMillis:          m.IdleMillis,
		BackpressuredMillis: m.BackpressuredMillis,
	}
}

func accumulatorsToProto(list []core.Accumulator) []*pb.Accumulator {
	out := make([]*pb.Accumulator, len(list))
	for i, a := range list {
		out[i] = &pb.Accumulator{Name: a.Name, Kind: a.Kind, Value: a.Value}
	}
	return out
}
