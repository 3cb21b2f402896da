package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// Main runs the program that build describes and ends the process with the job's exit code. It is all of main for
// most programs:
//
//	func main() { job.Main("word-count", build) }
//
// build must be deterministic: it runs in the client and again in each worker, and all of them must arrive at the
// same graph. Its faults are reported together, as sentences, on stderr.
func Main(name string, build func(env *stream.Env)) {
	_, err := Execute(context.Background(), name, build)
	if err != nil {
		report(os.Stderr, err)
	}
	os.Exit(ExitCode(err))
}

// Execute runs the program that build describes and returns its result when the job has ended, for programs that go
// on after their job. See Main for what build must be.
//
// In a worker and in plan mode Execute does not return. A program that was submitted may call it once; one that runs
// by itself may run one job after the other.
//
// While a job runs Execute takes SIGINT and SIGTERM. In an embedded cluster the first cancels the job and the second
// ends the process. A client that is attached to a cluster asks whether to cancel the job if it can, else leaves it
// running, and ends. The end of ctx cancels an embedded job, and leaves a submitted one running.
//
// The error is an *InvocationError if the job did not start, and an *ExecutionError if it failed or was canceled.
func Execute(ctx context.Context, name string, build func(env *stream.Env)) (*Result, error) {
	r, err := roleFromEnvironment()
	if err != nil {
		return nil, &InvocationError{err}
	}
	if err := r.begin(); err != nil {
		return nil, &InvocationError{err}
	}
	compiled, err := compile(name, r.settings, build)
	if err != nil {
		return nil, r.refuse(err)
	}
	return r.execute(ctx, compiled)
}

// compile runs the pre-flight phase: build, translation, checks.
func compile(name string, settings map[string]string, build func(env *stream.Env)) (*graph.Compiled, error) {
	env := stream.NewEnv(name, settings)
	build(env)
	sg, err := env.StreamGraph()
	if err != nil {
		return nil, err
	}
	compiled, err := graph.Translate(sg)
	if err != nil {
		return nil, err
	}
	compiled.Job.ID = core.NewJobID()
	compiled.Job.Program.Settings = settings
	return compiled, nil
}

// report prints err as sentences: one line per fault, then the stack of the user code that failed.
func report(w io.Writer, err error) {
	if errors.Is(err, errInterrupted) {
		return // the user knows
	}
	for line := range strings.SplitSeq(strings.TrimRight(err.Error(), "\n"), "\n") {
		_, _ = fmt.Fprintln(w, line)
	}
	if failed, ok := errors.AsType[*ExecutionError](err); ok && failed.Stack != "" {
		_, _ = fmt.Fprintln(w, strings.TrimRight(failed.Stack, "\n"))
	}
}
