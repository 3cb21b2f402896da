package resourcemanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/driver"
	"github.com/flink-go/flink-go/slots"
)

// EndpointName is under which name a ResourceManager is served.
const EndpointName = "resourcemanager"

// Config is what a ResourceManager needs. Service and Log are required.
type Config struct {
	Service rpc.Service
	Token   core.Token // of this leader session; zero: not fenced
	Log     *slog.Logger
	Driver  driver.Driver // nil: driver.Standalone

	// Slots adjusts the SlotManager. What workers bring comes from the driver, Start is the time of New.
	Slots       slots.ManagerConfig
	Heartbeat   rpc.HeartbeatConfig
	CallTimeout time.Duration // of calls to TaskExecutors, 10 s
}

// ResourceManager is the endpoint. Its exported methods may be called from any goroutine.
type ResourceManager struct {
	cfg      Config
	endpoint *rpc.Endpoint
	log      *slog.Logger

	// The rest belongs to the main goroutine.
	manager      *slots.Manager
	tms          map[core.ResourceID]*taskManager
	gone         map[core.ResourceID]string // why registrations ended, for those who come too late
	tmMonitor    *rpc.Monitor[core.ResourceID]
	jobs         map[core.JobID]*jobMaster
	jobMonitor   *rpc.Monitor[core.JobID]
	stopTick     func()
	shuttingDown bool
}

var _ rpc.ResourceManagerGateway = (*ResourceManager)(nil)

// taskManager is a registered TaskExecutor.
type taskManager struct {
	id        core.ResourceID
	instance  core.InstanceID
	gateway   rpc.TaskExecutorGateway
	info      *pb.RegisterTaskExecutorRequest // read-only
	freeBytes int64                           // memory, as of the last heartbeat
	heard     time.Time                       // wall time of the last sign of life
}

// jobMaster is a registered JobMaster.
type jobMaster struct {
	id        core.JobID
	address   rpc.Address
	notEnough bool // slots that it needs are not to be had
}

// New starts a ResourceManager and serves it. The driver belongs to it from now on.
func New(cfg Config) (*ResourceManager, error) {
	if cfg.Driver == nil {
		cfg.Driver = driver.Standalone{}
	}
	cfg.CallTimeout = cmp.Or(cfg.CallTimeout, 10*time.Second)
	worker := cfg.Driver.Worker()
	cfg.Slots.WorkerSlots, cfg.Slots.WorkerProfile = worker.Slots, worker.Profile
	cfg.Slots.WorkerPrefix = cmp.Or(cfg.Slots.WorkerPrefix, fmt.Sprintf("tm-%s-", core.NewInstanceID().String()[:6]))
	cfg.Slots.Start = time.Now()
	endpoint := rpc.NewEndpoint(EndpointName, cfg.Log)
	rm := &ResourceManager{
		cfg:      cfg,
		endpoint: endpoint,
		log:      cfg.Log,
		manager:  slots.NewManager(cfg.Slots),
		tms:      make(map[core.ResourceID]*taskManager),
		gone:     make(map[core.ResourceID]string),
		jobs:     make(map[core.JobID]*jobMaster),
		stopTick: func() {},
	}
	rm.tmMonitor = rpc.NewMonitor(endpoint, cfg.Heartbeat, func(id core.ResourceID, cause error) {
		rm.dropTaskManager(id, fmt.Sprintf("lost: %v", cause), true)
	})
	rm.jobMonitor = rpc.NewMonitor(endpoint, cfg.Heartbeat, func(id core.JobID, cause error) {
		rm.dropJob(id, fmt.Sprintf("lost: %v", cause))
	})
	cfg.Driver.Watch(func(id core.ResourceID, cause error) {
		endpoint.Run(func() { rm.workerExited(id, cause) })
	})
	if err := cfg.Service.Serve(EndpointName, cfg.Token, rm); err != nil {
		return nil, errors.Join(fmt.Errorf("start resource manager: %w", err), cfg.Driver.Close(), endpoint.Close())
	}
	endpoint.Run(rm.tick)
	return rm, nil
}

