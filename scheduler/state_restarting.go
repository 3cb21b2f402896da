package scheduler

import (
	"time"

	"github.com/flink-go/flink-go/core"
)

// restarting is a job of which at least one region has failed and waits for its restart. The other regions go on.
type restarting struct{ x *ExecutionGraph }

func (restarting) status() core.JobStatus { return core.JobRestarting }
func (restarting) schedules() bool        { return true }
func (restarting) start()                 {}
func (s restarting) cancel()              { s.x.toCancelling() }

func (s restarting) failed(failures []failed) {
	if s.x.failover(failures) == nil {
		s.x.toFailing(failures)
	}
}

func (s restarting) settle() {
	s.x.restartDue()
	if s.x.stopping == 0 {
		s.x.enter(running{s.x}, nil)
	}
}

// failover decides about failures with one cause: the regions that failed are stopped and restart together. It
// returns the root cause, or nil if the job must not be restarted. Failures in a region that is stopping already, or
// while another restart waits, belong to that restart: one cause often shows in many places.
func (x *ExecutionGraph) failover(failures []failed) *FailureInfo {
	for _, f := range failures {
		if !x.restartable(f) {
			return nil
		}
	}
	hastened := x.hasten()
	fresh := failures[:0:0]
	for _, f := range failures {
		if f.task != nil && f.task.region.phase == regionStopping {
			x.history.join(x.entry(f.task, f.info))
		} else {
			fresh = append(fresh, f)
		}
	}
	if len(fresh) == 0 {
		return x.failure
	}
	root := fresh[0]
	at, joins := x.waitingRestart()
	switch {
	case hastened:
		at, joins = x.now, true
	case joins:
	case x.loss && x.restart.lost(x.now):
		at = x.now
		x.failure = &root.info
	default:
		delay, again := x.restart.failed(x.now)
		if !again {
			return nil
		}
		at = x.now.Add(delay)
		x.failure = &root.info
	}
	entry := x.entry(root.task, root.info)
	if joins {
		x.history.join(entry)
	} else {
		x.history.add(entry)
	}
	for _, f := range fresh[1:] {
		x.history.join(x.entry(f.task, f.info))
	}
	tasks := 0
	stop := func(r *region) {
		if r.phase != regionStopping {
			r.phase = regionStopping
			x.stopping++
			tasks += len(r.tasks)
			x.stop(r)
		}
		r.restartAt = at
	}
	for _, f := range fresh {
		if f.task != nil && !x.full {
			stop(f.task.region)
			continue
		}
		for i := range x.regions {
			stop(&x.regions[i])
		}
	}
	x.out = append(x.out, FailureRecorded{entry, tasks, at}, RestartAt{at})
	return x.failure
}

// hasten makes a restart that waits due at once when slots were lost meanwhile: what failed first was a neighbor that
// noticed the loss before the JobMaster did. It tells whether it did so.
func (x *ExecutionGraph) hasten() bool {
	if _, waits := x.waitingRestart(); !x.loss || !waits || !x.restart.lost(x.now) {
		return false
	}
	for i := range x.regions {
		if r := &x.regions[i]; r.phase == regionStopping && r.restartAt.After(x.now) {
			r.restartAt = x.now
		}
	}
	return true
}

// waitingRestart returns when the restart that waits now is due; ok is false if none does.
func (x *ExecutionGraph) waitingRestart() (at time.Time, ok bool) {
	if x.stopping == 0 {
		return at, false
	}
	for i := range x.regions {
		if r := &x.regions[i]; r.phase == regionStopping && r.restartAt.After(at) {
			at = r.restartAt
		}
	}
	return at, at.After(x.now)
}

// restartable tells whether a failure may be left to the restart strategy. What can never succeed is not tried again,
// and a region that has never had its slots within slot.request.timeout is told so, not made to wait for ever (B-36).
func (x *ExecutionGraph) restartable(f failed) bool {
	switch f.info.Kind {
	case core.Invalid.String():
		return false
	case core.NoResource.String():
		return f.task == nil || f.task.region.ran
	default:
		return true
	}
}
