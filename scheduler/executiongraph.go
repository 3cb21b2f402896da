package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/slots"
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
	now      time.Time
	out      []Effect
	failures []failed
	ready    []*region
	wanted   []*sharedSlot
	unneeded []int
	cancels  map[core.ResourceID][]core.ExecutionAttemptID
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

// Slots is how many slots the job needs when all of it runs.
func (x *ExecutionGraph) Slots() int { return len(x.slots) }

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
	}
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

// Start begins to schedule the job: CREATED becomes RUNNING, and all slots are asked for.
func (x *ExecutionGraph) Start(now time.Time) []Effect {
	x.begin(now)
	x.state.start()
	return x.end()
}

// Cancel asks for the end of the job.
func (x *ExecutionGraph) Cancel(now time.Time) []Effect {
	x.begin(now)
	x.state.cancel()
	return x.end()
}

// Fail is a failure of the job as a whole: all regions restart, if the strategy allows.
func (x *ExecutionGraph) Fail(now time.Time, cause FailureInfo) []Effect {
	x.begin(now)
	x.failures = append(x.failures, failed{nil, cause})
	return x.end()
}

// Tick restarts the regions that are due. Calling it early or again does no harm.
func (x *ExecutionGraph) Tick(now time.Time) []Effect {
	x.begin(now)
	return x.end()
}

// Assigned is a shared slot that the SlotPool has completed the request of. Host is the "host:port" of its
// TaskManager, for people.
type Assigned struct {
	ID   int
	Slot slots.PoolSlot
	Host string
}

// SlotsAssigned takes slots. Every region that has all of its slots now is deployed. It may come again for a slot
// whose data address has changed.
func (x *ExecutionGraph) SlotsAssigned(now time.Time, assigned []Assigned) []Effect {
	x.begin(now)
	for _, a := range assigned {
		if a.ID < 0 || a.ID >= len(x.slots) {
			continue
		}
		s := &x.slots[a.ID]
		switch {
		case s.held && s.Alloc == a.Slot.Alloc:
			s.PoolSlot = a.Slot
			continue
		case s.held, !s.requested:
			continue
		}
		s.PoolSlot, s.host, s.held, s.requested = a.Slot, a.Host, true, false
		tm := s.Slot.Resource
		if x.onTM[tm] == nil {
			x.onTM[tm] = map[int]*sharedSlot{}
		}
		x.onTM[tm][s.id] = s
		for _, r := range s.regions {
			r.missing--
			if r.missing == 0 && r.phase == regionWaiting {
				x.ready = append(x.ready, r)
			}
		}
	}
	return x.end()
}

// SlotsLost says that slots are gone for one cause, and with them what ran there. Regions that only waited wait on.
func (x *ExecutionGraph) SlotsLost(now time.Time, ids []int, cause FailureInfo) []Effect {
	x.begin(now)
	for _, id := range ids {
		if id < 0 || id >= len(x.slots) || !x.slots[id].held {
			continue
		}
		s := &x.slots[id]
		x.drop(s)
		for _, t := range s.tasks {
			if t.now.deployed() {
				x.fail(t, cause)
			}
		}
		x.want(s)
	}
	return x.end()
}

// drop takes a slot away from the regions that use it.
func (x *ExecutionGraph) drop(s *sharedSlot) {
	s.held = false
	tm := s.Slot.Resource
	delete(x.onTM[tm], s.id)
	if len(x.onTM[tm]) == 0 {
		delete(x.onTM, tm)
	}
	for _, r := range s.regions {
		r.missing++
	}
}

// SlotsFailed says that requests for slots have ended without one.
func (x *ExecutionGraph) SlotsFailed(now time.Time, ids []int, cause FailureInfo) []Effect {
	x.begin(now)
	for _, id := range ids {
		if id < 0 || id >= len(x.slots) || !x.slots[id].requested {
			continue
		}
		s := &x.slots[id]
		s.requested = false
		for _, t := range s.tasks {
			if t.region.phase == regionWaiting && t.now.state == core.ExecutionScheduled {
				x.fail(t, cause)
			}
		}
		x.want(s)
	}
	return x.end()
}

// TaskUpdate is what a TaskManager says about one attempt.
type TaskUpdate struct {
	Attempt      core.ExecutionAttemptID
	State        core.ExecutionState
	Cause        FailureInfo // of FAILED
	IO           core.IOMetrics
	HasIO        bool // IO says something
	Accumulators []core.Accumulator
}

