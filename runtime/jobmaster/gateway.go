package jobmaster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
	"github.com/flink-go/flink-go/slots"
)

// gateway is the JobMaster as TaskManagers see it. Each method hands its work to the main goroutine. A TaskManager
// that is not registered, or not any more, gets kind NotFound: it drops what it has of the job.
type gateway struct{ m *JobMaster }

var _ rpc.JobMasterGateway = (*gateway)(nil)

// RegisterTaskManager implements rpc.JobMasterGateway (S-096). Repeating it is harmless: slots that the TaskManager
// lost meanwhile are found by its heartbeats.
func (g *gateway) RegisterTaskManager(ctx context.Context, in *pb.RegisterTaskManagerRequest) (*pb.RegisterTaskManagerResponse, error) {
	m := g.m
	return rpc.Call(ctx, m.ep, func() (*pb.RegisterTaskManagerResponse, error) {
		const op = "register TaskManager"
		id := core.ResourceID(in.GetResourceId())
		if id == "" || in.GetRpcAddress() == "" || in.GetEndpoint() == "" {
			return nil, core.E(op, core.Invalid, string(id), errors.New("resource id, RPC address and endpoint must be given"))
		}
		if m.exec.Status().Terminal() {
			return nil, core.E(op, core.NotFound, string(id), errors.New("the job has ended"))
		}
		address := rpc.Address{Server: in.GetRpcAddress(), Endpoint: in.GetEndpoint()}
		tm := m.tms[id]
		if tm != nil && tm.address != address {
			m.dropTaskManager(id, fmt.Errorf("it registered anew from %s", address.Server))
			tm = nil
		}
		if tm == nil {
			tm = &taskManager{id: id, address: address, gateway: m.cfg.Service.TaskExecutor(address)}
			m.tms[id] = tm
			m.log.Info("TaskManager registered", keyTM, id, "address", address.Server)
		}
		tm.host, tm.hasGraph = in.GetHost(), false
		m.monitor.Watch(id, nil)
		m.monitor.WatchConnection(id, m.cfg.Service, address.Server)
		return &pb.RegisterTaskManagerResponse{
			HeartbeatIntervalMillis: m.cfg.HeartbeatInterval.Milliseconds(),
			HeartbeatTimeoutMillis:  m.cfg.HeartbeatTimeout.Milliseconds(),
		}, nil
	})
}

// from finds the TaskManager of a call and notes that it is alive.
func (m *JobMaster) from(op, resource string) (*taskManager, error) {
	tm := m.tms[core.ResourceID(resource)]
	if tm == nil {
		return nil, core.E(op, core.NotFound, resource, errors.New("this TaskManager is not registered at the JobMaster"))
	}
	m.monitor.Heard(tm.id)
	return tm, nil
}

// OfferSlots implements rpc.JobMasterGateway.
func (g *gateway) OfferSlots(ctx context.Context, in *pb.OfferSlotsRequest) (*pb.OfferSlotsResponse, error) {
	m := g.m
	return rpc.Call(ctx, m.ep, func() (*pb.OfferSlotsResponse, error) {
		tm, err := m.from("offer slots", in.GetResourceId())
		if err != nil {
			return nil, err
		}
		offers := make([]slots.PoolSlot, 0, len(in.GetOffers()))
		for _, o := range in.GetOffers() {
			alloc, err := core.AllocationIDFromBytes(o.GetAllocationId())
			if err != nil {
				return nil, core.E("offer slots", core.Invalid, in.GetResourceId(), err)
			}
			offers = append(offers, slots.PoolSlot{
				Alloc:       alloc,
				Slot:        core.SlotID{Resource: tm.id, Number: int(o.GetSlot())},
				Profile:     core.ResourceProfile{CPUMilli: o.GetProfile().GetCpuMilli(), MemoryBytes: o.GetProfile().GetMemoryBytes()},
				DataAddress: o.GetDataAddress(),
			})
		}
		accepted, effects := m.pool.Offer(time.Now(), tm.id, offers)
		m.applyPool(effects)
		out := &pb.OfferSlotsResponse{}
		for _, alloc := range accepted {
			out.Accepted = append(out.Accepted, alloc.Bytes())
		}
		return out, nil
	})
}

