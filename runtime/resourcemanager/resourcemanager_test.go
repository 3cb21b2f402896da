package resourcemanager_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/driver"
	"github.com/flink-go/flink-go/runtime/resourcemanager"
	"github.com/flink-go/flink-go/slots"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a ResourceManager with fake TaskExecutors and JobMasters around it, in one bubble.
type cluster struct {
	t   *testing.T
	net *rpc.Local
	rm  *resourcemanager.ResourceManager
}

func start(t *testing.T, cfg resourcemanager.Config) *cluster {
	c := &cluster{t: t, net: rpc.NewLocal("jm")}
	cfg.Service, cfg.Token, cfg.Log = c.net, core.NewToken(), slog.New(slog.DiscardHandler)
	rm, err := resourcemanager.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.rm = rm
	t.Cleanup(func() {
		if err := errors.Join(rm.Close(), rm.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// taskExecutor is a fake: it knows its slots and does what RequestSlot says.
type taskExecutor struct {
	rpc.TaskExecutorGateway // what the ResourceManager does not call
	c                       *cluster
	id                      string
	service                 *rpc.Local
	gateway                 rpc.ResourceManagerGateway

	mu           sync.Mutex
	instance     []byte
	slots        []*pb.SlotStatus
	refuse       func(n int) error // decides about the n-th RequestSlot
	requests     []string
	disconnected []string
	silent       bool // answers no heartbeats
}

func (c *cluster) taskExecutor(id string, n int) *taskExecutor {
	te := &taskExecutor{c: c, id: id, service: c.net.Peer(id), refuse: func(int) error { return nil }}
	for i := range n {
		te.slots = append(te.slots, &pb.SlotStatus{Slot: &pb.SlotID{ResourceId: id, Number: int32(i)}})
	}
	te.gateway = te.service.ResourceManager(c.rm.Address())
	if err := te.service.Serve("taskexecutor", core.Token{}, te); err != nil {
		c.t.Fatal(err)
	}
	te.register()
	return te
}

func (te *taskExecutor) register() {
	out, err := te.gateway.RegisterTaskExecutor(te.c.t.Context(), &pb.RegisterTaskExecutorRequest{
		ResourceId: te.id, RpcAddress: te.id, Endpoint: "taskexecutor", Slots: int32(len(te.slots)),
		Hardware: &pb.HardwareDescription{CpuCores: 2},
	})
	if err != nil {
		te.c.t.Fatal(err)
	}
	te.instance = out.GetInstanceId()
	_, err = te.gateway.SendSlotReport(te.c.t.Context(), &pb.SendSlotReportRequest{
		ResourceId: te.id, InstanceId: te.instance, Report: te.report(),
	})
	if err != nil {
		te.c.t.Fatal(err)
	}
}

func (te *taskExecutor) report() *pb.SlotReport {
	te.mu.Lock()
	defer te.mu.Unlock()
	out := &pb.SlotReport{}
	for _, s := range te.slots {
		out.Slots = append(out.Slots, &pb.SlotStatus{Slot: s.GetSlot(), JobId: s.GetJobId(), AllocationId: s.GetAllocationId()})
	}
	return out
}

func (te *taskExecutor) RequestSlot(_ context.Context, in *pb.RequestSlotRequest) (*pb.RequestSlotResponse, error) {
	te.mu.Lock()
	defer te.mu.Unlock()
	if token := te.c.rm.Address().Token; string(in.GetResourceManagerToken()) != string(token.Bytes()) || string(in.GetInstanceId()) != string(te.instance) {
		return nil, core.E("request slot", core.Fenced, te.id, errors.New("not of this session and registration"))
	}
	te.requests = append(te.requests, fmt.Sprintf("slot %d to %s/%s", in.GetSlot().GetNumber(), in.GetJobMasterAddress(), in.GetJobMasterEndpoint()))
	err := te.refuse(len(te.requests))
	s := te.slots[in.GetSlot().GetNumber()]
	if len(s.GetAllocationId()) > 0 && string(s.GetAllocationId()) != string(in.GetAllocationId()) {
		return nil, core.E("request slot", core.Conflict, te.id, errors.New("taken"))
	}
	if err == nil || core.KindOf(err) == core.Unavailable { // the answer is lost, the order is not
		s.JobId, s.AllocationId = in.GetJobId(), in.GetAllocationId()
	}
	return &pb.RequestSlotResponse{}, err
}

func (te *taskExecutor) HeartbeatFromResourceManager(ctx context.Context, _ *pb.HeartbeatFromResourceManagerRequest) (*pb.HeartbeatFromResourceManagerResponse, error) {
	te.mu.Lock()
	silent := te.silent
	te.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, rpc.ContextError(ctx, "heartbeat", te.id)
	}
	return &pb.HeartbeatFromResourceManagerResponse{Slots: te.report(), FreeMemory: 42}, nil
}

func (te *taskExecutor) DisconnectResourceManager(_ context.Context, in *pb.DisconnectResourceManagerRequest) (*pb.DisconnectResourceManagerResponse, error) {
	te.mu.Lock()
	defer te.mu.Unlock()
	te.disconnected = append(te.disconnected, in.GetCause())
	return &pb.DisconnectResourceManagerResponse{}, nil
}

// free ends the allocation of a slot; with tell, the ResourceManager hears it at once.
func (te *taskExecutor) free(slot int, tell bool) {
	te.mu.Lock()
	alloc := te.slots[slot].GetAllocationId()
	te.slots[slot].JobId, te.slots[slot].AllocationId = nil, nil
	te.mu.Unlock()
	if !tell || len(alloc) == 0 {
		return
	}
	_, err := te.gateway.NotifySlotAvailable(te.c.t.Context(), &pb.NotifySlotAvailableRequest{
		ResourceId: te.id, InstanceId: te.instance, Slot: &pb.SlotID{ResourceId: te.id, Number: int32(slot)}, AllocationId: alloc,
	})
	if err != nil {
		te.c.t.Error(err)
	}
}

// owners lists whose the slots are, "-" for nobody.
func (te *taskExecutor) owners() string {
	te.mu.Lock()
	defer te.mu.Unlock()
	return owners(te.slots)
}

func owners(all []*pb.SlotStatus) string {
	var out []string
	for _, s := range all {
		name := strings.TrimRight(string(s.GetJobId()), "\x00")
		if name == "" {
			name = "-"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// jobMaster is a fake that keeps its registration alive by beat.
type jobMaster struct {
	c       *cluster
	id      []byte
	token   core.Token
	gateway rpc.ResourceManagerGateway
}

func (c *cluster) jobMaster(name string) *jobMaster {
	var id core.JobID
	copy(id[:], name)
	j := &jobMaster{c: c, id: id.Bytes(), token: core.NewToken(), gateway: c.net.ResourceManager(c.rm.Address())}
	j.register()
	return j
}

func (j *jobMaster) register() {
	_, err := j.gateway.RegisterJobMaster(j.c.t.Context(), &pb.RegisterJobMasterRequest{
		JobId: j.id, RpcAddress: "jm", Endpoint: "jobmaster", Token: j.token.Bytes(),
	})
	if err != nil {
		j.c.t.Fatal(err)
	}
}

func (j *jobMaster) declare(n int) (*pb.ClusterResources, error) {
	in := &pb.DeclareRequiredResourcesRequest{JobId: j.id, JobMasterToken: j.token.Bytes()}
	if n > 0 {
		in.Requirements = []*pb.ResourceRequirement{{Count: int32(n)}}
	}
	out, err := j.gateway.DeclareRequiredResources(j.c.t.Context(), in)
	synctest.Wait()
	return out.GetResources(), err
}

func (j *jobMaster) beat() (*pb.ClusterResources, error) {
	out, err := j.gateway.HeartbeatFromJobMaster(j.c.t.Context(), &pb.HeartbeatFromJobMasterRequest{JobId: j.id})
	return out.GetResources(), err
}

// agree fails the test unless the ResourceManager believes of each TaskExecutor what it has.
func (c *cluster) agree(tes ...*taskExecutor) {
	c.t.Helper()
	out, err := c.rm.RequestTaskManagers(c.t.Context(), &pb.RequestTaskManagersRequest{})
	if err != nil {
		c.t.Fatal(err)
	}
	if len(out.GetTaskManagers()) != len(tes) {
		c.t.Fatalf("%d TaskManagers, want %d", len(out.GetTaskManagers()), len(tes))
	}
	for i, tm := range out.GetTaskManagers() {
		if got, want := owners(tm.GetSlots()), tes[i].owners(); got != want {
			c.t.Errorf("%s: believed are %q, it has %q", tm.GetResourceId(), got, want)
		}
	}
}

// S-095, S-104 to S-107: slots of registered TaskExecutors are given to the jobs that require them.
func TestSlotsGoToJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, resourcemanager.Config{})
		a, b := c.taskExecutor("tm-a", 2), c.taskExecutor("tm-b", 2)
		job := c.jobMaster("j1")
		resources, err := job.declare(2)
		if err != nil || resources.GetSlotsTotal() != 4 || resources.GetNeeded() != 2 || resources.GetMissing() != 0 {
			t.Errorf("resources %v, %v", resources, err)
		}
		if a.owners() != "j1 -" || b.owners() != "j1 -" || a.requests[0] != "slot 0 to jm/jobmaster" {
			t.Errorf("slots %q and %q, requests %q", a.owners(), b.owners(), a.requests)
		}
		// S-103: the job gives one back; another takes it.
		other := c.jobMaster("j2")
		if _, err := other.declare(3); err != nil {
			t.Error(err)
		}
		resources, err = other.beat()
		if err != nil || resources.GetMissing() != 1 || !resources.GetNotEnough() {
			t.Errorf("resources %v, %v", resources, err)
		}
		if _, err := job.declare(1); err != nil {
			t.Error(err)
		}
		a.free(0, true)
		synctest.Wait()
		c.agree(a, b)
		if a.owners() != "j2 j2" || b.owners() != "j1 j2" {
			t.Errorf("slots %q and %q", a.owners(), b.owners())
		}
		resources, err = other.beat()
		if err != nil || resources.GetMissing() != 0 || resources.GetNotEnough() {
			t.Errorf("resources %v, %v", resources, err)
		}
		counts, err := c.rm.Overview(t.Context())
		if err != nil || counts != (slots.ManagerCounts{TaskManagers: 2, Slots: 4}) {
			t.Errorf("overview %+v, %v", counts, err)
		}
	})
}

// answers and notices are lost; within two heartbeats the views agree and each job has what it requires.
func TestLostMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, resourcemanager.Config{})
		te := c.taskExecutor("tm-a", 2)
		job := c.jobMaster("j1")
		te.refuse = func(n int) error {
			if n <= 2 {
				return core.E("request slot", core.Unavailable, "tm-a", errors.New("connection reset"))
			}
			return nil
		}
		if _, err := job.declare(1); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		c.agree(te)
		if te.owners() != "j1 -" || len(te.requests) != 3 {
			t.Errorf("slots %q after requests %q", te.owners(), te.requests)
		}
		te.free(0, false) // the notice is lost: the heartbeat tells
		if _, err := job.declare(2); err != nil {
			t.Error(err)
		}
		for range 2 {
			time.Sleep(10 * time.Second)
			_, _ = job.beat()
		}
		c.agree(te)
		if te.owners() != "j1 j1" {
			t.Errorf("slots %q", te.owners())
		}
	})
}

