package stream

import (
	"maps"
	"time"

	"github.com/flink-go/flink-go/graph"
)

// DefaultBufferTimeout is the longest wait of a record in a part-filled buffer unless set otherwise: long enough to
// gather records at high rates, short enough not to be seen in latencies.
const DefaultBufferTimeout = 150 * time.Microsecond

// Env is what a program builds its graph in. One goroutine uses it. Its settings hold for the whole job and return
// the Env; they win over the configuration (Flink's precedence).
type Env struct {
	name   string
	config graph.JobConfig
	nodes  []*node
	faults graph.Faults

	watermarkInterval time.Duration // negative: not set
	onError           ErrorPolicy
}

// NewEnv begins a program. settings are configuration keys that stand for what the program does not set:
// parallelism.default, pipeline.max-parallelism, restart-strategy.type and so on; other keys are ignored. api/job
// calls it for programs that it runs.
func NewEnv(name string, settings map[string]string) *Env {
	e := &Env{name: name, config: graph.JobConfig{
		Parallelism:   1,
		BufferTimeout: DefaultBufferTimeout,
		RuntimeMode:   string(Streaming),
		ObjectReuse:   true,
		Failover:      "region",
		Chaining:      true,
	}, watermarkInterval: -1}
	e.apply(settings)
	return e
}

// Name names the job.
func (e *Env) Name(name string) *Env {
	if err := graph.CheckName(name); err != nil {
		e.fault("job name: %v", err)
	}
	e.name = name
	return e
}

// JobName returns the job's name.
func (e *Env) JobName() string { return e.name }

// Parallelism sets the number of subtasks of operators that set none.
func (e *Env) Parallelism(n int) *Env {
	if n < 1 {
		e.fault("parallelism %d: want at least 1", n)
		return e
	}
	e.config.Parallelism = n
	return e
}

// MaxParallelism sets the number of key groups, and so the limit of parallelism, of operators that set none.
func (e *Env) MaxParallelism(n int) *Env {
	if n < 1 {
		e.fault("max parallelism %d: want at least 1", n)
		return e
	}
	e.config.MaxParallelism = n
	return e
}

// BufferTimeout sets the longest wait of a record in a part-filled buffer. 0 flushes whenever a task is idle: lowest
// latency, most work per record.
func (e *Env) BufferTimeout(d time.Duration) *Env {
	if d < 0 {
		e.fault("buffer timeout %v: want at least 0", d)
	}
	e.config.BufferTimeout = d
	return e
}

// RestartStrategy says whether and when the job runs again after a failure.
func (e *Env) RestartStrategy(s RestartStrategy) *Env {
	if s.Type == "" {
		e.fault("restart strategy: make one with NoRestart, FixedDelay, FailureRate or ExponentialDelay")
	}
	e.config.Restart = s
	return e
}

// RuntimeMode is what a job does with bounded input.
type RuntimeMode string

// The runtime modes.
const (
	Streaming RuntimeMode = "STREAMING"
	Batch     RuntimeMode = "BATCH"
)

// RuntimeMode chooses between Streaming, the default, and Batch, in which keyed aggregates that say nothing else emit
// final values only, as Flink documents it. Both exchange records as they come; an aggregate over an unbounded source
// emits nothing in Batch.
func (e *Env) RuntimeMode(m RuntimeMode) *Env {
	if m != Streaming && m != Batch {
		e.fault("runtime mode %q: want %s or %s", m, Streaming, Batch)
	}
	e.config.RuntimeMode = string(m)
	return e
}

// StateBackend says where the keyed state of a job is kept.
type StateBackend string

// The state backends.
const (
	HashMap StateBackend = "hashmap" // in memory: the faster one
	Pebble  StateBackend = "pebble"  // on local disk, with what was used last in memory: for state larger than memory
)

// StateBackend chooses where keyed state is kept. Without it the configuration does, by state.backend.type: that of the
// client or else that of the cluster, which is HashMap unless set.
func (e *Env) StateBackend(b StateBackend) *Env {
	if b != HashMap && b != Pebble {
		e.fault("state backend %q: want %s or %s", b, HashMap, Pebble)
	}
	e.config.StateBackend = string(b)
	return e
}

// DisableChaining gives every operator a task of its own.
func (e *Env) DisableChaining() *Env {
	e.config.Chaining = false
	return e
}

// Params adds global job parameters: functions read them by RuntimeContext.Param, and the dashboard shows them.
func (e *Env) Params(params map[string]string) *Env {
	if e.config.Params == nil {
		e.config.Params = make(map[string]string, len(params))
	}
	maps.Copy(e.config.Params, params)
	return e
}

// Config returns the settings in force.
func (e *Env) Config() graph.JobConfig { return e.config }

// RestartStrategy says whether and when a failed job runs again.
type RestartStrategy = graph.RestartStrategy

// NoRestart lets the job fail with its first failure.
func NoRestart() RestartStrategy { return RestartStrategy{Type: "none"} }

// FixedDelay restarts up to attempts times, each after delay.
func FixedDelay(attempts int, delay time.Duration) RestartStrategy {
	return RestartStrategy{Type: "fixed-delay", Attempts: attempts, Delay: delay}
}

// FailureRate restarts after delay unless there were more than failures within interval.
func FailureRate(failures int, interval, delay time.Duration) RestartStrategy {
	return RestartStrategy{Type: "failure-rate", MaxFailures: failures, Interval: interval, Delay: delay}
}

// ExponentialDelay restarts after a delay that grows from initial to limit while the job keeps failing, with
// Flink's defaults for the rest.
func ExponentialDelay(initial, limit time.Duration) RestartStrategy {
	return RestartStrategy{Type: "exponential-delay", InitialBackoff: initial, MaxBackoff: limit, Multiplier: 1.5,
		ResetThreshold: time.Hour, Jitter: 0.1}
}

// StreamGraph returns what the program built, or all of its faults as a graph.Faults. It is called once, when the
// program is complete.
func (e *Env) StreamGraph() (*graph.StreamGraph, error) {
	sg := &graph.StreamGraph{Name: e.name, Config: e.config}
	faults := e.faults
	for _, n := range e.nodes {
		n.New = n.guarded()
		sg.Nodes = append(sg.Nodes, &n.StreamNode)
		if n.only > 0 && n.Parallelism != n.only {
			faults = append(faults, graph.Fault{Position: n.Position,
				Text: faultText("source %q runs at parallelism %d only, not %d", n.Name, n.only, n.Parallelism)})
		}
	}
	faults = append(faults, sg.Faults()...)
	if len(faults) > 0 {
		return nil, faults
	}
	return sg, nil
}