// TaskStates takes state changes of attempts, in the order in which they happened. Late, repeated and impossible ones
// are ignored; an attempt that runs but should not is canceled (L-7).
func (x *ExecutionGraph) TaskStates(now time.Time, from core.ResourceID, updates []TaskUpdate) []Effect {
	x.begin(now)
	for i := range updates {
		x.update(from, &updates[i])
	}
	return x.end()
}

// Report takes all attempts that a TaskManager has (L-7): their counters, and what does not agree. An attempt that
// should not run is canceled, a cancel that was lost is repeated, and an attempt that two reports in a row do not list
// has failed. The end of an attempt is told by TaskStates alone, with its cause and in order.
func (x *ExecutionGraph) Report(now time.Time, from core.ResourceID, updates []TaskUpdate) []Effect {
	x.begin(now)
	seen := make(map[*task]bool, len(updates))
	for i := range updates {
		u := updates[i]
		over := u.State.Terminal()
		if over {
			u.State = core.ExecutionCreated // which changes nothing but the counters
		}
		t := x.attempt(u.Attempt)
		if over && (t == nil || !t.now.deployed()) {
			continue
		}
		if t = x.update(from, &u); t != nil {
			seen[t] = true
			if t.now.state == core.ExecutionCanceling && !over {
				x.cancelOn(from, u.Attempt)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(x.onTM[from])) {
		for _, t := range x.slots[id].tasks {
			if !t.now.deployed() || !t.now.arrived {
				continue
			}
			if seen[t] {
				t.now.missed = 0
				continue
			}
			if t.now.missed++; t.now.missed >= 2 {
				x.fail(t, FailureOf(core.E("run task", core.Unavailable, t.name(),
					fmt.Errorf("TaskManager %s does not have it any more", from)), x.now))
			}
		}
	}
	return x.end()
}

// Deployed says that the call to deploy attempts has been answered: from now on reports of the TaskManager list them.
func (x *ExecutionGraph) Deployed(d Deployment) {
	for _, td := range d.Tasks {
		if t := x.current(td.Vertex, td.Subtask, td.Attempt); t != nil {
			t.now.arrived = true
		}
	}
}

// DeployFailed says that a call to deploy attempts has failed. What became of it is unknown (L-3), so attempts that
// have not reported since then fail, and are canceled in case they do run.
func (x *ExecutionGraph) DeployFailed(now time.Time, d Deployment, cause FailureInfo) []Effect {
	x.begin(now)
	x.Deployed(d) // or not: reports will show it
	for _, td := range d.Tasks {
		if t := x.current(td.Vertex, td.Subtask, td.Attempt); t != nil && t.now.state == core.ExecutionDeploying {
			x.cancelOn(d.Resource, t.id(x.id))
			x.fail(t, cause)
		}
	}
	return x.end()
}

// FailAttempts fails attempts for a cause that the JobMaster found itself, such as an event that did not reach them,
// and cancels them.
func (x *ExecutionGraph) FailAttempts(now time.Time, ids []core.ExecutionAttemptID, cause FailureInfo) []Effect {
	x.begin(now)
	for _, id := range ids {
		if t := x.attempt(id); t != nil && t.now.deployed() {
			x.cancelOn(t.now.resource, id)
			x.fail(t, cause)
		}
	}
	return x.end()
}

// Current tells whether an attempt is the current one of its subtask and has not ended.
func (x *ExecutionGraph) Current(id core.ExecutionAttemptID) bool {
	t := x.attempt(id)
	return t != nil && t.now.deployed()
}

// CurrentOf returns the current attempt of a subtask and where it runs; ok is false unless it is deployed.
func (x *ExecutionGraph) CurrentOf(v core.VertexID, subtask int) (id core.ExecutionAttemptID, on core.ResourceID, ok bool) {
	i, known := x.byVertex[v]
	if !known || subtask < 0 || subtask >= len(x.vertices[i].tasks) {
		return id, "", false
	}
	t := &x.vertices[i].tasks[subtask]
	return t.id(x.id), t.now.resource, t.now.deployed()
}

// attempt finds the task whose current attempt this is, nil if there is none.
func (x *ExecutionGraph) attempt(id core.ExecutionAttemptID) *task {
	i, known := x.byVertex[id.Vertex]
	if !known || id.Graph != x.id {
		return nil
	}
	return x.current(i, id.Subtask, id.Attempt)
}

func (x *ExecutionGraph) current(vertex, subtask, attempt int) *task {
	if vertex < 0 || vertex >= len(x.vertices) || subtask < 0 || subtask >= len(x.vertices[vertex].tasks) {
		return nil
	}
	if t := &x.vertices[vertex].tasks[subtask]; t.now.attempt == attempt {
		return t
	}
	return nil
}

// update takes one report and returns the task if it is about its current, deployed attempt.
func (x *ExecutionGraph) update(from core.ResourceID, u *TaskUpdate) *task {
	t := x.attempt(u.Attempt)
	if t == nil || !t.now.deployed() || t.now.resource != from {
		// It runs although it should not: an attempt of an earlier restart, or one whose deployment counts as failed.
		if !u.State.Terminal() && u.State != core.ExecutionCanceling && !(t != nil && t.now.resource == from && t.now.state == core.ExecutionFinished) {
			x.cancelOn(from, u.Attempt)
		}
		return nil
	}
	e := &t.now
	if u.HasIO {
		e.io = u.IO
	}
	if u.Accumulators != nil {
		e.accumulators = u.Accumulators
	}
	canceling := e.state == core.ExecutionCanceling
	switch u.State {
	case core.ExecutionInitializing, core.ExecutionRunning:
		if !canceling && u.State > e.state { // a state that it had before is late
			e.enter(u.State, x.now)
		}
	case core.ExecutionFinished:
		if canceling {
			x.ended(t, core.ExecutionCanceled)
		} else {
			x.ended(t, core.ExecutionFinished)
		}
	case core.ExecutionCanceled:
		if canceling {
			x.ended(t, core.ExecutionCanceled)
			break
		}
		x.fail(t, FailureOf(core.E("run task", core.Unavailable, t.name(),
			fmt.Errorf("TaskManager %s canceled it on its own", from)), x.now))
	case core.ExecutionFailed:
		x.fail(t, u.Cause)
	default: // CREATED, SCHEDULED, DEPLOYING and CANCELING say nothing new
	}
	return t
}

// fail ends an attempt with a failure; one that is being canceled has reached what was wanted.
func (x *ExecutionGraph) fail(t *task, cause FailureInfo) {
	if t.now.state == core.ExecutionCanceling {
		x.ended(t, core.ExecutionCanceled)
		return
	}
	if cause.At == 0 {
		cause.At = x.now.UnixMilli()
	}
	t.now.failure = &cause
	x.ended(t, core.ExecutionFailed)
	x.failures = append(x.failures, failed{t, cause})
}

// ended moves the current attempt of t to a terminal state.
func (x *ExecutionGraph) ended(t *task, s core.ExecutionState) {
	if t.now.deployed() {
		t.region.live--
		x.live--
	}
	t.now.enter(s, x.now)
	if s != core.ExecutionFinished {
		return
	}
	x.finished++
	if t.slot.needed--; t.slot.needed == 0 && t.slot.held {
		x.drop(t.slot)
		x.unneeded = append(x.unneeded, t.slot.id)
	}
}

// want asks for a slot at the end of the event, if it is still needed and not there by then.
func (x *ExecutionGraph) want(s *sharedSlot) { x.wanted = append(x.wanted, s) }

func (x *ExecutionGraph) request() {
	if len(x.wanted) == 0 {
		return
	}
	var requests []slots.PoolRequest
	for _, s := range x.wanted {
		if s.held || s.requested || s.needed == 0 {
			continue
		}
		s.requested = true
		requests = append(requests, slots.PoolRequest{ID: s.id, Prefer: s.Alloc, PreferOn: s.Slot.Resource})
	}
	x.wanted = nil
	if len(requests) > 0 {
		x.out = append(x.out, RequestSlots{requests})
	}
}

// schedule makes regions wait for their slots, with attempts in state CREATED.
func (x *ExecutionGraph) schedule(regions []*region) {
	for _, r := range regions {
		r.phase = regionWaiting
		for _, t := range r.tasks {
			t.now.enter(core.ExecutionScheduled, x.now)
		}
		for _, s := range r.slots {
			if !s.held {
				x.want(s)
			}
		}
		if r.missing == 0 {
			x.ready = append(x.ready, r)
		}
	}
}

// deploy starts all regions that have become ready, with one Deployment per TaskManager.
func (x *ExecutionGraph) deploy() {
	ready := x.ready
	x.ready = nil
	ready = slices.DeleteFunc(ready, func(r *region) bool { return r.phase != regionWaiting || r.missing > 0 })
	if len(ready) == 0 {
		return
	}
	d := Deploy{Locations: make([]VertexLocations, len(x.vertices))}
	worker := map[string]int32{}
	byTM := map[core.ResourceID]int{}
	for _, r := range ready {
		r.phase, r.ran = regionDeployed, true
		for _, t := range r.tasks {
			s := t.slot
			e := &t.now
			e.enter(core.ExecutionDeploying, x.now)
			e.resource, e.host, e.alloc = s.Slot.Resource, s.host, s.Alloc
			r.live++
			x.live++
			w, known := worker[s.DataAddress]
			if !known {
				w = int32(len(d.Workers))
				worker[s.DataAddress] = w
				d.Workers = append(d.Workers, s.DataAddress)
			}
			d.Locations[t.vertex.index].set(t, w)
			tm, known := byTM[s.Slot.Resource]
			if !known {
				tm = len(d.TaskManagers)
				byTM[s.Slot.Resource] = tm
				d.TaskManagers = append(d.TaskManagers, Deployment{Resource: s.Slot.Resource})
			}
			d.TaskManagers[tm].Tasks = append(d.TaskManagers[tm].Tasks,
				TaskDeployment{t.vertex.index, t.subtask, e.attempt, s.Alloc})
		}
	}
	x.out = append(x.out, d)
}

func (l *VertexLocations) set(t *task, worker int32) {
	if l.Worker == nil {
		n := t.vertex.Parallelism
		l.Worker, l.Attempt = make([]int32, n), make([]int32, n)
		for i := range n {
			l.Worker[i] = -1
		}
	}
	l.Worker[t.subtask], l.Attempt[t.subtask] = worker, int32(t.now.attempt)
}

// stop ends all attempts of a region.
func (x *ExecutionGraph) stop(r *region) {
	for _, t := range r.tasks {
		switch e := &t.now; e.state {
		case core.ExecutionCreated, core.ExecutionScheduled:
			x.ended(t, core.ExecutionCanceled)
		case core.ExecutionDeploying, core.ExecutionInitializing, core.ExecutionRunning:
			e.enter(core.ExecutionCanceling, x.now)
			x.cancelOn(e.resource, t.id(x.id))
		default: // CANCELING already, or ended
		}
	}
}

func (x *ExecutionGraph) stopAll() {
	for i := range x.regions {
		x.stop(&x.regions[i])
	}
}

func (x *ExecutionGraph) cancelOn(on core.ResourceID, id core.ExecutionAttemptID) {
	x.cancels[on] = append(x.cancels[on], id)
}

func (x *ExecutionGraph) flushCancels() {
	for _, tm := range slices.Sorted(maps.Keys(x.cancels)) {
		x.out = append(x.out, CancelTasks{tm, x.cancels[tm]})
	}
	clear(x.cancels)
}

// restartDue restarts the stopping regions whose attempts have all ended and whose time has come.
func (x *ExecutionGraph) restartDue() {
	if x.stopping == 0 {
		return
	}
	var due []*region
	for i := range x.regions {
		if r := &x.regions[i]; r.phase == regionStopping && r.live == 0 && !r.restartAt.After(x.now) {
			due = append(due, r)
		}
	}
	if len(due) == 0 {
		return
	}
	x.stopping -= len(due)
	x.restarts++
	sources := map[int][]int{}
	for _, r := range due {
		for _, t := range r.tasks {
			if t.now.state == core.ExecutionFinished {
				x.finished--
				t.slot.needed++
			}
			t.reset(x.now)
			if t.vertex.Source {
				sources[t.vertex.index] = append(sources[t.vertex.index], t.subtask)
			}
		}
	}
	for _, v := range slices.Sorted(maps.Keys(sources)) {
		x.out = append(x.out, SubtasksReset{x.vertices[v].ID, sources[v]})
	}
	x.schedule(due)
}
