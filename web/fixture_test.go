package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

// TestMain lets the test binary be a program too: in role plan it does what its first argument says.
func TestMain(m *testing.M) {
	if os.Getenv("FLINKGO_ROLE") == "plan" {
		os.Exit(actAsProgram(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

var (
	runningID  = must(core.ParseJobID("a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"))
	finishedID = must(core.ParseJobID("b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"))
	failedID   = must(core.ParseJobID("c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3"))
	startingID = must(core.ParseJobID("d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4"))
	unknownID  = must(core.ParseJobID("00000000000000000000000000000001"))
	sourceID   = must(core.ParseVertexID("11111111111111111111111111111111"))
	sinkID     = must(core.ParseVertexID("22222222222222222222222222222222"))
)

const tmID = "host:4711-0a0b0c"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// at is the clock of the tests.
func at() time.Time { return time.UnixMilli(1_700_000_100_000) }

func testGraph(id core.JobID) *graph.JobGraph {
	g := &graph.JobGraph{
		Version: graph.FormatVersion, ID: id, Name: "word-count",
		Config: graph.JobConfig{Parallelism: 2, RuntimeMode: "STREAMING", Params: map[string]string{"input": "alice.txt", "db.password": "hunter2"}},
		Vertices: []graph.JobVertex{
			{ID: sourceID, Name: "Source: lines -> words", Description: "Source: lines<br/>+- words<br/>", Parallelism: 2, MaxParallelism: 128, SlotSharingGroup: "default", Source: true},
			{ID: sinkID, Name: "count -> print", Description: "count<br/>+- Sink: <print><br/>", Parallelism: 2, MaxParallelism: 128, SlotSharingGroup: "default",
				Inputs: []graph.JobEdge{{Source: sourceID, Strategy: graph.Hash}}},
		},
	}
	g.ComputeHash()
	return g
}

func attempt(n int, state core.ExecutionState, records uint64) scheduler.ArchivedAttempt {
	a := scheduler.ArchivedAttempt{Attempt: n, State: state, Resource: tmID, Host: "host:4711",
		IO:         core.IOMetrics{BytesIn: 10 * records, RecordsIn: records, BytesOut: 5 * records, RecordsOut: records / 2, BusyMillis: 60, IdleMillis: 30, BackpressuredMillis: 10},
		Timestamps: map[core.ExecutionState]int64{}}
	for i, s := range []core.ExecutionState{core.ExecutionCreated, core.ExecutionScheduled, core.ExecutionDeploying, core.ExecutionInitializing, core.ExecutionRunning} {
		a.Timestamps[s] = at().UnixMilli() - 1000 + int64(i)*10
	}
	if state.Terminal() {
		a.Timestamps[state] = at().UnixMilli() - 100
	}
	a.Accumulators = []core.Accumulator{{Name: "words", Kind: "LongCounter", Value: "7"}}
	return a
}

func testJob(id core.JobID, status core.JobStatus, state core.ExecutionState) *scheduler.ArchivedJob {
	start := at().UnixMilli() - 1000
	j := &scheduler.ArchivedJob{ID: id, Name: "word-count", Status: status, Start: start, End: -1, Graph: testGraph(id),
		Timestamps:   map[core.JobStatus]int64{core.JobInitializing: start, core.JobCreated: start, core.JobRunning: start + 5},
		Accumulators: []core.Accumulator{{Name: "words", Kind: "LongCounter", Value: "28"}}}
	if status.Terminal() {
		j.End = at().UnixMilli() - 50
		j.Timestamps[status] = j.End
	}
	for range j.Graph.Vertices {
		j.Vertices = append(j.Vertices, scheduler.ArchivedVertex{Subtasks: []scheduler.ArchivedSubtask{
			{Current: attempt(1, state, 100), Prior: []scheduler.ArchivedAttempt{attempt(0, core.ExecutionFailed, 3)}},
			{Current: attempt(0, state, 300)},
		}})
	}
	return j
}

// fakeCluster is every gateway at once.
type fakeCluster struct {
	mu        sync.Mutex
	jobs      map[core.JobID]*scheduler.ArchivedJob
	submitted []*graph.JobGraph
	blobs     map[core.BlobKey][]byte
	dir       string
	err       error // of every call
	down      bool
	logs      map[string]string
}

func (f *fakeCluster) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeCluster) find(raw []byte) (*scheduler.ArchivedJob, error) {
	id, err := core.JobIDFromBytes(raw)
	if err != nil {
		return nil, core.E("find", core.Invalid, "", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.jobs[id]; j != nil {
		return j, f.err
	}
	return nil, cmp.Or(f.err, error(core.E("find", core.NotFound, id.String(), errors.New("unknown job"))))
}

func (f *fakeCluster) SubmitJob(_ context.Context, in *pb.SubmitJobRequest) (*pb.SubmitJobResponse, error) {
	var g graph.JobGraph
	if err := json.Unmarshal(in.GetJobGraph(), &g); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.submitted = append(f.submitted, &g)
	return &pb.SubmitJobResponse{}, f.err
}

func (f *fakeCluster) CancelJob(_ context.Context, in *pb.CancelJobRequest) (*pb.CancelJobResponse, error) {
	j, err := f.find(in.GetJobId())
	if err != nil {
		return nil, err
	}
	if j.Status == core.JobFinished || j.Status == core.JobFailed {
		return nil, core.E("cancel job", core.Conflict, j.ID.String(), fmt.Errorf("the job has ended already, as %s", j.Status))
	}
	return &pb.CancelJobResponse{}, nil
}

func (f *fakeCluster) ListJobs(context.Context, *pb.ListJobsRequest) (*pb.ListJobsResponse, error) {
	out := &pb.ListJobsResponse{}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		out.Jobs = append(out.Jobs, must(json.Marshal(j.Summary())))
	}
	return out, f.err
}

func (f *fakeCluster) RequestJob(_ context.Context, in *pb.RequestJobRequest) (*pb.RequestJobResponse, error) {
	j, err := f.find(in.GetJobId())
	if err != nil {
		return nil, err
	}
	return &pb.RequestJobResponse{Job: must(json.Marshal(j))}, nil
}

func (f *fakeCluster) RequestJobResult(ctx context.Context, in *pb.RequestJobResultRequest) (*pb.RequestJobResultResponse, error) {
	j, err := f.find(in.GetJobId())
	if err != nil {
		return nil, err
	}
	if !j.Status.Terminal() {
		wait := time.NewTimer(time.Duration(in.GetWaitMillis()) * time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
			return &pb.RequestJobResultResponse{Status: j.Status.String()}, nil
		case <-ctx.Done():
			return nil, core.E("wait", core.Unavailable, "", ctx.Err())
		}
	}
	r := &pb.RequestJobResultResponse{Done: true, Status: j.Status.String(), NetRuntimeMillis: j.End - j.Start}
	if j.Failure != nil {
		r.Failure = &pb.ErrorInfo{Message: j.Failure.Message, Stack: j.Failure.Stack, Type: j.Failure.Type, Kind: j.Failure.Kind}
	}
	return r, nil
}

func (f *fakeCluster) RequestClusterOverview(context.Context, *pb.RequestClusterOverviewRequest) (*pb.RequestClusterOverviewResponse, error) {
	return &pb.RequestClusterOverviewResponse{TaskManagers: 1, SlotsTotal: 4, SlotsFree: 2, JobsRunning: 1}, f.fail()
}

func (f *fakeCluster) ShutDownCluster(context.Context, *pb.ShutDownClusterRequest) (*pb.ShutDownClusterResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
	return &pb.ShutDownClusterResponse{}, nil
}

func (f *fakeCluster) RequestTaskManagers(context.Context, *pb.RequestTaskManagersRequest) (*pb.RequestTaskManagersResponse, error) {
	return &pb.RequestTaskManagersResponse{TaskManagers: []*pb.TaskManagerInfo{{
		ResourceId: tmID, RpcAddress: "host:4711", Endpoint: "taskexecutor", LastHeartbeatMillis: at().UnixMilli(),
		SlotsTotal: 4, SlotsFree: 3, SlotProfile: &pb.ResourceProfile{CpuMilli: 500, MemoryBytes: 1 << 30}, MemoryBytes: 4 << 30,
		Hardware: &pb.HardwareDescription{CpuCores: 2, PhysicalMemory: 8 << 30, FreeMemory: 4 << 30},
		Slots:    []*pb.SlotStatus{{JobId: runningID.Bytes(), Profile: &pb.ResourceProfile{CpuMilli: 500}}, {}},
	}}}, f.fail()
}

func (f *fakeCluster) ListLogs(context.Context, *pb.ListLogsRequest) (*pb.ListLogsResponse, error) {
	return &pb.ListLogsResponse{Files: []*pb.LogFile{{Name: "worker.out", Size: 5, MtimeMillis: 7}}}, nil
}

func (f *fakeCluster) ReadLog(_ context.Context, in *pb.ReadLogRequest, chunk func([]byte) error) error {
	text, ok := f.logs[in.GetName()]
	if !ok {
		return core.E("read log", core.NotFound, in.GetName(), errors.New("no such log file"))
	}
	for b := []byte(text); len(b) > 0; {
		n := min(3, len(b))
		if err := chunk(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (f *fakeCluster) RequestThreadDump(context.Context, *pb.RequestThreadDumpRequest) (*pb.RequestThreadDumpResponse, error) {
	return &pb.RequestThreadDumpResponse{Dump: "goroutine 1 [running]:\nmain.main()\n\ngoroutine 2 [select]:\nmain.f()\n"}, nil
}

func (f *fakeCluster) Put(_ context.Context, r io.Reader, limit int64) (core.BlobKey, int64, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return core.BlobKey{}, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := core.BlobKeyOf(b)
	f.blobs[key] = b
	return key, int64(len(b)), os.WriteFile(filepath.Join(f.dir, key.String()), b, 0o600)
}

func (f *fakeCluster) Adopt(ctx context.Context, path string, key core.BlobKey) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	got, _, err := f.Put(ctx, file, 1<<30)
	if err == nil && got != key {
		err = fmt.Errorf("a blob of SHA-256 %s was to be adopted as %s", got, key)
	}
	return errors.Join(err, os.Remove(path))
}

func (f *fakeCluster) Has(key core.BlobKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.blobs[key]
	return ok
}

func (f *fakeCluster) Open(key core.BlobKey) (*os.File, error) {
	return os.Open(filepath.Join(f.dir, key.String()))
}

// fixture is a server over a fakeCluster.
type fixture struct {
	t       *testing.T
	cluster *fakeCluster
	server  *Server
	http    *httptest.Server
	client  *rest.Client
	logDir  string
}

func newFixture(t *testing.T, settings ...string) *fixture {
	t.Helper()
	return newFixtureWithToken(t, "", settings...)
}

func newFixtureWithToken(t *testing.T, token string, settings ...string) *fixture {
	t.Helper()
	failed := testJob(failedID, core.JobFailed, core.ExecutionFailed)
	failed.Failure = &scheduler.FailureInfo{Message: "boom: <script>alert(1)</script>", Stack: "main.explode()\n\tmain.go:7", Type: "*errors.errorString", Kind: "user code", At: at().UnixMilli()}
	failed.Exceptions = []scheduler.ExceptionEntry{
		{FailureInfo: *failed.Failure, Task: "count (1/2) - execution #1", Host: "host:4711", Resource: tmID,
			Concurrent: []scheduler.ExceptionEntry{{FailureInfo: *failed.Failure}}},
		{FailureInfo: *failed.Failure},
	}
	starting := testJob(startingID, core.JobInitializing, core.ExecutionCreated)
	starting.Vertices, starting.Graph = nil, nil
	f := &fixture{t: t, logDir: t.TempDir()}
	f.cluster = &fakeCluster{
		dir: t.TempDir(), blobs: map[core.BlobKey][]byte{},
		logs: map[string]string{"": "tm log", "stdout": "tm out", "worker.out": "hello"},
		jobs: map[core.JobID]*scheduler.ArchivedJob{
			runningID:  testJob(runningID, core.JobRunning, core.ExecutionRunning),
			finishedID: testJob(finishedID, core.JobFinished, core.ExecutionFinished),
			failedID:   failed,
			startingID: starting,
		},
	}
	c, err := conf.Load("", nil, settings)
	if err != nil {
		t.Fatal(err)
	}
	f.server, err = New(Config{
		Dispatcher: f.cluster, ResourceManager: f.cluster, Blobs: f.cluster,
		Connect: func(*pb.TaskManagerInfo) TaskExecutor { return f.cluster },
		Conf:    c, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Dir: t.TempDir(), LogDir: f.logDir, LogFile: "jobmanager.log", OutFile: "jobmanager.out", Token: token, Now: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.http = httptest.NewServer(f.server.Handler())
	f.client, err = rest.New(f.http.URL, rest.Options{RetryFor: -1, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.client.Close()
		f.http.Client().CloseIdleConnections()
		f.http.Close()
		if err := f.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// reply is an answer, read whole.
type reply struct {
	*http.Response
	body string
}

// send makes a request as bytes of a client would, without following redirects.
func (f *fixture) send(method, path, body string, header ...string) reply {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.http.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := f.http.Client().Transport.RoundTrip(req)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return reply{resp, string(b)}
}

// wantError checks status and form of an error: {"errors": [...]} and nothing beside it.
func (r reply) wantError(t *testing.T, code int, contains string) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.body), &fields); err != nil || len(fields) != 1 || fields["errors"] == nil {
		t.Errorf("status %d: not the form of an error: %s", r.StatusCode, r.body)
	}
	if r.StatusCode != code {
		t.Errorf("status %d, want %d: %s", r.StatusCode, code, r.body)
	}
	if !strings.Contains(r.body, contains) {
		t.Errorf("error %s, want %q in it", r.body, contains)
	}
}

// actAsProgram is what the test binary does in place of a user's program.
func actAsProgram(args []string) int {
	what := "graph"
	if len(args) > 0 {
		what = args[0]
	}
	switch what {
	case "silent":
		return 0
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot open alice.txt")
		return 3
	case "noise":
		line := bytes.Repeat([]byte("x"), 1<<20)
		for range 64 {
			_, _ = os.Stdout.Write(line)
		}
		return 0
	case "hang":
		<-time.After(time.Hour) // waiting for nothing at all would be a deadlock to a static binary
		return 0
	case "write":
		return tryToWrite()
	case "dial":
		return tryToDial()
	case "memory":
		var all [][]byte
		for range 4096 {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			all = append(all, b)
		}
		return len(all) * 0 // it had all the memory it wanted: no plan, but no failure either
	}
	g := testGraph(core.NewJobID())
	g.Name = "planned " + os.Getenv("FLINKGO_SETTINGS") + " " + strings.Join(args, "|")
	out := os.NewFile(planFD, "plan")
	if err := json.NewEncoder(out).Encode(g); err != nil {
		return 1
	}
	_ = out.Close()
	return 0
}

func sum(b []byte) core.BlobKey { return sha256.Sum256(b) }
