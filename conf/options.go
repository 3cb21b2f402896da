package conf

import (
	"math"
	"time"
)

// The options in force, by component, in the order of the reference page. Defaults are Flink's unless the option says why not.
var (
	// JobManager (RPC, processes, scheduler).
	JobManagerRPCAddress                = Option[string]{Key: "jobmanager.rpc.address", Type: text(), Default: "localhost", Doc: "host where TaskManagers find the JobManager"}
	JobManagerRPCPort                   = Option[int]{Key: "jobmanager.rpc.port", Type: port(), Default: 6123, Doc: "port of the internal RPC"}
	JobManagerRPCBindPort               = Option[int]{Key: "jobmanager.rpc.bind-port", Type: port(), Optional: true, Doc: "port really bound behind NAT"}
	JobManagerBindHost                  = Option[string]{Key: "jobmanager.bind-host", Type: text(), Default: "localhost", Doc: "local interface the JobManager listens on"}
	JobManagerResourceID                = Option[string]{Key: "jobmanager.resource-id", Type: text(), Optional: true, Doc: "fixed identity of this JobManager"}
	JobManagerExecutionFailoverStrategy = Option[string]{Key: "jobmanager.execution.failover-strategy", Type: enum("region", "full"), Default: "region", Doc: "restart region only or whole job"}

	// TaskManager.
	TaskManagerHost                = Option[string]{Key: "taskmanager.host", Type: text(), Optional: true, Doc: "address a TaskManager announces; unset: the one it is bound to"}
	TaskManagerBindHost            = Option[string]{Key: "taskmanager.bind-host", Type: text(), Default: "localhost", Doc: "local interface a TaskManager listens on"}
	TaskManagerRPCPort             = Option[Ports]{Key: "taskmanager.rpc.port", Type: ports(), Default: Ports{{0, 0}}, Doc: "RPC port of a TaskManager, range allowed"}
	TaskManagerDataPort            = Option[int]{Key: "taskmanager.data.port", Type: port(), Doc: "port of the data exchange of a TaskManager"}
	TaskManagerDataBindPort        = Option[Ports]{Key: "taskmanager.data.bind-port", Type: ports(), Optional: true, Doc: "data port bound behind NAT"}
	TaskManagerResourceID          = Option[string]{Key: "taskmanager.resource-id", Type: text(), Optional: true, Doc: "fixed identity of this TaskManager"}
	TaskManagerNumberOfTaskSlots   = Option[int]{Key: "taskmanager.numberOfTaskSlots", Type: integer(1, 32768), Default: 1, Doc: "slots of one TaskManager"}
	TaskManagerRegistrationTimeout = Option[time.Duration]{Key: "taskmanager.registration.timeout", Type: duration(0), Default: 5 * time.Minute, Doc: "a TaskManager ends when it reaches no JobManager for so long", Older: []string{"taskmanager.maxRegistrationDuration"}}
	TaskManagerSlotTimeout         = Option[time.Duration]{Key: "taskmanager.slot.timeout", Type: duration(0), Default: 10 * time.Second, Doc: "inactive slot is freed after", Else: []string{"pekko.ask.timeout"}}
	TaskManagerLogPath             = Option[string]{Key: "taskmanager.log.path", Type: text(), Optional: true, Doc: "file served as the log of the TaskManager; unset: the log in env.log.dir"}
	TaskCancellationTimeout        = Option[time.Duration]{Key: "task.cancellation.timeout", Type: duration(0), Default: 3 * time.Minute, Doc: "a worker whose tasks ignore a cancel for so long is killed"}
	IOTmpDirs                      = Option[[]string]{Key: "io.tmp.dirs", Type: list(), Optional: true, Doc: "spill and scratch directories; unset: the system's", Older: []string{"taskmanager.tmp.dirs"}}
	ProcessWorkingDir              = Option[string]{Key: "process.working-dir", Type: text(), Optional: true, Doc: "base folder for process state; unset: the first of io.tmp.dirs"}
	WorkerSandbox                  = Option[string]{Key: "worker.sandbox", Type: enum("auto", "on", "off"), Default: "auto", Doc: "confines workers: auto as far as the system can, on refuses to start where it cannot"}

	// TaskManager memory (shown on the UI memory page, budget for a Go worker).
	TaskManagerMemoryProcessSize     = Option[MemorySize]{Key: "taskmanager.memory.process.size", Type: memory(32 << 20), Optional: true, Doc: "memory of all workers of a TaskManager; unset: what the machine or its cgroup has"}
	TaskManagerMemoryManagedSize     = Option[MemorySize]{Key: "taskmanager.memory.managed.size", Type: memory(0), Optional: true, Doc: "memory that state on disk may use, of all slots of a TaskManager together; unset: taskmanager.memory.managed.fraction of taskmanager.memory.process.size, or 128 mb per slot if that is not set either", Older: []string{"taskmanager.memory.size"}}
	TaskManagerMemoryManagedFraction = Option[float64]{Key: "taskmanager.memory.managed.fraction", Type: number(0, 1), Default: 0.4, Doc: "share of taskmanager.memory.process.size that state on disk may use"}

	// Network, buffers, back-pressure.
	TaskManagerMemorySegmentSize            = Option[MemorySize]{Key: "taskmanager.memory.segment-size", Type: memory(4 << 10), Default: 32 << 10, Doc: "size of one network buffer"}
	ExecutionBufferTimeoutInterval          = Option[time.Duration]{Key: "execution.buffer-timeout.interval", Type: duration(0), Default: 150 * time.Microsecond, Doc: "longest wait of a record in a part-filled buffer (Flink: 100 ms); an idle task flushes at once when it is 0", Older: []string{"execution.buffer-timeout"}}
	TaskManagerNetworkRequestBackoffInitial = Option[int]{Key: "taskmanager.network.request-backoff.initial", Type: integer(0, infinite), Default: 100, Doc: "first wait for missing partition", Older: []string{"taskmanager.net.request-backoff.initial"}}
	TaskManagerNetworkRequestBackoffMax     = Option[int]{Key: "taskmanager.network.request-backoff.max", Type: integer(0, infinite), Default: 10000, Doc: "longest wait for missing partition", Older: []string{"taskmanager.net.request-backoff.max"}}

	// Slots and the resource manager.
	SlotRequestTimeout                            = Option[time.Duration]{Key: "slot.request.timeout", Type: duration(0), Default: 5 * time.Minute, Doc: "pending slot request fails after"}
	SlotIdleTimeout                               = Option[time.Duration]{Key: "slot.idle.timeout", Type: duration(0), Default: 50 * time.Second, Doc: "idle slot returns from pool"}
	SlotManagerNumberOfSlotsMax                   = Option[int]{Key: "slotmanager.number-of-slots.max", Type: integer(0, infinite), Default: infinite, Doc: "upper limit of cluster slots"}
	SlotManagerNumberOfSlotsMin                   = Option[int]{Key: "slotmanager.number-of-slots.min", Type: integer(0, infinite), Doc: "slots kept even when idle"}
	SlotManagerRedundantTaskManagerNum            = Option[int]{Key: "slotmanager.redundant-taskmanager-num", Type: integer(0, infinite), Doc: "spare TaskManagers kept ready"}
	ResourceManagerTaskManagerTimeout             = Option[time.Duration]{Key: "resourcemanager.taskmanager-timeout", Type: duration(0), Default: 30 * time.Second, Doc: "a TaskManager that is idle for so long is released", Older: []string{"slotmanager.taskmanager-timeout"}}
	ResourceManagerTaskManagerRegistrationTimeout = Option[time.Duration]{Key: "resourcemanager.taskmanager-registration.timeout", Type: duration(0), Default: 5 * time.Minute, Doc: "a TaskManager that was started must register within", Else: []string{"taskmanager.registration.timeout"}}
	ResourceManagerStandaloneStartUpTime          = Option[time.Duration]{Key: "resourcemanager.standalone.start-up-time", Type: duration(0), Optional: true, Doc: "grace period before failing requests"}
	ResourceManagerDriver                         = Option[string]{Key: "resourcemanager.driver", Type: enum("standalone", "process"), Default: "standalone", Doc: "standalone waits for TaskManagers, process starts them on this machine when slots are wanted"}

	// Parallelism, pipeline, execution.
	ParallelismDefault              = Option[int]{Key: "parallelism.default", Type: integer(1, 32768), Default: 1, Doc: "operator parallelism when unset"}
	PipelineName                    = Option[string]{Key: "pipeline.name", Type: text(), Optional: true, Doc: "job name shown everywhere"}
	PipelineMaxParallelism          = Option[int]{Key: "pipeline.max-parallelism", Type: integer(-1, 32768), Default: -1, Doc: "number of key groups cap"}
	PipelineObjectReuse             = Option[bool]{Key: "pipeline.object-reuse", Type: boolean(), Default: true, Doc: "records pass operators without a copy; false is not available"}
	PipelineOperatorChainingEnabled = Option[bool]{Key: "pipeline.operator-chaining.enabled", Type: boolean(), Default: true, Doc: "fuse neighbors into one task", Older: []string{"pipeline.operator-chaining"}}
	PipelineAutoWatermarkInterval   = Option[time.Duration]{Key: "pipeline.auto-watermark-interval", Type: duration(0), Optional: true, Doc: "time between two watermarks of a source (Flink: 200 ms); 0: only those that records carry; unset: when there is nothing more to read, and every 5 ms while there is"}
	PipelineGlobalJobParameters     = Option[map[string]string]{Key: "pipeline.global-job-parameters", Type: dict(), Optional: true, Doc: "user key values for UI"}
	ExecutionRuntimeMode            = Option[string]{Key: "execution.runtime-mode", Type: enum("STREAMING", "BATCH"), Default: "STREAMING", Doc: "BATCH: keyed aggregates emit final values only"}
	ExecutionTarget                 = Option[string]{Key: "execution.target", Type: enum("remote", "local", "per-job"), Optional: true, Doc: "where run submits to: remote, local or per-job"}

	// Restart strategies.
	RestartStrategyType                                       = Option[string]{Key: "restart-strategy.type", Type: restartType(), Default: "exponential-delay", Doc: "none, fixed-delay, failure-rate, exponential-delay", Older: []string{"restart-strategy"}}
	RestartStrategyFixedDelayAttempts                         = Option[int]{Key: "restart-strategy.fixed-delay.attempts", Type: integer(0, infinite), Default: 1, Doc: "restarts before the job fails"}
	RestartStrategyFixedDelayDelay                            = Option[time.Duration]{Key: "restart-strategy.fixed-delay.delay", Type: duration(0), Default: time.Second, Doc: "wait between two restarts"}
	RestartStrategyFailureRateMaxFailuresPerInterval          = Option[int]{Key: "restart-strategy.failure-rate.max-failures-per-interval", Type: integer(0, infinite), Default: 1, Doc: "failures allowed in one window"}
	RestartStrategyFailureRateFailureRateInterval             = Option[time.Duration]{Key: "restart-strategy.failure-rate.failure-rate-interval", Type: duration(0), Default: time.Minute, Doc: "length of that window"}
	RestartStrategyFailureRateDelay                           = Option[time.Duration]{Key: "restart-strategy.failure-rate.delay", Type: duration(0), Default: time.Second, Doc: "wait between two restarts"}
	RestartStrategyExponentialDelayInitialBackoff             = Option[time.Duration]{Key: "restart-strategy.exponential-delay.initial-backoff", Type: duration(0), Default: time.Second, Doc: "first wait before restart"}
	RestartStrategyExponentialDelayMaxBackoff                 = Option[time.Duration]{Key: "restart-strategy.exponential-delay.max-backoff", Type: duration(0), Default: time.Minute, Doc: "largest wait before restart"}
	RestartStrategyExponentialDelayBackoffMultiplier          = Option[float64]{Key: "restart-strategy.exponential-delay.backoff-multiplier", Type: number(1, math.Inf(1)), Default: 1.5, Doc: "growth of the wait"}
	RestartStrategyExponentialDelayJitterFactor               = Option[float64]{Key: "restart-strategy.exponential-delay.jitter-factor", Type: number(0, 1), Default: 0.1, Doc: "random share of the wait"}
	RestartStrategyExponentialDelayResetBackoffThreshold      = Option[time.Duration]{Key: "restart-strategy.exponential-delay.reset-backoff-threshold", Type: duration(0), Default: time.Hour, Doc: "healthy time resets the wait"}
	RestartStrategyExponentialDelayAttemptsBeforeResetBackoff = Option[int]{Key: "restart-strategy.exponential-delay.attempts-before-reset-backoff", Type: integer(0, infinite), Default: infinite, Doc: "failures allowed before giving up"}

	// State.
	StateBackendType           = Option[string]{Key: "state.backend.type", Type: stateBackend(), Default: "hashmap", Doc: "where keyed state is kept: hashmap (memory) or pebble (local disk, for state larger than memory; rocksdb means the same)", Older: []string{"state.backend"}}
	StateBackendPebbleLocalDir = Option[string]{Key: "state.backend.pebble.localdir", Type: text(), Optional: true, Doc: "folder for state on disk; unset: the working directory of the worker", Older: []string{"state.backend.rocksdb.localdir"}}

	// REST endpoint.
	RestAddress                = Option[string]{Key: "rest.address", Type: text(), Default: "localhost", Doc: "address that clients use", Else: []string{"jobmanager.rpc.address"}}
	RestPort                   = Option[int]{Key: "rest.port", Type: port(), Default: 8081, Doc: "port that clients use", Older: []string{"web.port"}}
	RestBindAddress            = Option[string]{Key: "rest.bind-address", Type: text(), Default: "localhost", Doc: "interface the server listens on", Older: []string{"jobmanager.web.address"}, Else: []string{"web.address"}}
	RestBindPort               = Option[Ports]{Key: "rest.bind-port", Type: ports(), Default: Ports{{8081, 8081}}, Doc: "port or range really bound", Older: []string{"jobmanager.web.port"}, Else: []string{"rest.port"}}
	RestPath                   = Option[string]{Key: "rest.path", Type: text(), Optional: true, Doc: "client: path part of the address"}
	RestConnectionTimeout      = Option[time.Duration]{Key: "rest.connection-timeout", Type: duration(0), Default: 15 * time.Second, Doc: "client connect gives up"}
	RestIdlenessTimeout        = Option[time.Duration]{Key: "rest.idleness-timeout", Type: duration(0), Default: 5 * time.Minute, Doc: "idle connection is closed"}
	RestRetryMaxAttempts       = Option[int]{Key: "rest.retry.max-attempts", Type: integer(0, infinite), Default: 20, Doc: "client retries on connection trouble"}
	RestRetryDelay             = Option[time.Duration]{Key: "rest.retry.delay", Type: duration(0), Default: 3 * time.Second, Doc: "client wait between retries"}
	RestServerMaxContentLength = Option[int]{Key: "rest.server.max-content-length", Type: integer(1, infinite), Default: 104857600, Doc: "largest request body accepted"}
	RestClientMaxContentLength = Option[int]{Key: "rest.client.max-content-length", Type: integer(1, infinite), Default: 104857600, Doc: "largest answer a client takes"}
	RestAuthType               = Option[string]{Key: "rest.auth.type", Type: enum("none", "token"), Default: "none", Doc: "who may use REST: everybody who reaches it, or who sends the bearer token"}
	RestAuthTokenFile          = Option[string]{Key: "rest.auth.token-file", Type: text(), Optional: true, Doc: "file with the token, readable by its owner only; unset: rest.token in the working directory"}
	RestAllowedHosts           = Option[[]string]{Key: "rest.allowed-hosts", Type: list(), Optional: true, Doc: "names under which REST is called, besides its own addresses; protects against DNS rebinding"}

	// Web dashboard.
	WebSubmitEnable             = Option[bool]{Key: "web.submit.enable", Type: boolean(), Default: true, Doc: "jar upload page on or off", Older: []string{"jobmanager.web.submit.enable"}}
	WebCancelEnable             = Option[bool]{Key: "web.cancel.enable", Type: boolean(), Default: true, Doc: "cancel button on or off"}
	WebRefreshInterval          = Option[time.Duration]{Key: "web.refresh-interval", Type: duration(0), Default: 3 * time.Second, Doc: "UI poll period, job cache age", Older: []string{"jobmanager.web.refresh-interval"}}
	WebUploadDir                = Option[string]{Key: "web.upload.dir", Type: text(), Optional: true, Doc: "uploaded jars survive restarts here", Older: []string{"jobmanager.web.upload.dir"}}
	WebTmpDir                   = Option[string]{Key: "web.tmpdir", Type: text(), Optional: true, Doc: "scratch folder of the REST server; unset: the first of io.tmp.dirs", Older: []string{"jobmanager.web.tmpdir"}}
	WebLogPath                  = Option[string]{Key: "web.log.path", Type: text(), Optional: true, Doc: "file served as the log of the JobManager", Older: []string{"jobmanager.web.log.path"}}
	WebTimeout                  = Option[time.Duration]{Key: "web.timeout", Type: duration(0), Default: 10 * time.Minute, Doc: "server side request gives up"}
	WebAccessControlAllowOrigin = Option[string]{Key: "web.access-control-allow-origin", Type: text(), Optional: true, Doc: "CORS header on each answer; unset: none is sent", Older: []string{"jobmanager.web.access-control-allow-origin"}}
	WebExceptionHistorySize     = Option[int]{Key: "web.exception-history-size", Type: integer(0, infinite), Default: 16, Doc: "exceptions kept per job"}
	WebGetCancelEnable          = Option[bool]{Key: "web.get-cancel.enable", Type: boolean(), Doc: "lets GET /jobs/:jobid/yarn-cancel cancel, as the dashboard of Flink does; a GET that changes something invites CSRF"}

	// Job store, results, cleanup.
	JobStoreExpirationTime = Option[time.Duration]{Key: "jobstore.expiration-time", Type: seconds(), Default: time.Hour, Doc: "time until finished jobs vanish; a plain number counts seconds"}
	JobStoreMaxCapacity    = Option[int]{Key: "jobstore.max-capacity", Type: integer(0, infinite), Default: infinite, Doc: "number of finished jobs kept"}
	JobStoreCacheSize      = Option[MemorySize]{Key: "jobstore.cache-size", Type: memory(0), Default: 50 << 20, Doc: "memory for finished jobs; the oldest leave first"}
	JobManagerArchiveFSDir = Option[string]{Key: "jobmanager.archive.fs.dir", Type: text(), Optional: true, Doc: "folder that gets a file for each finished job"}
	BlobStorageDirectory   = Option[string]{Key: "blob.storage.directory", Type: text(), Optional: true, Doc: "artifact cache folder"}

	// Heartbeats, RPC, client.
	HeartbeatInterval                 = Option[time.Duration]{Key: "heartbeat.interval", Type: duration(time.Millisecond), Default: 10 * time.Second, Doc: "period of liveness messages"}
	HeartbeatTimeout                  = Option[time.Duration]{Key: "heartbeat.timeout", Type: duration(time.Millisecond), Default: 50 * time.Second, Doc: "silence that means lost"}
	HeartbeatRPCFailureThreshold      = Option[int]{Key: "heartbeat.rpc-failure-threshold", Type: integer(-1, infinite), Default: 2, Doc: "failed sends that mean lost"}
	PekkoAskTimeout                   = Option[time.Duration]{Key: "pekko.ask.timeout", Type: duration(0), Default: 10 * time.Second, Doc: "internal call gives up", Older: []string{"akka.ask.timeout"}}
	ClusterRegistrationInitialTimeout = Option[time.Duration]{Key: "cluster.registration.initial-timeout", Type: duration(0), Default: 100 * time.Millisecond, Doc: "first registration wait"}
	ClusterRegistrationMaxTimeout     = Option[time.Duration]{Key: "cluster.registration.max-timeout", Type: duration(0), Default: 30 * time.Second, Doc: "largest registration wait"}
	ClusterServicesShutdownTimeout    = Option[time.Duration]{Key: "cluster.services.shutdown-timeout", Type: duration(0), Default: 30 * time.Second, Doc: "orderly stop gives up"}

	// Metrics and reporters.

	// Process environment (read by the shell scripts).
	EnvLogDir   = Option[string]{Key: "env.log.dir", Type: text(), Optional: true, Doc: "folder of log files"}
	EnvLogLevel = Option[string]{Key: "env.log.level", Type: enum("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"), Default: "INFO", Doc: "root logger level"}
	EnvLogMax   = Option[int]{Key: "env.log.max", Type: integer(0, infinite), Default: 10, Doc: "old log files kept"}
	EnvPidDir   = Option[string]{Key: "env.pid.dir", Type: text(), Default: "/tmp", Doc: "folder of pid files"}

	// TLS and security.
	SecurityInsecure = Option[bool]{Key: "security.insecure", Type: boolean(), Doc: "lets listeners without authentication bind more than loopback"}
)

