package dispatcher

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

// logJob is the log key of a job id.
const logJob = "job"

// EndpointName is where a service hosts the Dispatcher.
const EndpointName = "dispatcher"

// maxWait bounds one long poll for a result; the client asks again.
const maxWait = time.Minute

// Config is what a Dispatcher needs to know. NewJobMaster and Log must be set.
type Config struct {
	NewJobMaster NewJobMaster
	Store        JobStore // nil: a MemoryStore
	Log          *slog.Logger
	Now          func() time.Time // nil: time.Now
	Quotas       Quotas           // zero: DefaultQuotas

	// Slots tells how many TaskManagers and slots there are; nil: none. It must watch ctx.
	Slots func(ctx context.Context) (SlotCount, error)
	// ShutDown asks the process to end the cluster. It is called once, must not block and must not close the
	// Dispatcher itself, which waits for it. nil: the cluster cannot be ended by a call.
	ShutDown func()

	// Unused is told of a program that no job needs any more, running or ended. It is called elsewhere than on the
	// main goroutine and may block. nil: programs are kept.
	Unused func(program core.BlobKey)

	Expiration   time.Duration // jobstore.expiration-time; 0: ended jobs are kept for ever
	MaxCapacity  int           // jobstore.max-capacity; 0: 1000
	ArchiveBytes int64         // jobstore.cache-size; 0: 50 MiB
	ArchiveDir   string        // jobmanager.archive.fs.dir; "": ended jobs are kept in memory only
}

// SlotCount is how much a cluster has.
type SlotCount struct{ TaskManagers, Total, Free int }

// digest tells submissions apart: the SHA-256 of the whole graph.
type digest [sha256.Size]byte

// Dispatcher is the endpoint that owns the jobs of a cluster.
type Dispatcher struct {
	cfg      Config
	log      *slog.Logger
	endpoint *rpc.Endpoint

	// All below is of the main goroutine.
	runners   map[core.JobID]*jobManagerRunner // until their JobMaster is closed
	archive   archive
	expiry    func() // stops the timer that expires archived jobs; nil: none runs
	rate      bucket
	programs  map[core.BlobKey]int // how many jobs in runners and archive need each
	shutting  bool                 // nothing new is accepted
	asked     bool                 // ShutDown was called
	onlyJob   bool                 // the cluster ends with its job
	recovered chan struct{}        // closed when the jobs of the store were started
}

var _ rpc.DispatcherGateway = (*Dispatcher)(nil)

