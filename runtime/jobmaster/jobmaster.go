package jobmaster

import (
	"context"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	"github.com/flink-go/flink-go/scheduler"
)

// JobMaster runs one job. Its methods may be called from any goroutine.
type JobMaster struct {
	cfg   Config
	token core.Token
	done  chan struct{}
}

// New checks the job and prepares a JobMaster for it. An error of kind Invalid says why the job can never run.
func New(cfg Config) (*JobMaster, error) {
	cfg = cfg.withDefaults()
	return &JobMaster{cfg: cfg, token: core.NewToken(), done: make(chan struct{})}, nil
}

// Start makes the JobMaster reachable and begins to schedule the job.
func (m *JobMaster) Start() error { return m.unavailable("start job master") }

// Address is where TaskManagers and the ResourceManager reach this JobMaster.
func (m *JobMaster) Address() rpc.Address {
	return rpc.Address{Server: m.cfg.Service.Address(), Endpoint: "jobmaster_" + m.cfg.Job.ID.String(), Token: m.token}
}

// Cancel asks for the end of the job and returns when the request is taken; Done or Wait tell its end. A job that has
// ended, or is being cancelled already, is left as it is: the error is of kind Conflict for an ended one, nil else.
func (m *JobMaster) Cancel(ctx context.Context) error { return m.unavailable("cancel job") }

// Snapshot is a picture of the job as it is now. It belongs to the caller. After the end it is the final one.
func (m *JobMaster) Snapshot(ctx context.Context) (*scheduler.ArchivedJob, error) {
	return nil, m.unavailable("request job")
}

// Done is closed when the job has ended and its slots were given back.
func (m *JobMaster) Done() <-chan struct{} { return m.done }

// Wait returns the final picture of the job when it has ended. It returns an error when ctx ends first or the
// JobMaster is closed before.
func (m *JobMaster) Wait(ctx context.Context) (*scheduler.ArchivedJob, error) {
	return nil, m.unavailable("wait for job")
}

// Close ends the endpoint without ending the job's tasks first: it is for a job that has ended, or a JobManager that
// shuts down. TaskManagers notice and drop the job. It is idempotent and returns after the last goroutine.
func (m *JobMaster) Close() error { return nil }

func (m *JobMaster) unavailable(op string) error {
	return core.E(op, core.Unavailable, m.cfg.Job.ID.String(), nil)
}
