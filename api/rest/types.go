package rest

import "github.com/flink-go/flink-go/core"

// Errors is the body of every answer that is an error. Flink's client takes an answer as an error only if it has this
// one field.
type Errors struct {
	Errors []string `json:"errors"`
}

// Overview is GET /overview.
type Overview struct {
	TaskManagers   int    `json:"taskmanagers"`
	SlotsTotal     int    `json:"slots-total"`
	SlotsAvailable int    `json:"slots-available"`
	JobsRunning    int    `json:"jobs-running"`
	JobsFinished   int    `json:"jobs-finished"`
	JobsCancelled  int    `json:"jobs-cancelled"`
	JobsFailed     int    `json:"jobs-failed"`
	FlinkVersion   string `json:"flink-version"`
	FlinkCommit    string `json:"flink-commit"`
}

// Configuration is GET /config: what the dashboard asks first.
type Configuration struct {
	RefreshInterval int64    `json:"refresh-interval"` // ms
	TimezoneName    string   `json:"timezone-name"`
	TimezoneOffset  int64    `json:"timezone-offset"` // ms
	FlinkVersion    string   `json:"flink-version"`
	FlinkRevision   string   `json:"flink-revision"`
	Features        Features `json:"features"`
}

// Features tells the dashboard what it may offer.
type Features struct {
	WebSubmit  bool `json:"web-submit"`
	WebCancel  bool `json:"web-cancel"`
	WebRescale bool `json:"web-rescale"`
	WebHistory bool `json:"web-history"`
}

// ConfigEntry is one line of GET /jobmanager/config, a bare array. Secrets are masked.
type ConfigEntry struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Environment is GET /jobmanager/environment. The JVM of its name is the Go runtime here.
type Environment struct {
	JVM       JVM      `json:"jvm"`
	ClassPath []string `json:"classpath"`
}

// JVM describes the process's runtime.
type JVM struct {
	Version string   `json:"version"`
	Arch    string   `json:"arch"`
	Options []string `json:"options"`
}

// Jobs is GET /jobs.
type Jobs struct {
	Jobs []JobIDAndStatus `json:"jobs"`
}

// JobIDAndStatus is one job of GET /jobs.
type JobIDAndStatus struct {
	ID     core.JobID     `json:"id"`
	Status core.JobStatus `json:"status"`
}

// JobsOverview is GET /jobs/overview.
type JobsOverview struct {
	Jobs []JobOverview `json:"jobs"`
}

// JobOverview is one job of GET /jobs/overview.
type JobOverview struct {
	ID               core.JobID     `json:"jid"`
	Name             string         `json:"name"`
	StartTime        int64          `json:"start-time"`
	EndTime          int64          `json:"end-time"` // -1 while it runs
	Duration         int64          `json:"duration"`
	State            core.JobStatus `json:"state"`
	LastModification int64          `json:"last-modification"`
	Tasks            map[string]int `json:"tasks"` // by task state in lower case, and "total"
	PendingOperators int            `json:"pending-operators"`
}

// JobStatusInfo is GET /jobs/:jobid/status.
type JobStatusInfo struct {
	Status core.JobStatus `json:"status"`
}

// Job is GET /jobs/:jobid.
type Job struct {
	ID               core.JobID       `json:"jid"`
	Name             string           `json:"name"`
	Stoppable        bool             `json:"isStoppable"`
	State            core.JobStatus   `json:"state"`
	Type             string           `json:"job-type"`
	StartTime        int64            `json:"start-time"`
	EndTime          int64            `json:"end-time"`
	Duration         int64            `json:"duration"`
	MaxParallelism   int              `json:"maxParallelism"`
	Now              int64            `json:"now"`
	Timestamps       map[string]int64 `json:"timestamps"` // by job state, 0: never
	Vertices         []Vertex         `json:"vertices"`
	StatusCounts     map[string]int   `json:"status-counts"` // vertices by state, upper case
	Plan             Plan             `json:"plan"`
	PendingOperators int              `json:"pending-operators"`
}

// Vertex is a vertex inside Job.
type Vertex struct {
	ID               core.VertexID  `json:"id"`
	SlotSharingGroup string         `json:"slotSharingGroupId"`
	Name             string         `json:"name"`
	MaxParallelism   int            `json:"maxParallelism"`
	Parallelism      int            `json:"parallelism"`
	Status           string         `json:"status"`
	StartTime        int64          `json:"start-time"`
	EndTime          int64          `json:"end-time"`
	Duration         int64          `json:"duration"`
	Tasks            map[string]int `json:"tasks"` // subtasks by state, upper case
	Metrics          IOMetrics      `json:"metrics"`
}

// IOMetrics are the counters of a subtask or of all subtasks of a vertex.
type IOMetrics struct {
	ReadBytes             uint64 `json:"read-bytes"`
	ReadBytesComplete     bool   `json:"read-bytes-complete"`
	WriteBytes            uint64 `json:"write-bytes"`
	WriteBytesComplete    bool   `json:"write-bytes-complete"`
	ReadRecords           uint64 `json:"read-records"`
	ReadRecordsComplete   bool   `json:"read-records-complete"`
	WriteRecords          uint64 `json:"write-records"`
	WriteRecordsComplete  bool   `json:"write-records-complete"`
	AccumulatedBackpress  int64  `json:"accumulated-backpressured-time"` // ms
	AccumulatedIdleMillis int64  `json:"accumulated-idle-time"`
	AccumulatedBusyMillis int64  `json:"accumulated-busy-time"`
}

