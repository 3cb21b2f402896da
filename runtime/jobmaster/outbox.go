package jobmaster

import (
	"context"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// taskManager is the JobMaster's side of one registered TaskManager.
type taskManager struct {
	id       core.ResourceID
	address  rpc.Address
	host     string // "host:port", for people
	gateway  rpc.TaskExecutorGateway
	hasGraph bool // it was sent the JobGraph since it registered
	gone     bool

	queue []outgoing
	busy  bool // a call is under way
}

// outgoing is a call that waits its turn. Calls to one TaskManager leave in order, one at a time.
type outgoing struct {
	send func(ctx context.Context) error
	// done runs on the main goroutine after the call, unless the TaskManager is gone by then.
	done func(err error)
	// events is set instead of send for operator events; those that wait next to each other share a call.
	events []*pb.OperatorEvent
}

// post queues a call. done may be nil.
func (m *JobMaster) post(tm *taskManager, send func(ctx context.Context) error, done func(err error)) {
	if tm.gone {
		return
	}
	tm.queue = append(tm.queue, outgoing{send: send, done: done})
	m.next(tm)
}

// postEvent queues an operator event. If it cannot be delivered, its attempt fails: a reader that waits for a split
// that never comes would wait for ever.
func (m *JobMaster) postEvent(tm *taskManager, event *pb.OperatorEvent) {
	if tm.gone {
		return
	}
	if n := len(tm.queue); n > 0 && tm.queue[n-1].events != nil {
		tm.queue[n-1].events = append(tm.queue[n-1].events, event)
	} else {
		tm.queue = append(tm.queue, outgoing{events: []*pb.OperatorEvent{event}})
	}
	m.next(tm)
}

// next starts the call at the head of the queue.
func (m *JobMaster) next(tm *taskManager) {
	if tm.busy || tm.gone || len(tm.queue) == 0 {
		return
	}
	call := tm.queue[0]
	tm.queue = tm.queue[1:]
	if call.events != nil {
		call.send, call.done = m.deliver(tm, call.events)
	}
	tm.busy = true
	rpc.Await(m.ep, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, m.cfg.RPCTimeout)
		defer cancel()
		return struct{}{}, call.send(ctx)
	}, func(_ struct{}, err error) {
		tm.busy = false
		if tm.gone {
			return
		}
		if call.done != nil {
			call.done(err)
		}
		m.next(tm)
	})
}
