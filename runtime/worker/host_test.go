package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeTask runs until it is cancelled.
type fakeTask struct {
	id     core.ExecutionAttemptID
	events Events
	deaf   bool
	once   sync.Once
	done   chan struct{}
	got    chan string // capacity for all events of a test
}

func (f *fakeTask) Cancel(error) {
	if f.deaf {
		return
	}
	f.once.Do(func() {
		f.events.TaskState(&pb.TaskState{Attempt: AttemptToProto(f.id), State: "CANCELED"})
		close(f.done)
	})
}

func (f *fakeTask) HandleEvent(_ core.OperatorID, payload []byte) { f.got <- string(payload) }

func (f *fakeTask) Report() (*pb.TaskReport, []*pb.Metric) {
	return &pb.TaskReport{Attempt: AttemptToProto(f.id), State: "RUNNING"}, []*pb.Metric{{Name: "records"}}
}

func (f *fakeTask) Done() <-chan struct{} { return f.done }

type fakeTasks struct {
	deaf  bool
	host  *Host
	tasks []*fakeTask
}

func (f *fakeTasks) start(h *Host, _ *graph.Chain, id core.ExecutionAttemptID, _ *network.Locations) subtask {
	t := &fakeTask{id: id, events: h.cfg.Events, deaf: f.deaf, done: make(chan struct{}), got: make(chan string, 8)}
	f.host, f.tasks = h, append(f.tasks, t)
	t.events.TaskState(&pb.TaskState{Attempt: AttemptToProto(id), State: "RUNNING"})
	return t
}

func compiledSample(t *testing.T) *graph.Compiled {
	t.Helper()
	g := sampleGraph(t)
	g.ComputeHash()
	c := &graph.Compiled{Job: g, Chains: map[core.VertexID]*graph.Chain{}}
	for i := range g.Vertices {
		c.Chains[g.Vertices[i].ID] = &graph.Chain{Vertex: &g.Vertices[i]}
	}
	return c
}

func deployment(c *graph.Compiled, tasks ...*pb.TaskDeployment) *pb.SubmitTasksRequest {
	in := &pb.SubmitTasksRequest{GraphId: core.NewGraphID().Bytes(), Tasks: tasks, Workers: []string{""}}
	for _, v := range c.Job.Vertices {
		in.Locations = append(in.Locations, &pb.VertexLocations{Worker: make([]int32, v.Parallelism), Attempt: make([]int32, v.Parallelism)})
	}
	return in
}

// served is the TaskManager's side of a child that runs in this process.
type served struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	out  *Sender
	code chan int

	address string // where it listens for other workers
}

const testSecret = "of this job"

func serveSample(t *testing.T, submitted *graph.JobGraph, compiled *graph.Compiled, tasks *fakeTasks) *served {
	t.Helper()
	ours, theirs := net.Pipe()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, conn: ours, in: bufio.NewReader(ours), code: make(chan int, 1)}
	log := slog.New(slog.DiscardHandler)
	var child sync.WaitGroup
	child.Go(func() {
		code := serve(context.Background(), theirs, l, compiled, nil, log, tasks.start)
		_ = theirs.Close()
		_ = l.Close() // as the end of the process does
		s.code <- code
	})
	s.out = NewSender(ours, func(error) {})
	t.Cleanup(func() {
		_ = ours.Close()
		s.out.Close()
		child.Wait()
	})
	b, err := json.Marshal(submitted)
	if err != nil {
		t.Fatal(err)
	}
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Start{Start: &pb.WorkerStart{
		JobGraph: b, DataAddress: l.Addr().String(), DataSecret: []byte(testSecret),
	}}})
	s.address = l.Addr().String()
	return s
}

func (s *served) read() *pb.FromWorker {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	m := new(pb.FromWorker)
	if err := ReadFrame(s.in, m); err != nil {
		s.t.Fatal(err)
	}
	return m
}

func TestChildServes(t *testing.T) {
	compiled, tasks := compiledSample(t), &fakeTasks{}
	s := serveSample(t, compiled.Job, compiled, tasks)
	if s.read().GetReady() == nil {
		t.Fatal("not ready")
	}
	in := deployment(compiled, &pb.TaskDeployment{Vertex: 0, Subtask: 1}, &pb.TaskDeployment{Vertex: 9}, &pb.TaskDeployment{Vertex: 1, Subtask: 2})
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Deploy{Deploy: in}})
	if m := s.read().GetState(); m.GetState() != "RUNNING" || m.GetAttempt().GetSubtask() != 1 {
		t.Errorf("first state %v", m)
	}
	for _, want := range []string{"vertex 9: the job has 2", "subtask 2: the parallelism is 2"} {
		if m := s.read().GetState(); m.GetState() != "FAILED" || !strings.Contains(m.GetCause().GetMessage(), want) {
			t.Errorf("state %v, want FAILED because of %q", m, want)
		}
	}
	id := tasks.tasks[0].id
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Events{Events: &pb.DeliverOperatorEventsRequest{Events: []*pb.OperatorEvent{
		{Attempt: AttemptToProto(id), Operator: core.HashOperatorID("lines").Bytes(), Payload: []byte("split")},
	}}}})
	if got := <-tasks.tasks[0].got; got != "split" {
		t.Errorf("event %q", got)
	}
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Report{Report: &pb.WorkerReportRequest{}}})
	if r := s.read().GetReport(); len(r.GetTasks()) != 1 || len(r.GetMetrics().GetMetrics()) != 1 {
		t.Errorf("report %v", r)
	}
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Stacks{Stacks: &pb.WorkerStackRequest{}}})
	if d := s.read().GetStacks().GetDump(); !strings.Contains(d, "TestChildServes") {
		t.Errorf("stacks %q", d)
	}
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Cancel{Cancel: &pb.CancelTasksRequest{Attempts: []*pb.ExecutionAttemptID{AttemptToProto(id)}}}})
	if m := s.read().GetState(); m.GetState() != "CANCELED" {
		t.Errorf("state %v after cancel", m)
	}
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Deploy{Deploy: deployment(compiled, &pb.TaskDeployment{})}})
	s.read()
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Stop{Stop: &pb.WorkerStop{}}})
	if m := s.read().GetState(); m.GetState() != "CANCELED" {
		t.Errorf("state %v after stop", m)
	}
	if code := <-s.code; code != exitOK {
		t.Errorf("exit code %d after stop", code)
	}
}