// Address is where gateways reach this ResourceManager.
func (rm *ResourceManager) Address() rpc.Address {
	return rpc.Address{Server: rm.cfg.Service.Address(), Endpoint: EndpointName, Token: rm.cfg.Token}
}

// Close ends the TaskManagers that the driver started and then the endpoint. TaskManagers that came by themselves
// notice that their registration is gone. It is idempotent.
func (rm *ResourceManager) Close() error {
	rm.cfg.Service.Remove(EndpointName)
	// An error says that it was closed before.
	_, _ = rpc.Call(context.Background(), rm.endpoint, func() (struct{}, error) {
		rm.shuttingDown = true
		rm.tmMonitor.Stop()
		rm.jobMonitor.Stop()
		rm.stopTick()
		return struct{}{}, nil
	})
	return errors.Join(rm.cfg.Driver.Close(), rm.endpoint.Close())
}

// apply carries effects out, in order, and sets the timer for what time will bring.
func (rm *ResourceManager) apply(effects []slots.ManagerEffect) {
	rm.endpoint.Assert()
	if rm.shuttingDown {
		return
	}
	for _, e := range effects {
		switch e := e.(type) {
		case slots.RequestSlot:
			rm.requestSlot(e)
		case slots.StartWorkers:
			rm.startWorkers(e.IDs)
		case slots.ReleaseWorker:
			rm.releaseWorker(e)
		case slots.NotEnough:
			if j := rm.jobs[e.Job]; j != nil {
				j.notEnough = true
			}
			c := rm.manager.Counts()
			rm.log.Warn("there are not enough slots", "job", e.Job, "needed", e.Needed, "has", e.Have,
				"slots", c.Slots, "free", c.Free, "taskmanagers", c.TaskManagers)
		}
	}
	rm.stopTick()
	if at, ok := rm.manager.NextTick(time.Now()); ok {
		rm.stopTick = rm.endpoint.After(time.Until(at), rm.tick)
	}
}

func (rm *ResourceManager) tick() { rm.apply(rm.manager.Tick(time.Now())) }

// requestSlot tells a TaskExecutor to give a slot to a job (S-095).
func (rm *ResourceManager) requestSlot(e slots.RequestSlot) {
	answered := func(_ struct{}, err error) {
		if err != nil {
			rm.log.Warn("slot request was not met", "job", e.Job, "slot", e.Slot, "alloc", e.Alloc, "err", err)
		}
		rm.apply(rm.manager.Requested(time.Now(), e.Slot, e.Alloc, err))
	}
	tm, job := rm.tms[e.Slot.Resource], rm.jobs[e.Job]
	if tm == nil || job == nil { // the answer must not come before the effects that follow this one
		rm.endpoint.Run(func() {
			answered(struct{}{}, core.E("request slot", core.Unavailable, e.Slot.String(), errors.New("not registered any more")))
		})
		return
	}
	request := &pb.RequestSlotRequest{
		Slot:              &pb.SlotID{ResourceId: string(e.Slot.Resource), Number: int32(e.Slot.Number)},
		JobId:             e.Job.Bytes(),
		AllocationId:      e.Alloc.Bytes(),
		Profile:           profileToProto(e.Profile),
		JobMasterAddress:  job.address.Server,
		JobMasterEndpoint: job.address.Endpoint,
		JobMasterToken:    tokenBytes(job.address.Token),

		ResourceManagerToken: tokenBytes(rm.cfg.Token),
		InstanceId:           tm.instance.Bytes(),
	}
	rpc.Await(rm.endpoint, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, rm.cfg.CallTimeout)
		defer cancel()
		_, err := tm.gateway.RequestSlot(ctx, request)
		return struct{}{}, err
	}, answered)
}

func (rm *ResourceManager) startWorkers(ids []core.ResourceID) {
	rm.log.Info("TaskManagers are started", "taskmanagers", ids)
	for _, id := range ids {
		rpc.Await(rm.endpoint, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, rm.cfg.Driver.StartWorker(ctx, id)
		}, func(_ struct{}, err error) {
			if err != nil {
				rm.log.Error("TaskManager does not start", "taskmanager", id, "err", err)
				rm.apply(rm.manager.Deregister(time.Now(), id))
			}
		})
	}
}