// New starts a Dispatcher, which starts the jobs that the store holds (S-137).
func New(cfg Config) *Dispatcher {
	if cfg.Store == nil {
		cfg.Store = NewMemoryStore()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Quotas == (Quotas{}) {
		cfg.Quotas = DefaultQuotas()
	}
	if cfg.MaxCapacity <= 0 {
		cfg.MaxCapacity = 1000
	}
	if cfg.ArchiveBytes <= 0 {
		cfg.ArchiveBytes = 50 << 20
	}
	d := &Dispatcher{
		cfg:       cfg,
		log:       cfg.Log,
		endpoint:  rpc.NewEndpoint(EndpointName, cfg.Log),
		runners:   map[core.JobID]*jobManagerRunner{},
		archive:   newArchive(cfg.Expiration, cfg.MaxCapacity, cfg.ArchiveBytes),
		programs:  map[core.BlobKey]int{},
		rate:      bucket{perMinute: cfg.Quotas.SubmissionsPerMinute},
		recovered: make(chan struct{}),
	}
	d.endpoint.Run(d.recover)
	return d
}

func (d *Dispatcher) now() time.Time { return d.cfg.Now() }

// recover starts the jobs of the store. One that cannot be run is shown FAILED, never dropped.
func (d *Dispatcher) recover() {
	rpc.Await(d.endpoint, d.cfg.Store.All, func(jobs []*graph.JobGraph, err error) {
		if err != nil {
			d.log.Error("jobs of an earlier JobManager were not read", "error", err)
		}
		for _, job := range jobs {
			dg, err := digestOf(job)
			if err != nil || d.runners[job.ID] != nil {
				continue
			}
			d.log.Info("job recovered", logJob, job.ID, "name", job.Name)
			r := d.admit(job, dg)
			close(r.stored)
			d.run(r)
		}
		close(d.recovered)
	})
}

// Close ends the JobMasters and the endpoint. Jobs that have not ended stay in the store.
func (d *Dispatcher) Close() error {
	var masters []JobMaster
	for _, r := range d.stop() {
		<-r.made // it starts in a moment, or did long ago; a JobMaster must not be left behind
		if r.master != nil {
			masters = append(masters, r.master)
		}
	}
	err := d.endpoint.Close()
	for _, m := range masters {
		err = errors.Join(err, m.Close())
	}
	return err
}

// stop refuses all that is new and returns the jobs whose JobMaster is, or is about to be, there.
func (d *Dispatcher) stop() []*jobManagerRunner {
	runners, _ := rpc.Call(context.Background(), d.endpoint, func() ([]*jobManagerRunner, error) {
		d.shutting = true
		if d.expiry != nil {
			d.expiry()
		}
		var all []*jobManagerRunner
		for _, r := range d.runners {
			if r.running {
				all = append(all, r)
			}
		}
		return all, nil
	})
	return runners // none when the endpoint was closed before
}

// SubmitJob checks a graph, stores it, and starts a JobMaster for it; the answer comes when the graph is stored. The
// same graph under the same id is acknowledged again, also after the job's end; another one under that id is refused.
func (d *Dispatcher) SubmitJob(ctx context.Context, in *pb.SubmitJobRequest) (*pb.SubmitJobResponse, error) {
	var job graph.JobGraph
	if err := json.Unmarshal(in.GetJobGraph(), &job); err != nil {
		return nil, core.E("submit job", core.Invalid, "", fmt.Errorf("the job graph is not valid JSON of a job graph: %w", err))
	}
	id := job.ID.String()
	if err := d.cfg.Quotas.Check(&job); err != nil {
		return nil, core.E("submit job", core.Invalid, id, err)
	}
	dg, err := digestOf(&job)
	if err != nil {
		return nil, core.E("submit job", core.Invalid, id, err)
	}
	select {
	case <-d.recovered:
	case <-ctx.Done():
		return nil, rpc.ContextError(ctx, "submit job", id)
	}
	adm, err := rpc.Call(ctx, d.endpoint, func() (admission, error) { return d.reserve(&job, dg) })
	if err != nil {
		return nil, err
	}
	if !adm.first {
		return d.again(ctx, adm.runner)
	}
	// From here on the submission goes through, or is undone, whether its caller waits or not.
	lasting := context.WithoutCancel(ctx)
	putErr := d.cfg.Store.Put(lasting, &job)
	return rpc.Call(lasting, d.endpoint, func() (*pb.SubmitJobResponse, error) { return d.stored(adm.runner, putErr) })
}

// admission is the place of a submission among the jobs.
type admission struct {
	runner *jobManagerRunner // nil: the job has ended already
	first  bool              // this call is the one that stores and starts it
}

// reserve gives a new job its place, so that of two submissions at once only one stores its graph, finds that
// of a repeated one, and refuses what may not be accepted now.
func (d *Dispatcher) reserve(job *graph.JobGraph, dg digest) (admission, error) {
	d.endpoint.Assert()
	id := job.ID.String()
	other := func() error {
		return core.E("submit job", core.AlreadyExists, id, errors.New("another job was submitted under this id before"))
	}
	if r := d.runners[job.ID]; r != nil {
		if r.digest != dg {
			return admission{}, other()
		}
		return admission{runner: r}, nil
	}
	if a := d.archive.get(job.ID); a != nil {
		if a.digest != dg {
			return admission{}, other()
		}
		return admission{}, nil
	}
	switch {
	case d.shutting:
		return admission{}, core.E("submit job", core.Unavailable, id, errors.New("the cluster is shutting down"))
	case len(d.runners) >= d.cfg.Quotas.Jobs:
		return admission{}, core.E("submit job", core.Unavailable, id, fmt.Errorf("%d jobs run, and the limit is %d", len(d.runners), d.cfg.Quotas.Jobs))
	case !d.rate.take(d.now()):
		return admission{}, core.E("submit job", core.Unavailable, id, fmt.Errorf("more than %d submissions in a minute", d.cfg.Quotas.SubmissionsPerMinute))
	}
	return admission{runner: d.admit(job, dg), first: true}, nil
}

// again answers a submission that came before: as soon as the first one's graph is stored.
func (d *Dispatcher) again(ctx context.Context, r *jobManagerRunner) (*pb.SubmitJobResponse, error) {
	if r == nil {
		return &pb.SubmitJobResponse{}, nil
	}
	select {
	case <-r.stored:
		return &pb.SubmitJobResponse{}, r.storeErr
	case <-ctx.Done():
		return nil, rpc.ContextError(ctx, "submit job", r.job.ID.String())
	}
}

// stored ends the submission of r: its graph is in the store, or could not be put there.
func (d *Dispatcher) stored(r *jobManagerRunner, err error) (*pb.SubmitJobResponse, error) {
	d.endpoint.Assert()
	defer close(r.stored)
	if err != nil {
		delete(d.runners, r.job.ID)
		d.released(r.job.Program.Blob)
		r.storeErr = core.E("store job", core.KindOf(err), r.job.ID.String(), err)
		return nil, r.storeErr
	}
	d.log.Info("job submitted", logJob, r.job.ID, "name", r.job.Name, "vertices", len(r.job.Vertices))
	d.run(r)
	return &pb.SubmitJobResponse{}, nil
}

func (d *Dispatcher) admit(job *graph.JobGraph, dg digest) *jobManagerRunner {
	d.endpoint.Assert()
	r := &jobManagerRunner{
		job: job, digest: dg, submitted: d.now(),
		stored: make(chan struct{}), made: make(chan struct{}), ended: make(chan struct{}),
	}
	d.runners[job.ID] = r
	d.programs[job.Program.Blob]++
	return r
}

// end archives the final picture of a job and tells all who wait for it.
func (d *Dispatcher) end(r *jobManagerRunner, final *scheduler.ArchivedJob) {
	d.endpoint.Assert()
	if r.over {
		return
	}
	r.over = true
	a, err := newArchived(r.digest, final)
	if err != nil {
		d.log.Error("job was not archived", logJob, r.job.ID, "error", err)
		a = &archived{digest: r.digest, summary: final.Summary(), result: resultOf(final)}
	}
	a.program = r.job.Program.Blob // and so the archive needs it as the runner did
	for _, old := range d.archive.put(a, d.now()) {
		d.released(old.program)
	}
	d.expire()
	r.result = a.result
	close(r.ended)
	d.log.Info("job ended", logJob, r.job.ID, "status", final.Status, "millis", a.result.GetNetRuntimeMillis())
	id := r.job.ID
	rpc.Await(d.endpoint, func(ctx context.Context) (struct{}, error) {
		if err := d.cfg.Store.Remove(ctx, id); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, writeArchive(d.cfg.ArchiveDir, id, a.job)
	}, func(_ struct{}, err error) {
		if err != nil {
			d.log.Warn("end of job was not recorded", logJob, id, "error", err)
		}
		d.shutDownWithJob()
	})
}

// expire drops archived jobs that are too old, now and whenever the next one will be.
func (d *Dispatcher) expire() {
	d.endpoint.Assert()
	if d.expiry != nil {
		d.expiry()
		d.expiry = nil
	}
	for _, old := range d.archive.expire(d.now()) {
		d.released(old.program)
	}
	if next, ok := d.archive.nextExpiry(); ok {
		d.expiry = d.endpoint.After(next.Sub(d.now()), d.expire)
	}
}

// released counts a job less that needs a program.
func (d *Dispatcher) released(program core.BlobKey) {
	d.endpoint.Assert()
	if d.programs[program]--; d.programs[program] > 0 {
		return
	}
	delete(d.programs, program)
	if d.cfg.Unused == nil || program.IsZero() {
		return
	}
	rpc.Await(d.endpoint, func(context.Context) (struct{}, error) {
		d.cfg.Unused(program)
		return struct{}{}, nil
	}, func(struct{}, error) {})
}

// writeArchive keeps an ended job as a file, for whoever shows the history of clusters.
func writeArchive(dir string, id core.JobID, job []byte) error {
	if dir == "" || len(job) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return core.E("archive job", core.Internal, id.String(), err)
	}
	path := filepath.Join(dir, id.String())
	if err := os.WriteFile(path+".tmp", job, 0o600); err != nil {
		return core.E("archive job", core.Internal, id.String(), err)
	}
	return os.Rename(path+".tmp", path)
}

