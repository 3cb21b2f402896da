package jobmaster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// S-089, S-096 to S-100, S-121: the way of a job from its slots to its end.
func TestJobRunsAndEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a, b := c.addTM("a", 2), c.addTM("b", 2)
		m := c.newJob(nil, "source*3", "map*3", "sink*1")
		c.want(m, "RUNNING 7xRUNNING")
		if a.submits != 1 || b.submits != 1 || a.graphs != 1 || b.graphs != 1 {
			t.Errorf("one call per TaskManager with the graph: %d/%d and %d/%d", a.submits, a.graphs, b.submits, b.graphs)
		}
		if !slices.Equal(c.rm.declared, []int{3}) {
			t.Errorf("declared %v, want once 3", c.rm.declared)
		}
		time.Sleep(10 * time.Second)
		if got := c.want(m, "RUNNING 7xRUNNING").Accumulators[0].Value; got != "7" {
			t.Errorf("running subtasks have counted %s, want 7", got)
		}
		b.end(core.ExecutionFinished, nil)
		c.want(m, "RUNNING 5xRUNNING 2xFINISHED")
		a.end(core.ExecutionFinished, nil)
		end := c.want(m, "FINISHED 7xFINISHED")
		if got := end.Accumulators[0].Value; got != "14" {
			t.Errorf("all subtasks have counted %s, want 14", got)
		}
		if final, err := m.Wait(t.Context()); err != nil || final != end {
			t.Errorf("Wait returned %v", err)
		}
		c.wantGivenBack(m, "FINISHED")
		if err := m.Cancel(t.Context()); core.KindOf(err) != core.Conflict {
			t.Errorf("cancel of an ended job: %v", err)
		}
		if want := []string{"RUNNING", "FINISHED"}; !slices.Equal(c.statuses, want) {
			t.Errorf("statuses %v", c.statuses)
		}
		_ = m.Close()
		if _, err := m.Snapshot(t.Context()); err != nil {
			t.Errorf("the final picture is gone: %v", err)
		}
		if err := m.Cancel(t.Context()); core.KindOf(err) != core.Conflict {
			t.Errorf("cancel of a closed job: %v", err)
		}
	})
}

// a TaskManager dies; with a spare slot the job runs again, without it waits and says for what.
func TestTaskManagerKilled(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a, b := c.addTM("a", 1), c.addTM("b", 1)
		m := c.newJob(nil, "source*2", "sink*2")
		c.want(m, "RUNNING 4xRUNNING")
		c.kill(b)
		c.want(m, "RUNNING 4xSCHEDULED") // at once: to wait cures no machine
		time.Sleep(1500 * time.Millisecond)
		job := c.want(m, "RUNNING 4xSCHEDULED")
		if want := "slots: needs 2, has 1, the cluster has 1 (0 free) on 1 TaskManagers"; job.Waiting != want {
			t.Errorf("waits for %q, want %q", job.Waiting, want)
		}
		if e := job.Exceptions; len(e) != 1 || e[0].Host != "b:1" || len(e[0].Concurrent) != 1 || !strings.Contains(e[0].Message, "TaskManager b") {
			t.Errorf("exceptions %+v", e)
		}
		d := c.addTM("d", 4)
		job = c.want(m, "RUNNING 4xRUNNING")
		if r := job.Vertices[0].Subtasks; r[0].Current.Resource != "a" || r[1].Current.Resource != "d" || job.Restarts != 1 {
			t.Errorf("subtask 0 must be back in its slot (S-101): %+v", r)
		}
		if len(a.slots) != 1 || a.frees != 0 {
			t.Error("the slot on a was given up")
		}
		if n := len(d.in(core.ExecutionRunning)); n != 2 {
			t.Errorf("%d subtasks on d", n)
		}
	})
}

// A TaskManager that falls silent is lost after heartbeat.timeout; when it comes back it is told so.
func TestTaskManagerSilent(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 1)
		m := c.newJob(nil, "source*1")
		c.want(m, "RUNNING 1xRUNNING")
		c.set(func() { a.silent = true })
		time.Sleep(49 * time.Second)
		c.want(m, "RUNNING 1xRUNNING")
		time.Sleep(12 * time.Second)
		c.want(m, "RUNNING 1xSCHEDULED")
		c.set(func() { a.silent = false })
		time.Sleep(20 * time.Second)
		c.want(m, "RUNNING 1xRUNNING")
	})
}

