package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/flink-go/flink-go/core"
)

// Overview counts TaskManagers, slots and jobs.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	return get[Overview](ctx, c, "get cluster overview", "", "/overview", nil)
}

// Configuration is what the server tells a dashboard: version and features.
func (c *Client) Configuration(ctx context.Context) (Configuration, error) {
	return get[Configuration](ctx, c, "get configuration", "", "/config", nil)
}

// JobManagerConfig is the JobManager's configuration in force, secrets masked.
func (c *Client) JobManagerConfig(ctx context.Context) ([]ConfigEntry, error) {
	return get[[]ConfigEntry](ctx, c, "get configuration of the JobManager", "", "/jobmanager/config", nil)
}

// Jobs lists ids and states.
func (c *Client) Jobs(ctx context.Context) ([]JobIDAndStatus, error) {
	a, err := get[Jobs](ctx, c, "list jobs", "", "/jobs", nil)
	return a.Jobs, err
}

// JobsOverview lists the jobs that run and those that ended.
func (c *Client) JobsOverview(ctx context.Context) ([]JobOverview, error) {
	a, err := get[JobsOverview](ctx, c, "list jobs", "", "/jobs/overview", nil)
	return a.Jobs, err
}

func jobPath(id core.JobID, rest ...string) string {
	return "/jobs/" + id.String() + strings.Join(rest, "")
}

// Job is one job in detail.
func (c *Client) Job(ctx context.Context, id core.JobID) (Job, error) {
	return get[Job](ctx, c, "get job", id.String(), jobPath(id), nil)
}

// Status is the state of a job.
func (c *Client) Status(ctx context.Context, id core.JobID) (core.JobStatus, error) {
	a, err := get[JobStatusInfo](ctx, c, "get status of job", id.String(), jobPath(id, "/status"), nil)
	return a.Status, err
}

// Progress is what a job that is waited for shows.
func (c *Client) Progress(ctx context.Context, id core.JobID) (Progress, error) {
	return get[Progress](ctx, c, "get progress of job", id.String(), jobPath(id, "/progress"), nil)
}

// Plan is the graph of a job for people.
func (c *Client) Plan(ctx context.Context, id core.JobID) (Plan, error) {
	a, err := get[JobPlan](ctx, c, "get plan of job", id.String(), jobPath(id, "/plan"), nil)
	return a.Plan, err
}

// Exceptions is the history of failures of a job, newest first, at most limit (0: the server's choice).
func (c *Client) Exceptions(ctx context.Context, id core.JobID, limit int) (ExceptionHistory, error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("maxExceptions", strconv.Itoa(limit))
	}
	a, err := get[Exceptions](ctx, c, "get exceptions of job", id.String(), jobPath(id, "/exceptions"), q)
	return a.History, err
}

// Accumulators are a job's accumulators, merged over its subtasks.
func (c *Client) Accumulators(ctx context.Context, id core.JobID) ([]core.Accumulator, error) {
	a, err := get[JobAccumulators](ctx, c, "get accumulators of job", id.String(), jobPath(id, "/accumulators"), nil)
	if err != nil {
		return nil, err
	}
	all := make([]core.Accumulator, len(a.UserTask))
	for i, x := range a.UserTask {
		all[i] = core.Accumulator{Name: x.Name, Kind: x.Type, Value: x.Value}
	}
	return all, nil
}

// Vertex is a vertex of a job with its subtasks.
func (c *Client) Vertex(ctx context.Context, job core.JobID, v core.VertexID) (VertexDetails, error) {
	return get[VertexDetails](ctx, c, "get vertex", v.String(), jobPath(job, "/vertices/", v.String()), nil)
}

// Cancel asks a job to end. It returns when the request is accepted, not when the job has ended. A job that has ended
// is an error of kind Conflict.
func (c *Client) Cancel(ctx context.Context, id core.JobID) error {
	_, err := call[struct{}](ctx, c, request{op: "cancel job", id: id.String(), method: http.MethodPatch,
		path: jobPath(id), query: url.Values{"mode": {"cancel"}}})
	return err
}

// Result is how a job ended.
type Result struct {
	ID           core.JobID
	Status       core.JobStatus // FINISHED, CANCELED or FAILED
	Runtime      time.Duration
	Accumulators []core.Accumulator
	Failure      *FailureCause // of a failed job
}

// resultWait is how long one request waits for a job's end; the next one follows at once.
const resultWait = 20 * time.Second

// Result waits for the end of a job. A job that failed is a Result, not an error.
func (c *Client) Result(ctx context.Context, id core.JobID) (Result, error) {
	for {
		r, done, err := c.ResultWithin(ctx, id, resultWait)
		if err != nil || done {
			return r, err
		}
	}
}

