package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/rpc/wire"
	"github.com/flink-go/flink-go/runtime/blob"
	"github.com/flink-go/flink-go/runtime/metrics"
	"github.com/flink-go/flink-go/runtime/resourcemanager"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
	"github.com/flink-go/flink-go/runtime/taskexecutor/process"
)

// TaskManager is a TaskManager process: a TaskExecutor whose workers are child processes, and metrics on an RPC
// server of their own.
type TaskManager struct {
	ready    Ready
	dir      *workDir
	service  *wire.Service
	metrics  *wire.Service
	query    *metrics.QueryService
	workers  *process.Launcher
	executor *taskexecutor.TaskExecutor
	tasks    atomic.Pointer[taskexecutor.TaskExecutor] // executor, for the goroutines that answer metric queries

	closing sync.Once
	closed  error
}

// StartTaskManager starts a TaskManager with the configuration c and returns when it is registering at its
// JobManager.
func StartTaskManager(c *conf.Config, log *slog.Logger) (*TaskManager, error) {
	if err := c.CheckListeners(conf.TaskManagerBindHost); err != nil {
		return nil, err
	}
	warnInsecure(c, log)
	m := &TaskManager{}
	if err := m.start(c, log); err != nil {
		return nil, errors.Join(err, m.Close(context.Background()))
	}
	return m, nil
}

func (m *TaskManager) start(c *conf.Config, log *slog.Logger) error {
	bindHost := conf.TaskManagerBindHost.Get(c)
	host := bindHost
	if h, set := conf.TaskManagerHost.Lookup(c); set {
		host = h
	}
	l, err := listen(bindHost, conf.TaskManagerRPCPort.Get(c), conf.TaskManagerRPCPort.Key)
	if err != nil {
		return err
	}
	m.service = wire.NewService(l, wire.Options{Address: advertised(l, host), Log: log})
	address := m.service.Address()
	name, set := conf.TaskManagerResourceID.Lookup(c)
	if !set {
		name = resourceName(address)
	}
	if m.dir, err = openWorkDir(c.WorkingDir(), "tm_"+fileName(name)); err != nil {
		return err
	}
	if m.metrics, m.query, err = startMetrics(bindHost, log, m.taskMetrics); err != nil {
		return err
	}
	cfg := taskExecutorConfig(c, log)
	cfg.Resource = core.ResourceID(name)
	cfg.Host = address
	cfg.DataHost, _, _ = net.SplitHostPort(address)
	cfg.Hardware = hardware()
	cfg.Memory = int64(conf.TaskManagerMemoryProcessSize.Get(c))
	cfg.MetricsAddress = m.metrics.Address()
	cfg.Service = m.service
	jobManager := net.JoinHostPort(conf.JobManagerRPCAddress.Get(c), strconv.Itoa(conf.JobManagerRPCPort.Get(c)))
	cfg.ResourceManagers = func() []rpc.Address {
		return []rpc.Address{{Server: jobManager, Endpoint: resourcemanager.EndpointName}}
	}
	cfg.Listen = func() (net.Listener, error) { return listenData(c, bindHost) }
	if cfg.LogDir, cfg.LogFile, cfg.OutFile, err = m.logs(c, name); err != nil {
		return err
	}
	if m.workers, err = m.launcher(c, cfg, log); err != nil {
		return err
	}
	cfg.Workers = m.workers
	if m.executor, err = taskexecutor.New(cfg); err != nil {
		return err
	}
	if err := m.executor.Start(); err != nil {
		return err
	}
	m.tasks.Store(m.executor)
	m.ready = Ready{PID: os.Getpid(), RPC: address}
	log.Info("TaskManager is up", "taskmanager", name, "rpc", address, "slots", cfg.Slots, "jobmanager", jobManager, "dir", m.dir.path)
	return nil
}

// taskMetrics are what the tasks on this TaskManager last reported.
func (m *TaskManager) taskMetrics() []*pb.Metric {
	if t := m.tasks.Load(); t != nil {
		return t.Metrics()
	}
	return nil // it is being started
}

// logs are where the logs of this process and its workers are: beside the log that is configured, else in the working
// directory.
func (m *TaskManager) logs(c *conf.Config, name string) (dir, logFile, outFile string, err error) {
	if path := conf.TaskManagerLogPath.Get(c); path != "" {
		base := strings.TrimSuffix(filepath.Base(path), ".log")
		return filepath.Dir(path), filepath.Base(path), base + ".out", nil
	}
	dir = filepath.Join(m.dir.path, "log")
	if env := conf.EnvLogDir.Get(c); env != "" {
		dir = filepath.Join(env, fileName(name))
	}
	return dir, "", "", os.MkdirAll(dir, 0o700)
}

func (m *TaskManager) launcher(c *conf.Config, cfg taskexecutor.Config, log *slog.Logger) (*process.Launcher, error) {
	programs, err := m.dir.sub("programs")
	if err != nil {
		return nil, err
	}
	work, err := m.dir.sub("workers")
	if err != nil {
		return nil, err
	}
	cache := blob.NewCache()
	perSlot := int64(0)
	if cfg.Memory > 0 {
		perSlot = cfg.Memory / int64(cfg.Slots)
	}
	return process.New(process.Config{
		Fetch: func(ctx context.Context, from rpc.BlobGateway, key core.BlobKey) (string, error) {
			return cache.Fetch(ctx, from, key, programs)
		},
		Dir:           work,
		LogDir:        cfg.LogDir,
		MemoryPerSlot: perSlot,
		SlotsTotal:    cfg.Slots,
		Sandbox:       conf.WorkerSandbox.Get(c),
		Unresponsive:  conf.HeartbeatTimeout.Get(c),
		Log:           log,
	})
}

// listenData binds the data listener of a worker.
func listenData(c *conf.Config, host string) (net.Listener, error) {
	ports := onePort(conf.TaskManagerDataPort.Get(c))
	if bind, set := conf.TaskManagerDataBindPort.Lookup(c); set {
		ports = bind
	}
	return listen(host, ports, conf.TaskManagerDataPort.Key)
}

// hardware describes this machine (S-113).
func hardware() core.HardwareDescription {
	total, free := machineMemory()
	return core.HardwareDescription{CPUCores: goruntime.NumCPU(), PhysicalMemory: total, FreeMemory: free}
}

// Ready tells how the TaskManager is reached.
func (m *TaskManager) Ready() Ready { return m.ready }

// Done is closed when the TaskManager ended by itself: no JobManager took it in time, or it was told to go.
func (m *TaskManager) Done() <-chan struct{} { return m.executor.Done() }

// Err returns why Done was closed, nil if it was told to go.
func (m *TaskManager) Err() error { return m.executor.Err() }

// Close ends what was started, the last first; workers that do not end within ctx are killed. It is idempotent.
func (m *TaskManager) Close(ctx context.Context) error {
	m.closing.Do(func() { m.closed = m.close(ctx) })
	return m.closed
}

func (m *TaskManager) close(ctx context.Context) error {
	var errs []error
	if m.executor != nil {
		errs = append(errs, m.executor.Close(ctx))
	}
	if m.workers != nil {
		errs = append(errs, m.workers.Close())
	}
	if m.query != nil {
		errs = append(errs, m.query.Close(), m.metrics.Close())
	}
	if m.service != nil {
		errs = append(errs, m.service.Close())
	}
	if m.dir != nil {
		errs = append(errs, m.dir.close(true))
	}
	return errors.Join(errs...)
}