// CancelJob asks for the end of a job. Asking again while the job is being cancelled is no error; a job that has ended
// gives Conflict (B-31).
func (d *Dispatcher) CancelJob(ctx context.Context, in *pb.CancelJobRequest) (*pb.CancelJobResponse, error) {
	r, a, err := d.find(ctx, "cancel job", in.GetJobId())
	if err != nil {
		return nil, err
	}
	if a != nil {
		return nil, errEnded(a)
	}
	master, err := rpc.Call(ctx, d.endpoint, func() (JobMaster, error) {
		if r.master == nil {
			r.cancel = true // when it is there
		}
		return r.master, nil
	})
	if err != nil || master == nil {
		return &pb.CancelJobResponse{}, err
	}
	if err := master.Cancel(ctx); err != nil && core.KindOf(err) != core.Conflict {
		return nil, err
	} else if err == nil {
		return &pb.CancelJobResponse{}, nil
	}
	// It ended meanwhile.
	a, err = rpc.Call(ctx, d.endpoint, func() (*archived, error) { return d.archive.get(r.job.ID), nil })
	if err != nil || a == nil {
		return &pb.CancelJobResponse{}, err
	}
	return nil, errEnded(a)
}

func errEnded(a *archived) error {
	return core.E("cancel job", core.Conflict, a.summary.ID.String(), fmt.Errorf("the job has ended already, as %s", a.summary.Status))
}

