package graph

import (
	"time"

	"github.com/flink-go/flink-go/core"
)

// FormatVersion is the version of the JSON form of a JobGraph. It rises when an older reader would misread a newer
// graph.
const FormatVersion = 1

// JobGraph is the unit of submission (S-122 to S-124). Its JSON form is the wire contract between clients and
// JobManagers.
type JobGraph struct {
	Version  int         `json:"version"`
	ID       core.JobID  `json:"id"`
	Name     string      `json:"name"`
	Hash     string      `json:"hash"` // over vertices and config, not over id: what a worker compares
	Config   JobConfig   `json:"config"`
	Vertices []JobVertex `json:"vertices"` // upstream before downstream
	Program  Program     `json:"program"`
	// Warnings are findings that do not stop the job, such as a stateful operator without a uid.
	Warnings []string `json:"warnings,omitempty"`
}

// Program is what a worker runs to get the operators back: a binary by content, with its arguments. The zero Blob
// means the program is the process that submits (embedded mode).
type Program struct {
	Blob core.BlobKey `json:"blob"`
	Name string       `json:"name"` // file name for people
	Args []string     `json:"args,omitempty"`
	// Dir is the client's working directory. A worker on a machine that has it starts there, so that relative paths
	// in the program's arguments mean the same as in the client; elsewhere it starts in a directory of its own.
	Dir string `json:"dir,omitempty"`
	// Settings are the configuration keys that the client gave for this job (-p, -D): a worker needs the same ones
	// to build the same graph.
	Settings map[string]string `json:"settings,omitempty"`
}

// JobConfig is what the program or the client set for the whole job.
type JobConfig struct {
	Parallelism    int               `json:"parallelism"`    // of operators that set none
	MaxParallelism int               `json:"maxParallelism"` // 0: derived per vertex
	BufferTimeout  time.Duration     `json:"bufferTimeout"`  // longest wait of a record in a part-filled buffer; 0: flush whenever idle
	Restart        RestartStrategy   `json:"restart"`
	RuntimeMode    string            `json:"runtimeMode"`      // STREAMING or BATCH
	ObjectReuse    bool              `json:"objectReuse"`      // always true; REST shows it
	Failover       string            `json:"failover"`         // "region" or "full"
	Params         map[string]string `json:"params,omitempty"` // global job parameters, shown by REST
	Chaining       bool              `json:"chaining"`
	StateBackend   string            `json:"stateBackend,omitempty"` // hashmap or pebble; "" leaves the choice to the cluster
}

// RestartStrategy says whether and when a failed job runs again; unused fields are zero. The zero value leaves the
// choice to the cluster's configuration.
type RestartStrategy struct {
	Type string `json:"type,omitempty"` // "none", "fixed-delay", "failure-rate", "exponential-delay"

	Attempts int           `json:"attempts,omitempty"` // fixed-delay: restarts before the job fails; exponential-delay: 0 is no limit
	Delay    time.Duration `json:"delay,omitempty"`    // fixed-delay, failure-rate: wait before a restart

	MaxFailures int           `json:"maxFailures,omitempty"` // failure-rate: failures allowed per interval
	Interval    time.Duration `json:"interval,omitempty"`

	InitialBackoff time.Duration `json:"initialBackoff,omitempty"` // exponential-delay
	MaxBackoff     time.Duration `json:"maxBackoff,omitempty"`
	Multiplier     float64       `json:"multiplier,omitempty"`
	ResetThreshold time.Duration `json:"resetThreshold,omitempty"` // running so long without failure resets the backoff
	Jitter         float64       `json:"jitter,omitempty"`         // share of the backoff that is random, 0 to 1
}

// JobVertex is a chain of operators that one task runs; its parallelism is the number of its subtasks.
type JobVertex struct {
	ID               core.VertexID `json:"id"`
	Name             string        `json:"name"`        // "Source: lines -> words"
	Description      string        `json:"description"` // the chain as a tree, "A<br/>+- B<br/>", for plans
	Parallelism      int           `json:"parallelism"`
	MaxParallelism   int           `json:"maxParallelism"`
	SlotSharingGroup string        `json:"slotSharingGroup"`
	Operators        []Operator    `json:"operators"` // the head first, upstream before downstream
	Inputs           []JobEdge     `json:"inputs,omitempty"`
	Source           bool          `json:"source,omitempty"`
}

// Operator is one verb of the program inside a chain.
type Operator struct {
	ID          core.OperatorID `json:"id"`
	UID         string          `json:"uid,omitempty"`
	Name        string          `json:"name"`
	Stateful    bool            `json:"stateful,omitempty"`
	Coordinated bool            `json:"coordinated,omitempty"` // a source whose splits the JobMaster hands out or whose watermarks it aligns
}

// JobEdge carries records of one operator of an upstream vertex to the head operator of this one.
type JobEdge struct {
	Source   core.VertexID `json:"source"`
	Output   int           `json:"output"` // which output edge of the source vertex; numbered over all its consumers
	Input    int           `json:"input"`  // which input of the head operator: 0, or 1 for the second of a Connect
	Strategy ShipStrategy  `json:"strategy"`
	Type     string        `json:"type"`          // record type, for people and for errors
	Schema   uint64        `json:"schema,string"` // fingerprint of the record type's layout
}

// ShipStrategy is how records of an edge choose their subtask, with Flink's names in plans.
type ShipStrategy string

// The ship strategies.
const (
	Forward   ShipStrategy = "FORWARD"   // subtask i to subtask i
	Hash      ShipStrategy = "HASH"      // by key group of the key
	Rebalance ShipStrategy = "REBALANCE" // round robin over all
	Rescale   ShipStrategy = "RESCALE"   // round robin over a local subset
	Shuffle   ShipStrategy = "SHUFFLE"   // at random
	Broadcast ShipStrategy = "BROADCAST" // to every subtask
	Global    ShipStrategy = "GLOBAL"    // all to subtask 0
	Custom    ShipStrategy = "CUSTOM"    // the program's own partitioner
)

// Vertex returns the vertex with this id, nil if there is none.
func (g *JobGraph) Vertex(id core.VertexID) *JobVertex {
	for i := range g.Vertices {
		if g.Vertices[i].ID == id {
			return &g.Vertices[i]
		}
	}
	return nil
}

// Targets returns the half-open range [from, to) of downstream subtasks that upstream subtask `subtask` sends to.
// Every strategy but Forward and Rescale reaches all of them. SourcesOf is its inverse.
func (s ShipStrategy) Targets(subtask, upstream, downstream int) (from, to int) {
	switch s {
	case Forward:
		return subtask, subtask + 1
	case Rescale:
		// Flink's pointwise pattern: each side is cut into as many groups as the smaller side has subtasks.
		if upstream <= downstream {
			return (subtask*downstream + upstream - 1) / upstream, ((subtask+1)*downstream + upstream - 1) / upstream
		}
		t := subtask * downstream / upstream
		return t, t + 1
	default:
		return 0, downstream
	}
}

// SourcesOf returns the half-open range [from, to) of upstream subtasks that send to downstream subtask `subtask`.
func (s ShipStrategy) SourcesOf(subtask, upstream, downstream int) (from, to int) {
	switch s {
	case Forward:
		return subtask, subtask + 1
	case Rescale:
		if upstream <= downstream {
			u := subtask * upstream / downstream
			return u, u + 1
		}
		return (subtask*upstream + downstream - 1) / downstream, ((subtask+1)*upstream + downstream - 1) / downstream
	default:
		return 0, upstream
	}
}