// FailSlot implements rpc.JobMasterGateway.
func (g *gateway) FailSlot(ctx context.Context, in *pb.FailSlotRequest) (*pb.FailSlotResponse, error) {
	m := g.m
	return rpc.Call(ctx, m.ep, func() (*pb.FailSlotResponse, error) {
		tm, err := m.from("fail slot", in.GetResourceId())
		if err != nil {
			return nil, err
		}
		alloc, err := core.AllocationIDFromBytes(in.GetAllocationId())
		if err != nil {
			return nil, core.E("fail slot", core.Invalid, in.GetResourceId(), err)
		}
		cause := core.E("use slot of TaskManager", core.Unavailable, string(tm.id), errors.New(in.GetCause().GetMessage()))
		m.applyPool(m.pool.FailSlot(tm.id, alloc, cause))
		return &pb.FailSlotResponse{}, nil
	})
}

// UpdateTaskExecutionState implements rpc.JobMasterGateway (S-098).
func (g *gateway) UpdateTaskExecutionState(ctx context.Context, in *pb.UpdateTaskExecutionStateRequest) (*pb.UpdateTaskExecutionStateResponse, error) {
	m := g.m
	return rpc.Call(ctx, m.ep, func() (*pb.UpdateTaskExecutionStateResponse, error) {
		tm, err := m.from("update task state", in.GetResourceId())
		if err != nil {
			return nil, err
		}
		updates := make([]scheduler.TaskUpdate, 0, len(in.GetStates()))
		for _, s := range in.GetStates() {
			u, err := taskUpdate(s.GetAttempt(), s.GetState(), s.GetIo(), s.GetAccumulators())
			if err != nil {
				return nil, core.E("update task state", core.Invalid, in.GetResourceId(), err)
			}
			if u.State == core.ExecutionFailed {
				u.Cause = failureFromProto(s.GetCause(), s.GetAtMillis())
			}
			updates = append(updates, u)
		}
		m.apply(m.exec.TaskStates(time.Now(), tm.id, updates))
		return &pb.UpdateTaskExecutionStateResponse{}, nil
	})
}

// HeartbeatFromTaskManager implements rpc.JobMasterGateway: reality is at the TaskManager (L-7).
func (g *gateway) HeartbeatFromTaskManager(ctx context.Context, in *pb.HeartbeatFromTaskManagerRequest) (*pb.HeartbeatFromTaskManagerResponse, error) {
	m := g.m
	return rpc.Call(ctx, m.ep, func() (*pb.HeartbeatFromTaskManagerResponse, error) {
		const op = "take heartbeat"
		tm, err := m.from(op, in.GetResourceId())
		if err != nil {
			return nil, err
		}
		updates := make([]scheduler.TaskUpdate, 0, len(in.GetTasks()))
		for _, t := range in.GetTasks() {
			u, err := taskUpdate(t.GetAttempt(), t.GetState(), t.GetIo(), t.GetAccumulators())
			if err != nil {
				return nil, core.E(op, core.Invalid, in.GetResourceId(), err)
			}
			updates = append(updates, u)
		}
		held := make([]core.AllocationID, 0, len(in.GetAllocations()))
		for _, b := range in.GetAllocations() {
			alloc, err := core.AllocationIDFromBytes(b)
			if err != nil {
				return nil, core.E(op, core.Invalid, in.GetResourceId(), err)
			}
			held = append(held, alloc)
		}
		m.apply(m.exec.Report(time.Now(), tm.id, updates))
		m.applyPool(m.pool.Report(tm.id, held))
		return &pb.HeartbeatFromTaskManagerResponse{}, nil
	})
}

// DisconnectTaskManager implements rpc.JobMasterGateway.
func (g *gateway) DisconnectTaskManager(ctx context.Context, in *pb.DisconnectTaskManagerRequest) (*pb.DisconnectTaskManagerResponse, error) {
	m := g.m
	return rpc.Call(ctx, m.ep, func() (*pb.DisconnectTaskManagerResponse, error) {
		m.dropTaskManager(core.ResourceID(in.GetResourceId()), fmt.Errorf("it disconnected: %s", in.GetCause().GetMessage()))
		return &pb.DisconnectTaskManagerResponse{}, nil
	})
}