// Reality is at the TaskManager: allocations of a life before the ResourceManager's are believed (L-7).
func TestUnknownAllocationsAreBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, resourcemanager.Config{})
		te := c.taskExecutor("tm-a", 0)
		var id core.JobID
		copy(id[:], "j1")
		te.slots = []*pb.SlotStatus{
			{Slot: &pb.SlotID{ResourceId: "tm-a", Number: 0}, JobId: id.Bytes(), AllocationId: core.NewAllocationID().Bytes()},
			{Slot: &pb.SlotID{ResourceId: "tm-a", Number: 1}},
		}
		te.register()
		job := c.jobMaster("j1")
		if _, err := job.declare(2); err != nil {
			t.Error(err)
		}
		c.agree(te)
		if len(te.requests) != 1 || te.owners() != "j1 j1" {
			t.Errorf("slots %q after requests %q", te.owners(), te.requests)
		}
	})
}

func TestLostTaskExecutors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, resourcemanager.Config{})
		dead, silent, leaving := c.taskExecutor("tm-a", 1), c.taskExecutor("tm-b", 1), c.taskExecutor("tm-c", 1)
		job := c.jobMaster("j1")
		if _, err := job.declare(1); err != nil || dead.owners() != "j1" {
			t.Errorf("slots %q, %v", dead.owners(), err)
		}
		// Its process is gone: noticed by the connection, and the job gets another slot at once.
		_ = dead.service.Close()
		synctest.Wait()
		c.agree(silent, leaving)
		if silent.owners() != "j1" {
			t.Errorf("slots %q", silent.owners())
		}
		// It makes no progress: noticed by its silence (L-8), and it is told, in case it lives.
		silent.mu.Lock()
		silent.silent = true
		silent.mu.Unlock()
		for range 5 {
			time.Sleep(10 * time.Second)
			_, _ = job.beat()
		}
		synctest.Wait()
		c.agree(leaving)
		if leaving.owners() != "j1" || len(silent.disconnected) != 1 || !strings.Contains(silent.disconnected[0], "no heartbeat for 50s") {
			t.Errorf("slots %q, disconnected %q", leaving.owners(), silent.disconnected)
		}
		_, err := silent.gateway.NotifySlotAvailable(t.Context(), &pb.NotifySlotAvailableRequest{
			ResourceId: "tm-b", InstanceId: silent.instance, AllocationId: core.NewAllocationID().Bytes(),
		})
		if core.KindOf(err) != core.NotFound {
			t.Errorf("a message of an ended registration: %v", err)
		}
		// It says goodbye; nobody tells it what it knows.
		_, err = leaving.gateway.DisconnectTaskExecutor(t.Context(), &pb.DisconnectTaskExecutorRequest{ResourceId: "tm-c", Cause: "SIGTERM"})
		if err != nil || len(leaving.disconnected) != 0 {
			t.Errorf("goodbye: %v, disconnected %q", err, leaving.disconnected)
		}
		c.agree()
		// The silent one comes back.
		silent.silent = false
		silent.register()
		synctest.Wait()
		c.agree(silent)
		if silent.owners() != "j1" {
			t.Errorf("slots %q", silent.owners())
		}
	})
}

