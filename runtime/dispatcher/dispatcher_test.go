package dispatcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeMaster is a JobMaster whose job ends when the test says so.
type fakeMaster struct {
	job   *graph.JobGraph
	start error

	mu     sync.Mutex
	final  *scheduler.ArchivedJob
	broken error // of Wait
	ended  chan struct{}
	gone   chan struct{} // slots given back
	closed int
}

func newFakeMaster(job *graph.JobGraph) *fakeMaster {
	return &fakeMaster{job: job, ended: make(chan struct{}), gone: make(chan struct{})}
}

func (m *fakeMaster) Start() error { return m.start }

func (m *fakeMaster) end(status core.JobStatus, failure *scheduler.FailureInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now().UnixMilli()
	m.final = &scheduler.ArchivedJob{ID: m.job.ID, Name: m.job.Name, Status: status, Start: now - 1500, End: now, Graph: m.job, Failure: failure,
		Accumulators: []core.Accumulator{{Name: "words", Kind: "LongCounter", Value: "7"}}}
	close(m.ended)
}

func (m *fakeMaster) Cancel(context.Context) error {
	select {
	case <-m.ended:
		return core.E("cancel job", core.Conflict, m.job.ID.String(), errors.New("ended"))
	default:
		m.end(core.JobCanceled, nil)
		return nil
	}
}

func (m *fakeMaster) Snapshot(context.Context) (*scheduler.ArchivedJob, error) {
	return &scheduler.ArchivedJob{ID: m.job.ID, Name: m.job.Name, Status: core.JobRunning, Graph: m.job, End: -1}, nil
}

func (m *fakeMaster) Wait(ctx context.Context) (*scheduler.ArchivedJob, error) {
	select {
	case <-m.ended:
		return m.final, m.broken
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *fakeMaster) Done() <-chan struct{} { return m.gone }

func (m *fakeMaster) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed++
	return nil
}

// bench is a Dispatcher with fake JobMasters.
type bench struct {
	*Dispatcher
	t       *testing.T
	mu      sync.Mutex
	masters map[core.JobID]*fakeMaster
	made    int
	refuse  error // of NewJobMaster
	shut    int
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, masters: map[core.JobID]*fakeMaster{}}
	cfg := Config{
		Log: slog.New(slog.DiscardHandler),
		NewJobMaster: func(job *graph.JobGraph) (JobMaster, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.made++
			if b.refuse != nil {
				return nil, b.refuse
			}
			if job.Name == "panics" {
				panic("a broken job master")
			}
			m := newFakeMaster(job)
			b.masters[job.ID] = m
			return m, nil
		},
		ShutDown: func() { b.shut++ },
	}
	if change != nil {
		change(&cfg)
	}
	b.Dispatcher = New(cfg)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) master(id core.JobID) *fakeMaster {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.masters[id]
	if m == nil {
		b.t.Fatalf("job %s has no job master", id)
	}
	return m
}

func (b *bench) submit(g *graph.JobGraph) error {
	raw, err := json.Marshal(g)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.SubmitJob(b.t.Context(), &pb.SubmitJobRequest{JobGraph: raw})
	return err
}

