package taskexecutor

import (
	"context"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/worker"
)

// outbox holds what a JobMaster has still to hear, in order: task states and operator events. One call is under way
// at a time; what it carried leaves the outbox when it is acknowledged, so nothing is lost and nothing overtakes.
type outbox struct {
	items   []outgoing
	sending bool // a call is under way
	waiting bool // the last one failed; the next one is due later
}

// outgoing is one of the two.
type outgoing struct {
	state *pb.TaskState
	event *pb.OperatorEvent
}

func (o *outbox) empty() bool { return len(o.items) == 0 }

// maxBatch bounds one call.
const maxBatch = 1024

// maxOutbox bounds what one job may have to say while its JobMaster does not answer. States are bounded by attempts;
// only operators that send events without waiting for answers get here.
const maxOutbox = 1 << 16

// batch returns the longest prefix of one kind.
func (o *outbox) batch() []outgoing {
	n := 0
	for n < len(o.items) && n < maxBatch && (o.items[n].state != nil) == (o.items[0].state != nil) {
		n++
	}
	return o.items[:n:n]
}

// tell adds to what the JobMaster is to hear.
func (t *TaskExecutor) tell(j *job, o outgoing) {
	if j.gone {
		return
	}
	if len(j.out.items) >= maxOutbox && o.event != nil {
		t.jobMasterGone(j, "the job master does not take the operator events that tasks send")
		return
	}
	j.out.items = append(j.out.items, o)
	t.flush(j)
}

// flush sends the next batch, unless one is under way.
func (t *TaskExecutor) flush(j *job) {
	if j.gone || j.out.sending || j.out.waiting || j.out.empty() || !j.registered {
		return
	}
	batch := j.out.batch()
	j.out.sending = true
	call(t, j, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, t.send(ctx, j, batch)
	}, func(_ struct{}, err error) {
		j.out.sending = false
		if err != nil {
			j.out.waiting = true
			t.retryOrGiveUp(j, "tell the job master", err, func(j *job) {
				j.out.waiting = false
				t.flush(j)
			})
			return
		}
		j.retries = 0
		j.out.items = j.out.items[len(batch):]
		for _, o := range batch {
			t.acknowledged(j, o)
		}
		t.flush(j)
		t.checkJobDone(j)
	})
}

// send makes the call; it runs outside the main goroutine.
func (t *TaskExecutor) send(ctx context.Context, j *job, batch []outgoing) error {
	if batch[0].state != nil {
		in := &pb.UpdateTaskExecutionStateRequest{ResourceId: string(t.cfg.Resource)}
		for _, o := range batch {
			in.States = append(in.States, o.state)
		}
		_, err := j.gateway.UpdateTaskExecutionState(ctx, in)
		return err
	}
	in := &pb.SendOperatorEventRequest{ResourceId: string(t.cfg.Resource)}
	for _, o := range batch {
		in.Events = append(in.Events, o.event)
	}
	_, err := j.gateway.SendOperatorEvent(ctx, in)
	return err
}

// acknowledged forgets attempts whose end the JobMaster knows.
func (t *TaskExecutor) acknowledged(j *job, o outgoing) {
	if o.state == nil {
		return
	}
	id, err := worker.AttemptFromProto(o.state.GetAttempt())
	if err != nil {
		return
	}
	if state, err := core.ParseExecutionState(o.state.GetState()); err == nil && state.Terminal() {
		delete(j.attempts, id)
	}
}
