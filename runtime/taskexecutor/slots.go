package taskexecutor

import (
	"context"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/slots"
)

// RequestSlot implements rpc.TaskExecutorGateway (S-095).
func (t *TaskExecutor) RequestSlot(ctx context.Context, in *pb.RequestSlotRequest) (*pb.RequestSlotResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.RequestSlotResponse, error) {
		if err := t.requestSlot(in); err != nil {
			return nil, err
		}
		return &pb.RequestSlotResponse{}, nil
	})
}

func (t *TaskExecutor) requestSlot(in *pb.RequestSlotRequest) error {
	const op = "request slot"
	t.ep.Assert()
	name := fmt.Sprintf("%s_%d", in.GetSlot().GetResourceId(), in.GetSlot().GetNumber())
	if t.closing {
		return core.E(op, core.Unavailable, name, fmt.Errorf("the TaskManager shuts down"))
	}
	if got := core.ResourceID(in.GetSlot().GetResourceId()); got != t.cfg.Resource {
		return core.E(op, core.Invalid, name, fmt.Errorf("this is TaskManager %s", t.cfg.Resource))
	}
	if err := t.checkOrder(op, in); err != nil {
		return err
	}
	id, err := core.JobIDFromBytes(in.GetJobId())
	if err != nil {
		return core.E(op, core.Invalid, name, err)
	}
	alloc, err := core.AllocationIDFromBytes(in.GetAllocationId())
	if err != nil {
		return core.E(op, core.Invalid, name, err)
	}
	token, err := core.TokenFromBytes(in.GetJobMasterToken())
	if err != nil {
		return core.E(op, core.Invalid, name, err)
	}
	master := rpc.Address{Server: in.GetJobMasterAddress(), Endpoint: in.GetJobMasterEndpoint(), Token: token}

	j := t.jobs[id]
	if j != nil && j.master != master {
		// Another leader session of the JobMaster: what the old one has here is over.
		t.jobMasterGone(j, "the job has a new job master")
		j = nil
	}
	fresh, err := t.table.Allocate(int(in.GetSlot().GetNumber()), id, alloc, time.Now())
	if err != nil {
		return err
	}
	if !fresh {
		if j != nil {
			t.connect(j)
			t.offer(j)
		}
		return nil
	}
	if j == nil {
		j, err = t.newJob(id, master)
	} else {
		err = t.listen(j)
	}
	if err != nil {
		t.table.Free(alloc)
		return err
	}
	j.allocs[alloc] = struct{}{}
	t.log.Info("slot allocated", keySlot, in.GetSlot().GetNumber(), keyJob, id, keyAlloc, alloc)
	t.armExpiry()
	t.connect(j)
	t.offer(j)
	return nil
}

// FreeSlot implements rpc.TaskExecutorGateway: the middle step of S-103. What still runs in the slot is cancelled
// first.
func (t *TaskExecutor) FreeSlot(ctx context.Context, in *pb.FreeSlotRequest) (*pb.FreeSlotResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.FreeSlotResponse, error) {
		alloc, err := core.AllocationIDFromBytes(in.GetAllocationId())
		if err != nil {
			return nil, core.E("free slot", core.Invalid, "", err)
		}
		s, ok := t.table.Slot(alloc)
		if !ok {
			return &pb.FreeSlotResponse{}, nil // freed before
		}
		if j := t.jobs[s.Job]; j != nil && s.State != slots.TableReleasing {
			t.freeSlot(j, alloc, in.GetCause())
		}
		return &pb.FreeSlotResponse{}, nil
	})
}

// freeSlot gives a slot back, at once or, when tasks run in it, after their end.
func (t *TaskExecutor) freeSlot(j *job, alloc core.AllocationID, cause string) {
	t.ep.Assert()
	s, ok := t.table.Release(alloc)
	if !ok {
		return
	}
	t.log.Info("slot given back", keySlot, s.Number, keyJob, j.id, keyAlloc, alloc, keyCause, cause)
	var running []*attempt
	for _, a := range j.attempts {
		if a.alloc == alloc && !a.state.Terminal() {
			running = append(running, a)
		}
	}
	t.cancel(j, running)
	t.finishFree(j, alloc)
}

// finishFree frees a releasing slot when nothing runs in it any more, and ends what was there for the last slot.
func (t *TaskExecutor) finishFree(j *job, alloc core.AllocationID) {
	s, ok := t.table.Slot(alloc)
	if !ok || s.State != slots.TableReleasing || j.gone {
		return
	}
	for _, a := range j.attempts {
		if a.alloc == alloc && !a.state.Terminal() {
			return
		}
	}
	t.table.Free(alloc)
	delete(j.allocs, alloc)
	t.notifyFree(s)
	t.armExpiry()
	if len(j.allocs) > 0 {
		return
	}
	if j.worker != nil {
		j.worker.worker.Stop()
		j.worker = nil // it stays in t.running until it is gone; a new slot gets a new one
	}
	t.closeListener(j)
	t.checkJobDone(j)
}

// armExpiry sets the timer that gives up slots that no JobMaster took in time.
func (t *TaskExecutor) armExpiry() {
	if t.stopExpiry != nil {
		t.stopExpiry()
		t.stopExpiry = nil
	}
	at, ok := t.table.NextExpiry()
	if !ok || t.closing {
		return
	}
	t.stopExpiry = t.ep.After(max(time.Until(at), 0), func() {
		for _, s := range t.table.Expired(time.Now()) {
			j := t.jobs[s.Job]
			if j == nil {
				continue
			}
			t.freeSlot(j, s.Alloc, fmt.Sprintf("no job master took it within %s (taskmanager.slot.timeout)", t.cfg.SlotTimeout))
		}
		t.armExpiry()
	})
}
