package taskexecutor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/slots"
)

// resourceManager is the TaskExecutor's view of the ResourceManager. It is either searching (attempts with backoff
// until one registration and slot report went through, or the time is over) or registered.
type resourceManager struct {
	registered bool
	addr       rpc.Address
	gateway    rpc.ResourceManagerGateway
	instance   []byte

	session  int // rises with each loss: results of an older session are dropped
	deadline time.Time
	failures int
	next     int // index into the addresses of the next try
	tried    []string
	stop     func()                   // of the timer of the next try
	monitor  *rpc.Monitor[core.Token] // of the heartbeats that come from it
}

// rmSearch begins to look for a ResourceManager, at start and whenever the one that was known is lost (S-105, R-28).
func (t *TaskExecutor) rmSearch(why string) {
	t.ep.Assert()
	if t.closing {
		return
	}
	rm := &t.rm
	t.log.Info("registering at the resource manager", keyCause, why)
	t.rmForget()
	rm.failures, rm.next, rm.tried = 0, 0, nil
	rm.deadline = time.Now().Add(t.cfg.RegistrationTimeout)
	t.rmTry()
}

// rmForget ends whatever was going on with a ResourceManager.
func (t *TaskExecutor) rmForget() {
	rm := &t.rm
	rm.session++
	rm.registered, rm.instance = false, nil
	if rm.stop != nil {
		rm.stop()
		rm.stop = nil
	}
	if rm.monitor != nil {
		rm.monitor.Stop()
		rm.monitor = nil
	}
}

// rmTry makes one attempt to register at the next address.
func (t *TaskExecutor) rmTry() {
	rm := &t.rm
	session := rm.session
	addrs := t.cfg.ResourceManagers()
	if len(addrs) == 0 {
		t.rmFailed(errors.New("no address of a resource manager is known"))
		return
	}
	addr := addrs[rm.next%len(addrs)]
	rm.next++
	if name := addr.Server + "/" + addr.Endpoint; !slices.Contains(rm.tried, name) {
		rm.tried = append(rm.tried, name)
	}
	gateway := t.cfg.Service.ResourceManager(addr)
	hello := t.registration()
	rpc.Await(t.ep, func(ctx context.Context) (*pb.RegisterTaskExecutorResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
		defer cancel()
		return gateway.RegisterTaskExecutor(ctx, hello)
	}, func(answer *pb.RegisterTaskExecutorResponse, err error) {
		if session != t.rm.session || t.closing {
			return
		}
		if err != nil {
			t.rmFailed(err)
			return
		}
		t.rmReport(addr, gateway, answer)
	})
}

// registration is what the ResourceManager gets to know about this TaskManager (S-106, S-113).
func (t *TaskExecutor) registration() *pb.RegisterTaskExecutorRequest {
	hw := t.cfg.Hardware
	return &pb.RegisterTaskExecutorRequest{
		ResourceId: string(t.cfg.Resource),
		RpcAddress: t.cfg.Service.Address(),
		Endpoint:   t.cfg.Endpoint,
		DataHost:   t.cfg.DataHost,
		Hardware: &pb.HardwareDescription{
			CpuCores:       int32(hw.CPUCores),
			PhysicalMemory: hw.PhysicalMemory,
			FreeMemory:     hw.FreeMemory,
			ManagedMemory:  hw.ManagedMemory,
		},
		Slots:          int32(t.cfg.Slots),
		SlotProfile:    profileToProto(t.cfg.SlotProfile),
		MemoryBytes:    t.cfg.Memory,
		MetricsAddress: t.cfg.MetricsAddress,
		StartMillis:    t.start.UnixMilli(),
	}
}

