package cluster

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	"github.com/flink-go/flink-go/runtime/dispatcher"
	"github.com/flink-go/flink-go/runtime/driver"
	"github.com/flink-go/flink-go/runtime/jobmaster"
	"github.com/flink-go/flink-go/runtime/resourcemanager"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
	"github.com/flink-go/flink-go/slots"
)

// control is the control plane of a cluster: what a JobManager process and an embedded cluster have in common.
type control struct {
	rm         *resourcemanager.ResourceManager
	dispatcher *dispatcher.Dispatcher
}

// startControl starts ResourceManager and Dispatcher on service. The driver belongs to the ResourceManager from now
// on. shutDown is called when a client wants the cluster to end; it must not block. unused is told of programs that no
// job needs any more. Both may be nil.
func startControl(c *conf.Config, log *slog.Logger, service rpc.Service, d driver.Driver, shutDown func(), unused func(core.BlobKey)) (*control, error) {
	heartbeat := rpc.HeartbeatConfig{
		Interval:         conf.HeartbeatInterval.Get(c),
		Timeout:          conf.HeartbeatTimeout.Get(c),
		FailureThreshold: conf.HeartbeatRPCFailureThreshold.Get(c),
	}
	rm, err := resourcemanager.New(resourcemanager.Config{
		Service:     service,
		Log:         log,
		Driver:      d,
		Slots:       slotManagerConfig(c),
		Heartbeat:   heartbeat,
		CallTimeout: conf.PekkoAskTimeout.Get(c),
	})
	if err != nil {
		return nil, err
	}
	disp := dispatcher.New(dispatcher.Config{
		Log:          log,
		Expiration:   conf.JobStoreExpirationTime.Get(c),
		MaxCapacity:  conf.JobStoreMaxCapacity.Get(c),
		ArchiveBytes: int64(conf.JobStoreCacheSize.Get(c)),
		ArchiveDir:   archiveDir(c),
		ShutDown:     shutDown,
		Unused:       unused,
		Slots:        func(ctx context.Context) (dispatcher.SlotCount, error) { return countSlots(ctx, rm) },
		NewJobMaster: func(job *graph.JobGraph) (dispatcher.JobMaster, error) {
			forJob, err := configOf(c, job)
			if err != nil {
				return nil, err
			}
			return jobmaster.New(jobMasterConfig(forJob, log, service, rm.Address(), job))
		},
	})
	if err := service.Serve(dispatcher.EndpointName, core.Token{}, disp); err != nil {
		_ = disp.Close() // the first error counts
		_ = rm.Close()
		return nil, err
	}
	return &control{rm, disp}, nil
}

// archiveDir is the local folder for ended jobs; Flink writes it as a URI.
func archiveDir(c *conf.Config) string {
	return strings.TrimPrefix(strings.TrimPrefix(conf.JobManagerArchiveFSDir.Get(c), "file://"), "file:")
}

// configOf is c with what the client of a job may set for it.
func configOf(c *conf.Config, job *graph.JobGraph) (*conf.Config, error) {
	settings := map[string]string{}
	for _, key := range []string{conf.SlotRequestTimeout.Key, conf.SlotIdleTimeout.Key} {
		if v, ok := job.Program.Settings[key]; ok {
			settings[key] = v
		}
	}
	if len(settings) == 0 {
		return c, nil
	}
	return c.With(settings, "client of job "+job.ID.String())
}

func countSlots(ctx context.Context, rm *resourcemanager.ResourceManager) (dispatcher.SlotCount, error) {
	n, err := rm.Overview(ctx)
	return dispatcher.SlotCount{TaskManagers: n.TaskManagers, Total: n.Slots, Free: n.Free}, err
}

func slotManagerConfig(c *conf.Config) slots.ManagerConfig {
	// A standalone cluster begins without TaskManagers: nobody is told that there are too few while they are coming.
	startUp, set := conf.ResourceManagerStandaloneStartUpTime.Lookup(c)
	if !set {
		startUp = conf.SlotRequestTimeout.Get(c)
	}
	return slots.ManagerConfig{
		MinSlots:            conf.SlotManagerNumberOfSlotsMin.Get(c),
		MaxSlots:            conf.SlotManagerNumberOfSlotsMax.Get(c),
		Redundant:           conf.SlotManagerRedundantTaskManagerNum.Get(c),
		TaskManagerTimeout:  conf.ResourceManagerTaskManagerTimeout.Get(c),
		RegistrationTimeout: conf.ResourceManagerTaskManagerRegistrationTimeout.Get(c),
		StartUp:             startUp,
	}
}

// reportInterval is the longest time between two reports of a job's tasks. They travel with heartbeats, and somebody
// may be looking at the job.
const reportInterval = 2 * time.Second

func jobMasterConfig(c *conf.Config, log *slog.Logger, service rpc.Service, rm rpc.Address, job *graph.JobGraph) jobmaster.Config {
	return jobmaster.Config{
		Job:                job,
		Service:            service,
		Log:                log,
		ResourceManager:    func(context.Context) (rpc.Address, error) { return rm, nil },
		BlobAddress:        service.Address(),
		Restart:            graph.RestartStrategy(c.Restart()),
		Failover:           conf.JobManagerExecutionFailoverStrategy.Get(c),
		SlotRequestTimeout: conf.SlotRequestTimeout.Get(c),
		SlotIdleTimeout:    conf.SlotIdleTimeout.Get(c),
		HeartbeatInterval:  min(conf.HeartbeatInterval.Get(c), reportInterval),
		HeartbeatTimeout:   conf.HeartbeatTimeout.Get(c),
		RPCTimeout:         conf.PekkoAskTimeout.Get(c),
		ExceptionHistory:   conf.WebExceptionHistorySize.Get(c),
	}
}

// taskExecutorConfig is the part of a TaskExecutor's configuration that every kind of cluster has.
func taskExecutorConfig(c *conf.Config, log *slog.Logger) taskexecutor.Config {
	return taskexecutor.Config{
		Slots:               conf.TaskManagerNumberOfTaskSlots.Get(c),
		Settings:            c.Settings(),
		RegistrationTimeout: conf.TaskManagerRegistrationTimeout.Get(c),
		SlotTimeout:         conf.TaskManagerSlotTimeout.Get(c),
		CancellationTimeout: conf.TaskCancellationTimeout.Get(c),
		CallTimeout:         conf.PekkoAskTimeout.Get(c),
		Log:                 log,
	}
}