func (rm *ResourceManager) releaseWorker(e slots.ReleaseWorker) {
	rm.log.Info("TaskManager is ended", "taskmanager", e.ID, "cause", e.Cause)
	rm.forgetTaskManager(e.ID)
	rm.cfg.Driver.StopWorker(e.ID)
}

// workerExited is told by the driver, long before heartbeats would be missed.
func (rm *ResourceManager) workerExited(id core.ResourceID, cause error) {
	if rm.tms[id] != nil {
		rm.dropTaskManager(id, cause.Error(), false)
		return
	}
	rm.apply(rm.manager.Deregister(time.Now(), id))
}

// RegisterTaskExecutor begins a registration; the same id again replaces the older one (S-105, S-106).
func (rm *ResourceManager) RegisterTaskExecutor(ctx context.Context, in *pb.RegisterTaskExecutorRequest) (*pb.RegisterTaskExecutorResponse, error) {
	id := core.ResourceID(in.GetResourceId())
	if err := checkRegistration(in); err != nil {
		return nil, core.E("register TaskExecutor", core.Invalid, clip(in.GetResourceId()), err)
	}
	return rpc.Call(ctx, rm.endpoint, func() (*pb.RegisterTaskExecutorResponse, error) {
		tm := &taskManager{
			id:        id,
			instance:  core.NewInstanceID(),
			gateway:   rm.cfg.Service.TaskExecutor(rpc.Address{Server: in.GetRpcAddress(), Endpoint: in.GetEndpoint()}),
			info:      in,
			freeBytes: in.GetHardware().GetFreeMemory(),
			heard:     time.Now(),
		}
		again := rm.tms[id] != nil
		delete(rm.gone, id)
		rm.tms[id] = tm
		rm.tmMonitor.Watch(id, rm.heartbeat(tm))
		rm.tmMonitor.WatchConnection(id, rm.cfg.Service, in.GetRpcAddress())
		rm.log.Info("TaskExecutor registered", "taskmanager", id, "address", in.GetRpcAddress(), "slots", in.GetSlots(), "again", again)
		rm.apply(rm.manager.Register(time.Now(), id, tm.instance))
		interval, timeout := rm.heartbeatTimes()
		return &pb.RegisterTaskExecutorResponse{
			InstanceId:              tm.instance.Bytes(),
			HeartbeatIntervalMillis: interval.Milliseconds(),
			HeartbeatTimeoutMillis:  timeout.Milliseconds(),
		}, nil
	})
}

// The limits of what a TaskExecutor may say of itself (L-11).
const (
	maxNameLength  = 512
	maxSlotsPerTM  = 1 << 16
	maxRequirement = 1 << 20
	maxGone        = 1024 // ended registrations whose cause is remembered
)