// sections lists every option under the heading of its part of the reference page.
func sections() []section {
	return []section{
		{"JobManager (RPC, processes, scheduler)", []definition{
			JobManagerRPCAddress, JobManagerRPCPort, JobManagerRPCBindPort, JobManagerBindHost, JobManagerResourceID,
			JobManagerExecutionFailoverStrategy}},
		{"TaskManager", []definition{
			TaskManagerHost, TaskManagerBindHost, TaskManagerRPCPort, TaskManagerDataPort, TaskManagerDataBindPort,
			TaskManagerResourceID, TaskManagerNumberOfTaskSlots, TaskManagerRegistrationTimeout, TaskManagerSlotTimeout,
			TaskManagerLogPath, TaskCancellationTimeout, IOTmpDirs, ProcessWorkingDir,
			WorkerSandbox,
		}},
		{"TaskManager memory (shown on the UI memory page, budget for a Go worker)", []definition{
			TaskManagerMemoryProcessSize, TaskManagerMemoryManagedSize, TaskManagerMemoryManagedFraction,
		}},
		{"Network, buffers, back-pressure", []definition{
			TaskManagerMemorySegmentSize, ExecutionBufferTimeoutInterval, TaskManagerNetworkRequestBackoffInitial, TaskManagerNetworkRequestBackoffMax,
		}},
		{"Slots and the resource manager", []definition{
			SlotRequestTimeout, SlotIdleTimeout, SlotManagerNumberOfSlotsMax,
			SlotManagerNumberOfSlotsMin, SlotManagerRedundantTaskManagerNum, ResourceManagerTaskManagerTimeout,
			ResourceManagerTaskManagerRegistrationTimeout, ResourceManagerStandaloneStartUpTime, ResourceManagerDriver,
		}},
		{"Parallelism, pipeline, execution", []definition{
			ParallelismDefault, PipelineName, PipelineMaxParallelism, PipelineObjectReuse,
			PipelineOperatorChainingEnabled, PipelineAutoWatermarkInterval, PipelineGlobalJobParameters, ExecutionRuntimeMode, ExecutionTarget,
		}},
		{"Restart strategies", []definition{
			RestartStrategyType, RestartStrategyFixedDelayAttempts, RestartStrategyFixedDelayDelay,
			RestartStrategyFailureRateMaxFailuresPerInterval, RestartStrategyFailureRateFailureRateInterval,
			RestartStrategyFailureRateDelay, RestartStrategyExponentialDelayInitialBackoff,
			RestartStrategyExponentialDelayMaxBackoff, RestartStrategyExponentialDelayBackoffMultiplier,
			RestartStrategyExponentialDelayJitterFactor, RestartStrategyExponentialDelayResetBackoffThreshold,
			RestartStrategyExponentialDelayAttemptsBeforeResetBackoff,
		}},
		{"State", []definition{
			StateBackendType, StateBackendPebbleLocalDir,
		}},
		{"REST endpoint", []definition{
			RestAddress, RestPort, RestBindAddress, RestBindPort, RestPath, RestConnectionTimeout,
			RestIdlenessTimeout, RestRetryMaxAttempts, RestRetryDelay,
			RestServerMaxContentLength, RestClientMaxContentLength, RestAuthType, RestAuthTokenFile, RestAllowedHosts,
		}},
		{"Web dashboard", []definition{
			WebSubmitEnable, WebCancelEnable, WebRefreshInterval, WebUploadDir, WebTmpDir, WebLogPath, WebTimeout,
			WebAccessControlAllowOrigin, WebExceptionHistorySize, WebGetCancelEnable,
		}},
		{"Job store, results, cleanup", []definition{
			JobStoreExpirationTime, JobStoreMaxCapacity, JobStoreCacheSize, JobManagerArchiveFSDir,
			BlobStorageDirectory,
		}},
		{"Heartbeats, RPC, client", []definition{
			HeartbeatInterval, HeartbeatTimeout, HeartbeatRPCFailureThreshold, PekkoAskTimeout, ClusterRegistrationInitialTimeout, ClusterRegistrationMaxTimeout,
			ClusterServicesShutdownTimeout,
		}},
		{"Metrics and reporters", []definition{}},
		{"Process environment (read by the shell scripts)", []definition{
			EnvLogDir, EnvLogLevel, EnvLogMax, EnvPidDir,
		}},
		{"TLS and security", []definition{
			SecurityInsecure,
		}},
	}
}

type section struct {
	title   string
	options []definition
}