// JobPlan is GET /jobs/:jobid/plan and /jars/:jarid/plan.
type JobPlan struct {
	Plan Plan `json:"plan"`
}

// Plan is the graph of a job for people.
type Plan struct {
	ID    core.JobID `json:"jid"`
	Name  string     `json:"name"`
	Type  string     `json:"type"`
	Nodes []PlanNode `json:"nodes"`
}

// PlanNode is a vertex of a plan. Sources have no inputs field.
type PlanNode struct {
	ID                  core.VertexID     `json:"id"`
	Parallelism         int               `json:"parallelism"`
	Operator            string            `json:"operator"`
	OperatorStrategy    string            `json:"operator_strategy"`
	Description         string            `json:"description"`
	Inputs              []PlanInput       `json:"inputs,omitempty"`
	OptimizerProperties map[string]string `json:"optimizer_properties"`
}

// PlanInput is an edge of a plan.
type PlanInput struct {
	Num          int           `json:"num"`
	ID           core.VertexID `json:"id"`
	ShipStrategy string        `json:"ship_strategy"`
	Exchange     string        `json:"exchange"`
}

// JobConfiguration is GET /jobs/:jobid/config.
type JobConfiguration struct {
	ID              core.JobID      `json:"jid"`
	Name            string          `json:"name"`
	ExecutionConfig ExecutionConfig `json:"execution-config"`
}

// ExecutionConfig is what the program set for the whole job.
type ExecutionConfig struct {
	RestartStrategy string            `json:"restart-strategy"`
	JobParallelism  int               `json:"job-parallelism"`
	ObjectReuse     bool              `json:"object-reuse-mode"`
	UserConfig      map[string]string `json:"user-config"`
}

// Exceptions is GET /jobs/:jobid/exceptions.
type Exceptions struct {
	History ExceptionHistory `json:"exceptionHistory"`
}

// ExceptionHistory lists failures, newest first.
type ExceptionHistory struct {
	Entries   []Exception `json:"entries"`
	Truncated bool        `json:"truncated"`
}

// Exception is one failure; one of the whole job has no task.
type Exception struct {
	Name        string            `json:"exceptionName"`
	Stack       string            `json:"stacktrace"`
	Timestamp   int64             `json:"timestamp"`
	Labels      map[string]string `json:"failureLabels"`
	Task        string            `json:"taskName,omitempty"`
	Endpoint    string            `json:"endpoint,omitempty"`
	TaskManager string            `json:"taskManagerId,omitempty"`
	// Concurrent are failures that came with this one; those have none of their own.
	Concurrent []Exception `json:"concurrentExceptions,omitempty"`
}

// JobAccumulators is GET /jobs/:jobid/accumulators.
type JobAccumulators struct {
	Job        []Accumulator     `json:"job-accumulators"` // always empty, as Flink's
	UserTask   []Accumulator     `json:"user-task-accumulators"`
	Serialized map[string]string `json:"serialized-user-task-accumulators"` // Java objects in Flink, empty here
}

// Accumulator is an accumulator by name, kind and JSON text.
type Accumulator struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Status ids of operations that take their time.
const (
	InProgress = "IN_PROGRESS"
	Completed  = "COMPLETED"
)

// StatusID is the status of an operation that takes its time.
type StatusID struct {
	ID string `json:"id"`
}

// ExecutionResult is GET /jobs/:jobid/execution-result.
type ExecutionResult struct {
	Status StatusID   `json:"status"`
	Result *JobResult `json:"job-execution-result,omitempty"`
}

// JobResult is how a job ended.
type JobResult struct {
	ID                core.JobID        `json:"id"`
	ApplicationStatus string            `json:"application-status"` // SUCCEEDED, FAILED, CANCELED
	Accumulators      map[string]string `json:"accumulator-results"`
	NetRuntime        int64             `json:"net-runtime"` // ms
	Failure           *FailureCause     `json:"failure-cause,omitempty"`
}

// FailureCause is a failure as Flink's clients read it: they need the serialized form.
type FailureCause struct {
	Class      string `json:"class"`
	StackTrace string `json:"stack-trace"`
	Serialized []byte `json:"serialized-throwable"`
}

// Progress is GET /jobs/:jobid/progress, a path of flink-go: what a client shows while it waits. Counters are totals
// over current attempts; rates are differences of two answers.
type Progress struct {
	ID         core.JobID     `json:"id"`
	Name       string         `json:"name"`
	State      core.JobStatus `json:"state"`
	StartTime  int64          `json:"start-time"`
	EndTime    int64          `json:"end-time"`
	Now        int64          `json:"now"`
	Tasks      map[string]int `json:"tasks"` // subtasks by state, upper case
	TasksTotal int            `json:"tasks-total"`
	RecordsIn  uint64         `json:"records-in"`  // into the job: read by its sources
	RecordsOut uint64         `json:"records-out"` // out of the job: read by vertices without consumers
	Restarts   int            `json:"restarts"`
	// Waiting says what a job that makes no progress waits for, "" if it does not wait.
	Waiting string `json:"waiting,omitempty"`
	// Failure is why it failed, or why it last restarted.
	Failure string `json:"failure,omitempty"`
}

// BlobInfo is GET /blobs/:key, a path of flink-go: the JobManager has a binary of this content.
type BlobInfo struct {
	Key  core.BlobKey `json:"key"`
	Size int64        `json:"size"`
}