func checkRegistration(in *pb.RegisterTaskExecutorRequest) error {
	switch {
	case in.GetResourceId() == "" || in.GetRpcAddress() == "" || in.GetEndpoint() == "":
		return errors.New("resource id, RPC address and endpoint are required")
	case max(len(in.GetResourceId()), len(in.GetRpcAddress()), len(in.GetEndpoint()), len(in.GetDataHost())) > maxNameLength:
		return fmt.Errorf("a name has more than %d bytes", maxNameLength)
	case in.GetSlots() < 0 || in.GetSlots() > maxSlotsPerTM:
		return fmt.Errorf("%d slots: want at most %d", in.GetSlots(), maxSlotsPerTM)
	}
	return nil
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

func (rm *ResourceManager) heartbeatTimes() (interval, timeout time.Duration) {
	return cmp.Or(rm.cfg.Heartbeat.Interval, 10*time.Second), cmp.Or(rm.cfg.Heartbeat.Timeout, 50*time.Second)
}

// heartbeat asks a TaskExecutor for its slot report. asOf travels along: what was decided after the question was
// asked is not in the answer.
func (rm *ResourceManager) heartbeat(tm *taskManager) rpc.Beat {
	type answer struct {
		asOf time.Time
		out  *pb.HeartbeatFromResourceManagerResponse
	}
	request := &pb.HeartbeatFromResourceManagerRequest{ResourceManagerToken: tokenBytes(rm.cfg.Token)}
	return rpc.Exchange(
		time.Now,
		func(ctx context.Context, asOf time.Time) (answer, error) {
			out, err := tm.gateway.HeartbeatFromResourceManager(ctx, request)
			return answer{asOf, out}, err
		},
		func(a answer) {
			tm.heard = time.Now()
			tm.freeBytes = a.out.GetFreeMemory()
			if a.out.GetSlots() != nil {
				rm.report(tm, a.asOf, a.out.GetSlots())
			}
		})
}

// report hands a slot report to the manager.
func (rm *ResourceManager) report(tm *taskManager, asOf time.Time, in *pb.SlotReport) {
	report, err := reportFromProto(tm.id, in)
	if err != nil {
		rm.log.Warn("slot report is malformed and not used", "taskmanager", tm.id, "err", err)
		return
	}
	rm.apply(rm.manager.Report(time.Now(), tm.id, tm.instance, asOf, report))
}

// SendSlotReport completes a registration: from now on the slots are used.
func (rm *ResourceManager) SendSlotReport(ctx context.Context, in *pb.SendSlotReportRequest) (*pb.SendSlotReportResponse, error) {
	return rpc.Call(ctx, rm.endpoint, func() (*pb.SendSlotReportResponse, error) {
		tm, err := rm.registered("send slot report", in.GetResourceId(), in.GetInstanceId())
		if err != nil {
			return nil, err
		}
		rm.report(tm, time.Now(), in.GetReport())
		return &pb.SendSlotReportResponse{}, nil
	})
}

// registered finds a TaskManager by its current registration.
func (rm *ResourceManager) registered(op, id string, instance []byte) (*taskManager, error) {
	tm := rm.tms[core.ResourceID(id)]
	if tm == nil || string(tm.instance.Bytes()) != string(instance) {
		err := errors.New("this registration does not exist any more")
		if why := rm.gone[core.ResourceID(id)]; tm == nil && why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
		return nil, core.E(op, core.NotFound, clip(id), err)
	}
	return tm, nil
}

// NotifySlotAvailable says that a slot is free again.
func (rm *ResourceManager) NotifySlotAvailable(ctx context.Context, in *pb.NotifySlotAvailableRequest) (*pb.NotifySlotAvailableResponse, error) {
	alloc, err := core.AllocationIDFromBytes(in.GetAllocationId())
	if err != nil {
		return nil, core.E("notify slot available", core.Invalid, clip(in.GetResourceId()), err)
	}
	return rpc.Call(ctx, rm.endpoint, func() (*pb.NotifySlotAvailableResponse, error) {
		tm, err := rm.registered("notify slot available", in.GetResourceId(), in.GetInstanceId())
		if err != nil {
			return nil, err
		}
		slot := core.SlotID{Resource: tm.id, Number: int(in.GetSlot().GetNumber())}
		rm.apply(rm.manager.SlotAvailable(time.Now(), slot, tm.instance, alloc))
		return &pb.NotifySlotAvailableResponse{}, nil
	})
}

// DisconnectTaskExecutor ends a registration in good order.
func (rm *ResourceManager) DisconnectTaskExecutor(ctx context.Context, in *pb.DisconnectTaskExecutorRequest) (*pb.DisconnectTaskExecutorResponse, error) {
	return rpc.Call(ctx, rm.endpoint, func() (*pb.DisconnectTaskExecutorResponse, error) {
		rm.dropTaskManager(core.ResourceID(in.GetResourceId()), "it disconnected: "+clip(in.GetCause()), false)
		return &pb.DisconnectTaskExecutorResponse{}, nil
	})
}

// dropTaskManager ends a registration. With tell, a TaskExecutor that may be alive hears of it and registers again.
func (rm *ResourceManager) dropTaskManager(id core.ResourceID, cause string, tell bool) {
	tm := rm.tms[id]
	if tm == nil {
		return
	}
	rm.log.Info("TaskExecutor is not registered any more", "taskmanager", id, "cause", cause)
	rm.forgetTaskManager(id)
	if len(rm.gone) >= maxGone {
		clear(rm.gone)
	}
	rm.gone[id] = cause
	rm.apply(rm.manager.Deregister(time.Now(), id))
	if !tell {
		return
	}
	rpc.Await(rm.endpoint, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, rm.cfg.CallTimeout)
		defer cancel()
		_, err := tm.gateway.DisconnectResourceManager(ctx, &pb.DisconnectResourceManagerRequest{Cause: cause})
		return struct{}{}, err
	}, func(struct{}, error) {}) // it is probably gone
}

