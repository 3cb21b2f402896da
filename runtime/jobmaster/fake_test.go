package jobmaster

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

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a ResourceManager and TaskManagers that are as simple as they can be: they keep to the protocol, and do
// to the JobMaster what a test asks for. All of it runs in one bubble.
type cluster struct {
	t       *testing.T
	net     *rpc.Local
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
	graph   *graph.JobGraph
	masters []*JobMaster

	mu       sync.Mutex
	rm       *fakeRM
	tms      map[core.ResourceID]*fakeTM
	statuses []string
}

// fakeRM gives free slots to the job that declares a requirement.
type fakeRM struct {
	rpc.ResourceManagerGateway
	c          *cluster
	token      core.Token
	job        rpc.Address
	registered int
	declared   []int  // history of counts
	status     string // of the job, when it said goodbye
}

// fakeTM is a TaskManager whose tasks only exist as entries of a map.
type fakeTM struct {
	rpc.TaskExecutorGateway
	c           *cluster
	id          core.ResourceID
	service     *rpc.Local
	slots       []core.AllocationID // zero: free
	job         rpc.Address
	graphs      int // how often it got the JobGraph
	submits     int
	submitBytes int
	attempts    map[core.ExecutionAttemptID]core.ExecutionState
	events      []string
	ended       string // why the JobMaster said goodbye
	frees       int
	// Faults.
	failSubmit error
	mute       bool // it does not report what its tasks do, nor end them
	silent     bool // no heartbeats
}

const rmServer = "jm"

// inBubble runs a test in a synctest bubble with a cluster that is gone at its end.
func inBubble(t *testing.T, fn func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		c := &cluster{t: t, net: rpc.NewLocal(rmServer), ctx: ctx, stop: stop, tms: map[core.ResourceID]*fakeTM{}}
		c.startRM()
		defer func() {
			for _, m := range c.masters {
				_ = m.Close()
			}
			stop()
			c.wg.Wait()
		}()
		fn(t, c)
	})
}

// set changes what goroutines of the cluster read.
func (c *cluster) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *cluster) startRM() {
	c.rm = &fakeRM{c: c, token: core.NewToken()}
	if err := c.net.Serve("resourcemanager", c.rm.token, c.rm); err != nil {
		c.t.Fatal(err)
	}
}

// addTM starts a TaskManager with n slots. Free slots go to the job at once if it needs them.
func (c *cluster) addTM(id core.ResourceID, n int) *fakeTM {
	tm := &fakeTM{
		c: c, id: id, service: c.net.Peer(string(id)), slots: make([]core.AllocationID, n),
		attempts: map[core.ExecutionAttemptID]core.ExecutionState{},
	}
	if err := tm.service.Serve("taskexecutor", core.Token{}, tm); err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.tms[id] = tm
	c.mu.Unlock()
	c.give()
	c.wg.Go(tm.heartbeats)
	return tm
}

// kill ends a TaskManager without a word.
func (c *cluster) kill(tm *fakeTM) {
	c.mu.Lock()
	delete(c.tms, tm.id)
	c.mu.Unlock()
	_ = tm.service.Close()
	synctest.Wait()
}