// find returns the job of this id: one that runs, or one that ended.
func (d *Dispatcher) find(ctx context.Context, op string, rawID []byte) (*jobManagerRunner, *archived, error) {
	id, err := core.JobIDFromBytes(rawID)
	if err != nil {
		return nil, nil, core.E(op, core.Invalid, "", err)
	}
	type found struct {
		r *jobManagerRunner
		a *archived
	}
	f, err := rpc.Call(ctx, d.endpoint, func() (found, error) {
		if r := d.runners[id]; r != nil && !r.over {
			return found{r: r}, nil
		}
		if a := d.archive.get(id); a != nil {
			return found{a: a}, nil
		}
		return found{}, core.E(op, core.NotFound, id.String(), fmt.Errorf("job %s not found", id))
	})
	return f.r, f.a, err
}

// ListJobs returns all jobs, running ones first.
func (d *Dispatcher) ListJobs(ctx context.Context, _ *pb.ListJobsRequest) (*pb.ListJobsResponse, error) {
	type view struct {
		starting []scheduler.JobSummary
		masters  []JobMaster
		ended    []scheduler.JobSummary
	}
	v, err := rpc.Call(ctx, d.endpoint, func() (view, error) {
		var v view
		for _, r := range d.runners {
			switch {
			case r.over:
			case r.master != nil:
				v.masters = append(v.masters, r.master)
			default:
				v.starting = append(v.starting, r.picture().Summary())
			}
		}
		for _, a := range d.archive.all() {
			v.ended = append(v.ended, a.summary)
		}
		return v, nil
	})
	if err != nil {
		return nil, err
	}
	summaries := v.starting
	for _, m := range v.masters {
		if j, err := m.Snapshot(ctx); err == nil { // else it ended meanwhile: the next list shows it
			summaries = append(summaries, j.Summary())
		}
	}
	slices.SortFunc(summaries, func(a, b scheduler.JobSummary) int {
		return cmp.Or(cmp.Compare(b.Start, a.Start), bytes.Compare(a.ID[:], b.ID[:]))
	})
	summaries = append(summaries, v.ended...)
	out := &pb.ListJobsResponse{}
	for _, s := range summaries {
		raw, err := json.Marshal(s)
		if err != nil {
			return nil, core.E("list jobs", core.Internal, s.ID.String(), err)
		}
		out.Jobs = append(out.Jobs, raw)
	}
	return out, nil
}