func (rm *ResourceManager) forgetTaskManager(id core.ResourceID) {
	delete(rm.tms, id)
	rm.tmMonitor.Forget(id)
}

// RegisterJobMaster begins or renews the registration of a job's JobMaster.
func (rm *ResourceManager) RegisterJobMaster(ctx context.Context, in *pb.RegisterJobMasterRequest) (*pb.RegisterJobMasterResponse, error) {
	id, err := core.JobIDFromBytes(in.GetJobId())
	token, err2 := core.TokenFromBytes(in.GetToken())
	if err := errors.Join(err, err2); err != nil {
		return nil, core.E("register JobMaster", core.Invalid, "", err)
	}
	if in.GetRpcAddress() == "" || in.GetEndpoint() == "" || max(len(in.GetRpcAddress()), len(in.GetEndpoint())) > maxNameLength {
		return nil, core.E("register JobMaster", core.Invalid, id.String(), errors.New("RPC address and endpoint are required"))
	}
	address := rpc.Address{Server: in.GetRpcAddress(), Endpoint: in.GetEndpoint(), Token: token}
	return rpc.Call(ctx, rm.endpoint, func() (*pb.RegisterJobMasterResponse, error) {
		if old := rm.jobs[id]; old != nil && old.address != address {
			rm.dropJob(id, "another JobMaster of the job registered")
		}
		if rm.jobs[id] == nil {
			rm.jobs[id] = &jobMaster{id: id, address: address}
			rm.log.Info("JobMaster registered", "job", id, "address", address.Server)
		}
		rm.jobMonitor.Watch(id, nil)
		if address.Server != rm.cfg.Service.Address() {
			rm.jobMonitor.WatchConnection(id, rm.cfg.Service, address.Server)
		}
		return &pb.RegisterJobMasterResponse{}, nil
	})
}

// dropJob ends the registration of a JobMaster and what it required. Slots that its job has are given back by their
// TaskExecutors.
func (rm *ResourceManager) dropJob(id core.JobID, cause string) {
	if rm.jobs[id] == nil {
		return
	}
	rm.log.Info("JobMaster is not registered any more", "job", id, "cause", cause)
	delete(rm.jobs, id)
	rm.jobMonitor.Forget(id)
	rm.apply(rm.manager.Require(time.Now(), id, nil))
}

// jobOf finds a job by the token of its registered JobMaster.
func (rm *ResourceManager) jobOf(op string, id core.JobID, token []byte) (*jobMaster, error) {
	job := rm.jobs[id]
	switch {
	case job == nil:
		return nil, core.E(op, core.NotFound, id.String(), errors.New("its JobMaster is not registered"))
	case string(tokenBytes(job.address.Token)) != string(token):
		return nil, core.E(op, core.Fenced, id.String(), errors.New("another JobMaster of the job is registered"))
	}
	return job, nil
}

