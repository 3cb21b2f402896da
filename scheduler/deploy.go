package scheduler

import (
	"maps"
	"slices"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/slots"
)

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
