package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/slots"
)

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
		x.loss = true
		x.drop(s)
		for _, t := range s.tasks {
			if !t.now.deployed() {
				continue
			}
			if t.now.state == core.ExecutionCanceling && x.stopping > 0 {
				x.explain(t, cause)
			}
			x.fail(t, cause)
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
		if !u.State.Terminal() && u.State != core.ExecutionCanceling && (t == nil || t.now.resource != from || t.now.state != core.ExecutionFinished) {
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
		if canceling && (x.stopping > 0 || x.state.status() == core.JobFailing) {
			x.explain(t, u.Cause)
		}
		x.loss = x.loss || u.Cause.Kind == core.Lost.String()
		x.fail(t, u.Cause)
	default: // CREATED, SCHEDULED, DEPLOYING and CANCELING say nothing new
	}
	return t
}

// explain records the failure of an attempt that was being canceled for another's: it may well be what that one failed
// for and noticed first. One event has one explanation.
func (x *ExecutionGraph) explain(t *task, cause FailureInfo) {
	if x.explained {
		return
	}
	x.explained = true
	if cause.At == 0 {
		cause.At = x.now.UnixMilli()
	}
	x.history.join(x.entry(t, cause))
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
