package taskexecutor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/worker"
	"github.com/flink-go/flink-go/slots"
)

// job is what a TaskExecutor has of one job: slots, the connection to its JobMaster, a worker and its attempts. It
// lives from the first RequestSlot until the last slot is free and the JobMaster has heard all there is to say, or is
// gone. Main goroutine only.
type job struct {
	id      core.JobID
	master  rpc.Address
	gateway rpc.JobMasterGateway
	allocs  map[core.AllocationID]struct{}

	listener net.Listener // bound with the first slot, closed with the last
	graph    []byte       // JSON of the JobGraph, from the first SubmitTasks
	vertices []core.VertexID
	worker   *workerEntry // nil before the first SubmitTasks and after its exit
	workers  int          // number of workers so far

	attempts map[core.ExecutionAttemptID]*attempt
	// newest is the highest attempt number seen per subtask. Deployments and cancellations may be repeated and may
	// overtake each other; what is not newer than this is known already.
	newest map[subtask]int

	gone       bool // the JobMaster is lost: nothing is told to it any more
	connecting bool // a registration is under way
	registered bool
	offering   bool // an offer is under way
	offerAgain bool // slots came while it was
	retries    int  // of registration and offers, since the last success
	monitor    *rpc.Monitor[core.JobID]
	out        outbox
}

// subtask names a subtask in one ExecutionGraph.
type subtask struct {
	graph  core.GraphID
	vertex core.VertexID
	index  int
}

// attempt is one attempt of a subtask that is not over, or whose end the JobMaster has not acknowledged.
type attempt struct {
	id        core.ExecutionAttemptID
	alloc     core.AllocationID
	worker    *workerEntry
	state     core.ExecutionState
	canceling bool
	watchdog  func()         // stops the timer that kills the worker of a task that ignores its cancellation
	report    *pb.TaskReport // the last one, may be nil
}

// newJob makes the job of a first slot. The data listener is bound here.
func (t *TaskExecutor) newJob(id core.JobID, master rpc.Address) (*job, error) {
	j := &job{
		id:       id,
		master:   master,
		gateway:  t.cfg.Service.JobMaster(master),
		allocs:   make(map[core.AllocationID]struct{}),
		attempts: make(map[core.ExecutionAttemptID]*attempt),
		newest:   make(map[subtask]int),
	}
	if err := t.listen(j); err != nil {
		return nil, err
	}
	t.jobs[id] = j
	return j, nil
}

func (t *TaskExecutor) listen(j *job) error {
	if j.listener != nil {
		return nil
	}
	l, err := t.cfg.Listen()
	if err != nil {
		return core.E("bind the data listener of job", core.Internal, j.id.String(), err)
	}
	j.listener = l
	return nil
}

// connect registers at the JobMaster (S-096); the slots are offered when that is done. A goodbye that is still under way
// to that JobMaster comes first: were it overtaken, it would end the new registration.
func (t *TaskExecutor) connect(j *job) {
	if _, leaving := t.leaving[j.master]; leaving || j.connecting || j.registered || j.gone {
		return
	}
	j.connecting = true
	in := &pb.RegisterTaskManagerRequest{
		ResourceId: string(t.cfg.Resource),
		RpcAddress: t.cfg.Service.Address(),
		Endpoint:   t.cfg.Endpoint,
		Host:       t.cfg.Host,
	}
	call(t, j, func(ctx context.Context) (*pb.RegisterTaskManagerResponse, error) {
		return j.gateway.RegisterTaskManager(ctx, in)
	}, func(answer *pb.RegisterTaskManagerResponse, err error) {
		j.connecting = false
		if err != nil {
			t.retryOrGiveUp(j, "register at the job master", err, t.connect)
			return
		}
		j.registered, j.retries = true, 0
		t.log.Info("registered at the job master", keyJob, j.id, "address", j.master.Server)
		j.monitor = rpc.NewMonitor(t.ep, heartbeatConfig(answer.GetHeartbeatIntervalMillis(), answer.GetHeartbeatTimeoutMillis()),
			func(_ core.JobID, err error) { t.jobMasterGone(j, "the job master was lost: "+err.Error()) })
		j.monitor.Watch(j.id, t.beat(j))
		j.monitor.WatchConnection(j.id, t.cfg.Service, j.master.Server)
		t.offer(j)
		t.flush(j)
	})
}