func TestJobMasters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, resourcemanager.Config{})
		te := c.taskExecutor("tm-a", 1)
		job := c.jobMaster("j1")
		job.register() // repeated: harmless
		if _, err := job.declare(2); err != nil {
			t.Error(err)
		}
		time.Sleep(40 * time.Second)
		if _, err := job.beat(); err != nil {
			t.Error(err)
		}
		// Without heartbeats the registration ends, and what was required with it.
		time.Sleep(51 * time.Second)
		if _, err := job.beat(); core.KindOf(err) != core.NotFound {
			t.Errorf("heartbeat after the timeout: %v", err)
		}
		if _, err := job.declare(1); core.KindOf(err) != core.NotFound {
			t.Errorf("declare after the timeout: %v", err)
		}
		te.free(0, true)
		synctest.Wait()
		c.agree(te)
		if te.owners() != "-" {
			t.Errorf("slots %q", te.owners())
		}
		// L-1: a new JobMaster of the job replaces the old one, whose words count no more.
		next := c.jobMaster("j1")
		if _, err := job.declare(1); core.KindOf(err) != core.Fenced {
			t.Errorf("declare by the replaced JobMaster: %v", err)
		}
		if _, err := next.declare(1); err != nil || te.owners() != "j1" {
			t.Errorf("slots %q, %v", te.owners(), err)
		}
		out, err := next.gateway.DisconnectJobMaster(t.Context(), &pb.DisconnectJobMasterRequest{JobId: next.id, JobMasterToken: next.token.Bytes(), JobStatus: "FINISHED"})
		if err != nil {
			t.Error(out, err)
		}
		if _, err := next.beat(); core.KindOf(err) != core.NotFound {
			t.Errorf("heartbeat after goodbye: %v", err)
		}
	})
}