// rmReport sends the first slot report of a registration; only then the ResourceManager uses the slots.
func (t *TaskExecutor) rmReport(addr rpc.Address, gateway rpc.ResourceManagerGateway, answer *pb.RegisterTaskExecutorResponse) {
	rm := &t.rm
	session := rm.session
	// From now on the ResourceManager may send heartbeats and ask for slots, so it must be known.
	rm.addr, rm.gateway, rm.instance = addr, gateway, answer.GetInstanceId()
	rm.monitor = rpc.NewMonitor(t.ep, heartbeatConfig(answer.GetHeartbeatIntervalMillis(), answer.GetHeartbeatTimeoutMillis()),
		func(_ core.Token, err error) { t.rmSearch("lost: " + err.Error()) })
	rm.monitor.Watch(addr.Token, nil)
	rm.monitor.WatchConnection(addr.Token, t.cfg.Service, addr.Server)
	report := &pb.SendSlotReportRequest{
		ResourceId: string(t.cfg.Resource),
		InstanceId: rm.instance,
		Report:     t.slotReport(),
	}
	rpc.Await(t.ep, func(ctx context.Context) (*pb.SendSlotReportResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
		defer cancel()
		return gateway.SendSlotReport(ctx, report)
	}, func(_ *pb.SendSlotReportResponse, err error) {
		if session != t.rm.session || t.closing {
			return
		}
		if err != nil {
			t.rmFailed(err)
			return
		}
		rm := &t.rm
		rm.registered = true
		t.log.Info("registered at the resource manager", "address", addr.Server, "slots", t.cfg.Slots)
	})
}

// rmFailed handles an attempt that did not work: again after a while, or the end.
func (t *TaskExecutor) rmFailed(err error) {
	rm := &t.rm
	if rm.monitor != nil { // registered, but the slot report did not get through
		rm.monitor.Stop()
		rm.monitor, rm.instance = nil, nil
	}
	wait := t.backoff(rm.failures)
	// Half of the wait is random: after a restart of the ResourceManager not all TaskManagers come at once.
	wait = wait/2 + time.Duration(t.cfg.Random()*float64(wait/2))
	rm.failures++
	left := time.Until(rm.deadline)
	if left <= 0 {
		t.end(core.E("register at the resource manager", core.Unavailable, string(t.cfg.Resource),
			fmt.Errorf("no success within %s (taskmanager.registration.timeout); tried %s; the last error: %w",
				t.cfg.RegistrationTimeout, strings.Join(rm.tried, ", "), err)))
		return
	}
	if rm.failures == 1 || rm.failures%8 == 0 {
		t.log.Warn("cannot register at the resource manager yet", "tried", strings.Join(rm.tried, ", "), keyCause, err)
	}
	session := rm.session
	rm.stop = t.ep.After(min(wait, left), func() {
		if session == t.rm.session && !t.closing {
			t.rmTry()
		}
	})
}

func heartbeatConfig(intervalMillis, timeoutMillis int64) rpc.HeartbeatConfig {
	return rpc.HeartbeatConfig{
		Interval: time.Duration(intervalMillis) * time.Millisecond,
		Timeout:  time.Duration(timeoutMillis) * time.Millisecond,
	}
}

// rmLeave returns what is to be said to the ResourceManager at the end, and stops the search.
func (t *TaskExecutor) rmLeave(cause string) (say []func(context.Context)) {
	known, gateway := t.rm.instance != nil, t.rm.gateway
	t.rmForget()
	if !known {
		return nil
	}
	in := &pb.DisconnectTaskExecutorRequest{ResourceId: string(t.cfg.Resource), Cause: cause}
	return []func(context.Context){func(ctx context.Context) {
		if _, err := gateway.DisconnectTaskExecutor(ctx, in); err != nil {
			t.log.Debug("goodbye to the resource manager was not heard", keyCause, err)
		}
	}}
}

// HeartbeatFromResourceManager implements rpc.TaskExecutorGateway. It runs on the main goroutine on purpose: a
// TaskExecutor that makes no progress must look dead (L-8).
func (t *TaskExecutor) HeartbeatFromResourceManager(ctx context.Context, in *pb.HeartbeatFromResourceManagerRequest) (*pb.HeartbeatFromResourceManagerResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.HeartbeatFromResourceManagerResponse, error) {
		if t.rm.instance == nil {
			return nil, core.E("heartbeat", core.Conflict, string(t.cfg.Resource), errors.New("not registered at a resource manager"))
		}
		if err := t.checkResourceManager("heartbeat", in.GetResourceManagerToken()); err != nil {
			return nil, err
		}
		t.rm.monitor.Heard(t.rm.addr.Token)
		free, rss := memoryNow()
		return &pb.HeartbeatFromResourceManagerResponse{Slots: t.slotReport(), FreeMemory: free, RssBytes: rss}, nil
	})
}