// ResultWithin waits at most wait for the end of a job; done tells whether it came.
func (c *Client) ResultWithin(ctx context.Context, id core.JobID, wait time.Duration) (r Result, done bool, err error) {
	// wait is a parameter of flink-go; a server of Flink answers at once.
	q := url.Values{"wait": {wait.String()}}
	began := time.Now()
	a, err := get[ExecutionResult](ctx, c, "get result of job", id.String(), jobPath(id, "/execution-result"), q)
	if err != nil {
		return Result{}, false, err
	}
	if a.Status.ID != Completed || a.Result == nil {
		if pause := min(wait, 100*time.Millisecond); time.Since(began) < pause {
			return Result{}, false, sleep(ctx, pause)
		}
		return Result{}, false, nil
	}
	r = Result{ID: id, Runtime: time.Duration(a.Result.NetRuntime) * time.Millisecond, Failure: a.Result.Failure}
	switch a.Result.ApplicationStatus {
	case "SUCCEEDED":
		r.Status = core.JobFinished
	case "CANCELED":
		r.Status = core.JobCanceled
	default:
		r.Status = core.JobFailed
	}
	r.Accumulators, err = c.Accumulators(ctx, id)
	return r, true, err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return core.E("wait", core.Canceled, "", context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}

// TaskManagers lists the TaskManagers that are registered.
func (c *Client) TaskManagers(ctx context.Context) ([]TaskManager, error) {
	a, err := get[TaskManagers](ctx, c, "list TaskManagers", "", "/taskmanagers", nil)
	return a.TaskManagers, err
}

// TaskManager is one of them in detail.
func (c *Client) TaskManager(ctx context.Context, id core.ResourceID) (TaskManagerDetails, error) {
	return get[TaskManagerDetails](ctx, c, "get TaskManager", string(id), "/taskmanagers/"+url.PathEscape(string(id)), nil)
}

// Logs lists the log files of a TaskManager, of the JobManager if id is "".
func (c *Client) Logs(ctx context.Context, id core.ResourceID) ([]LogFile, error) {
	a, err := get[Logs](ctx, c, "list logs", string(id), processPath(id)+"/logs", nil)
	return a.Logs, err
}

// Log copies a log file to w: of a TaskManager, or of the JobManager if id is "". The name "" is the process's own.
func (c *Client) Log(ctx context.Context, id core.ResourceID, name string, w io.Writer) error {
	p := processPath(id) + "/log"
	if name != "" {
		p = processPath(id) + "/logs/" + url.PathEscape(name)
	}
	r := request{op: "read log", id: path.Join(string(id), name), method: http.MethodGet, path: p}
	return c.do(ctx, r, func(resp *http.Response) error {
		if _, err := io.Copy(w, resp.Body); err != nil {
			// Part of it may be written: no second try.
			return core.E(r.op, core.Unavailable, r.id, err)
		}
		return nil
	})
}

// ThreadDump is the stacks of all goroutines of a TaskManager's processes, or of the JobManager if id is "".
func (c *Client) ThreadDump(ctx context.Context, id core.ResourceID) ([]Thread, error) {
	a, err := get[ThreadDump](ctx, c, "get stacks", string(id), processPath(id)+"/thread-dump", nil)
	return a.Threads, err
}

func processPath(id core.ResourceID) string {
	if id == "" {
		return "/jobmanager"
	}
	return "/taskmanagers/" + url.PathEscape(string(id))
}

// ShutDownCluster ends the cluster; its jobs are canceled.
func (c *Client) ShutDownCluster(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, request{op: "shut down cluster", method: http.MethodDelete, path: "/cluster"})
	return err
}

// Jars lists the uploaded programs.
func (c *Client) Jars(ctx context.Context) ([]Jar, error) {
	a, err := get[Jars](ctx, c, "list programs", "", "/jars", nil)
	return a.Files, err
}

// UploadJar stores a program at the JobManager and returns its id.
func (c *Client) UploadJar(ctx context.Context, file string) (string, error) {
	body, kind := multipartBody([]part{{field: "jarfile", name: path.Base(file), kind: "application/octet-stream", path: file}})
	a, err := call[JarUpload](ctx, c, request{op: "upload program", id: file, method: http.MethodPost, path: "/jars/upload", body: body, kind: kind})
	if err != nil {
		return "", err
	}
	return path.Base(a.FileName), nil
}

// RunJar runs an uploaded program in the cluster and returns its job.
func (c *Client) RunJar(ctx context.Context, id string, run JarRun) (core.JobID, error) {
	a, err := call[JarRunResult](ctx, c, jarRequest("run program", id, "/run", run))
	return a.JobID, err
}

// PlanJar asks for the plan of an uploaded program.
func (c *Client) PlanJar(ctx context.Context, id string, run JarRun) (Plan, error) {
	a, err := call[JobPlan](ctx, c, jarRequest("plan program", id, "/plan", run))
	return a.Plan, err
}

func jarRequest(op, id, verb string, run JarRun) request {
	return request{op: op, id: id, method: http.MethodPost, path: "/jars/" + url.PathEscape(id) + verb, kind: "application/json",
		body: func() (io.ReadCloser, error) {
			b, err := json.Marshal(run)
			return io.NopCloser(strings.NewReader(string(b))), err
		}}
}

// DeleteJar removes an uploaded program; jobs that run it go on.
func (c *Client) DeleteJar(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, request{op: "delete program", id: id, method: http.MethodDelete, path: "/jars/" + url.PathEscape(id)})
	return err
}

// WaitUntil polls Status until ok says so, with a bounded backoff.
func (c *Client) WaitUntil(ctx context.Context, id core.JobID, ok func(core.JobStatus) bool) (core.JobStatus, error) {
	for backoff := 5 * time.Millisecond; ; backoff = min(2*backoff, time.Second) {
		s, err := c.Status(ctx, id)
		if err != nil || ok(s) {
			return s, err
		}
		if s.Terminal() {
			return s, core.E("wait for job", core.Conflict, id.String(), errors.New("it has ended: "+s.String()))
		}
		if err := sleep(ctx, backoff); err != nil {
			return s, fmt.Errorf("job %s is %s: %w", id, s, err)
		}
	}
}