// B-54, L-11: what cannot be meant is refused as Invalid and changes nothing.
func TestMalformedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, resourcemanager.Config{})
		te := c.taskExecutor("tm-a", 1)
		rm := te.gateway
		ctx := t.Context()
		job := c.jobMaster("j1")
		for name, call := range map[string]func() error{
			"registration without names": func() error {
				_, err := rm.RegisterTaskExecutor(ctx, &pb.RegisterTaskExecutorRequest{ResourceId: "x"})
				return err
			},
			"registration with a long name": func() error {
				_, err := rm.RegisterTaskExecutor(ctx, &pb.RegisterTaskExecutorRequest{ResourceId: strings.Repeat("x", 1000), RpcAddress: "x", Endpoint: "x"})
				return err
			},
			"registration with negative slots": func() error {
				_, err := rm.RegisterTaskExecutor(ctx, &pb.RegisterTaskExecutorRequest{ResourceId: "x", RpcAddress: "x", Endpoint: "x", Slots: -1})
				return err
			},
			"job id": func() error {
				_, err := rm.RegisterJobMaster(ctx, &pb.RegisterJobMasterRequest{JobId: []byte("x"), RpcAddress: "x", Endpoint: "x"})
				return err
			},
			"job without address": func() error {
				_, err := rm.RegisterJobMaster(ctx, &pb.RegisterJobMasterRequest{JobId: job.id})
				return err
			},
			"negative requirement": func() error { _, err := job.declareRaw(-1); return err },
			"huge requirement":     func() error { _, err := job.declareRaw(1 << 30); return err },
			"requirements that add up": func() error {
				_, err := job.declareRaw(1<<20, 1)
				return err
			},
			"allocation id": func() error {
				_, err := rm.NotifySlotAvailable(ctx, &pb.NotifySlotAvailableRequest{ResourceId: "tm-a", AllocationId: []byte("x")})
				return err
			},
			"heartbeat of no job": func() error {
				_, err := rm.HeartbeatFromJobMaster(ctx, &pb.HeartbeatFromJobMasterRequest{})
				return err
			},
		} {
			if err := call(); core.KindOf(err) != core.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A slot report is used as a whole or not at all.
		for _, status := range []*pb.SlotStatus{
			{Slot: &pb.SlotID{ResourceId: "tm-b"}},                           // foreign
			{Slot: &pb.SlotID{ResourceId: "tm-a", Number: -1}},               // negative
			{Slot: &pb.SlotID{ResourceId: "tm-a"}},                           // listed twice
			{Slot: &pb.SlotID{ResourceId: "tm-a", Number: 1}, JobId: job.id}, // a job without allocation
		} {
			report := &pb.SlotReport{Slots: []*pb.SlotStatus{{Slot: &pb.SlotID{ResourceId: "tm-a"}}, status}}
			_, _ = rm.SendSlotReport(ctx, &pb.SendSlotReportRequest{ResourceId: "tm-a", InstanceId: te.instance, Report: report})
			synctest.Wait()
			c.agree(te)
		}
	})
}

