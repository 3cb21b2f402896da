package job

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/runtime/cluster"
)

// attachPatience is how long an attached client waits for a JobManager that does not answer any more: long enough for
// one that starts again (S-194).
const attachPatience = 2 * time.Minute

// perJobPatience is the same for a cluster of the job's own: nobody starts its JobManager again.
const perJobPatience = 2 * time.Second

// submit brings the job and this very binary to a JobManager, and follows the job unless that is not wanted (S-222).
func submit(ctx context.Context, g *graph.JobGraph, r role) (*Result, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, &InvocationError{fmt.Errorf("find the own binary: %w", err)}
	}
	token, err := cluster.ClientToken(r.conf)
	if err != nil {
		return nil, &InvocationError{err}
	}
	client, err := rest.New(r.rest, rest.Options{Token: token})
	if err != nil {
		return nil, &InvocationError{err}
	}
	defer client.Close()
	g.Program.Args = os.Args[1:]
	if dir, err := os.Getwd(); err == nil { // without it relative paths do not work there either
		g.Program.Dir = dir
	}
	for _, w := range g.Warnings {
		_, _ = fmt.Fprintln(os.Stderr, "warning:", w)
	}
	if err := client.Submit(ctx, g, binary); err != nil {
		return nil, &InvocationError{err}
	}
	_, _ = fmt.Fprintf(os.Stdout, "Job has been submitted with JobID %s\n", g.ID)
	if r.detached {
		return &Result{JobID: g.ID, Status: core.JobInitializing, Detached: true}, nil
	}
	a := attachment{rest: r.rest, token: token, client: client, job: g.ID, perJob: r.perJob, in: os.Stdin, out: os.Stdout, err: os.Stderr}
	return a.wait(ctx)
}

// attachment is a client that follows a job.
type attachment struct {
	rest     string
	token    string
	client   *rest.Client
	job      core.JobID
	perJob   bool // the cluster ends with this process
	in       *os.File
	out, err *os.File
}

// wait follows the job to its end.
func (a *attachment) wait(ctx context.Context) (*Result, error) {
	patience := attachPatience
	if a.perJob {
		patience = perJobPatience
	}
	patient, err := rest.New(a.rest, rest.Options{Token: a.token, RetryFor: patience})
	if err != nil {
		return nil, &InvocationError{err}
	}
	defer patient.Close()
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		result rest.Result
		err    error
	}
	ended := make(chan outcome, 1) // one value: the goroutine never waits
	go func() {                    // ends when waiting does
		r, err := patient.Result(waiting, a.job)
		ended <- outcome{r, err}
	}()
	show := newProgress(a.err)
	defer show.done()
	signals := make(chan os.Signal, 2) // two interrupts at once are told apart
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	tick := time.NewTimer(show.first())
	defer tick.Stop()
	canceling := false
	for {
		select {
		case o := <-ended:
			show.done()
			if canceling {
				return nil, errInterrupted
			}
			if o.err != nil {
				return nil, &ExecutionError{JobID: a.job, Status: core.JobSuspended, Err: fmt.Errorf("its end is not known, its JobManager is gone: %w", o.err)}
			}
			return a.finish(o.result)
		case <-tick.C:
			polled, stop := context.WithTimeout(waiting, show.every())
			if p, err := a.client.Progress(polled, a.job); err == nil {
				show.update(p)
			} else if len(ended) == 0 {
				show.lost(err)
			}
			stop()
			tick.Reset(show.every())
		case s := <-signals:
			show.done()
			if !a.perJob || canceling {
				return nil, a.interrupted(ctx, s, signals)
			}
			canceling = true
			// The cluster may have ended already, with the command that this process belongs to.
			ask, stop := context.WithTimeout(ctx, perJobPatience)
			err := a.client.Cancel(ask, a.job)
			stop()
			if err != nil {
				_, _ = fmt.Fprintln(a.err, err)
				return nil, errInterrupted
			}
			_, _ = fmt.Fprintf(a.err, "Cancelling job %s.\n", a.job)
		}
	}
}

// finish prints what Flink's client prints, and makes the result.
func (a *attachment) finish(r rest.Result) (*Result, error) {
	switch r.Status {
	case core.JobFinished:
		_, _ = fmt.Fprint(a.out, summary(r))
		return &Result{JobID: a.job, Status: r.Status, Runtime: r.Runtime, Accumulators: r.Accumulators}, nil
	case core.JobFailed:
		failed := &ExecutionError{JobID: a.job, Status: r.Status}
		if r.Failure != nil {
			message, stack, _ := strings.Cut(r.Failure.StackTrace, "\n")
			failed.Err, failed.Stack = errors.New(message), stack
		}
		return nil, failed
	default:
		return nil, &ExecutionError{JobID: a.job, Status: r.Status}
	}
}

// summary is Flink's text about a job that finished.
func summary(r rest.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Program execution finished\nJob with JobID %s has finished.\nJob Runtime: %d ms\n", r.ID, r.Runtime.Milliseconds())
	if len(r.Accumulators) > 0 {
		fmt.Fprintln(&b, "Accumulator Results: ")
		for _, acc := range r.Accumulators {
			fmt.Fprintf(&b, "- %s (%s): %s\n", acc.Name, acc.Kind, acc.Value)
		}
	}
	return b.String()
}

// interrupted ends an attached client. Where somebody can answer, it asks whether the job shall end too; a second
// interrupt, or any other answer than yes, leaves it running (B-10).
func (a *attachment) interrupted(ctx context.Context, s os.Signal, signals <-chan os.Signal) error {
	if a.perJob {
		return errInterrupted // the job ends with its cluster
	}
	if s == os.Interrupt && term.IsTerminal(int(a.in.Fd())) && term.IsTerminal(int(a.err.Fd())) {
		_, _ = fmt.Fprintf(a.err, "\nCancel job %s as well? [y/N] ", a.job)
		answer := make(chan bool, 1)
		go func() { answer <- saysYes(a.in) }() // ends with the process
		select {
		case yes := <-answer:
			if yes {
				if err := a.client.Cancel(ctx, a.job); err != nil {
					_, _ = fmt.Fprintln(a.err, err)
					return errInterrupted
				}
				_, _ = fmt.Fprintf(a.err, "Cancelled job %s.\n", a.job)
				return errInterrupted
			}
		case <-signals:
			_, _ = fmt.Fprintln(a.err)
		}
	}
	_, _ = fmt.Fprintf(a.err, "Job %s keeps running.\n", a.job)
	return errInterrupted
}

func saysYes(r io.Reader) bool {
	line, _ := bufio.NewReader(r).ReadString('\n')
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes"
}