// A TaskManager killed at each step of a job's start and end: the job runs in the end, or has ended.
func TestTaskManagerKilledAtEachStep(t *testing.T) {
	steps := map[string]func(c *cluster, m *JobMaster, b *fakeTM){
		"offered":  func(*cluster, *JobMaster, *fakeTM) {},
		"deployed": func(c *cluster, _ *JobMaster, b *fakeTM) { c.set(func() { b.mute = true }); c.addTM("d", 1) },
		"running":  func(c *cluster, _ *JobMaster, _ *fakeTM) { c.addTM("d", 1) },
		"cancelled": func(c *cluster, m *JobMaster, b *fakeTM) {
			c.addTM("d", 1)
			c.set(func() { b.mute = true })
			if err := m.Cancel(c.ctx); err != nil {
				c.t.Error(err)
			}
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *cluster) {
				b := c.addTM("b", 1)
				c.set(func() { b.mute = name == "deployed" })
				m := c.newJob(nil, "source*2", "sink*2")
				step(c, m, b)
				synctest.Wait()
				c.kill(b)
				if name == "cancelled" {
					c.want(m, "CANCELED 4xCANCELED")
					c.wantGivenBack(m, "CANCELED")
					return
				}
				c.addTM("e", 2)
				time.Sleep(5 * time.Second)
				c.want(m, "RUNNING 4xRUNNING")
			})
		})
	}
}

// A failure of user code restarts its region by the strategy, in the same slots, until the strategy ends it.
func TestTaskFails(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 2)
		m := c.newJob(func(cfg *Config) {
			cfg.Restart = graph.RestartStrategy{Type: "fixed-delay", Attempts: 2, Delay: 3 * time.Second}
		}, "source*2", "=map*2")
		boom := &pb.ErrorInfo{Message: "boom", Kind: core.UserCode.String(), Type: "errors.errorString", Stack: "main.f"}
		for i := range 3 {
			c.want(m, "RUNNING 4xRUNNING")
			a.report(core.ExecutionFailed, boom, a.in(core.ExecutionRunning)[0])
			if i == 2 {
				break
			}
			job := c.want(m, "RESTARTING 2xRUNNING 1xCANCELED 1xFAILED")
			if !strings.Contains(job.Waiting, "the restart in 3s") {
				t.Errorf("waits for %q", job.Waiting)
			}
			time.Sleep(3 * time.Second)
		}
		synctest.Wait()
		job := c.want(m, "FAILED 3xCANCELED 1xFAILED")
		if job.Failure.Message != "boom" || job.Failure.Stack != "main.f" || job.Failure.Kind != "user code" || len(job.Exceptions) != 3 {
			t.Errorf("failure %+v, %d exceptions", job.Failure, len(job.Exceptions))
		}
		if a.graphs != 1 || a.submits != 3 {
			t.Errorf("the graph was sent %d times in %d deployments", a.graphs, a.submits)
		}
		c.wantGivenBack(m, "FAILED")
	})
}

// S-101: a restart needs no new slot, and declares none.
func TestRestartKeepsSlots(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 1)
		m := c.newJob(nil, "source*1")
		before := a.slots[0]
		a.end(core.ExecutionFailed, &pb.ErrorInfo{Message: "boom"})
		time.Sleep(2 * time.Second)
		c.want(m, "RUNNING 1xRUNNING")
		if a.slots[0] != before || !slices.Equal(c.rm.declared, []int{1}) {
			t.Errorf("another slot, or another declaration: %v", c.rm.declared)
		}
	})
}

// B-36: more slots than there are: the job waits with a reason, then fails with it.
func TestNoSlots(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.addTM("a", 1)
		m := c.newJob(nil, "source*3", "sink*1")
		time.Sleep(5 * time.Minute)
		job := c.want(m, "FAILED 2xCANCELED 2xFAILED")
		want := "needs 3, has 1, the cluster has 1 (0 free) on 1 TaskManagers"
		if job.Failure.Kind != core.NoResource.String() || !strings.Contains(job.Failure.Message, want) {
			t.Errorf("failed because %q, want %q in it", job.Failure.Message, want)
		}
		c.wantGivenBack(m, "FAILED")
	})
}

// The ResourceManager is not there at first, and another one later: the job starts late, and runs on (F-6174).
func TestResourceManagerComesAndChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.net.Remove("resourcemanager")
		m := c.newJob(nil, "source*2")
		time.Sleep(30 * time.Second)
		job := c.want(m, "RUNNING 2xSCHEDULED")
		if !strings.Contains(job.Waiting, "the ResourceManager is not reached") {
			t.Errorf("waits for %q", job.Waiting)
		}
		c.set(c.startRM)
		c.addTM("a", 2)
		time.Sleep(15 * time.Second)
		c.want(m, "RUNNING 2xRUNNING")
		c.net.Remove("resourcemanager")
		time.Sleep(time.Minute)
		c.set(c.startRM)
		time.Sleep(time.Minute)
		c.want(m, "RUNNING 2xRUNNING")
		if c.rm.registered != 1 || !slices.Equal(c.rm.declared, []int{2}) {
			t.Errorf("at the new one: registered %d times, declared %v", c.rm.registered, c.rm.declared)
		}
	})
}