func (j *jobMaster) declareRaw(counts ...int32) (*pb.DeclareRequiredResourcesResponse, error) {
	in := &pb.DeclareRequiredResourcesRequest{JobId: j.id, JobMasterToken: j.token.Bytes()}
	for _, n := range counts {
		in.Requirements = append(in.Requirements, &pb.ResourceRequirement{Count: n})
	}
	return j.gateway.DeclareRequiredResources(j.c.t.Context(), in)
}

// fakeDriver starts fake TaskExecutors.
type fakeDriver struct {
	c       *cluster
	fail    int // so many starts fail
	exited  func(core.ResourceID, error)
	mu      sync.Mutex
	running map[core.ResourceID]*taskExecutor
	log     []string
}

func (d *fakeDriver) Worker() driver.Worker                        { return driver.Worker{Slots: 2} }
func (d *fakeDriver) Watch(exited func(core.ResourceID, error))    { d.exited = exited }
func (d *fakeDriver) Close() error                                 { return nil }
func (d *fakeDriver) started(id core.ResourceID, te *taskExecutor) { d.running[id] = te }

func (d *fakeDriver) StartWorker(_ context.Context, id core.ResourceID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, "start "+string(id))
	if d.fail--; d.fail >= 0 {
		return errors.New("no such file")
	}
	d.started(id, d.c.taskExecutor(string(id), 2))
	return nil
}