// SendOperatorEvent implements rpc.JobMasterGateway: what sources tell their split assigner. Events of attempts that
// are over are dropped.
func (g *gateway) SendOperatorEvent(ctx context.Context, in *pb.SendOperatorEventRequest) (*pb.SendOperatorEventResponse, error) {
	m := g.m
	return rpc.Call(ctx, m.ep, func() (*pb.SendOperatorEventResponse, error) {
		if _, err := m.from("send operator event", in.GetResourceId()); err != nil {
			return nil, err
		}
		for _, e := range in.GetEvents() {
			id, err := attemptFromProto(e.GetAttempt())
			if err != nil {
				return nil, core.E("send operator event", core.Invalid, in.GetResourceId(), err)
			}
			if !m.exec.Current(id) {
				continue
			}
			if err := m.sourceEvent(id, e); err != nil {
				m.apply(m.exec.FailAttempts(time.Now(), []core.ExecutionAttemptID{id}, m.failure(err)))
			}
		}
		return &pb.SendOperatorEventResponse{}, nil
	})
}

// sourceEvent passes an event to the split assigner. An error is a fault of the source, whose attempt fails.
func (m *JobMaster) sourceEvent(id core.ExecutionAttemptID, e *pb.OperatorEvent) error {
	const op = "take operator event"
	operator, err := core.OperatorIDFromBytes(e.GetOperator())
	if err != nil {
		return core.E(op, core.Internal, id.String(), err)
	}
	s := m.sources[operator]
	if s == nil || s.vertex != id.Vertex {
		return core.E(op, core.Internal, id.String(), fmt.Errorf("operator %s is no coordinated source of this vertex", operator))
	}
	var event pb.SourceEvent
	if err := proto.Unmarshal(e.GetPayload(), &event); err != nil {
		return core.E(op, core.Internal, id.String(), err)
	}
	switch ev := event.GetEvent().(type) {
	case *pb.SourceEvent_Discovered:
		if id.Subtask != 0 {
			return core.E(op, core.Internal, id.String(), errors.New("splits are discovered by subtask 0"))
		}
		m.tell(operator, s, s.splits.discover(ev.Discovered.GetSplits(), ev.Discovered.GetComplete()))
	case *pb.SourceEvent_Request:
		m.tell(operator, s, s.splits.request(id.Subtask))
	case *pb.SourceEvent_WatermarkReport:
		m.alignment.report(operator, id.Subtask, ev.WatermarkReport)
		m.align()
	default:
		return core.E(op, core.Internal, id.String(), fmt.Errorf("a source sends no %T", ev))
	}
	return nil
}

func taskUpdate(attempt *pb.ExecutionAttemptID, state string, io *pb.IOMetrics, accumulators []*pb.Accumulator) (scheduler.TaskUpdate, error) {
	id, err := attemptFromProto(attempt)
	if err != nil {
		return scheduler.TaskUpdate{}, err
	}
	s, err := core.ParseExecutionState(state)
	if err != nil {
		return scheduler.TaskUpdate{}, err
	}
	u := scheduler.TaskUpdate{
		Attempt: id,
		State:   s,
		IO: core.IOMetrics{
			BytesIn: io.GetBytesIn(), BytesOut: io.GetBytesOut(), RecordsIn: io.GetRecordsIn(), RecordsOut: io.GetRecordsOut(),
			BusyMillis: io.GetBusyMillis(), IdleMillis: io.GetIdleMillis(), BackpressuredMillis: io.GetBackpressuredMillis(),
		},
		HasIO: io != nil,
	}
	for _, a := range accumulators {
		u.Accumulators = append(u.Accumulators, core.Accumulator{Name: a.GetName(), Kind: a.GetKind(), Value: a.GetValue()})
	}
	return u, nil
}

func failureFromProto(p *pb.ErrorInfo, atMillis int64) scheduler.FailureInfo {
	f := scheduler.FailureInfo{Message: p.GetMessage(), Stack: p.GetStack(), Kind: p.GetKind(), Type: p.GetType(), At: atMillis}
	if f.Message == "" {
		f.Message = "the task failed and gave no reason"
	}
	if f.Kind == "" {
		f.Kind = core.Internal.String()
	}
	return f
}