// DeclareRequiredResources replaces what a job requires.
func (rm *ResourceManager) DeclareRequiredResources(ctx context.Context, in *pb.DeclareRequiredResourcesRequest) (*pb.DeclareRequiredResourcesResponse, error) {
	const op = "declare required resources"
	id, err := core.JobIDFromBytes(in.GetJobId())
	if err != nil {
		return nil, core.E(op, core.Invalid, "", err)
	}
	required, total := make([]slots.Requirement, 0, len(in.GetRequirements())), 0
	for _, r := range in.GetRequirements() {
		if r.GetCount() < 0 || r.GetCount() > maxRequirement {
			return nil, core.E(op, core.Invalid, id.String(), fmt.Errorf("%d slots: want 0 to %d", r.GetCount(), maxRequirement))
		}
		total += int(r.GetCount())
		required = append(required, slots.Requirement{Profile: profileFromProto(r.GetProfile()), Count: int(r.GetCount())})
	}
	if total > maxRequirement {
		return nil, core.E(op, core.Invalid, id.String(), fmt.Errorf("%d slots: want at most %d", total, maxRequirement))
	}
	return rpc.Call(ctx, rm.endpoint, func() (*pb.DeclareRequiredResourcesResponse, error) {
		job, err := rm.jobOf(op, id, in.GetJobMasterToken())
		if err != nil {
			return nil, err
		}
		rm.jobMonitor.Heard(id)
		rm.log.Info("job requires slots", "job", id, "slots", total)
		rm.apply(rm.manager.Require(time.Now(), id, required))
		return &pb.DeclareRequiredResourcesResponse{Resources: rm.resources(job)}, nil
	})
}

// resources is what a JobMaster hears about the cluster.
func (rm *ResourceManager) resources(job *jobMaster) *pb.ClusterResources {
	c := rm.manager.Counts()
	needed, missing := rm.manager.Missing(job.id)
	if missing == 0 {
		job.notEnough = false
	}
	return &pb.ClusterResources{
		TaskManagers:    int32(c.TaskManagers),
		SlotsTotal:      int32(c.Slots),
		SlotsFree:       int32(c.Free),
		WorkersStarting: int32(c.PendingWorkers),
		Needed:          int32(needed),
		Missing:         int32(missing),
		NotEnough:       job.notEnough,
	}
}

// HeartbeatFromJobMaster keeps a registration alive; kind NotFound tells a JobMaster to register again.
func (rm *ResourceManager) HeartbeatFromJobMaster(ctx context.Context, in *pb.HeartbeatFromJobMasterRequest) (*pb.HeartbeatFromJobMasterResponse, error) {
	id, err := core.JobIDFromBytes(in.GetJobId())
	if err != nil {
		return nil, core.E("heartbeat", core.Invalid, "", err)
	}
	return rpc.Call(ctx, rm.endpoint, func() (*pb.HeartbeatFromJobMasterResponse, error) {
		job := rm.jobs[id]
		if job == nil {
			return nil, core.E("heartbeat", core.NotFound, id.String(), errors.New("its JobMaster is not registered"))
		}
		rm.jobMonitor.Heard(id)
		return &pb.HeartbeatFromJobMasterResponse{Resources: rm.resources(job)}, nil
	})
}

// DisconnectJobMaster ends a registration: the job has ended, or goes on elsewhere.
func (rm *ResourceManager) DisconnectJobMaster(ctx context.Context, in *pb.DisconnectJobMasterRequest) (*pb.DisconnectJobMasterResponse, error) {
	id, err := core.JobIDFromBytes(in.GetJobId())
	if err != nil {
		return nil, core.E("disconnect JobMaster", core.Invalid, "", err)
	}
	return rpc.Call(ctx, rm.endpoint, func() (*pb.DisconnectJobMasterResponse, error) {
		if _, err := rm.jobOf("disconnect JobMaster", id, in.GetJobMasterToken()); err != nil {
			return nil, err
		}
		rm.dropJob(id, "it disconnected, job status "+clip(in.GetJobStatus()))
		return &pb.DisconnectJobMasterResponse{}, nil
	})
}

// RequestTaskManagers lists the registered TaskManagers with their slots, by id.
func (rm *ResourceManager) RequestTaskManagers(ctx context.Context, _ *pb.RequestTaskManagersRequest) (*pb.RequestTaskManagersResponse, error) {
	return rpc.Call(ctx, rm.endpoint, func() (*pb.RequestTaskManagersResponse, error) {
		out := &pb.RequestTaskManagersResponse{}
		for _, tm := range rm.tms {
			out.TaskManagers = append(out.TaskManagers, rm.describe(tm))
		}
		slices.SortFunc(out.TaskManagers, func(a, b *pb.TaskManagerInfo) int { return cmp.Compare(a.GetResourceId(), b.GetResourceId()) })
		return out, nil
	})
}

