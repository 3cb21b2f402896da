package jobmaster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
	"github.com/flink-go/flink-go/slots"
)

// apply carries out what the scheduler decided. Effects may make the pool act, which may make the scheduler decide
// more: that is queued behind what is there, so everything happens in the order in which it was decided.
func (m *JobMaster) apply(effects []scheduler.Effect) {
	m.ep.Assert()
	m.effects = append(m.effects, effects...)
	if m.running {
		return
	}
	m.running = true
	for len(m.effects) > 0 {
		e := m.effects[0]
		m.effects = m.effects[1:]
		m.carryOut(e)
	}
	m.running = false
	m.armTimer()
}

func (m *JobMaster) carryOut(e scheduler.Effect) {
	now := time.Now()
	switch e := e.(type) {
	case scheduler.RequestSlots:
		m.applyPool(m.pool.Request(now, e.Requests))
	case scheduler.ReturnSlots:
		m.applyPool(m.pool.Return(now, e.Slots))
	case scheduler.Deploy:
		m.deploy(e)
	case scheduler.CancelTasks:
		m.cancelTasks(e)
	case scheduler.RestartAt:
		m.restart = e.At
	case scheduler.SubtasksReset:
		for op, s := range m.sources {
			if s.vertex == e.Vertex {
				m.tell(op, s, s.splits.reset(e.Subtasks))
				m.alignment.reset(op, e.Subtasks)
				m.align()
			}
		}
	case scheduler.FailureRecorded:
		m.logFailure(e)
	case scheduler.StatusChanged:
		m.statusChanged(e)
	default:
		panic(fmt.Sprintf("jobmaster: unknown effect %T", e))
	}
}

func (m *JobMaster) logFailure(e scheduler.FailureRecorded) {
	if e.Restart.IsZero() {
		m.log.Error("job fails", "task", e.Entry.Task, keyTM, e.Entry.Resource, keyCause, e.Entry.Message)
		return
	}
	m.log.Warn("subtasks restart", "task", e.Entry.Task, keyTM, e.Entry.Resource, keyCause, e.Entry.Message, "subtasks", e.Tasks, "at", e.Restart)
}

func (m *JobMaster) statusChanged(e scheduler.StatusChanged) {
	m.log.Info("job changed", keyFrom, e.From, keyTo, e.To)
	if e.To.Terminal() {
		m.finish()
	}
	if m.cfg.OnStatus != nil {
		m.cfg.OnStatus(e.From, e.To, e.At)
	}
}

// applyPool carries out what the pool decided. What the scheduler must know is told to it once per kind, so that one
// offer of many slots is one deployment and a lost TaskManager is one failure.
func (m *JobMaster) applyPool(effects []slots.PoolEffect) {
	now := time.Now()
	var assigned []scheduler.Assigned
	var lost []int
	var cause error
	for _, e := range effects {
		switch e := e.(type) {
		case slots.PoolDeclare:
			m.rm.declare(e.Required)
		case slots.PoolAssigned:
			a := scheduler.Assigned{ID: e.Request, Slot: e.Slot}
			if tm := m.tms[e.Slot.Slot.Resource]; tm != nil {
				a.Host = tm.host
			}
			assigned = append(assigned, a)
		case slots.PoolLost:
			lost, cause = append(lost, e.Request), e.Cause
		case slots.PoolFailed:
			m.apply(m.exec.SlotsFailed(now, e.Requests, scheduler.FailureOf(e.Err, now)))
		case slots.PoolRelease:
			m.freeSlot(e.Slot, e.Cause)
		default:
			panic(fmt.Sprintf("jobmaster: unknown effect %T", e))
		}
	}
	if len(lost) > 0 {
		m.apply(m.exec.SlotsLost(now, lost, scheduler.FailureOf(cause, now)))
	}
	if len(assigned) > 0 {
		m.apply(m.exec.SlotsAssigned(now, assigned))
	}
	if !m.running {
		m.armTimer()
	}
}

// armTimer sets the timer to the next moment at which the pool or the scheduler has something to do by itself.
func (m *JobMaster) armTimer() {
	at, ok := m.pool.NextTick()
	if !m.restart.IsZero() && (!ok || m.restart.Before(at)) {
		at, ok = m.restart, true
	}
	if !ok {
		at = time.Time{}
	}
	if at.Equal(m.timerAt) {
		return
	}
	m.stopTick()
	m.stopTick, m.timerAt = func() {}, at
	if ok {
		m.stopTick = m.ep.After(time.Until(at), m.tick)
	}
}

func (m *JobMaster) tick() {
	m.timerAt = time.Time{}
	now := time.Now()
	if !m.restart.IsZero() && !m.restart.After(now) {
		m.restart = time.Time{}
	}
	m.applyPool(m.pool.Tick(now))
	m.apply(m.exec.Tick(now))
}