func TestB39_ChildRefusesOtherGraph(t *testing.T) {
	compiled := compiledSample(t)
	submitted := sampleGraph(t)
	submitted.Vertices[0].Parallelism = 7
	submitted.ComputeHash()
	s := serveSample(t, submitted, compiled, &fakeTasks{})
	if m := s.read().GetFailed().GetCause(); !strings.Contains(m.GetMessage(), "parallelism: submitted 7, here 2") || m.GetKind() != "invalid" {
		t.Errorf("cause %v", m)
	}
	if code := <-s.code; code != exitRefused {
		t.Errorf("exit code %d", code)
	}
}

// a child whose TaskManager is gone ends, whatever its tasks do.
func TestR19_ChildIsOrphaned(t *testing.T) {
	for _, stopping := range []bool{false, true} {
		compiled, tasks := compiledSample(t), &fakeTasks{deaf: true}
		s := serveSample(t, compiled.Job, compiled, tasks)
		s.read()
		s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Deploy{Deploy: deployment(compiled, &pb.TaskDeployment{})}})
		s.read()
		if stopping {
			s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Stop{Stop: &pb.WorkerStop{}}})
			s.out.Close()
		}
		start := time.Now()
		_ = s.conn.Close()
		if code := <-s.code; code != exitOrphaned {
			t.Errorf("exit code %d", code)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("ended after %s", took)
		}
		for _, task := range tasks.tasks { // a real process would take them with it
			task.deaf = false
		}
		if err := tasks.host.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestGarbageEndsChild(t *testing.T) {
	ours, theirs := net.Pipe()
	code := make(chan int, 1)
	var child sync.WaitGroup
	child.Go(func() {
		code <- serve(context.Background(), theirs, nil, compiledSample(t), nil, slog.New(slog.DiscardHandler), (&fakeTasks{}).start)
		_ = theirs.Close()
	})
	defer child.Wait()
	defer ours.Close()
	if _, err := ours.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if c := <-code; c != exitProtocol {
		t.Errorf("exit code %d", c)
	}
}

func TestCloseLeavesDeafTasksBehind(t *testing.T) {
	compiled, tasks := compiledSample(t), &fakeTasks{deaf: true}
	h, err := newHost(HostConfig{Submitted: compiled.Job, Compiled: compiled, Events: nobody{}, Log: slog.New(slog.DiscardHandler)}, tasks.start)
	if err != nil {
		t.Fatal(err)
	}
	h.Deploy(deployment(compiled, &pb.TaskDeployment{}, &pb.TaskDeployment{Subtask: 1}))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no time"))
	if err := h.Close(ctx); err == nil || !strings.Contains(err.Error(), "2 of 2 tasks have not ended: no time") {
		t.Errorf("close: %v", err)
	}
	for _, task := range tasks.tasks {
		task.deaf = false
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	h.Deploy(deployment(compiled, &pb.TaskDeployment{}))
	if len(tasks.tasks) != 2 {
		t.Error("a closed host starts tasks")
	}
}

type nobody struct{}

func (nobody) TaskState(*pb.TaskState)         {}
func (nobody) OperatorEvent(*pb.OperatorEvent) {}

// stranger is a task of a process that wants records of the worker.
type stranger struct {
	done   chan struct{}
	failed chan error // capacity 1: the first is enough
}

func (s *stranger) Done() <-chan struct{} { return s.done }
func (s *stranger) Unwind(err error)      { s.Fail(err) }
func (s *stranger) Blocked(bool)          {}
func (s *stranger) Fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Whoever knows the job and the port, but not the secret, gets nothing from a worker's data listener.
func TestWorkerWantsTheSecret(t *testing.T) {
	compiled := compiledSample(t)
	s := serveSample(t, compiled.Job, compiled, &fakeTasks{})
	if s.read().GetReady() == nil {
		t.Fatal("not ready")
	}
	for _, secret := range []string{"", "a guess"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		peer := network.New(network.Config{Job: compiled.Job.ID, Secret: []byte(secret), Address: l.Addr().String(), Listener: l})
		from, to := compiled.Job.Vertices[0].ID, compiled.Job.Vertices[1].ID
		owner := &stranger{make(chan struct{}), make(chan error, 1)}
		gate := peer.NewGate(owner, core.ExecutionAttemptID{Graph: core.NewGraphID(), Vertex: to}, []network.Edge{
			{Producer: from, To: 1, Location: network.VertexLocation{Worker: []int32{0}, Attempt: []int32{0}}},
		})
		if err := gate.Open(&network.Locations{Workers: []string{s.address}}); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-owner.failed:
			if !strings.Contains(err.Error(), "wrong credentials") {
				t.Errorf("secret %q: %v", secret, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("secret %q is not refused", secret)
		}
		gate.Close()
		if err := peer.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	s.out.Send(&pb.ToWorker{Message: &pb.ToWorker_Stop{Stop: &pb.WorkerStop{}}})
	if code := <-s.code; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
