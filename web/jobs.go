package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

// summaries asks the Dispatcher for all jobs.
func (s *Server) summaries(ctx context.Context) ([]scheduler.JobSummary, error) {
	resp, err := s.cfg.Dispatcher.ListJobs(ctx, &pb.ListJobsRequest{})
	if err != nil {
		return nil, err
	}
	all := make([]scheduler.JobSummary, len(resp.GetJobs()))
	for i, b := range resp.GetJobs() {
		if err := json.Unmarshal(b, &all[i]); err != nil {
			return nil, core.E("list jobs", core.Internal, "", err)
		}
	}
	// Newest first, and always the same order.
	slices.SortFunc(all, func(a, b scheduler.JobSummary) int {
		return cmp.Or(cmp.Compare(b.Start, a.Start), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	return all, nil
}

// archived asks for the job that the path names.
func (s *Server) archived(ctx context.Context, q *query) (*scheduler.ArchivedJob, error) {
	id, err := q.job()
	if err != nil {
		return nil, err
	}
	b, err := s.requestJob(ctx, id)
	if err != nil {
		return nil, err
	}
	var j scheduler.ArchivedJob
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, core.E("read job", core.Internal, id.String(), err)
	}
	return &j, nil
}

func (s *Server) requestJob(ctx context.Context, id core.JobID) ([]byte, error) {
	resp, err := s.cfg.Dispatcher.RequestJob(ctx, &pb.RequestJobRequest{JobId: id.Bytes()})
	if err != nil {
		return nil, notFoundJob(id, err)
	}
	return resp.GetJob(), nil
}

// notFoundJob gives the error of an unknown job Flink's words, for which tools look.
func notFoundJob(id core.JobID, err error) error {
	if core.KindOf(err) == core.NotFound {
		return status(http.StatusNotFound, "Job %s not found", id)
	}
	return err
}

func (s *Server) listJobs(ctx context.Context, _ *query) (any, error) {
	all, err := s.summaries(ctx)
	if err != nil {
		return nil, err
	}
	out := rest.Jobs{Jobs: make([]rest.JobIDAndStatus, len(all))}
	for i, j := range all {
		out.Jobs[i] = rest.JobIDAndStatus{ID: j.ID, Status: j.Status}
	}
	return out, nil
}

func (s *Server) jobsOverview(ctx context.Context, _ *query) (any, error) {
	all, err := s.summaries(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now().UnixMilli()
	out := rest.JobsOverview{Jobs: make([]rest.JobOverview, len(all))}
	for i, j := range all {
		o := rest.JobOverview{ID: j.ID, Name: j.Name, StartTime: j.Start, EndTime: j.End, Duration: now - j.Start,
			State: j.Status, LastModification: j.LastModified, Tasks: map[string]int{"total": 0}}
		if j.End >= 0 {
			o.Duration = j.End - j.Start
		}
		for _, state := range core.ExecutionStates() {
			n := j.Tasks[state]
			o.Tasks[strings.ToLower(state.String())] = n
			o.Tasks["total"] += n
		}
		out.Jobs[i] = o
	}
	return out, nil
}

func (s *Server) job(ctx context.Context, q *query) (any, error) {
	j, err := s.archived(ctx, q)
	if err != nil {
		return nil, err
	}
	return jobView(j, s.now().UnixMilli()), nil
}

func (s *Server) jobStatus(ctx context.Context, q *query) (any, error) {
	id, err := q.job()
	if err != nil {
		return nil, err
	}
	b, err := s.requestJob(ctx, id)
	if err != nil {
		return nil, err
	}
	// Only the one field: clients ask for it often, and the picture of a large job is large.
	var j struct {
		Status core.JobStatus `json:"status"`
	}
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, core.E("read job", core.Internal, id.String(), err)
	}
	return rest.JobStatusInfo{Status: j.Status}, nil
}

func (s *Server) progress(ctx context.Context, q *query) (any, error) {
	j, err := s.archived(ctx, q)
	if err != nil {
		return nil, err
	}
	return progressView(j, s.now().UnixMilli()), nil
}

func progressView(j *scheduler.ArchivedJob, now int64) rest.Progress {
	p := rest.Progress{ID: j.ID, Name: j.Name, State: j.Status, StartTime: j.Start, EndTime: j.End, Now: now,
		Restarts: j.Restarts, Waiting: j.Waiting}
	if j.Failure != nil {
		p.Failure = j.Failure.Message
	}
	consumed := map[core.VertexID]bool{}
	var attempts []*scheduler.ArchivedAttempt
	if j.Graph != nil {
		for i := range j.Graph.Vertices {
			for _, e := range j.Graph.Vertices[i].Inputs {
				consumed[e.Source] = true
			}
		}
	}
	for i := range j.Vertices {
		current := currentAttempts(&j.Vertices[i])
		attempts = append(attempts, current...)
		if j.Graph == nil || i >= len(j.Graph.Vertices) {
			continue
		}
		g, io := &j.Graph.Vertices[i], sumIO(current)
		if len(g.Inputs) == 0 {
			p.RecordsIn += io.RecordsIn
		}
		if !consumed[g.ID] {
			p.RecordsOut += io.RecordsIn
		}
	}
	p.Tasks, p.TasksTotal = counts(attempts, asIs), len(attempts)
	return p
}

// maxWait bounds how long one request waits for the end of a job.
const maxWait = 30 * time.Second

func (s *Server) executionResult(ctx context.Context, q *query) (any, error) {
	id, err := q.job()
	if err != nil {
		return nil, err
	}
	wait := time.Duration(0)
	if v := q.values.Get("wait"); v != "" {
		if wait, err = time.ParseDuration(v); err != nil || wait < 0 {
			return nil, invalid("Cannot resolve query parameter (wait) from value %q: expected a duration such as 20s", show(v))
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // Close does not wait for jobs
	resp, err := s.cfg.Dispatcher.RequestJobResult(ctx, &pb.RequestJobResultRequest{JobId: id.Bytes(), WaitMillis: min(wait, maxWait).Milliseconds()})
	if err != nil {
		return nil, notFoundJob(id, err)
	}
	if !resp.GetDone() {
		return rest.ExecutionResult{Status: rest.StatusID{ID: rest.InProgress}}, nil
	}
	// Accumulators are Java objects in Flink's answer; ours are at /accumulators.
	r := &rest.JobResult{ID: id, ApplicationStatus: "UNKNOWN", NetRuntime: resp.GetNetRuntimeMillis(), Accumulators: map[string]string{}}
	switch resp.GetStatus() {
	case core.JobFinished.String():
		r.ApplicationStatus = "SUCCEEDED"
	case core.JobCanceled.String():
		r.ApplicationStatus = "CANCELED"
	case core.JobFailed.String():
		r.ApplicationStatus = "FAILED"
	}
	if r.ApplicationStatus == "FAILED" {
		r.Failure = failureCause(resp.GetFailure())
	}
	return rest.ExecutionResult{Status: rest.StatusID{ID: rest.Completed}, Result: r}, nil
}

func (s *Server) plan(ctx context.Context, q *query) (any, error) {
	j, err := s.archived(ctx, q)
	if err != nil {
		return nil, err
	}
	return rest.JobPlan{Plan: planView(j.ID, j.Name, j.Graph)}, nil
}

func (s *Server) jobConfig(ctx context.Context, q *query) (any, error) {
	j, err := s.archived(ctx, q)
	if err != nil {
		return nil, err
	}
	c := rest.JobConfiguration{ID: j.ID, Name: j.Name, ExecutionConfig: rest.ExecutionConfig{
		RestartStrategy: "Cluster level default restart strategy", ObjectReuse: true, UserConfig: map[string]string{}}}
	if j.Graph == nil {
		return c, nil
	}
	g := &j.Graph.Config
	if g.Restart.Type != "" {
		c.ExecutionConfig.RestartStrategy = g.Restart.Type
	}
	c.ExecutionConfig.JobParallelism = g.Parallelism
	for k, v := range g.Params {
		if conf.IsSecret(k) {
			v = conf.Masked
		}
		c.ExecutionConfig.UserConfig[k] = v
	}
	return c, nil
}

// defaultExceptions is how many failures are shown to who names no number.
const defaultExceptions = 20

func (s *Server) exceptions(ctx context.Context, q *query) (any, error) {
	limit, err := q.queryInt("maxExceptions", 0, defaultExceptions)
	if err != nil {
		return nil, err
	}
	j, err := s.archived(ctx, q)
	if err != nil {
		return nil, err
	}
	h := rest.ExceptionHistory{Entries: []rest.Exception{}, Truncated: j.Truncated}
	for i := range j.Exceptions {
		if i == limit {
			h.Truncated = true
			break
		}
		h.Entries = append(h.Entries, exceptionView(&j.Exceptions[i]))
	}
	return rest.Exceptions{History: h}, nil
}

func (s *Server) jobAccumulators(ctx context.Context, q *query) (any, error) {
	j, err := s.archived(ctx, q)
	if err != nil {
		return nil, err
	}
	return rest.JobAccumulators{Job: []rest.Accumulator{}, UserTask: accumulators(j.Accumulators), Serialized: map[string]string{}}, nil
}

func (s *Server) cancel(ctx context.Context, q *query) (any, error) {
	switch mode := q.values.Get("mode"); mode {
	case "", "cancel":
		return s.doCancel(ctx, q)
	case "stop":
		return s.stopGone(ctx, q)
	default:
		return nil, invalid("Cannot resolve query parameter (mode) from value %q: expected cancel or stop", show(mode))
	}
}

func (s *Server) doCancel(ctx context.Context, q *query) (any, error) {
	id, err := q.job()
	if err != nil {
		return nil, err
	}
	if !conf.WebCancelEnable.Get(s.cfg.Conf) {
		return nil, status(http.StatusForbidden, "canceling by REST is switched off (%s)", conf.WebCancelEnable.Key)
	}
	_, err = s.cfg.Dispatcher.CancelJob(ctx, &pb.CancelJobRequest{JobId: id.Bytes()})
	switch core.KindOf(err) {
	case core.NotFound:
		return nil, notFoundJob(id, err)
	case core.Conflict:
		// Flink's operator knows an ended job by 409 or by these words.
		return nil, status(http.StatusConflict, "Job cancellation failed because the job has already reached another terminal state: %v", errText(err))
	default:
		if err != nil {
			return nil, err
		}
	}
	s.log.Info("job canceled by REST", "job", id, "from", show(q.req.RemoteAddr))
	return answer{http.StatusAccepted, struct{}{}}, nil
}

// errText is the text below a core.Error's operation.
func errText(err error) string {
	if e, ok := errors.AsType[*core.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprint(err)
}

// cancelByGet is how Flink's dashboard cancels. A GET that changes something can be planted into any page, so it is
// off unless asked for (SEC-06).
func (s *Server) cancelByGet(ctx context.Context, q *query) (any, error) {
	if !conf.WebGetCancelEnable.Get(s.cfg.Conf) {
		return nil, status(http.StatusForbidden, "canceling by GET is switched off: use PATCH /jobs/:jobid?mode=cancel, or set %s: true", conf.WebGetCancelEnable.Key)
	}
	if err := sameSite(q.req); err != nil {
		return nil, err
	}
	return s.doCancel(ctx, q)
}

func (s *Server) stopGone(context.Context, *query) (any, error) {
	return nil, status(http.StatusPermanentRedirect, "The termination mode \"stop\" has been removed. For an ungraceful shutdown, please use \"cancel\" instead. For a graceful shutdown, please use \"jobs/:jobid/stop\" instead.")
}

// exists answers 404 for an unknown job, so that a path without a feature still tells that first.
func (s *Server) exists(ctx context.Context, q *query) error {
	id, err := q.job()
	if err != nil {
		return err
	}
	_, err = s.requestJob(ctx, id)
	return err
}

func (s *Server) noCheckpoints(ctx context.Context, q *query) (any, error) {
	if err := s.exists(ctx, q); err != nil {
		return nil, err
	}
	return nil, status(http.StatusNotFound, "Checkpointing has not been enabled.")
}

func (s *Server) noSavepoints(ctx context.Context, q *query) (any, error) {
	if err := s.exists(ctx, q); err != nil {
		return nil, err
	}
	return nil, unavailable("checkpoints and savepoints")
}

func (s *Server) noRescaling(ctx context.Context, q *query) (any, error) {
	if err := s.exists(ctx, q); err != nil {
		return nil, err
	}
	return nil, unavailable("changes of parallelism of a running job")
}