// Cancel waits for every task, in whatever state, and can be repeated.
func TestCancel(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 2)
		m := c.newJob(nil, "source*2", "sink*2")
		c.set(func() { a.mute = true }) // it takes the cancel and does nothing
		for range 2 {
			if err := m.Cancel(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if job := c.want(m, "CANCELLING 4xCANCELING"); job.Waiting != "the end of 4 subtasks" {
			t.Errorf("waits for %q", job.Waiting)
		}
		c.set(func() { a.mute = false }) // the next heartbeat shows that they run, and the cancel is repeated (L-7)
		time.Sleep(11 * time.Second)
		c.want(m, "CANCELED 4xCANCELED")
		c.wantGivenBack(m, "CANCELED")
	})
}

func TestCancelWhileWaitingForSlots(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.addTM("a", 1)
		m := c.newJob(nil, "source*2", "sink*2")
		if err := m.Cancel(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.want(m, "CANCELED 4xCANCELED")
		c.wantGivenBack(m, "CANCELED")
	})
}

// a deployment that fails gives its slots up and goes elsewhere.
func TestDeploymentFails(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 1)
		m := c.newJob(nil, "source*1")
		a.end(core.ExecutionFailed, &pb.ErrorInfo{Message: "boom"})
		c.set(func() { a.failSubmit = core.E("submit", core.Unavailable, "a", errors.New("stopping")) }) // before the restart
		time.Sleep(1500 * time.Millisecond)
		c.want(m, "RUNNING 1xSCHEDULED")
		c.addTM("b", 1)
		job := c.want(m, "RUNNING 1xRUNNING")
		if a.frees != 1 || job.Vertices[0].Subtasks[0].Current.Resource == "a" {
			t.Errorf("freed %d slots of a, the task is on %s", a.frees, job.Vertices[0].Subtasks[0].Current.Resource)
		}
	})
}

// An attempt that the TaskManager does not have any more fails after two heartbeats (L-7).
func TestLostAttempt(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 1)
		m := c.newJob(nil, "source*1")
		c.set(func() { clear(a.attempts) })
		time.Sleep(21500 * time.Millisecond)
		if job := c.want(m, "RUNNING 1xRUNNING"); job.Restarts != 1 {
			t.Errorf("%d restarts, want 1", job.Restarts)
		}
	})
}

// A slot that is lost takes its tasks with it; calls of TaskManagers that are not registered are refused.
func TestFailedSlotAndUnknownTaskManager(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 2)
		m := c.newJob(nil, "source*1")
		alloc := a.slots[0]
		a.free(func(x core.AllocationID) bool { return x == alloc })
		if _, err := a.master().FailSlot(t.Context(), &pb.FailSlotRequest{
			ResourceId: "a", AllocationId: alloc.Bytes(), Cause: &pb.ErrorInfo{Message: "worker killed"},
		}); err != nil {
			t.Fatal(err)
		}
		if job := c.want(m, "RUNNING 1xRUNNING"); !strings.Contains(job.Failure.Message, "worker killed") || job.Restarts != 1 {
			t.Errorf("%d restarts, failure %q", job.Restarts, job.Failure.Message)
		}

		_, err1 := a.master().OfferSlots(t.Context(), &pb.OfferSlotsRequest{ResourceId: "x"})
		_, err2 := a.master().HeartbeatFromTaskManager(t.Context(), &pb.HeartbeatFromTaskManagerRequest{ResourceId: "x"})
		_, err3 := a.master().UpdateTaskExecutionState(t.Context(), &pb.UpdateTaskExecutionStateRequest{ResourceId: "a", States: []*pb.TaskState{{State: "RUNNING"}}})
		if core.KindOf(err1) != core.NotFound || core.KindOf(err2) != core.NotFound || core.KindOf(err3) != core.Invalid {
			t.Errorf("%v, %v, %v", err1, err2, err3)
		}
	})
}

// S-102, S-103: a slot that is not needed any more is freed after slot.idle.timeout.
func TestIdleSlotIsReleased(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 2)
		m := c.newJob(nil, "source*2")
		ids := a.in(core.ExecutionRunning)
		a.report(core.ExecutionFinished, nil, ids[0])
		time.Sleep(49 * time.Second)
		c.set(func() {
			if a.frees != 0 {
				t.Error("freed too early")
			}
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if a.frees != 1 || c.rm.declared[len(c.rm.declared)-1] != 1 {
			t.Errorf("freed %d, declared %v", a.frees, c.rm.declared)
		}
		c.want(m, "RUNNING 1xRUNNING 1xFINISHED")
	})
}

