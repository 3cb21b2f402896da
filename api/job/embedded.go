package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/cluster"
	"github.com/flink-go/flink-go/runtime/worker"
)

// embeddedWait is one long poll for the result; the next one follows at once.
const embeddedWait = time.Minute

// closeTimeout bounds how long the end of an embedded cluster may take.
const closeTimeout = 10 * time.Second

// runEmbedded runs the job in a cluster of this process. The end of ctx, or an interrupt, cancels it. A port for REST
// among the job's own settings asks for the dashboard; one in a file or variable is that of session clusters.
func runEmbedded(ctx context.Context, c *graph.Compiled, r role) (*Result, error) {
	cf := r.conf
	for _, w := range append(cf.Warnings(), c.Job.Warnings...) {
		_, _ = fmt.Fprintln(os.Stderr, "warning:", w)
	}
	raw, err := json.Marshal(c.Job)
	if err != nil {
		return nil, &InvocationError{core.E("write job graph", core.Internal, c.Job.ID.String(), err)}
	}
	if os.Getenv("GOGC") == "" { // else the user has decided
		defer worker.StartGCTuner(0).Stop()
	}
	log := embeddedLog(cf, c.Job)
	e, err := cluster.StartEmbedded(cf, c, openPebble, log)
	if err != nil {
		return nil, &InvocationError{err}
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = e.Close(closing) // the job has ended; what is left goes with the process
	}()
	if r.asksForREST() {
		url, err := e.ServeREST(cf, log)
		if err != nil {
			return nil, &InvocationError{err}
		}
		_, _ = fmt.Fprintln(os.Stderr, "dashboard:", url)
	}
	if _, err := e.Dispatcher().SubmitJob(ctx, &pb.SubmitJobRequest{JobGraph: raw}); err != nil {
		return nil, &InvocationError{err}
	}
	return embeddedResult(ctx, e.Dispatcher(), c.Job.ID)
}

// embeddedResult waits for the end of the job, and cancels it when ctx ends or the user interrupts.
func embeddedResult(ctx context.Context, d rpc.DispatcherGateway, id core.JobID) (*Result, error) {
	interrupted, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(interrupted, func() {
		stop() // the next signal ends the process
		_, _ = d.CancelJob(context.WithoutCancel(ctx), &pb.CancelJobRequest{JobId: id.Bytes()})
	})()
	for {
		r, err := d.RequestJobResult(context.WithoutCancel(ctx), &pb.RequestJobResultRequest{JobId: id.Bytes(), WaitMillis: embeddedWait.Milliseconds()})
		if err != nil {
			return nil, &ExecutionError{JobID: id, Status: core.JobSuspended, Err: err}
		}
		if !r.GetDone() {
			continue
		}
		result, err := resultOf(id, r)
		if err != nil && ctx.Err() == nil && interrupted.Err() != nil {
			return nil, errInterrupted
		}
		return result, err
	}
}

func resultOf(id core.JobID, r *pb.RequestJobResultResponse) (*Result, error) {
	status, err := core.ParseJobStatus(r.GetStatus())
	if err != nil {
		return nil, &ExecutionError{JobID: id, Status: core.JobSuspended, Err: err}
	}
	if status != core.JobFinished {
		failed := &ExecutionError{JobID: id, Status: status}
		if f := r.GetFailure(); f != nil {
			failed.Err, failed.Stack = errors.New(f.GetMessage()), f.GetStack()
		}
		return nil, failed
	}
	result := &Result{JobID: id, Status: status, Runtime: time.Duration(r.GetNetRuntimeMillis()) * time.Millisecond}
	for _, a := range r.GetAccumulators() {
		result.Accumulators = append(result.Accumulators, core.Accumulator{Name: a.GetName(), Kind: a.GetKind(), Value: a.GetValue()})
	}
	return result, nil
}

// embeddedLog is quiet unless the user asks: standard error belongs to the program, and how its job ends Execute says.
// Restarts are told, for a job that restarts does not end.
func embeddedLog(c *conf.Config, job *graph.JobGraph) *slog.Logger {
	text, set := conf.EnvLogLevel.Lookup(c)
	if !set && job.Config.Restart.Type != "none" {
		text, set = "WARN", true
	}
	level := map[string]slog.Level{"TRACE": slog.LevelDebug, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERROR": slog.LevelError}
	if l, known := level[text]; set && known {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
	}
	return slog.New(slog.DiscardHandler)
}
