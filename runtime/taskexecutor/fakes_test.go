package taskexecutor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faults makes calls of a fake component go wrong: a request that is lost, or an answer that is.
type faults struct {
	mu          sync.Mutex
	loseRequest map[string]int // by method: so many requests get lost
	loseAnswer  map[string]int
	calls       []string
}

var errLost = core.E("call", core.Unavailable, "", errors.New("lost"))

func (f *faults) around(method string, do func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loseRequest[method] > 0 {
		f.loseRequest[method]--
		return errLost
	}
	f.calls = append(f.calls, method)
	do()
	if f.loseAnswer[method] > 0 {
		f.loseAnswer[method]--
		return errLost
	}
	return nil
}

func (f *faults) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == method {
			n++
		}
	}
	return n
}

const (
	beatEvery   = time.Second
	beatTimeout = 5 * time.Second
)

// fakeRM is a ResourceManager that notes what it hears.
type fakeRM struct {
	rpc.ResourceManagerGateway
	faults
	instance []byte
	report   *pb.SlotReport
	freed    []int32
	gone     []string
}

func (r *fakeRM) RegisterTaskExecutor(context.Context, *pb.RegisterTaskExecutorRequest) (*pb.RegisterTaskExecutorResponse, error) {
	instance := core.NewInstanceID().Bytes()
	err := r.around("RegisterTaskExecutor", func() { r.instance = instance })
	return &pb.RegisterTaskExecutorResponse{
		InstanceId:              instance,
		HeartbeatIntervalMillis: beatEvery.Milliseconds(),
		HeartbeatTimeoutMillis:  beatTimeout.Milliseconds(),
	}, err
}

func (r *fakeRM) SendSlotReport(_ context.Context, in *pb.SendSlotReportRequest) (*pb.SendSlotReportResponse, error) {
	return &pb.SendSlotReportResponse{}, r.around("SendSlotReport", func() { r.report = in.GetReport() })
}

func (r *fakeRM) NotifySlotAvailable(_ context.Context, in *pb.NotifySlotAvailableRequest) (*pb.NotifySlotAvailableResponse, error) {
	return &pb.NotifySlotAvailableResponse{}, r.around("NotifySlotAvailable", func() { r.freed = append(r.freed, in.GetSlot().GetNumber()) })
}

func (r *fakeRM) DisconnectTaskExecutor(_ context.Context, in *pb.DisconnectTaskExecutorRequest) (*pb.DisconnectTaskExecutorResponse, error) {
	return &pb.DisconnectTaskExecutorResponse{}, r.around("DisconnectTaskExecutor", func() { r.gone = append(r.gone, in.GetCause()) })
}

// fakeJM is a JobMaster that takes the offers it wants and notes states.
type fakeJM struct {
	rpc.JobMasterGateway
	faults
	want     func(*pb.SlotOffer) bool
	taken    map[string]string // allocation -> data address
	failed   []string
	states   []string // "attempt STATE"
	causes   []string
	events   []string
	beats    []*pb.HeartbeatFromTaskManagerRequest
	goodbyes int
	late     func(context.Context) // delays a goodbye; may be nil
}

func (j *fakeJM) RegisterTaskManager(context.Context, *pb.RegisterTaskManagerRequest) (*pb.RegisterTaskManagerResponse, error) {
	return &pb.RegisterTaskManagerResponse{
		HeartbeatIntervalMillis: beatEvery.Milliseconds(),
		HeartbeatTimeoutMillis:  beatTimeout.Milliseconds(),
	}, j.around("RegisterTaskManager", func() {})
}

func (j *fakeJM) OfferSlots(_ context.Context, in *pb.OfferSlotsRequest) (*pb.OfferSlotsResponse, error) {
	out := &pb.OfferSlotsResponse{}
	err := j.around("OfferSlots", func() {
		for _, o := range in.GetOffers() {
			if j.want == nil || j.want(o) {
				j.taken[string(o.GetAllocationId())] = o.GetDataAddress()
				out.Accepted = append(out.Accepted, o.GetAllocationId())
			}
		}
	})
	return out, err
}