func (b *bench) result(id core.JobID, wait time.Duration) *pb.RequestJobResultResponse {
	b.t.Helper()
	r, err := b.RequestJobResult(b.t.Context(), &pb.RequestJobResultRequest{JobId: id.Bytes(), WaitMillis: wait.Milliseconds()})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) list() []scheduler.JobSummary {
	b.t.Helper()
	r, err := b.ListJobs(b.t.Context(), &pb.ListJobsRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	all := make([]scheduler.JobSummary, len(r.GetJobs()))
	for i, raw := range r.GetJobs() {
		if err := json.Unmarshal(raw, &all[i]); err != nil {
			b.t.Fatal(err)
		}
	}
	return all
}

// job is a valid graph: a source of parallelism 2 and a sink of parallelism 2.
func job(name string) *graph.JobGraph {
	source, sink := core.HashVertexID("source"), core.HashVertexID("sink")
	g := &graph.JobGraph{
		Version: graph.FormatVersion, ID: core.NewJobID(), Name: name,
		Config: graph.JobConfig{Parallelism: 2, RuntimeMode: "STREAMING", Failover: "region"},
		Vertices: []graph.JobVertex{
			{ID: source, Name: "Source: numbers", Parallelism: 2, MaxParallelism: 128, Source: true,
				Operators: []graph.Operator{{ID: core.HashOperatorID("numbers"), Name: "numbers"}}},
			{ID: sink, Name: "Sink: print", Parallelism: 2, MaxParallelism: 128,
				Operators: []graph.Operator{{ID: core.HashOperatorID("print"), Name: "print"}},
				Inputs:    []graph.JobEdge{{Source: source, Strategy: graph.Rebalance, Type: "int"}}},
		},
	}
	g.ComputeHash()
	return g
}

func wantKind(t *testing.T, err error, want core.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one of kind %v", want)
	}
	if got := core.KindOf(err); got != want {
		t.Fatalf("kind %v, want %v: %v", got, want, err)
	}
}

// S-121, S-136: the Dispatcher starts a JobMaster per job; S-126: whoever waits gets the result.
func TestJobFromSubmissionToResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		g := job("words")
		if err := b.submit(g); err != nil {
			t.Fatal(err)
		}
		m := b.master(g.ID)
		if r := b.result(g.ID, 0); r.GetDone() {
			t.Fatal("done before the end")
		}
		time.AfterFunc(10*time.Second, func() { m.end(core.JobFinished, nil) })
		began := time.Now()
		r := b.result(g.ID, time.Minute)
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("waited %v, want 10 s", waited)
		}
		if !r.GetDone() || r.GetStatus() != "FINISHED" || r.GetNetRuntimeMillis() != 1500 || len(r.GetAccumulators()) != 1 {
			t.Errorf("result %v", r)
		}
		if m.closed != 0 {
			t.Error("the job master was closed before it gave its slots back")
		}
		close(m.gone)
		synctest.Wait()
		if m.closed != 1 {
			t.Errorf("the job master was closed %d times, want once", m.closed)
		}
		if l := b.list(); len(l) != 1 || l[0].Status != core.JobFinished {
			t.Errorf("list %v", l)
		}
	})
}

// the same submission again is acknowledged and starts nothing, before and after the end of the job;
// another job under the same id is refused and harms nothing.
func TestSubmissionIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		g := job("words")
		for range 3 {
			if err := b.submit(g); err != nil {
				t.Fatal(err)
			}
		}
		other := job("others")
		other.ID = g.ID
		wantKind(t, b.submit(other), core.AlreadyExists)
		m := b.master(g.ID)
		m.end(core.JobFinished, nil)
		close(m.gone)
		synctest.Wait()
		if err := b.submit(g); err != nil {
			t.Fatal(err)
		}
		wantKind(t, b.submit(other), core.AlreadyExists)
		if b.made != 1 {
			t.Errorf("%d job masters, want 1", b.made)
		}
	})
}

// slowStore takes a second to store a graph, and may fail.
type slowStore struct {
	*MemoryStore
	err error
}

func (s slowStore) Put(ctx context.Context, g *graph.JobGraph) error {
	time.Sleep(time.Second)
	return errors.Join(s.err, s.MemoryStore.Put(ctx, g))
}

func TestConcurrentSubmissionsWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, storeErr := range []error{nil, errors.New("disk full")} {
			b := newBench(t, func(c *Config) { c.Store = slowStore{NewMemoryStore(), storeErr} })
			g := job("words")
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if err := b.submit(g); (err == nil) != (storeErr == nil) {
						t.Errorf("error %v, want that of the store: %v", err, storeErr)
					}
				})
			}
			wg.Wait()
			synctest.Wait()
			if want := map[bool]int{true: 1, false: 0}[storeErr == nil]; b.made != want {
				t.Errorf("%d job masters, want %d", b.made, want)
			}
		}
	})
}