// RequestJob returns a picture of a job.
func (d *Dispatcher) RequestJob(ctx context.Context, in *pb.RequestJobRequest) (*pb.RequestJobResponse, error) {
	r, a, err := d.find(ctx, "request job", in.GetJobId())
	if err != nil {
		return nil, err
	}
	if a != nil {
		return &pb.RequestJobResponse{Job: a.job}, nil
	}
	type view struct {
		master  JobMaster
		picture *scheduler.ArchivedJob
	}
	v, err := rpc.Call(ctx, d.endpoint, func() (view, error) {
		if r.master != nil {
			return view{master: r.master}, nil
		}
		return view{picture: r.picture()}, nil
	})
	if err != nil {
		return nil, err
	}
	if v.master != nil {
		if v.picture, err = v.master.Snapshot(ctx); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(v.picture)
	if err != nil {
		return nil, core.E("request job", core.Internal, r.job.ID.String(), err)
	}
	return &pb.RequestJobResponse{Job: raw}, nil
}

// RequestJobResult waits for the end of a job, at most wait_millis and never longer than a minute.
func (d *Dispatcher) RequestJobResult(ctx context.Context, in *pb.RequestJobResultRequest) (*pb.RequestJobResultResponse, error) {
	r, a, err := d.find(ctx, "request job result", in.GetJobId())
	if err != nil {
		return nil, err
	}
	if a != nil {
		return a.result, nil
	}
	wait := time.NewTimer(min(time.Duration(max(in.GetWaitMillis(), 0))*time.Millisecond, maxWait))
	defer wait.Stop()
	select {
	case <-r.ended:
		return r.result, nil
	case <-wait.C:
		return &pb.RequestJobResultResponse{Status: core.JobRunning.String()}, nil
	case <-ctx.Done():
		return nil, rpc.ContextError(ctx, "request job result", r.job.ID.String())
	}
}

// RequestClusterOverview counts TaskManagers, slots and jobs.
func (d *Dispatcher) RequestClusterOverview(ctx context.Context, _ *pb.RequestClusterOverviewRequest) (*pb.RequestClusterOverviewResponse, error) {
	var slots SlotCount
	if d.cfg.Slots != nil {
		var err error
		if slots, err = d.cfg.Slots(ctx); err != nil {
			return nil, err
		}
	}
	return rpc.Call(ctx, d.endpoint, func() (*pb.RequestClusterOverviewResponse, error) {
		running := 0
		for _, r := range d.runners {
			if !r.over {
				running++
			}
		}
		finished, canceled, failed := d.archive.counts()
		return &pb.RequestClusterOverviewResponse{
			TaskManagers: int32(slots.TaskManagers), SlotsTotal: int32(slots.Total), SlotsFree: int32(slots.Free),
			JobsRunning: int32(running), JobsFinished: int32(finished), JobsCancelled: int32(canceled), JobsFailed: int32(failed),
		}, nil
	})
}

// ShutDownCluster refuses further jobs and asks the process to end.
func (d *Dispatcher) ShutDownCluster(ctx context.Context, _ *pb.ShutDownClusterRequest) (*pb.ShutDownClusterResponse, error) {
	return rpc.Call(ctx, d.endpoint, func() (*pb.ShutDownClusterResponse, error) {
		if d.cfg.ShutDown == nil {
			return nil, core.E("shut down cluster", core.Conflict, "", errors.New("this cluster ends with its process only"))
		}
		d.shutDown("a request")
		return &pb.ShutDownClusterResponse{}, nil
	})
}

func (d *Dispatcher) shutDown(cause string) {
	d.endpoint.Assert()
	d.shutting = true
	if d.asked || d.cfg.ShutDown == nil {
		return
	}
	d.asked = true
	d.log.Info("cluster shuts down", "cause", cause)
	d.cfg.ShutDown()
}

// EndWithJob makes this a cluster for one job: it ends when the job that was submitted has ended (S-162).
func (d *Dispatcher) EndWithJob() {
	d.endpoint.Run(func() {
		d.onlyJob = true
		d.shutDownWithJob()
	})
}

// shutDownWithJob ends a cluster whose only job is over, or never came.
func (d *Dispatcher) shutDownWithJob() {
	for _, r := range d.runners {
		if !r.over {
			return
		}
	}
	if d.onlyJob {
		d.shutDown("the end of its job")
	}
}

func digestOf(job *graph.JobGraph) (digest, error) {
	raw, err := json.Marshal(job)
	if err != nil {
		return digest{}, err
	}
	return sha256.Sum256(raw), nil
}

// bucket is a token bucket that holds a minute's worth.
type bucket struct {
	perMinute int
	tokens    float64
	at        time.Time
}

func (b *bucket) take(now time.Time) bool {
	if b.at.IsZero() {
		b.tokens, b.at = float64(b.perMinute), now
	}
	b.tokens = min(float64(b.perMinute), b.tokens+now.Sub(b.at).Minutes()*float64(b.perMinute))
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