func (j *fakeJM) FailSlot(_ context.Context, in *pb.FailSlotRequest) (*pb.FailSlotResponse, error) {
	return &pb.FailSlotResponse{}, j.around("FailSlot", func() {
		delete(j.taken, string(in.GetAllocationId()))
		j.failed = append(j.failed, in.GetCause().GetMessage())
	})
}

func (j *fakeJM) UpdateTaskExecutionState(_ context.Context, in *pb.UpdateTaskExecutionStateRequest) (*pb.UpdateTaskExecutionStateResponse, error) {
	return &pb.UpdateTaskExecutionStateResponse{}, j.around("UpdateTaskExecutionState", func() {
		for _, s := range in.GetStates() {
			j.states = append(j.states, fmt.Sprintf("%d_%d %s", s.GetAttempt().GetSubtask(), s.GetAttempt().GetAttempt(), s.GetState()))
			if s.GetCause() != nil {
				j.causes = append(j.causes, s.GetCause().GetMessage())
			}
		}
	})
}

func (j *fakeJM) SendOperatorEvent(_ context.Context, in *pb.SendOperatorEventRequest) (*pb.SendOperatorEventResponse, error) {
	return &pb.SendOperatorEventResponse{}, j.around("SendOperatorEvent", func() {
		for _, e := range in.GetEvents() {
			j.events = append(j.events, string(e.GetPayload()))
		}
	})
}

func (j *fakeJM) HeartbeatFromTaskManager(_ context.Context, in *pb.HeartbeatFromTaskManagerRequest) (*pb.HeartbeatFromTaskManagerResponse, error) {
	return &pb.HeartbeatFromTaskManagerResponse{}, j.around("HeartbeatFromTaskManager", func() { j.beats = append(j.beats, in) })
}

func (j *fakeJM) DisconnectTaskManager(ctx context.Context, _ *pb.DisconnectTaskManagerRequest) (*pb.DisconnectTaskManagerResponse, error) {
	j.mu.Lock()
	late := j.late
	j.mu.Unlock()
	if late != nil {
		late(ctx)
	}
	return &pb.DisconnectTaskManagerResponse{}, j.around("DisconnectTaskManager", func() { j.goodbyes++ })
}

// fakeWorkers makes workers that the test drives.
type fakeWorkers struct {
	t       *testing.T
	mu      sync.Mutex
	started []*fakeWorker
}

func (f *fakeWorkers) Start(spec WorkerSpec, events WorkerEvents) Worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &fakeWorker{spec: spec, events: events, obeys: true}
	f.started = append(f.started, w)
	return w
}

func (f *fakeWorkers) last() *fakeWorker {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.started) == 0 {
		f.t.Fatal("no worker was started")
	}
	return f.started[len(f.started)-1]
}

func (f *fakeWorkers) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.started)
}

// fakeWorker runs nothing. One that obeys ends tasks when they are cancelled, and itself when it is stopped.
type fakeWorker struct {
	spec   WorkerSpec
	events WorkerEvents

	mu        sync.Mutex
	obeys     bool
	deployed  []*pb.ExecutionAttemptID
	delivered []string
	stopped   bool
	killed    error
	over      bool
}

func (w *fakeWorker) Deploy(in *pb.SubmitTasksRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range in.GetTasks() {
		id := &pb.ExecutionAttemptID{Graph: in.GetGraphId(), Vertex: testVertex.Bytes(), Subtask: d.GetSubtask(), Attempt: d.GetAttempt()}
		w.deployed = append(w.deployed, id)
		w.say(id, core.ExecutionRunning)
	}
}

func (w *fakeWorker) say(id *pb.ExecutionAttemptID, s core.ExecutionState) {
	w.events.TaskState(&pb.TaskState{Attempt: id, State: s.String()})
}

func (w *fakeWorker) Cancel(ids []*pb.ExecutionAttemptID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if w.obeys {
			w.say(id, core.ExecutionCanceled)
		}
	}
}

func (w *fakeWorker) Deliver(events []*pb.OperatorEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		w.delivered = append(w.delivered, string(e.GetPayload()))
	}
}

func (w *fakeWorker) Report(context.Context) (*pb.WorkerReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &pb.WorkerReport{Metrics: &pb.MetricDump{Metrics: []*pb.Metric{{Name: "lag"}}}}
	for _, id := range w.deployed {
		r.Tasks = append(r.Tasks, &pb.TaskReport{Attempt: id, State: "RUNNING", Io: &pb.IOMetrics{RecordsIn: 42}})
	}
	return r, nil
}

