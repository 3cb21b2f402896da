package scheduler

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// ExecutionGraph is one run of a job (S-091, S-111): its vertices, their subtasks, the current attempt of each, the
// slots they share and the state of the job. It owns the job's decisions and none of its means: each method takes an
// event and the time, and returns what is to be done, in order.
//
// One goroutine calls it. Every event costs at most vertices x parallelism, whatever the edges.
type ExecutionGraph struct {
	job     *graph.JobGraph
	id      core.GraphID
	restart restarter
	full    bool // failover restarts all regions

	state    jobState
	stamps   map[core.JobStatus]int64
	vertices []vertex
	tasks    []task // of all vertices, in their order
	byVertex map[core.VertexID]int
	slots    []sharedSlot
	onTM     map[core.ResourceID]map[int]*sharedSlot // held slots
	regions  []region

	live     int // attempts that are deployed and have not ended
	finished int // subtasks whose current attempt is FINISHED
	stopping int // regions in regionStopping
	restarts int
	failure  *FailureInfo
	history  history

	// What the event in progress has gathered; see begin and end.
	now       time.Time
	out       []Effect
	failures  []failed
	loss      bool // of slots or workers, and whatever fails fails because of it
	explained bool // why what was being canceled has failed
	ready     []*region
	wanted    []*sharedSlot
	unneeded  []int
	cancels   map[core.ResourceID][]core.ExecutionAttemptID
}

// failed is a subtask that failed in the event in progress; task is nil for a failure of the whole job.
type failed struct {
	task *task
	info FailureInfo
}

// Config says how to run a job. Job is read-only from now on.
type Config struct {
	Job   *graph.JobGraph
	Graph core.GraphID
	// Restart and Failover are the cluster's choice for a job that makes none; their zero values are
	// exponential-delay and "region".
	Restart  graph.RestartStrategy
	Failover string
	History  int            // failures to keep, at least 1
	Jitter   func() float64 // a number in [0, 1); nil: random
}

// New makes the ExecutionGraph of a job, in state CREATED. It returns an error of kind Invalid or TooLarge for a job
// that can never run; see Check.
func New(cfg Config, now time.Time) (*ExecutionGraph, error) {
	job := cfg.Job
	if err := Check(job); err != nil {
		return nil, err
	}
	strategy := job.Config.Restart
	if strategy.Type == "" {
		strategy = cfg.Restart
	}
	jitter := cfg.Jitter
	if jitter == nil {
		jitter = rand.Float64
	}
	restart, err := newRestarter(strategy, jitter)
	if err != nil {
		return nil, core.E("check job graph", core.Invalid, job.ID.String(), err)
	}
	failover := cmp.Or(job.Config.Failover, cfg.Failover, "region")
	if failover != "region" && failover != "full" {
		return nil, core.E("check job graph", core.Invalid, job.ID.String(),
			fmt.Errorf("unknown failover strategy %q, want region or full", clip(failover)))
	}
	x := &ExecutionGraph{
		job:      job,
		id:       cfg.Graph,
		restart:  restart,
		full:     failover == "full",
		stamps:   map[core.JobStatus]int64{core.JobInitializing: now.UnixMilli(), core.JobCreated: now.UnixMilli()},
		byVertex: vertexIndex(job),
		onTM:     map[core.ResourceID]map[int]*sharedSlot{},
		history:  history{limit: max(cfg.History, 1)},
		cancels:  map[core.ResourceID][]core.ExecutionAttemptID{},
	}
	x.state = created{x}
	x.build(now)
	return x, nil
}

// build makes vertices, subtasks, shared slots and regions.
func (x *ExecutionGraph) build(now time.Time) {
	first := make([]int, len(x.job.Vertices))
	total := 0
	size := map[string]int{} // slots of each sharing group
	var groups []string
	for i := range x.job.Vertices {
		v := &x.job.Vertices[i]
		first[i] = total
		total += v.Parallelism
		if _, known := size[v.SlotSharingGroup]; !known {
			groups = append(groups, v.SlotSharingGroup)
		}
		size[v.SlotSharingGroup] = max(size[v.SlotSharingGroup], v.Parallelism)
	}
	base := map[string]int{}
	for _, g := range groups {
		base[g] = len(x.slots)
		for range size[g] {
			x.slots = append(x.slots, sharedSlot{id: len(x.slots), group: g})
		}
	}
	regionOf, n := regionsOf(x.job, first, total)
	x.regions = make([]region, n)
	for i := range x.regions {
		x.regions[i].id = i
	}
	x.tasks = make([]task, total)
	x.vertices = make([]vertex, len(x.job.Vertices))
	for i := range x.job.Vertices {
		v := &x.vertices[i]
		v.index, v.JobVertex = i, &x.job.Vertices[i]
		v.tasks = x.tasks[first[i] : first[i]+v.Parallelism]
		for s := range v.tasks {
			t := &v.tasks[s]
			t.vertex, t.subtask = v, s
			t.region = &x.regions[regionOf[first[i]+s]]
			t.slot = &x.slots[base[v.SlotSharingGroup]+s]
			t.region.tasks = append(t.region.tasks, t)
			t.slot.tasks = append(t.slot.tasks, t)
			t.slot.needed++
			t.now.enter(core.ExecutionCreated, now)
		}
	}
	for i := range x.slots {
		s := &x.slots[i]
		for _, t := range s.tasks {
			// The tasks of a slot are as many as its group has vertices, and a region's tasks mostly follow one another.
			if !slices.Contains(s.regions, t.region) {
				s.regions = append(s.regions, t.region)
				t.region.slots = append(t.region.slots, s)
				t.region.missing++
			}
		}
	}
}

// Graph is the id that all attempts of this run carry.
func (x *ExecutionGraph) Graph() core.GraphID { return x.id }

// Status is the state of the job.
func (x *ExecutionGraph) Status() core.JobStatus { return x.state.status() }

// begin starts an event, end completes it: what the event gathered becomes effects.
func (x *ExecutionGraph) begin(now time.Time) {
	if now.After(x.now) {
		x.now = now // time in a job never runs backwards
	}
}

func (x *ExecutionGraph) end() []Effect {
	if len(x.failures) > 0 {
		failures := x.failures
		x.failures = nil
		x.state.failed(failures)
	} else if x.loss {
		x.hasten()
	}
	x.loss, x.explained = false, false
	x.state.settle()
	if !x.state.schedules() {
		x.ready, x.wanted = nil, nil
	}
	x.flushCancels()
	if len(x.unneeded) > 0 {
		x.out = append(x.out, ReturnSlots{x.unneeded})
		x.unneeded = nil
	}
	x.request()
	x.deploy()
	out := x.out
	x.out = nil
	return out
}