// A job whose JobMaster cannot be made, or panics, is a failed job, and the others go on.
func TestJobMasterFailureIsItsJobsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		good, bad, panics := job("good"), job("bad"), job("panics")
		if err := b.submit(good); err != nil {
			t.Fatal(err)
		}
		b.master(good.ID)
		if err := b.submit(panics); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.refuse = core.E("schedule", core.Invalid, "", errors.New("cannot run"))
		if err := b.submit(bad); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for id, want := range map[core.JobID]string{bad.ID: "cannot run", panics.ID: "a broken job master"} {
			if r := b.result(id, 0); r.GetStatus() != "FAILED" || !strings.Contains(r.GetFailure().GetMessage(), want) {
				t.Errorf("result %v, want FAILED with %q", r, want)
			}
		}
		if r := b.result(good.ID, 0); r.GetDone() {
			t.Errorf("the good job ended: %v", r)
		}
	})
}

// A JobMaster that breaks while its job runs fails that job, and is closed though its slots never came back.
func TestBrokenJobMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		g := job("broken")
		if err := b.submit(g); err != nil {
			t.Fatal(err)
		}
		m := b.master(g.ID)
		m.broken = errors.New("panic in its JobMaster")
		close(m.ended)
		r := b.result(g.ID, time.Second)
		if r.GetStatus() != "FAILED" || !strings.Contains(r.GetFailure().GetMessage(), "panic in its JobMaster") {
			t.Errorf("result %v", r)
		}
		synctest.Wait()
		if m.closed != 1 {
			t.Errorf("the job master was closed %d times, want once", m.closed)
		}
	})
}

// B-31: cancel of an unknown job is NotFound, of one that has ended Conflict.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		cancel := func(id core.JobID) error {
			_, err := b.CancelJob(t.Context(), &pb.CancelJobRequest{JobId: id.Bytes()})
			return err
		}
		wantKind(t, cancel(core.NewJobID()), core.NotFound)
		_, err := b.CancelJob(t.Context(), &pb.CancelJobRequest{JobId: []byte("short")})
		wantKind(t, err, core.Invalid)

		canceled, finished := job("canceled"), job("finished")
		for _, g := range []*graph.JobGraph{canceled, finished} {
			if err := b.submit(g); err != nil {
				t.Fatal(err)
			}
		}
		m := b.master(finished.ID)
		m.end(core.JobFinished, nil)
		synctest.Wait()
		wantKind(t, cancel(finished.ID), core.Conflict)
		if err := cancel(canceled.ID); err != nil {
			t.Fatal(err)
		}
		if r := b.result(canceled.ID, time.Second); r.GetStatus() != "CANCELED" {
			t.Errorf("result %v", r)
		}
		wantKind(t, cancel(canceled.ID), core.Conflict)
	})
}

func TestArchiveIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBench(t, func(c *Config) { c.MaxCapacity, c.Expiration, c.ArchiveDir = 3, time.Hour, dir })
		var last *graph.JobGraph
		for i := range 5 {
			last = job(fmt.Sprintf("job-%d", i))
			if err := b.submit(last); err != nil {
				t.Fatal(err)
			}
			m := b.master(last.ID)
			m.end(core.JobFinished, nil)
			close(m.gone)
			time.Sleep(time.Minute)
		}
		if l := b.list(); len(l) != 3 || l[2].ID != last.ID {
			t.Errorf("%d jobs are kept, want the newest 3: %v", len(l), l)
		}
		time.Sleep(56 * time.Minute) // the oldest of the three is 60 minutes old now, the last 57
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if l := b.list(); len(l) != 1 {
			t.Errorf("%d jobs are kept, want 1", len(l))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if l := b.list(); len(l) != 0 {
			t.Errorf("%d jobs are kept, want none", len(l))
		}
		raw, err := os.ReadFile(filepath.Join(dir, last.ID.String()))
		if err != nil {
			t.Fatal(err)
		}
		var kept scheduler.ArchivedJob
		if err := json.Unmarshal(raw, &kept); err != nil || kept.Name != last.Name {
			t.Errorf("archived file: %v, %v", kept.Name, err)
		}
	})
}