func (w *fakeWorker) Stacks(context.Context) (string, error) { return "stacks of the worker", nil }

func (w *fakeWorker) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.obeys {
		w.exit(nil)
	}
}

func (w *fakeWorker) Kill(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killed = cause
	w.exit(worker.ErrorInfo(cause))
}

func (w *fakeWorker) exit(cause *pb.ErrorInfo) {
	if !w.over {
		w.over = true
		w.events.Exited(cause)
	}
}

// ignore makes the worker one that does not obey.
func (w *fakeWorker) ignore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.obeys = false
}

// cause is why it was killed.
func (w *fakeWorker) cause() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.killed
}

// die is what happens when a program ends its process.
func (w *fakeWorker) die(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exit(&pb.ErrorInfo{Message: what})
}

var testVertex = core.HashVertexID("vertex")

// bed is a TaskExecutor with two slots, among fakes, inside a synctest bubble.
type bed struct {
	t       *testing.T
	te      *TaskExecutor
	gateway rpc.TaskExecutorGateway
	service *rpc.Local
	rm      *fakeRM
	rmToken core.Token
	jm      *fakeJM
	jmToken core.Token
	job     core.JobID
	graph   core.GraphID
	workers *fakeWorkers
	stop    context.CancelFunc
	beating bool
}

func newBed(t *testing.T, change func(*Config)) *bed {
	t.Helper()
	b := &bed{
		t: t, service: rpc.NewLocal("tm"), rmToken: core.NewToken(), jmToken: core.NewToken(),
		job: core.NewJobID(), graph: core.NewGraphID(),
		rm:      &fakeRM{faults: newFaults()},
		jm:      &fakeJM{faults: newFaults(), taken: map[string]string{}},
		workers: &fakeWorkers{t: t}, beating: true,
	}
	master := b.service.Peer("jobmanager")
	if err := errors.Join(master.Serve("resourcemanager", b.rmToken, b.rm), master.Serve("jobmaster", b.jmToken, b.jm)); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Resource:         "tm-1",
		Slots:            2,
		Service:          b.service,
		ResourceManagers: func() []rpc.Address { return []rpc.Address{b.rmAddress()} },
		Listen:           listenNowhere,
		Workers:          b.workers,
		Log:              slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	te, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.te = te
	b.gateway = b.service.TaskExecutor(rpc.Address{Server: "tm", Endpoint: "taskexecutor"})
	if err := te.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	var beats sync.WaitGroup
	beats.Go(func() { b.beat(ctx) })
	t.Cleanup(func() {
		cancel()
		beats.Wait()
		if err := te.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return b
}

func newFaults() faults {
	return faults{loseRequest: map[string]int{}, loseAnswer: map[string]int{}}
}

func (b *bed) rmAddress() rpc.Address {
	return rpc.Address{Server: "jobmanager", Endpoint: "resourcemanager", Token: b.rmToken}
}

// beat is the ResourceManager's side of the heartbeat.
func (b *bed) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		b.rm.mu.Lock()
		beating := b.beating
		b.rm.mu.Unlock()
		if !beating {
			continue
		}
		out, err := b.gateway.HeartbeatFromResourceManager(ctx, &pb.HeartbeatFromResourceManagerRequest{ResourceManagerToken: b.rmToken.Bytes()})
		if err == nil {
			b.rm.mu.Lock()
			b.rm.report = out.GetSlots()
			b.rm.mu.Unlock()
		}
	}
}

func (b *bed) request(slot int, alloc core.AllocationID) error {
	_, err := b.gateway.RequestSlot(b.t.Context(), b.order(slot, alloc))
	return err
}

// order is what the ResourceManager sends to give a slot to the job.
func (b *bed) order(slot int, alloc core.AllocationID) *pb.RequestSlotRequest {
	b.rm.mu.Lock()
	instance := b.rm.instance
	b.rm.mu.Unlock()
	return &pb.RequestSlotRequest{
		Slot:              &pb.SlotID{ResourceId: "tm-1", Number: int32(slot)},
		JobId:             b.job.Bytes(),
		AllocationId:      alloc.Bytes(),
		JobMasterAddress:  "jobmanager",
		JobMasterEndpoint: "jobmaster",
		JobMasterToken:    b.jmToken.Bytes(),

		ResourceManagerToken: b.rmToken.Bytes(),
		InstanceId:           instance,
	}
}