// deploy sends each TaskManager its subtasks in one call (S-117). What all calls have in common is made once.
func (m *JobMaster) deploy(d scheduler.Deploy) {
	locations := make([]*pb.VertexLocations, len(d.Locations))
	for i, l := range d.Locations {
		locations[i] = &pb.VertexLocations{Worker: l.Worker, Attempt: l.Attempt}
	}
	for _, part := range d.TaskManagers {
		tm := m.tms[part.Resource]
		if tm == nil { // lost in between; its slots are being taken away
			m.apply(m.exec.DeployFailed(time.Now(), part, m.failure(core.E("deploy", core.Unavailable, string(part.Resource),
				errors.New("the TaskManager is not registered any more")))))
			continue
		}
		in := &pb.SubmitTasksRequest{
			JobId:          m.cfg.Job.ID.Bytes(),
			JobMasterToken: m.token.Bytes(),
			JobGraphHash:   m.cfg.Job.Hash,
			GraphId:        m.exec.Graph().Bytes(),
			Tasks:          make([]*pb.TaskDeployment, len(part.Tasks)),
			Locations:      locations,
			Workers:        d.Workers,
			BlobAddress:    m.cfg.BlobAddress,
			ResourceId:     string(part.Resource),
			DataSecret:     m.secret,
		}
		if !tm.hasGraph {
			in.JobGraph = m.graphJSON
			tm.hasGraph = true // calls leave in order
		}
		all := make([]pb.TaskDeployment, len(part.Tasks))
		for i, t := range part.Tasks {
			td := &all[i]
			td.Vertex, td.Subtask, td.Attempt = int32(t.Vertex), int32(t.Subtask), int32(t.Attempt)
			td.AllocationId = t.Allocation.Bytes()
			in.Tasks[i] = td
		}
		m.log.Info("deploying", keyTM, part.Resource, "subtasks", len(part.Tasks))
		m.post(tm, func(ctx context.Context) error {
			_, err := tm.gateway.SubmitTasks(ctx, in)
			return err
		}, func(err error) {
			if err != nil {
				m.deployFailed(tm, part, fmt.Errorf("deploy on TaskManager %s: %w", part.Resource, err))
				return
			}
			m.exec.Deployed(part)
		})
	}
}

// deployFailed handles a deployment whose call failed. Its slots are given up, so that the restart is not sent to the
// same wall again.
func (m *JobMaster) deployFailed(tm *taskManager, part scheduler.Deployment, err error) {
	tm.hasGraph = false
	m.log.Warn("deployment failed", keyTM, tm.id, keyCause, err)
	m.apply(m.exec.DeployFailed(time.Now(), part, m.failure(err)))
	seen := map[core.AllocationID]bool{}
	for _, t := range part.Tasks {
		if seen[t.Allocation] {
			continue
		}
		seen[t.Allocation] = true
		if effects := m.pool.FailSlot(tm.id, t.Allocation, err); effects != nil {
			m.freeSlot(slots.PoolSlot{Alloc: t.Allocation, Slot: core.SlotID{Resource: tm.id}}, "a deployment into the slot failed")
			m.applyPool(effects)
		}
	}
}

func (m *JobMaster) failure(err error) scheduler.FailureInfo {
	return scheduler.FailureOf(err, time.Now())
}

func (m *JobMaster) cancelTasks(c scheduler.CancelTasks) {
	tm := m.tms[c.Resource]
	if tm == nil {
		return
	}
	in := &pb.CancelTasksRequest{JobId: m.cfg.Job.ID.Bytes(), JobMasterToken: m.token.Bytes()}
	for _, a := range c.Attempts {
		in.Attempts = append(in.Attempts, attemptToProto(a))
	}
	m.post(tm, func(ctx context.Context) error {
		_, err := tm.gateway.CancelTasks(ctx, in)
		return err
	}, func(err error) {
		switch {
		case err == nil:
		case forgotten(err):
			m.dropTaskManager(tm.id, fmt.Errorf("it does not know the job any more: %w", err))
		default: // the next heartbeat shows what still runs, and the cancel is repeated
			m.log.Warn("cancel did not arrive", keyTM, tm.id, "subtasks", len(in.GetAttempts()), keyCause, err)
		}
	})
}

// forgotten tells whether a TaskManager says that it has nothing of this job any more.
func forgotten(err error) bool {
	kind := core.KindOf(err)
	return kind == core.NotFound || kind == core.Fenced
}

// freeSlot is the first step of a slot's release (S-103): SlotPool -> TaskManager -> ResourceManager.
func (m *JobMaster) freeSlot(s slots.PoolSlot, cause string) {
	tm := m.tms[s.Slot.Resource]
	if tm == nil {
		return
	}
	in := &pb.FreeSlotRequest{AllocationId: s.Alloc.Bytes(), Cause: cause}
	m.post(tm, func(ctx context.Context) error {
		_, err := tm.gateway.FreeSlot(ctx, in)
		return err
	}, func(err error) {
		if err != nil && !forgotten(err) { // the next heartbeat still lists the slot, and it is freed again
			m.log.Warn("slot was not freed", keyTM, tm.id, keyAlloc, s.Alloc, keyCause, err)
		}
	})
}