// call makes an RPC for a job; then is not called any more when the JobMaster is gone meanwhile.
func call[T any](t *TaskExecutor, j *job, do func(context.Context) (T, error), then func(T, error)) {
	rpc.Await(t.ep, func(ctx context.Context) (T, error) {
		ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
		defer cancel()
		return do(ctx)
	}, func(v T, err error) {
		if !j.gone {
			then(v, err)
		}
	})
}

// retryOrGiveUp goes on after a call to a JobMaster that did not work: it may come back as long as it may be the one
// we mean.
func (t *TaskExecutor) retryOrGiveUp(j *job, op string, err error, again func(*job)) {
	switch core.KindOf(err) {
	case core.Fenced, core.NotFound:
		t.jobMasterGone(j, fmt.Sprintf("%s: %v", op, err))
		return
	default:
	}
	if len(j.allocs) == 0 && !j.registered {
		t.jobMasterGone(j, fmt.Sprintf("%s: %v", op, err)) // nothing to keep it for
		return
	}
	if j.retries == 0 {
		t.log.Warn("the job master does not answer; trying on", keyJob, j.id, "op", op, keyCause, err)
	}
	wait := t.backoff(j.retries)
	j.retries++
	t.ep.After(wait, func() {
		if !j.gone {
			again(j)
		}
	})
}

// offer offers the slots that the JobMaster has still to take (S-096, S-116).
func (t *TaskExecutor) offer(j *job) {
	if !j.registered || j.gone {
		return
	}
	if j.offering {
		j.offerAgain = true
		return
	}
	inactive := t.ownInactive(j)
	if len(inactive) == 0 {
		return
	}
	j.offering, j.offerAgain = true, false
	in := &pb.OfferSlotsRequest{ResourceId: string(t.cfg.Resource)}
	for _, s := range inactive {
		in.Offers = append(in.Offers, &pb.SlotOffer{
			AllocationId: s.Alloc.Bytes(),
			Slot:         int32(s.Number),
			Profile:      profileToProto(s.Profile),
			DataAddress:  t.dataAddress(j),
		})
	}
	call(t, j, func(ctx context.Context) (*pb.OfferSlotsResponse, error) {
		return j.gateway.OfferSlots(ctx, in)
	}, func(answer *pb.OfferSlotsResponse, err error) {
		j.offering = false
		if err != nil {
			// A repeated offer is harmless: the SlotPool knows what it took by the allocation ids.
			t.retryOrGiveUp(j, "offer slots", err, t.offer)
			return
		}
		j.retries = 0
		t.offered(j, inactive, answer.GetAccepted())
		if j.offerAgain {
			t.offer(j)
		}
	})
}

// offered takes the answer to an offer: slots that the JobMaster does not want are freed.
func (t *TaskExecutor) offered(j *job, offered []slots.TableSlot, accepted [][]byte) {
	for _, s := range offered {
		took := slices.ContainsFunc(accepted, func(b []byte) bool { return string(b) == string(s.Alloc[:]) })
		_, here := j.allocs[s.Alloc]
		switch {
		case took && here && t.table.Activate(s.Alloc):
			t.log.Info("slot taken by the job master", keyJob, j.id, keySlot, s.Number, keyAlloc, s.Alloc)
		case took:
			t.failSlot(j, s.Alloc, errors.New("the slot was freed before the job master took it"))
		case here:
			t.freeSlot(j, s.Alloc, "not wanted by the job master")
		}
	}
	t.armExpiry()
}