func (d *fakeDriver) StopWorker(id core.ResourceID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, "stop "+string(id))
	te := d.running[id]
	delete(d.running, id)
	if te != nil {
		_ = te.service.Close()
		d.exited(id, errors.New("exit status 0"))
	}
}

// S-210: TaskManagers come when slots are missing, again when one dies, and go when they are idle.
func TestTaskManagersOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDriver{fail: 1, running: make(map[core.ResourceID]*taskExecutor)}
		c := &cluster{t: t, net: rpc.NewLocal("jm")}
		d.c = c
		rm, err := resourcemanager.New(resourcemanager.Config{
			Service: c.net, Token: core.NewToken(), Log: slog.New(slog.DiscardHandler), Driver: d,
			Slots: slots.ManagerConfig{WorkerPrefix: "tm-"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer rm.Close()
		c.rm = rm
		job := c.jobMaster("j1")
		if _, err := job.declare(3); err != nil {
			t.Error(err)
		}
		beat := func(n int) {
			for range n {
				time.Sleep(10 * time.Second)
				_, _ = job.beat()
			}
		}
		beat(1)
		first, third := d.running["tm-1"], d.running["tm-3"]
		if second := d.running["tm-2"]; first == nil { // whichever start came first has failed
			first = second
		}
		if first == nil || third == nil || len(d.running) != 2 {
			t.Fatalf("running are %v after %q", d.running, d.log)
		}
		c.agree(first, third)

		_ = first.service.Close() // killed
		d.mu.Lock()
		delete(d.running, core.ResourceID(first.id))
		d.mu.Unlock()
		d.exited(core.ResourceID(first.id), errors.New("signal: killed"))
		beat(1)
		fourth := d.running["tm-4"]
		if fourth == nil {
			t.Fatalf("no replacement after %q", d.log)
		}
		c.agree(third, fourth)

		if _, err := job.declare(0); err != nil {
			t.Error(err)
		}
		for _, te := range []*taskExecutor{third, fourth} {
			for i := range te.slots {
				te.free(i, true)
			}
		}
		time.Sleep(31 * time.Second)
		c.agree()
		stopped := slices.DeleteFunc(slices.Clone(d.log), func(s string) bool { return !strings.HasPrefix(s, "stop") })
		if !slices.Equal(stopped, []string{"stop tm-3", "stop tm-4"}) {
			t.Errorf("stopped %q", stopped)
		}
	})
}