// tell sends subtasks of a source what its assigner decided. A subtask that is not there gets nothing: its splits come
// back when it is reset.
func (m *JobMaster) tell(op core.OperatorID, s *source, assignments []assignment) {
	for _, a := range assignments {
		id, on, ok := m.exec.CurrentOf(s.vertex, a.subtask)
		tm := m.tms[on]
		if !ok || tm == nil {
			continue
		}
		payload, err := proto.Marshal(a.event)
		if err != nil {
			panic(fmt.Sprintf("jobmaster: a SourceEvent cannot be written: %v", err))
		}
		m.postEvent(tm, &pb.OperatorEvent{Attempt: attemptToProto(id), Operator: op.Bytes(), Payload: payload})
	}
}

// deliver makes the call that carries operator events to a TaskManager.
func (m *JobMaster) deliver(tm *taskManager, events []*pb.OperatorEvent) (send func(ctx context.Context) error, done func(error)) {
	in := &pb.DeliverOperatorEventsRequest{JobId: m.cfg.Job.ID.Bytes(), JobMasterToken: m.token.Bytes(), Events: events}
	send = func(ctx context.Context) error {
		_, err := tm.gateway.DeliverOperatorEvents(ctx, in)
		return err
	}
	done = func(err error) {
		if err == nil {
			return
		}
		var ids []core.ExecutionAttemptID
		for _, e := range events {
			if id, err := attemptFromProto(e.GetAttempt()); err == nil {
				ids = append(ids, id)
			}
		}
		m.apply(m.exec.FailAttempts(time.Now(), ids, m.failure(fmt.Errorf("send event to TaskManager %s: %w", tm.id, err))))
	}
	return send, done
}

// dropTaskManager forgets a TaskManager, with its slots and what ran there.
func (m *JobMaster) dropTaskManager(id core.ResourceID, cause error) {
	m.ep.Assert()
	tm := m.tms[id]
	if tm == nil {
		return
	}
	if m.pool.SlotsOn(id) > 0 {
		m.log.Warn("TaskManager is gone", keyTM, id, keyCause, cause)
	} else {
		m.log.Info("TaskManager left", keyTM, id, keyCause, cause)
	}
	tm.gone, tm.queue = true, nil
	delete(m.tms, id)
	m.monitor.Forget(id)
	m.applyPool(m.pool.DropTaskManager(id, core.E("use TaskManager", core.Unavailable, string(id), cause)))
}

// finish takes the final picture of the job, and gives everything back that it had: first the requirements at the
// ResourceManager, so that it does not give freed slots to this job again, then the slots at their TaskManagers.
func (m *JobMaster) finish() {
	m.final = m.exec.Archive(time.Now(), "")
	close(m.ended)
	m.restart = time.Time{}
	m.pool.ReleaseAll("the job has ended") // the TaskManagers are told below, once each
	tms := slices.SortedFunc(maps.Values(m.tms), func(a, b *taskManager) int { return cmp.Compare(a.id, b.id) })
	clear(m.tms) // who calls from now on is told that the job is over
	for _, tm := range tms {
		m.monitor.Forget(tm.id)
		tm.queue = nil // what waits is for tasks that have ended
	}
	status := m.final.Status.String()
	m.rm.disconnect(status, func() { m.leave(tms, status) })
}

// leave tells TaskManagers that the job is over: they free its slots.
func (m *JobMaster) leave(tms []*taskManager, status string) {
	open := len(tms)
	if open == 0 {
		m.allDone()
	}
	for _, tm := range tms {
		m.post(tm, func(ctx context.Context) error {
			_, err := tm.gateway.DisconnectJobMaster(ctx, &pb.JobMasterLostRequest{
				JobId: m.cfg.Job.ID.Bytes(), JobMasterToken: m.token.Bytes(), Cause: "the job is " + status,
			})
			return err
		}, func(err error) {
			if err != nil {
				m.log.Warn("TaskManager did not hear of the end of the job; it notices by its heartbeats", keyTM, tm.id, keyCause, err)
			}
			tm.gone = true
			if open--; open == 0 {
				m.allDone()
			}
		})
	}
}

func attemptToProto(a core.ExecutionAttemptID) *pb.ExecutionAttemptID {
	return &pb.ExecutionAttemptID{
		Graph: a.Graph.Bytes(), Vertex: a.Vertex.Bytes(), Subtask: int32(a.Subtask), Attempt: int32(a.Attempt),
	}
}

func attemptFromProto(p *pb.ExecutionAttemptID) (core.ExecutionAttemptID, error) {
	graphID, err := core.GraphIDFromBytes(p.GetGraph())
	if err != nil {
		return core.ExecutionAttemptID{}, err
	}
	a := core.ExecutionAttemptID{Graph: graphID, Subtask: int(p.GetSubtask()), Attempt: int(p.GetAttempt())}
	if len(p.GetVertex()) != len(a.Vertex) {
		return a, fmt.Errorf("cannot read JobVertexID: it has %d bytes, want %d", len(p.GetVertex()), len(a.Vertex))
	}
	copy(a.Vertex[:], p.GetVertex())
	return a, nil
}