// failSlot tells the JobMaster that a slot it counts on is not there.
func (t *TaskExecutor) failSlot(j *job, alloc core.AllocationID, cause error) {
	in := &pb.FailSlotRequest{
		ResourceId:   string(t.cfg.Resource),
		AllocationId: alloc.Bytes(),
		Cause:        &pb.ErrorInfo{Message: cause.Error(), Kind: core.NoResource.String()},
	}
	call(t, j, func(ctx context.Context) (*pb.FailSlotResponse, error) {
		return j.gateway.FailSlot(ctx, in)
	}, func(_ *pb.FailSlotResponse, err error) {
		if err != nil {
			t.log.Warn("the job master did not hear of a lost slot; the next heartbeat tells it", keyJob, j.id, keyAlloc, alloc, keyCause, err)
		}
	})
}

// ownInactive returns the slots of this very job object that are to be offered.
func (t *TaskExecutor) ownInactive(j *job) []slots.TableSlot {
	return slices.DeleteFunc(t.table.Inactive(j.id), func(s slots.TableSlot) bool {
		_, own := j.allocs[s.Alloc]
		return !own
	})
}

// dataAddress is where peers reach the worker of the job: the host that is announced, the port that was bound.
func (t *TaskExecutor) dataAddress(j *job) string {
	addr := j.listener.Addr()
	if tcp, ok := addr.(*net.TCPAddr); ok && t.cfg.DataHost != "" {
		return net.JoinHostPort(t.cfg.DataHost, fmt.Sprint(tcp.Port))
	}
	return addr.String()
}

// beat makes the heartbeat to the JobMaster: what runs here, with fresh counters if the worker answers in time.
func (t *TaskExecutor) beat(j *job) rpc.Beat {
	return func() func(context.Context) (func(), error) {
		entry := j.worker
		in := t.heartbeat(j)
		return func(ctx context.Context) (func(), error) {
			var report *pb.WorkerReport
			if entry != nil {
				rctx, cancel := context.WithTimeout(ctx, reportTimeout)
				r, err := entry.worker.Report(rctx)
				cancel()
				if err == nil {
					report = r
					merge(in, r)
				}
			}
			if _, err := j.gateway.HeartbeatFromTaskManager(ctx, in); err != nil {
				return nil, err
			}
			return func() { t.reported(j, entry, report) }, nil
		}
	}
}

// reportTimeout bounds how long a heartbeat waits for the counters of the worker.
const reportTimeout = 500 * time.Millisecond

// heartbeat is what the main goroutine knows about the job (L-7): all attempts and all slots.
func (t *TaskExecutor) heartbeat(j *job) *pb.HeartbeatFromTaskManagerRequest {
	in := &pb.HeartbeatFromTaskManagerRequest{ResourceId: string(t.cfg.Resource)}
	for _, a := range j.attempts {
		report := &pb.TaskReport{
			Attempt:      worker.AttemptToProto(a.id),
			State:        a.state.String(),
			AllocationId: a.alloc.Bytes(),
		}
		if a.report != nil {
			report.Io, report.Accumulators = a.report.GetIo(), a.report.GetAccumulators()
		}
		in.Tasks = append(in.Tasks, report)
	}
	slices.SortFunc(in.Tasks, func(a, b *pb.TaskReport) int { return worker.CompareAttempts(a.GetAttempt(), b.GetAttempt()) })
	for _, s := range t.table.Job(j.id) {
		if _, own := j.allocs[s.Alloc]; own && s.State != slots.TableReleasing {
			in.Allocations = append(in.Allocations, s.Alloc.Bytes())
		}
	}
	return in
}

// merge puts a worker's counters into a heartbeat. The states stay those that the TaskExecutor reported: the ordered
// way of states is UpdateTaskExecutionState.
func merge(in *pb.HeartbeatFromTaskManagerRequest, r *pb.WorkerReport) {
	byID := make(map[core.ExecutionAttemptID]*pb.TaskReport, len(r.GetTasks()))
	for _, task := range r.GetTasks() {
		if id, err := worker.AttemptFromProto(task.GetAttempt()); err == nil {
			byID[id] = task
		}
	}
	for _, task := range in.GetTasks() {
		id, err := worker.AttemptFromProto(task.GetAttempt())
		if fresh := byID[id]; err == nil && fresh != nil {
			task.Io, task.Accumulators = fresh.GetIo(), fresh.GetAccumulators()
		}
	}
}

