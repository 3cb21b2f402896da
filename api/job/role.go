package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/runtime/worker"
)

// The environment by which flink-go and TaskManagers tell a program what to be.
const (
	EnvRole     = "FLINKGO_ROLE"     // "", "submit", "plan" or "worker"
	EnvREST     = "FLINKGO_REST"     // submit: http://host:port of a JobManager
	EnvDetached = "FLINKGO_DETACHED" // submit: "1" does not wait for the job
	EnvPerJob   = "FLINKGO_PER_JOB"  // submit: "1" says that the cluster is this job's alone and ends with this process
	EnvSettings = "FLINKGO_SETTINGS" // JSON object of configuration keys of this job

	// EnvExecuteFD is a file descriptor that Execute writes to, so that flink-go can tell a program that is no job.
	EnvExecuteFD = "FLINKGO_EXECUTE_FD"
)

// role is what this process is to its job.
type role struct {
	name     string
	rest     string
	detached bool
	perJob   bool
	settings map[string]string
	conf     *conf.Config // in force for an embedded cluster
}

func roleFromEnvironment() (role, error) {
	r := role{
		name:     os.Getenv(EnvRole),
		rest:     os.Getenv(EnvREST),
		detached: os.Getenv(EnvDetached) == "1",
		perJob:   os.Getenv(EnvPerJob) == "1",
		settings: map[string]string{},
	}
	if s := os.Getenv(EnvSettings); s != "" {
		if err := json.Unmarshal([]byte(s), &r.settings); err != nil {
			return r, core.E("read settings", core.Invalid, "", fmt.Errorf("%s is not a JSON object of strings: %w", EnvSettings, err))
		}
	}
	switch r.name {
	case "", "plan", "worker":
		return r, r.settle()
	case "submit":
		if r.rest == "" {
			return r, core.E("read environment", core.Invalid, "", fmt.Errorf("%s=submit needs the address of a JobManager in %s", EnvRole, EnvREST))
		}
		return r, r.settle()
	default:
		return r, core.E("read environment", core.Invalid, "", fmt.Errorf("unknown %s %q: want submit, plan or worker, or none for an embedded cluster", EnvRole, r.name))
	}
}

// began says that this process called Execute. It is a fact about the process, as its environment is: a submitted
// program is one job, whichever package of it asks.
var began atomic.Bool

var errTwice = errors.New("this program calls Execute a second time, but a submitted program is one job: put both parts into one graph, or make two programs")

// begin refuses a second job of a submitted program (B-05).
func (r role) begin() error {
	if began.Swap(true) && r.name != "" {
		return core.E("execute", core.Invalid, "", errTwice)
	}
	if fd, err := strconv.Atoi(os.Getenv(EnvExecuteFD)); err == nil && fd > 2 {
		_ = os.Unsetenv(EnvExecuteFD) // not for children; the name is valid
		f := os.NewFile(uintptr(fd), "execute")
		_, _ = f.WriteString("execute\n") // whoever started the program may be gone
		_ = f.Close()
	}
	return nil
}

func (r role) execute(ctx context.Context, c *graph.Compiled) (*Result, error) {
	switch r.name {
	case "plan":
		os.Exit(writePlan(c.Job))
	case "worker":
		os.Exit(runWorker(c)) //nolint:contextcheck // the TaskManager ends a worker, not its program
	case "submit":
		return submit(ctx, c.Job, r)
	}
	return runEmbedded(ctx, c, r)
}

// refuse is the end of a program whose graph has faults. Where Execute does not return it does not return now: a
// program that ignores errors would go on as something that it is not.
func (r role) refuse(err error) error {
	switch r.name {
	case "plan":
		report(os.Stderr, err)
		os.Exit(ExitFailure)
	case "worker":
		os.Exit(worker.RefuseChild(err))
	}
	return &InvocationError{err}
}