// slot requests a slot and waits until the JobMaster has it.
func (b *bed) slot(n int) core.AllocationID {
	b.t.Helper()
	alloc := core.NewAllocationID()
	if err := b.request(n, alloc); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
	if _, ok := b.jm.taken[string(alloc.Bytes())]; !ok {
		b.t.Fatal("the job master did not take the slot")
	}
	return alloc
}

func (b *bed) deployment(alloc core.AllocationID, subtask, attempt int) *pb.SubmitTasksRequest {
	g, err := json.Marshal(&graph.JobGraph{ID: b.job, Vertices: []graph.JobVertex{{ID: testVertex, Parallelism: 2}}})
	if err != nil {
		b.t.Fatal(err)
	}
	return &pb.SubmitTasksRequest{
		JobId:          b.job.Bytes(),
		JobMasterToken: b.jmToken.Bytes(),
		JobGraph:       g,
		GraphId:        b.graph.Bytes(),
		DataSecret:     []byte("of this job"),
		Tasks:          []*pb.TaskDeployment{{Subtask: int32(subtask), Attempt: int32(attempt), AllocationId: alloc.Bytes()}},
	}
}

func (b *bed) deploy(alloc core.AllocationID, subtask, attempt int) {
	b.t.Helper()
	if _, err := b.gateway.SubmitTasks(b.t.Context(), b.deployment(alloc, subtask, attempt)); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
	if got := string(b.workers.last().spec.Secret); got != "of this job" {
		b.t.Errorf("the worker got the secret %q", got)
	}
}

func (b *bed) attempt(subtask, attempt int) *pb.ExecutionAttemptID {
	return &pb.ExecutionAttemptID{Graph: b.graph.Bytes(), Vertex: testVertex.Bytes(), Subtask: int32(subtask), Attempt: int32(attempt)}
}

func (b *bed) cancel(subtask, attempt int) {
	b.t.Helper()
	_, err := b.gateway.CancelTasks(b.t.Context(), &pb.CancelTasksRequest{
		JobId: b.job.Bytes(), JobMasterToken: b.jmToken.Bytes(),
		Attempts: []*pb.ExecutionAttemptID{b.attempt(subtask, attempt)},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

func (b *bed) free(alloc core.AllocationID) {
	b.t.Helper()
	if _, err := b.gateway.FreeSlot(b.t.Context(), &pb.FreeSlotRequest{AllocationId: alloc.Bytes()}); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

// wantStates compares what the JobMaster heard, in order.
func (b *bed) wantStates(want ...string) {
	b.t.Helper()
	b.jm.mu.Lock()
	defer b.jm.mu.Unlock()
	if !slices.Equal(b.jm.states, want) {
		b.t.Errorf("the job master heard %q, want %q", b.jm.states, want)
	}
}

// wantFree compares the ResourceManager's newest report, two heartbeats later.
func (b *bed) wantFree(want int) {
	b.t.Helper()
	time.Sleep(2 * beatEvery)
	synctest.Wait()
	b.rm.mu.Lock()
	defer b.rm.mu.Unlock()
	free := 0
	for _, s := range b.rm.report.GetSlots() {
		if len(s.GetJobId()) == 0 {
			free++
		}
	}
	if free != want {
		b.t.Errorf("the resource manager knows of %d free slots, want %d: %v", free, want, b.rm.report)
	}
}

// nowhere is a listener without a network.
type nowhere struct{ done chan struct{} }

func listenNowhere() (net.Listener, error) { return &nowhere{make(chan struct{})}, nil }

func (n *nowhere) Accept() (net.Conn, error) { <-n.done; return nil, net.ErrClosed }

func (n *nowhere) Close() error {
	select {
	case <-n.done:
		return net.ErrClosed
	default:
		close(n.done)
		return nil
	}
}

func (n *nowhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711} }

// testWriter is a log in the test's output.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(string(b[:max(len(b)-1, 0)]))
	return len(b), nil
}

var _ io.Writer = testWriter{}