// jobMasterGone drops a job whose JobMaster is lost or has given it up: its tasks end, then its slots are free.
func (t *TaskExecutor) jobMasterGone(j *job, cause string) {
	t.ep.Assert()
	if j.gone {
		return
	}
	t.log.Info("leaving the job master", keyJob, j.id, keyCause, cause)
	j.gone, j.registered = true, false
	if j.monitor != nil {
		j.monitor.Stop()
	}
	j.out = outbox{}
	if t.jobs[j.id] == j {
		delete(t.jobs, j.id)
	}
	t.ending[j] = struct{}{}
	for alloc := range j.allocs {
		t.table.Release(alloc)
	}
	for _, a := range j.attempts {
		a.stopWatchdog()
	}
	if j.worker != nil {
		j.worker.worker.Stop()
	}
	t.endGone(j)
}

// endGone frees the slots of a job without JobMaster once its worker is gone.
func (t *TaskExecutor) endGone(j *job) {
	if !j.gone || j.worker != nil {
		return
	}
	for _, s := range t.table.Job(j.id) {
		if _, own := j.allocs[s.Alloc]; own {
			delete(j.allocs, s.Alloc)
			t.table.Free(s.Alloc)
			t.notifyFree(s)
		}
	}
	t.closeListener(j)
	delete(t.ending, j)
	t.armExpiry()
}

func (t *TaskExecutor) closeListener(j *job) {
	if j.listener == nil {
		return
	}
	if err := j.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.log.Warn("closing a data listener", keyJob, j.id, keyCause, err)
	}
	j.listener = nil
}

// sayGoodbye returns what takes leave of the JobMaster.
func (t *TaskExecutor) sayGoodbye(j *job, cause string) func(context.Context) {
	gateway := j.gateway
	in := &pb.DisconnectTaskManagerRequest{
		ResourceId: string(t.cfg.Resource),
		Cause:      &pb.ErrorInfo{Message: cause, Kind: core.Unavailable.String()},
	}
	return func(ctx context.Context) {
		// Whoever does not hear it notices by missing heartbeats.
		_, _ = gateway.DisconnectTaskManager(ctx, in)
	}
}

// checkJobDone says goodbye to a JobMaster that has no slot here any more, once it has heard everything.
func (t *TaskExecutor) checkJobDone(j *job) {
	if j.gone || len(j.allocs) > 0 || !j.out.empty() || len(j.attempts) > 0 {
		return
	}
	leave := t.sayGoodbye(j, "no slot of the job is left here")
	registered := j.registered
	t.jobMasterGone(j, "no slot of the job is left here")
	if !registered {
		return
	}
	t.leaving[j.master] = struct{}{}
	rpc.Await(t.ep, func(ctx context.Context) (struct{}, error) {
		// A slot that came back waits for this: it must not wait until it expires.
		ctx, cancel := context.WithTimeout(ctx, min(t.cfg.CallTimeout, t.cfg.SlotTimeout/2))
		defer cancel()
		leave(ctx)
		return struct{}{}, nil
	}, func(struct{}, error) {
		delete(t.leaving, j.master)
		if again := t.jobs[j.id]; again != nil && again.master == j.master {
			t.connect(again)
		}
	})
}

// DisconnectJobMaster implements rpc.TaskExecutorGateway: the JobMaster ends the connection.
func (t *TaskExecutor) DisconnectJobMaster(ctx context.Context, in *pb.JobMasterLostRequest) (*pb.JobMasterLostResponse, error) {
	return rpc.Call(ctx, t.ep, func() (*pb.JobMasterLostResponse, error) {
		id, err := core.JobIDFromBytes(in.GetJobId())
		if err != nil {
			return nil, core.E("disconnect job master", core.Invalid, "", err)
		}
		if j := t.jobs[id]; j != nil && string(j.master.Token.Bytes()) == string(in.GetJobMasterToken()) {
			t.jobMasterGone(j, "disconnected by the job master: "+in.GetCause())
		}
		return &pb.JobMasterLostResponse{}, nil
	})
}
