package dispatcher

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

// JobMaster is what the Dispatcher needs of the component that runs one job. Its methods may be called from any
// goroutine; runtime/jobmaster has the implementation.
type JobMaster interface {
	Start() error
	// Cancel asks for the end of the job and returns when the request is taken.
	Cancel(ctx context.Context) error
	// Snapshot is a picture of the job as it is now.
	Snapshot(ctx context.Context) (*scheduler.ArchivedJob, error)
	// Wait returns the final picture when the job has ended.
	Wait(ctx context.Context) (*scheduler.ArchivedJob, error)
	// Done is closed when the job has ended and its slots were given back.
	Done() <-chan struct{}
	// Close ends the JobMaster, whatever its job does.
	Close() error
}

// NewJobMaster makes the JobMaster of a job. Its error says why the job can never run.
type NewJobMaster func(job *graph.JobGraph) (JobMaster, error)

// jobManagerRunner stands for one job from its submission to the end of its JobMaster (S-197). Its fields are touched
// on the Dispatcher's main goroutine only.
type jobManagerRunner struct {
	job       *graph.JobGraph
	digest    digest // of the submission, to know it again
	submitted time.Time

	running bool      // run was called
	master  JobMaster // nil until it was made
	cancel  bool      // asked for before there was a master
	over    bool      // archived; the JobMaster may still be giving slots back

	stored   chan struct{} // closed when the store has the graph, or has not: storeErr
	storeErr error
	made     chan struct{} // closed when the JobMaster was made, or not
	ended    chan struct{} // closed when the job is in the archive, and result is there
	result   *pb.RequestJobResultResponse
}

// run makes a JobMaster for r and follows it to its end. A job that cannot be run is a job that failed.
func (d *Dispatcher) run(r *jobManagerRunner) {
	d.endpoint.Assert()
	if d.shutting {
		return // it stays in the store for the next JobManager
	}
	r.running = true
	id := r.job.ID
	rpc.Await(d.endpoint, func(context.Context) (JobMaster, error) { return startMaster(d.cfg.NewJobMaster, r.job) },
		func(m JobMaster, err error) {
			defer close(r.made)
			if err != nil {
				d.log.Warn("job master did not start", logJob, id, "error", err)
				d.end(r, failedJob(r, err, d.now()))
				delete(d.runners, id)
				return
			}
			r.master = m
			if r.cancel {
				d.cancelMaster(r)
			}
			d.follow(r)
		})
}

// follow archives the job when it has ended, and lets go of its JobMaster when that has given the slots back.
func (d *Dispatcher) follow(r *jobManagerRunner) {
	rpc.Await(d.endpoint, r.master.Wait, func(final *scheduler.ArchivedJob, err error) {
		if err != nil {
			d.log.Error("job master ended without an end of its job", logJob, r.job.ID, "error", err)
			final = failedJob(r, err, d.now())
		}
		broken := err != nil
		d.end(r, final)
		rpc.Await(d.endpoint, func(ctx context.Context) (struct{}, error) {
			if !broken { // else nobody is there to give slots back: their owners notice
				select {
				case <-r.master.Done():
				case <-ctx.Done():
				}
			}
			return struct{}{}, r.master.Close()
		}, func(_ struct{}, err error) {
			if err != nil {
				d.log.Warn("job master did not close in good order", logJob, r.job.ID, "error", err)
			}
			delete(d.runners, r.job.ID)
		})
	})
}

// cancelMaster passes a cancellation on that was accepted before the JobMaster was there.
func (d *Dispatcher) cancelMaster(r *jobManagerRunner) {
	rpc.Await(d.endpoint, func(ctx context.Context) (struct{}, error) { return struct{}{}, r.master.Cancel(ctx) },
		func(_ struct{}, err error) {
			if err != nil && core.KindOf(err) != core.Conflict {
				d.log.Warn("job was not cancelled", logJob, r.job.ID, "error", err)
			}
		})
}

// startMaster makes and starts a JobMaster. A panic in there is a fault of ours that this job alone pays for.
func startMaster(make NewJobMaster, job *graph.JobGraph) (m JobMaster, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, core.E("start job master", core.Internal, job.ID.String(), fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	m, err = make(job)
	if err != nil {
		return nil, err
	}
	if err := m.Start(); err != nil {
		_ = m.Close() // the first error counts
		return nil, err
	}
	return m, nil
}

// picture is what there is to see of a job whose JobMaster is not there yet.
func (r *jobManagerRunner) picture() *scheduler.ArchivedJob {
	at := r.submitted.UnixMilli()
	a := &scheduler.ArchivedJob{
		ID: r.job.ID, Name: r.job.Name, Status: core.JobInitializing, Graph: r.job, Start: at, End: -1,
		Timestamps: map[core.JobStatus]int64{core.JobInitializing: at},
		Vertices:   make([]scheduler.ArchivedVertex, len(r.job.Vertices)),
	}
	for i, v := range r.job.Vertices {
		a.Vertices[i].Subtasks = make([]scheduler.ArchivedSubtask, v.Parallelism)
	}
	return a
}

func failedJob(r *jobManagerRunner, err error, now time.Time) *scheduler.ArchivedJob {
	a := r.picture()
	a.Status, a.End = core.JobFailed, now.UnixMilli()
	a.Timestamps[core.JobFailed] = a.End
	a.Failure = &scheduler.FailureInfo{Message: err.Error(), Kind: core.KindOf(err).String(), Type: rootType(err), At: a.End}
	a.Exceptions = []scheduler.ExceptionEntry{{FailureInfo: *a.Failure}}
	return a
}

// rootType is the Go type of the innermost cause.
func rootType(err error) string {
	for {
		u, ok := err.(interface{ Unwrap() error }) // walks the chain itself
		if !ok || u.Unwrap() == nil {
			return fmt.Sprintf("%T", err)
		}
		err = u.Unwrap()
	}
}