func (rm *ResourceManager) describe(tm *taskManager) *pb.TaskManagerInfo {
	hardware := tm.info.GetHardware()
	info := &pb.TaskManagerInfo{
		ResourceId:          string(tm.id),
		RpcAddress:          tm.info.GetRpcAddress(),
		Endpoint:            tm.info.GetEndpoint(),
		DataHost:            tm.info.GetDataHost(),
		LastHeartbeatMillis: tm.heard.UnixMilli(),
		SlotProfile:         tm.info.GetSlotProfile(),
		Hardware: &pb.HardwareDescription{
			CpuCores:       hardware.GetCpuCores(),
			PhysicalMemory: hardware.GetPhysicalMemory(),
			FreeMemory:     tm.freeBytes,
			ManagedMemory:  hardware.GetManagedMemory(),
		},
		MemoryBytes:    tm.info.GetMemoryBytes(),
		MetricsAddress: tm.info.GetMetricsAddress(),
	}
	for _, s := range rm.manager.SlotsOf(tm.id) {
		status := &pb.SlotStatus{
			Slot:    &pb.SlotID{ResourceId: string(tm.id), Number: int32(s.Number)},
			Profile: profileToProto(s.Profile),
		}
		info.SlotsTotal++
		if s.Alloc == (core.AllocationID{}) {
			info.SlotsFree++
		} else {
			status.JobId, status.AllocationId = s.Job.Bytes(), s.Alloc.Bytes()
		}
		info.Slots = append(info.Slots, status)
	}
	return info
}

// Overview tells how many TaskManagers and slots there are.
func (rm *ResourceManager) Overview(ctx context.Context) (slots.ManagerCounts, error) {
	return rpc.Call(ctx, rm.endpoint, func() (slots.ManagerCounts, error) { return rm.manager.Counts(), nil })
}

func tokenBytes(t core.Token) []byte {
	if t.IsZero() {
		return nil
	}
	return t.Bytes()
}

func profileToProto(p core.ResourceProfile) *pb.ResourceProfile {
	return &pb.ResourceProfile{CpuMilli: p.CPUMilli, MemoryBytes: p.MemoryBytes}
}

func profileFromProto(p *pb.ResourceProfile) core.ResourceProfile {
	return core.ResourceProfile{CPUMilli: p.GetCpuMilli(), MemoryBytes: p.GetMemoryBytes()}
}

// reportFromProto checks a slot report as a whole: all of it is used or nothing.
func reportFromProto(id core.ResourceID, in *pb.SlotReport) ([]slots.SlotReport, error) {
	if len(in.GetSlots()) > maxSlotsPerTM {
		return nil, fmt.Errorf("it has %d slots, want at most %d", len(in.GetSlots()), maxSlotsPerTM)
	}
	out := make([]slots.SlotReport, 0, len(in.GetSlots()))
	seen := make(map[int32]bool, len(in.GetSlots()))
	for _, s := range in.GetSlots() {
		n := s.GetSlot().GetNumber()
		if owner := s.GetSlot().GetResourceId(); owner != string(id) || n < 0 || seen[n] {
			return nil, fmt.Errorf("it lists slot %d of %s, which is foreign, negative or listed before", n, clip(owner))
		}
		seen[n] = true
		r := slots.SlotReport{Number: int(n), Profile: profileFromProto(s.GetProfile())}
		if len(s.GetJobId()) > 0 || len(s.GetAllocationId()) > 0 {
			job, err := core.JobIDFromBytes(s.GetJobId())
			alloc, err2 := core.AllocationIDFromBytes(s.GetAllocationId())
			if err := errors.Join(err, err2); err != nil {
				return nil, fmt.Errorf("slot %d: %w", n, err)
			}
			r.Job, r.Alloc = job, alloc
		}
		out = append(out, r)
	}
	return out, nil
}