// checkResourceManager refuses what comes from another leader session than the one this TaskExecutor registered at.
func (t *TaskExecutor) checkResourceManager(op string, token []byte) error {
	if len(token) == 0 || t.rm.addr.Token.IsZero() || bytes.Equal(token, t.rm.addr.Token.Bytes()) {
		return nil
	}
	return core.E(op, core.Fenced, string(t.cfg.Resource), errors.New("the caller is not the resource manager that this task executor registered at"))
}

// checkOrder refuses an order of a ResourceManager, or of a registration, that is over (L-1): its picture of the slots
// here is not the one that the current ResourceManager has.
func (t *TaskExecutor) checkOrder(op string, in *pb.RequestSlotRequest) error {
	if err := t.checkResourceManager(op, in.GetResourceManagerToken()); err != nil {
		return err
	}
	if t.rm.instance == nil || !bytes.Equal(in.GetInstanceId(), t.rm.instance) {
		return core.E(op, core.Fenced, string(t.cfg.Resource), errors.New("the order is not for the current registration of this task executor"))
	}
	return nil
}

// DisconnectResourceManager implements rpc.TaskExecutorGateway: the ResourceManager ends the registration.
func (t *TaskExecutor) DisconnectResourceManager(ctx context.Context, in *pb.DisconnectResourceManagerRequest) (*pb.DisconnectResourceManagerResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.DisconnectResourceManagerResponse, error) {
		if t.rm.registered {
			t.rmSearch("disconnected by the resource manager: " + in.GetCause())
		}
		return &pb.DisconnectResourceManagerResponse{}, nil
	})
}

// notifyFree tells the ResourceManager that a slot is free, the last step of S-103. If that is lost, the slot report
// of the next heartbeat says the same.
func (t *TaskExecutor) notifyFree(s slots.TableSlot) {
	if !t.rm.registered || t.closing {
		return
	}
	gateway := t.rm.gateway
	in := &pb.NotifySlotAvailableRequest{
		ResourceId:   string(t.cfg.Resource),
		InstanceId:   t.rm.instance,
		Slot:         slotIDToProto(t.table.ID(s)),
		AllocationId: s.Alloc.Bytes(),
	}
	rpc.Await(t.ep, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
		defer cancel()
		_, err := gateway.NotifySlotAvailable(ctx, in)
		return struct{}{}, err
	}, func(_ struct{}, err error) {
		if err != nil {
			t.log.Warn("the resource manager did not hear of a free slot; the next heartbeat tells it", keySlot, s.Number, keyCause, err)
		}
	})
}

// slotReport is the truth about all slots (L-7).
func (t *TaskExecutor) slotReport() *pb.SlotReport {
	all := t.table.Slots()
	report := &pb.SlotReport{Slots: make([]*pb.SlotStatus, len(all))}
	for i, s := range all {
		status := &pb.SlotStatus{Slot: slotIDToProto(t.table.ID(s)), Profile: profileToProto(s.Profile)}
		if s.State != slots.TableFree {
			status.JobId, status.AllocationId = s.Job.Bytes(), s.Alloc.Bytes()
		}
		report.Slots[i] = status
	}
	return report
}

func slotIDToProto(s core.SlotID) *pb.SlotID {
	return &pb.SlotID{ResourceId: string(s.Resource), Number: int32(s.Number)}
}

func profileToProto(p core.ResourceProfile) *pb.ResourceProfile {
	return &pb.ResourceProfile{CpuMilli: p.CPUMilli, MemoryBytes: p.MemoryBytes}
}