// a program goes when the last job that needs it is forgotten, and not before.
func TestUnusedPrograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var unused []core.BlobKey
		b := newBench(t, func(c *Config) {
			c.Expiration = time.Hour
			c.Unused = func(k core.BlobKey) {
				mu.Lock()
				defer mu.Unlock()
				unused = append(unused, k)
			}
		})
		program := core.BlobKeyOf([]byte("a program"))
		first, second := job("first"), job("second")
		for _, g := range []*graph.JobGraph{first, second} {
			g.Program.Blob = program
			if err := b.submit(g); err != nil {
				t.Fatal(err)
			}
			m := b.master(g.ID)
			m.end(core.JobFinished, nil)
			close(m.gone)
			time.Sleep(30 * time.Minute)
		}
		time.Sleep(20 * time.Minute) // the first job is forgotten
		synctest.Wait()
		if len(unused) != 0 || len(b.list()) != 1 {
			t.Errorf("%d programs are unused while %d jobs are known", len(unused), len(b.list()))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(unused) != 1 || unused[0] != program {
			t.Errorf("unused %v, want the program", unused)
		}
	})
}

// S-137: a Dispatcher starts the jobs that its store holds.
func TestRecoverJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewMemoryStore()
		g := job("kept")
		if err := store.Put(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, func(c *Config) { c.Store = store })
		m := b.master(g.ID)
		if err := b.submit(g); err != nil {
			t.Fatal(err)
		}
		m.end(core.JobFinished, nil)
		synctest.Wait()
		if left, err := store.All(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("the store still has %d jobs (%v)", len(left), err)
		}
	})
}

func TestShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		for range 2 {
			if _, err := b.ShutDownCluster(t.Context(), &pb.ShutDownClusterRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if b.shut != 1 {
			t.Errorf("asked to end %d times, want once", b.shut)
		}
		wantKind(t, b.submit(job("late")), core.Unavailable)
	})
}

func TestEndWithJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		g := job("only")
		if err := b.submit(g); err != nil {
			t.Fatal(err)
		}
		m := b.master(g.ID)
		b.EndWithJob()
		synctest.Wait()
		if b.shut != 0 {
			t.Fatal("ended before its job")
		}
		m.end(core.JobFailed, &scheduler.FailureInfo{Message: "broken"})
		synctest.Wait()
		if b.shut != 1 {
			t.Errorf("asked to end %d times, want once", b.shut)
		}
	})
}

func TestCloseEndsJobMasters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		g := job("long")
		if err := b.submit(g); err != nil {
			t.Fatal(err)
		}
		m := b.master(g.ID)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if m.closed != 1 {
			t.Errorf("the job master was closed %d times, want once", m.closed)
		}
		wantKind(t, b.submit(job("late")), core.Unavailable)
	})
}

func TestSubmissionRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Quotas = DefaultQuotas(); c.Quotas.SubmissionsPerMinute = 60 })
		for range 60 {
			if err := b.submit(job("one")); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, b.submit(job("one too many")), core.Unavailable)
		time.Sleep(time.Second)
		if err := b.submit(job("after a second")); err != nil {
			t.Fatal(err)
		}
	})
}