// newJob starts a JobMaster for vertices: "name*parallelism", each after the first fed by a hash edge, or by a forward
// one if its name begins with "=".
func (c *cluster) newJob(configure func(*Config), vertices ...string) *JobMaster {
	job := testJob(vertices...)
	c.graph = job
	cfg := Config{
		Job: job, Service: c.net, Log: slog.New(slog.NewTextHandler(c.t.Output(), nil)),
		ResourceManager: func(context.Context) (rpc.Address, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return rpc.Address{Server: rmServer, Endpoint: "resourcemanager", Token: c.rm.token}, nil
		},
		OnStatus: func(from, to core.JobStatus, _ time.Time) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.statuses = append(c.statuses, to.String())
		},
	}
	if configure != nil {
		configure(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.masters = append(c.masters, m)
	if err := m.Start(); err != nil {
		c.t.Fatal(err)
	}
	synctest.Wait()
	return m
}

func testJob(vertices ...string) *graph.JobGraph {
	job := &graph.JobGraph{Version: graph.FormatVersion, ID: core.NewJobID(), Name: "test", Hash: "hash"}
	for i, text := range vertices {
		name, p, _ := strings.Cut(text, "*")
		strategy := graph.Hash
		if strings.HasPrefix(name, "=") {
			name, strategy = name[1:], graph.Forward
		}
		v := graph.JobVertex{ID: core.HashVertexID(name), Name: name, Parallelism: 1, MaxParallelism: 1024, Source: i == 0}
		if _, err := fmt.Sscan(p, &v.Parallelism); err != nil {
			panic(err)
		}
		v.Operators = []graph.Operator{{ID: core.HashOperatorID(name), Name: name, Coordinated: i == 0}}
		if i > 0 {
			v.Inputs = []graph.JobEdge{{Source: job.Vertices[i-1].ID, Strategy: strategy}}
		}
		job.Vertices = append(job.Vertices, v)
	}
	return job
}

func (r *fakeRM) RegisterJobMaster(_ context.Context, in *pb.RegisterJobMasterRequest) (*pb.RegisterJobMasterResponse, error) {
	token, err := core.TokenFromBytes(in.GetToken())
	if err != nil {
		return nil, err
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.registered++
	r.job = rpc.Address{Server: in.GetRpcAddress(), Endpoint: in.GetEndpoint(), Token: token}
	return &pb.RegisterJobMasterResponse{}, nil
}

func (r *fakeRM) DeclareRequiredResources(_ context.Context, in *pb.DeclareRequiredResourcesRequest) (*pb.DeclareRequiredResourcesResponse, error) {
	n := 0
	for _, q := range in.GetRequirements() {
		n += int(q.GetCount())
	}
	r.c.mu.Lock()
	r.declared = append(r.declared, n)
	r.c.mu.Unlock()
	r.c.give()
	return &pb.DeclareRequiredResourcesResponse{}, nil
}

func (r *fakeRM) HeartbeatFromJobMaster(context.Context, *pb.HeartbeatFromJobMasterRequest) (*pb.HeartbeatFromJobMasterResponse, error) {
	return &pb.HeartbeatFromJobMasterResponse{}, nil
}

func (r *fakeRM) DisconnectJobMaster(_ context.Context, in *pb.DisconnectJobMasterRequest) (*pb.DisconnectJobMasterResponse, error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.status = in.GetJobStatus()
	r.job = rpc.Address{}
	return &pb.DisconnectJobMasterResponse{}, nil
}

func (r *fakeRM) RequestTaskManagers(context.Context, *pb.RequestTaskManagersRequest) (*pb.RequestTaskManagersResponse, error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	out := &pb.RequestTaskManagersResponse{}
	for _, tm := range r.c.tms {
		info := &pb.TaskManagerInfo{ResourceId: string(tm.id), SlotsTotal: int32(len(tm.slots))}
		for _, a := range tm.slots {
			if a == (core.AllocationID{}) {
				info.SlotsFree++
			}
		}
		out.TaskManagers = append(out.TaskManagers, info)
	}
	return out, nil
}

// give lets TaskManagers offer slots to the job, as many as it is short of.
func (c *cluster) give() {
	c.mu.Lock()
	if len(c.rm.declared) == 0 || c.rm.job == (rpc.Address{}) {
		c.mu.Unlock()
		return
	}
	short := c.rm.declared[len(c.rm.declared)-1]
	var ids []core.ResourceID
	for id, tm := range c.tms {
		ids = append(ids, id)
		for _, a := range tm.slots {
			if a != (core.AllocationID{}) {
				short--
			}
		}
	}
	slices.Sort(ids)
	var all []func()
	for _, id := range ids {
		tm := c.tms[id]
		if tm.failSubmit != nil {
			continue
		}
		var offers []*pb.SlotOffer
		for i := range tm.slots {
			if short > 0 && tm.slots[i] == (core.AllocationID{}) {
				short--
				tm.slots[i] = core.NewAllocationID()
				offers = append(offers, &pb.SlotOffer{AllocationId: tm.slots[i].Bytes(), Slot: int32(i), DataAddress: "data-" + string(id)})
			}
		}
		if len(offers) > 0 {
			job := c.rm.job
			all = append(all, func() { tm.offer(job, offers) })
		}
	}
	c.mu.Unlock()
	c.wg.Go(func() {
		for _, offer := range all {
			offer()
		}
	})
}

func (tm *fakeTM) master() rpc.JobMasterGateway {
	tm.c.mu.Lock()
	defer tm.c.mu.Unlock()
	return tm.service.JobMaster(tm.job)
}

// offer registers at the JobMaster unless that was done, and offers slots; what is refused is free again.
func (tm *fakeTM) offer(job rpc.Address, offers []*pb.SlotOffer) {
	tm.c.mu.Lock()
	known := tm.job == job
	tm.job = job
	tm.c.mu.Unlock()
	if !known {
		_, err := tm.master().RegisterTaskManager(tm.c.ctx, &pb.RegisterTaskManagerRequest{
			ResourceId: string(tm.id), RpcAddress: string(tm.id), Endpoint: "taskexecutor", Host: string(tm.id) + ":1",
		})
		if err != nil {
			tm.free(func(core.AllocationID) bool { return true })
			return
		}
	}
	answer, err := tm.master().OfferSlots(tm.c.ctx, &pb.OfferSlotsRequest{ResourceId: string(tm.id), Offers: offers})
	for _, o := range offers {
		took := err == nil && slices.ContainsFunc(answer.GetAccepted(), func(b []byte) bool { return string(b) == string(o.GetAllocationId()) })
		if !took {
			tm.free(func(a core.AllocationID) bool { return string(a.Bytes()) == string(o.GetAllocationId()) })
		}
	}
}

func (tm *fakeTM) free(which func(core.AllocationID) bool) {
	tm.c.mu.Lock()
	for i, a := range tm.slots {
		if a != (core.AllocationID{}) && which(a) {
			tm.slots[i] = core.AllocationID{}
			tm.frees++
		}
	}
	tm.c.mu.Unlock()
}

func (tm *fakeTM) heartbeats() {
	for {
		select {
		case <-tm.c.ctx.Done():
			return
		case <-time.After(10 * time.Second):
		}
		tm.c.mu.Lock()
		if tm.c.tms[tm.id] != tm {
			tm.c.mu.Unlock()
			return
		}
		in := &pb.HeartbeatFromTaskManagerRequest{ResourceId: string(tm.id)}
		for id, s := range tm.attempts {
			if !s.Terminal() {
				in.Tasks = append(in.Tasks, &pb.TaskReport{
					Attempt: attemptToProto(id), State: s.String(), Io: &pb.IOMetrics{RecordsIn: 7},
					Accumulators: []*pb.Accumulator{{Name: "n", Kind: "LongCounter", Value: "1"}},
				})
			}
		}
		for _, a := range tm.slots {
			if a != (core.AllocationID{}) {
				in.Allocations = append(in.Allocations, a.Bytes())
			}
		}
		quiet := tm.silent || tm.job == (rpc.Address{})
		tm.c.mu.Unlock()
		if quiet {
			continue
		}
		_, err := tm.master().HeartbeatFromTaskManager(tm.c.ctx, in)
		if k := core.KindOf(err); err != nil && (k == core.NotFound || k == core.Fenced) {
			tm.leave()
		}
	}
}

// leave drops all that the TaskManager has of the job.
func (tm *fakeTM) leave() {
	tm.c.mu.Lock()
	tm.job = rpc.Address{}
	clear(tm.attempts)
	tm.c.mu.Unlock()
	tm.free(func(core.AllocationID) bool { return true })
	tm.c.give()
}

func (tm *fakeTM) SubmitTasks(_ context.Context, in *pb.SubmitTasksRequest) (*pb.SubmitTasksResponse, error) {
	tm.c.mu.Lock()
	if err := tm.failSubmit; err != nil {
		tm.c.mu.Unlock()
		return nil, err
	}
	if secret := in.GetDataSecret(); len(secret) < 16 || !slices.ContainsFunc(tm.c.masters, func(m *JobMaster) bool { return string(m.secret) == string(secret) }) {
		tm.c.t.Errorf("the secret of the job's workers is %q", secret)
	}
	tm.submits++
	tm.submitBytes += proto.Size(in)
	if len(in.GetJobGraph()) > 0 {
		tm.graphs++
	}
	g, _ := core.GraphIDFromBytes(in.GetGraphId())
	var ids []core.ExecutionAttemptID
	for _, d := range in.GetTasks() {
		id := core.ExecutionAttemptID{Graph: g, Vertex: tm.c.vertexID(d.GetVertex()), Subtask: int(d.GetSubtask()), Attempt: int(d.GetAttempt())}
		alloc, _ := core.AllocationIDFromBytes(d.GetAllocationId())
		if !slices.Contains(tm.slots, alloc) {
			tm.c.mu.Unlock()
			return nil, core.E("submit", core.NotFound, alloc.String(), errors.New("no such slot"))
		}
		if w := in.GetLocations()[d.GetVertex()].GetWorker()[d.GetSubtask()]; in.GetWorkers()[w] != "data-"+string(tm.id) {
			tm.c.t.Errorf("%v is told to be at worker %q", id, in.GetWorkers()[w])
		}
		ids = append(ids, id)
		tm.attempts[id] = core.ExecutionDeploying
	}
	mute := tm.mute
	tm.c.mu.Unlock()
	if !mute {
		tm.c.wg.Go(func() {
			tm.report(core.ExecutionInitializing, nil, ids...)
			tm.report(core.ExecutionRunning, nil, ids...)
		})
	}
	return &pb.SubmitTasksResponse{}, nil
}

func (c *cluster) vertexID(i int32) core.VertexID { return c.graph.Vertices[i].ID }

// report tells the JobMaster a state of attempts, in one call.
func (tm *fakeTM) report(state core.ExecutionState, cause *pb.ErrorInfo, ids ...core.ExecutionAttemptID) {
	in := &pb.UpdateTaskExecutionStateRequest{ResourceId: string(tm.id)}
	tm.c.mu.Lock()
	for _, id := range ids {
		if s, ok := tm.attempts[id]; !ok || s.Terminal() {
			continue
		}
		tm.attempts[id] = state
		in.States = append(in.States, &pb.TaskState{Attempt: attemptToProto(id), State: state.String(), Cause: cause,
			Accumulators: []*pb.Accumulator{{Name: "n", Kind: "LongCounter", Value: "2"}}, Io: &pb.IOMetrics{RecordsIn: 9}})
	}
	tm.c.mu.Unlock()
	if len(in.GetStates()) > 0 {
		if _, err := tm.master().UpdateTaskExecutionState(tm.c.ctx, in); err != nil {
			tm.c.t.Logf("%s reports %s: %v", tm.id, state, err)
		}
	}
}

func (tm *fakeTM) CancelTasks(_ context.Context, in *pb.CancelTasksRequest) (*pb.CancelTasksResponse, error) {
	tm.c.mu.Lock()
	mute := tm.mute
	tm.c.mu.Unlock()
	if !mute {
		var ids []core.ExecutionAttemptID
		for _, a := range in.GetAttempts() {
			id, _ := attemptFromProto(a)
			ids = append(ids, id)
		}
		tm.c.wg.Go(func() { tm.report(core.ExecutionCanceled, nil, ids...) })
	}
	return &pb.CancelTasksResponse{}, nil
}

func (tm *fakeTM) FreeSlot(_ context.Context, in *pb.FreeSlotRequest) (*pb.FreeSlotResponse, error) {
	tm.free(func(a core.AllocationID) bool { return string(a.Bytes()) == string(in.GetAllocationId()) })
	tm.c.give()
	return &pb.FreeSlotResponse{}, nil
}

func (tm *fakeTM) DeliverOperatorEvents(_ context.Context, in *pb.DeliverOperatorEventsRequest) (*pb.DeliverOperatorEventsResponse, error) {
	tm.c.mu.Lock()
	defer tm.c.mu.Unlock()
	for _, e := range in.GetEvents() {
		var event pb.SourceEvent
		if err := proto.Unmarshal(e.GetPayload(), &event); err != nil {
			tm.c.t.Error(err)
		}
		text := "no more"
		if a := event.GetAssigned(); a != nil {
			text = a.GetSplits()[0].GetId()
		}
		if g := event.GetGroupWatermark(); g != nil {
			text = fmt.Sprintf("group at %d", g.GetWatermark())
		}
		tm.events = append(tm.events, fmt.Sprintf("%d#%d: %s", e.GetAttempt().GetSubtask(), e.GetAttempt().GetAttempt(), text))
	}
	return &pb.DeliverOperatorEventsResponse{}, nil
}

func (tm *fakeTM) DisconnectJobMaster(_ context.Context, in *pb.JobMasterLostRequest) (*pb.JobMasterLostResponse, error) {
	tm.c.mu.Lock()
	tm.ended = in.GetCause()
	tm.c.mu.Unlock()
	tm.leave()
	return &pb.JobMasterLostResponse{}, nil
}

// in returns the attempts that are in a state, in order.
func (tm *fakeTM) in(state core.ExecutionState) []core.ExecutionAttemptID {
	tm.c.mu.Lock()
	defer tm.c.mu.Unlock()
	var ids []core.ExecutionAttemptID
	for id, s := range tm.attempts {
		if s == state {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b core.ExecutionAttemptID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}

// end lets all running tasks of a TaskManager reach a state.
func (tm *fakeTM) end(state core.ExecutionState, cause *pb.ErrorInfo) {
	tm.report(state, cause, tm.in(core.ExecutionRunning)...)
	synctest.Wait()
}

// sourceEvent sends an event of a source subtask, as its current attempt on this TaskManager.
func (tm *fakeTM) sourceEvent(subtask int, event *pb.SourceEvent) {
	payload, err := proto.Marshal(event)
	if err != nil {
		tm.c.t.Fatal(err)
	}
	for _, id := range tm.in(core.ExecutionRunning) {
		if id.Vertex != tm.c.vertexID(0) || id.Subtask != subtask {
			continue
		}
		op := core.HashOperatorID("source")
		_, err := tm.master().SendOperatorEvent(tm.c.ctx, &pb.SendOperatorEventRequest{
			ResourceId: string(tm.id), Events: []*pb.OperatorEvent{{Attempt: attemptToProto(id), Operator: op.Bytes(), Payload: payload}},
		})
		if err != nil {
			tm.c.t.Error(err)
		}
	}
	synctest.Wait()
}

// want checks the state of a job: its status and the number of subtasks in each state, "RUNNING 3xRUNNING 1xFINISHED".
func (c *cluster) want(m *JobMaster, want string) *scheduler.ArchivedJob {
	c.t.Helper()
	synctest.Wait()
	a, err := m.Snapshot(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	got := a.Status.String()
	counts := a.Summary().Tasks
	for _, s := range core.ExecutionStates() {
		if n := counts[s]; n > 0 {
			got += fmt.Sprintf(" %dx%s", n, s)
		}
	}
	if got != want {
		c.t.Fatalf("the job is %s, want %s (waits for %q, failure %v)", got, want, a.Waiting, a.Failure)
	}
	return a
}

// wantGivenBack checks that nothing of the job is left (P-8).
func (c *cluster) wantGivenBack(m *JobMaster, status string) {
	c.t.Helper()
	synctest.Wait()
	select {
	case <-m.Done():
	default:
		c.t.Fatal("the JobMaster is not done")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rm.status != status {
		c.t.Errorf("the ResourceManager was told %q, want %q", c.rm.status, status)
	}
	for _, tm := range c.tms {
		for i, a := range tm.slots {
			if a != (core.AllocationID{}) {
				c.t.Errorf("slot %d of %s is not free", i, tm.id)
			}
		}
	}
}