// Splits go to one reader each; those of a failed one come back (ARCHITECTURE.md, decision 9).
func TestSplits(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 2)
		m := c.newJob(nil, "source*2", "=map*2")
		request := &pb.SourceEvent{Event: &pb.SourceEvent_Request{Request: &pb.SplitRequest{}}}
		found := &pb.SourceEvent{Event: &pb.SourceEvent_Discovered{Discovered: &pb.SplitsDiscovered{
			Splits: []*pb.Split{{Id: "s0"}, {Id: "s1"}, {Id: "s2"}}, Complete: true,
		}}}
		a.sourceEvent(1, request) // waits
		a.sourceEvent(1, request) // repeated: still one request
		if len(a.events) != 0 {
			t.Errorf("got %v before the discovery", a.events)
		}
		a.sourceEvent(0, found)
		a.sourceEvent(0, request)
		a.sourceEvent(1, request)
		a.sourceEvent(0, request)
		want := []string{"1#0: s0", "0#0: s1", "1#0: s2", "0#0: no more"}
		if !slices.Equal(a.events, want) {
			t.Errorf("events %v, want %v", a.events, want)
		}

		// Subtask 1 fails: the next attempt gets both of its splits again.
		c.set(func() { a.events = nil })
		ids := a.in(core.ExecutionRunning)
		i := slices.IndexFunc(ids, func(id core.ExecutionAttemptID) bool { return id.Vertex == c.vertexID(0) && id.Subtask == 1 })
		a.report(core.ExecutionFailed, &pb.ErrorInfo{Message: "boom"}, ids[i])
		time.Sleep(2 * time.Second)
		c.want(m, "RUNNING 4xRUNNING")
		for range 3 {
			a.sourceEvent(1, request)
		}
		want = []string{"1#1: s0", "1#1: s2", "1#1: no more"}
		if !slices.Equal(a.events, want) {
			t.Errorf("events %v, want %v", a.events, want)
		}

		// A source that says nonsense fails, not the JobMaster.
		a.sourceEvent(1, found)
		if job := c.want(m, "RESTARTING 2xRUNNING 1xCANCELED 1xFAILED"); job.Failure == nil {
			t.Error("no failure")
		}
	})
}

// A graph that can never run is refused by New (B-35).
func TestInvalidJob(t *testing.T) {
	if _, err := New(Config{Job: &graph.JobGraph{}}); core.KindOf(err) != core.Invalid {
		t.Errorf("%v", err)
	}
}

// Close of a running job returns, and Wait says so.
func TestCloseWhileRunning(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.addTM("a", 1)
		m := c.newJob(nil, "source*1")
		errs := make(chan error, 1)
		c.wg.Go(func() { _, err := m.Wait(context.WithoutCancel(t.Context())); errs <- err })
		synctest.Wait()
		for range 2 {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-errs; core.KindOf(err) != core.Unavailable {
			t.Errorf("Wait: %v", err)
		}
		<-m.Done()
		if _, err := m.Snapshot(t.Context()); core.KindOf(err) != core.Unavailable {
			t.Errorf("Snapshot: %v", err)
		}
	})
}

// Five vertices of 1000 subtasks, all-to-all, on ten TaskManagers: one call each, whose size does not grow with the
// 4 million channels, and one declaration.
func TestScale(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		var tms []*fakeTM
		for i := range 10 {
			tms = append(tms, c.addTM(core.ResourceID(fmt.Sprint("tm", i)), 100))
		}
		var before, after syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
			t.Fatal(err)
		}
		m := c.newJob(nil, "a*1000", "b*1000", "c*1000", "d*1000", "e*1000")
		c.want(m, "RUNNING 5000xRUNNING")
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
			t.Fatal(err)
		}
		t.Logf("CPU until all run, fakes included: %v", time.Duration(after.Utime.Nano()-before.Utime.Nano()))
		for _, tm := range tms {
			if tm.submits != 1 || tm.submitBytes > 100_000 {
				t.Errorf("%s got %d calls, %d bytes", tm.id, tm.submits, tm.submitBytes)
			}
		}
		if !slices.Equal(c.rm.declared, []int{1000}) {
			t.Errorf("declared %v", c.rm.declared)
		}
		if err := m.Cancel(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.want(m, "CANCELED 5000xCANCELED")
		c.wantGivenBack(m, "CANCELED")
	})
}