// B-35, B-36, B-38, B-40: what is wrong with a graph is said before anything is stored.
func TestCheck(t *testing.T) {
	cases := []struct {
		name   string
		change func(*graph.JobGraph)
		want   string // part of the message; "" for a graph that is accepted
	}{
		{"valid", func(*graph.JobGraph) {}, ""},
		{"newer version", func(g *graph.JobGraph) { g.Version = 99 }, "version 99, this JobManager reads version 1"},
		{"no id", func(g *graph.JobGraph) { g.ID = core.JobID{} }, "no job id"},
		{"no vertices", func(g *graph.JobGraph) { g.Vertices = nil }, "no vertices"},
		{"vertex twice", func(g *graph.JobGraph) { g.Vertices[1].ID = g.Vertices[0].ID }, "same id"},
		{"operator twice", func(g *graph.JobGraph) { g.Vertices[1].Operators[0].ID = g.Vertices[0].Operators[0].ID }, `operators "numbers" and "print" have the same id`},
		{"own output", func(g *graph.JobGraph) { g.Vertices[1].Inputs[0].Source = g.Vertices[1].ID }, "reads its own output"},
		{"backwards", func(g *graph.JobGraph) { g.Vertices[0], g.Vertices[1] = g.Vertices[1], g.Vertices[0] }, "does not come before it"},
		{"unknown vertex", func(g *graph.JobGraph) { g.Vertices[1].Inputs[0].Source = core.HashVertexID("none") }, "does not have"},
		{"parallelism 0", func(g *graph.JobGraph) { g.Vertices[0].Parallelism = 0 }, "parallelism 0 is not between 1 and"},
		{"parallelism above max", func(g *graph.JobGraph) { g.Vertices[0].Parallelism = 129 }, "above max parallelism 128"},
		{"max parallelism", func(g *graph.JobGraph) { g.Vertices[0].MaxParallelism = 1 << 20 }, "max parallelism 1048576"},
		{"forward", func(g *graph.JobGraph) {
			g.Vertices[1].Inputs[0].Strategy, g.Vertices[1].Parallelism = graph.Forward, 3
		}, "FORWARD from parallelism 2 to 3"},
		{"strategy", func(g *graph.JobGraph) { g.Vertices[1].Inputs[0].Strategy = "TELEPATHY" }, `unknown ship strategy "TELEPATHY"`},
		{"output gap", func(g *graph.JobGraph) { g.Vertices[1].Inputs[0].Output = 1 }, "0 is missing"},
		{"no operators", func(g *graph.JobGraph) { g.Vertices[1].Operators = nil }, "no operators"},
		{"sink without input", func(g *graph.JobGraph) { g.Vertices[1].Inputs = nil }, "a source has no inputs"},
		{"no name", func(g *graph.JobGraph) { g.Name = "" }, "no name"},
		{"long name", func(g *graph.JobGraph) { g.Name = strings.Repeat("n", 257) }, "has 257 bytes"},
		{"control character", func(g *graph.JobGraph) { g.Name = "a\x1b[2Jb" }, "control character"},
		{"invalid UTF-8", func(g *graph.JobGraph) { g.Vertices[0].Operators[0].Name = "\xff" }, "not valid UTF-8"},
		{"hash", func(g *graph.JobGraph) { g.Hash = "beef" }, "changed after its translation"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := job("checked")
			c.change(g)
			if c.name != "hash" {
				g.ComputeHash()
			}
			err := DefaultQuotas().Check(g)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// SEC-22.
func TestQuotas(t *testing.T) {
	g := job("large")
	first := g.Vertices[0]
	for i := range 10_000 {
		v := first
		v.ID = core.HashVertexID("more", fmt.Sprint(i))
		g.Vertices = append(g.Vertices, v)
	}
	if err := DefaultQuotas().Check(g); err == nil || !strings.Contains(err.Error(), "10002 vertices") {
		t.Errorf("error %v", err)
	}
	g = job("wide")
	for i := range g.Vertices {
		g.Vertices[i].Parallelism, g.Vertices[i].MaxParallelism = 32768, 32768
	}
	q := DefaultQuotas()
	q.Tasks = 50_000
	if err := q.Check(g); err == nil || !strings.Contains(err.Error(), "65536 tasks") {
		t.Errorf("error %v", err)
	}
}

// FuzzSubmitJob: whatever comes is answered with an error or taken, and never more.
func FuzzSubmitJob(f *testing.F) {
	raw, err := json.Marshal(job("seed"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"version":1,"vertices":[{}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var g graph.JobGraph
		if json.Unmarshal(raw, &g) == nil {
			_ = DefaultQuotas().Check(&g)
		}
	})
}
