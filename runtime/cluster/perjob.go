package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
)

// envPerJobDir tells a JobManager that it is there for one job, and which folder to take with it when it ends.
const envPerJobDir = "FLINKGO_PER_JOB_DIR"

// detach is what is written to the lifeline of a JobManager that shall end with its job instead.
const detach = 'd'

// PerJob is a cluster for one job (S-153 to S-162): a JobManager that starts TaskManagers when the job wants them, in
// a folder of its own, on free ports. It ends with this process, or with its job once it was detached, and leaves
// nothing behind (S-154).
type PerJob struct {
	dir      string
	jm       *spawned
	detached bool
}

// StartPerJob starts a cluster for one job and returns when its JobManager takes it.
func StartPerJob(ctx context.Context, o LocalOptions) (*PerJob, error) {
	dir, err := os.MkdirTemp(o.Conf.WorkingDir(), "flink-go-per-job-")
	if err != nil {
		return nil, core.E("start per-job cluster", core.Invalid, "", o.Conf.BadWorkingDir(err))
	}
	s := spawn{
		command:  slices.Concat(o.Command, []string{"jobmanager"}),
		environ:  slices.Concat(o.Environ, []string{envPerJobDir + "=" + dir}),
		out:      filepath.Join(dir, "jobmanager.out"),
		lifeline: true,
	}
	if o.ConfigDir != "" {
		s.args = append(s.args, "--configDir", o.ConfigDir)
	}
	if _, set := conf.TaskManagerNumberOfTaskSlots.Lookup(o.Conf); !set {
		s.defines = append(s.defines, define(conf.TaskManagerNumberOfTaskSlots.Key, strconv.Itoa(goruntime.GOMAXPROCS(0))))
	}
	s.defines = append(s.defines, o.Defines...)
	// What makes the cluster this job's own comes last, so that no setting of the user undoes it.
	s.defines = append(s.defines,
		define(conf.ProcessWorkingDir.Key, dir),
		define(conf.EnvLogDir.Key, dir),
		define(conf.WebLogPath.Key, filepath.Join(dir, "jobmanager.log")),
		define(conf.RestPort.Key, "0"), define(conf.RestBindPort.Key, "0"),
		define(conf.JobManagerRPCPort.Key, "0"), define(conf.JobManagerRPCBindPort.Key, "0"),
		define(conf.ResourceManagerDriver.Key, "process"),
	)
	jm, err := s.start(ctx)
	if err != nil {
		_ = os.RemoveAll(dir) // the first error counts
		return nil, err
	}
	return &PerJob{dir: dir, jm: jm}, nil
}

// REST is the REST address of its JobManager.
func (p *PerJob) REST() string { return p.jm.ready.REST }

// Detach lets the cluster live until its job has ended.
func (p *PerJob) Detach() error {
	if _, err := p.jm.lifeline.Write([]byte{detach}); err != nil {
		return core.E("detach per-job cluster", core.Unavailable, "", err)
	}
	p.detached = true
	return p.jm.lifeline.Close()
}

// Close ends the cluster, unless it was detached, and returns when nothing is left of it.
func (p *PerJob) Close(ctx context.Context) error {
	if p.detached {
		return nil
	}
	_ = p.jm.lifeline.Close() // the JobManager ends when it notices
	var err error
	select {
	case <-p.jm.exited:
	case <-ctx.Done():
		err = core.E("end per-job cluster", core.Unavailable, "", context.Cause(ctx))
		p.jm.kill()
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
