package taskexecutor

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// bubble runs a test with a fake clock.
func bubble(t *testing.T, change func(*Config), test func(t *testing.T, b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newBed(t, change)) })
}

// S-095 to S-103, S-116: from the ResourceManager's order to the release of the slot.
func TestSlotGoesRound(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		b.wantFree(2)
		alloc := b.slot(1)
		if got := b.jm.taken[string(alloc.Bytes())]; got != "127.0.0.1:4711" {
			t.Errorf("data address %q in the offer", got)
		}
		b.wantFree(1)
		b.deploy(alloc, 0, 0)
		w := b.workers.last()
		w.say(b.attempt(0, 0), core.ExecutionFinished)
		synctest.Wait()
		b.wantStates("0_0 RUNNING", "0_0 FINISHED")
		b.wantFree(1) // S-099: occupied, nothing running
		if w.stopped {
			t.Error("the worker was stopped while its job has a slot")
		}
		b.free(alloc)
		if !w.stopped {
			t.Error("the worker was not stopped with the last slot")
		}
		if n := b.rm.count("NotifySlotAvailable"); n != 1 {
			t.Errorf("the resource manager was told of %d free slots", n)
		}
		if b.jm.goodbyes != 1 {
			t.Errorf("%d goodbyes to the job master", b.jm.goodbyes)
		}
		b.wantFree(2)
	})
}

// at each step a request or its answer is lost; the views agree afterwards and no slot is used twice.
func TestR16_LostMessages(t *testing.T) {
	steps := []string{"RegisterTaskManager", "OfferSlots", "UpdateTaskExecutionState", "NotifySlotAvailable", "DisconnectTaskManager", "RegisterTaskExecutor", "SendSlotReport"}
	for _, step := range steps {
		for _, answer := range []bool{false, true} {
			name := step + "_request"
			if answer {
				name = step + "_answer"
			}
			t.Run(name, func(t *testing.T) {
				bubble(t, nil, func(t *testing.T, b *bed) {
					for _, f := range []*faults{&b.jm.faults, &b.rm.faults} {
						f.mu.Lock()
						if answer {
							f.loseAnswer[step] = 2
						} else {
							f.loseRequest[step] = 2
						}
						f.mu.Unlock()
					}
					if step == "RegisterTaskExecutor" || step == "SendSlotReport" {
						late := b.order(0, core.NewAllocationID())
						if _, err := b.gateway.DisconnectResourceManager(t.Context(), &pb.DisconnectResourceManagerRequest{}); err != nil {
							t.Fatal(err)
						}
						// Of the registration that is over, whether or not the next one is under way already.
						if _, err := b.gateway.RequestSlot(t.Context(), late); core.KindOf(err) != core.Fenced {
							t.Errorf("slot request of an ended registration: %v", err)
						}
						time.Sleep(time.Second)
						synctest.Wait()
					}
					alloc := core.NewAllocationID()
					for range 2 { // RequestSlot repeated
						if err := b.request(0, alloc); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Second)
					synctest.Wait()
					b.wantFree(1)
					for range 2 { // SubmitTasks repeated
						b.deploy(alloc, 0, 0)
					}
					if n := len(b.workers.last().deployed); n != 1 || b.workers.count() != 1 {
						t.Errorf("%d tasks in %d workers", n, b.workers.count())
					}
					b.workers.last().say(b.attempt(0, 0), core.ExecutionFinished)
					time.Sleep(time.Second)
					synctest.Wait()
					if last := b.jm.states[len(b.jm.states)-1]; last != "0_0 FINISHED" {
						t.Errorf("the job master heard %q", b.jm.states)
					}
					for range 2 { // FreeSlot repeated
						b.free(alloc)
					}
					b.wantFree(2)
					// Neither a late request nor a late deployment brings the allocation back.
					if err := b.request(0, alloc); core.KindOf(err) != core.Conflict {
						t.Errorf("late request: %v", err)
					}
					if _, err := b.gateway.SubmitTasks(t.Context(), b.deployment(alloc, 0, 1)); core.KindOf(err) != core.NotFound {
						t.Errorf("late deployment: %v", err)
					}
				})
			})
		}
	}
}

func TestUnwantedSlotIsFreed(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		b.jm.want = func(*pb.SlotOffer) bool { return false }
		if err := b.request(0, core.NewAllocationID()); err != nil {
			t.Fatal(err)
		}
		b.wantFree(2)
		if n := b.rm.count("NotifySlotAvailable"); n != 1 {
			t.Errorf("%d notifications", n)
		}
	})
}

// A slot whose JobMaster does not answer is given up after taskmanager.slot.timeout.
func TestSlotTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		b.jm.loseRequest["RegisterTaskManager"] = 1 << 20
		if err := b.request(0, core.NewAllocationID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		b.wantFree(2)
	})
}

// The same slot freed while the offer's answer is under way: the JobMaster must not count on it.
func TestSlotLostAfterOffer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := core.NewAllocationID()
		b.jm.want = func(*pb.SlotOffer) bool {
			// Runs outside of the main goroutine of the TaskExecutor, while the offer is open.
			_, err := b.gateway.FreeSlot(context.Background(), &pb.FreeSlotRequest{AllocationId: alloc.Bytes()})
			return err == nil
		}
		other := b.slotWithout(1)
		if err := b.request(0, alloc); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = other
		if _, ok := b.jm.taken[string(alloc.Bytes())]; ok {
			t.Error("the job master counts on a slot that is free")
		}
		b.wantFree(1)
	})
}

// slotWithout takes a slot with the offer hook switched off.
func (b *bed) slotWithout(n int) core.AllocationID {
	hook := b.jm.want
	b.jm.want = nil
	defer func() { b.jm.want = hook }()
	return b.slot(n)
}

func TestTokensAreChecked(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		in := b.deployment(alloc, 0, 0)
		in.JobMasterToken = core.NewToken().Bytes()
		if _, err := b.gateway.SubmitTasks(t.Context(), in); core.KindOf(err) != core.Fenced {
			t.Errorf("submit with a foreign token: %v", err)
		}
		_, err := b.gateway.CancelTasks(t.Context(), &pb.CancelTasksRequest{JobId: b.job.Bytes()})
		if core.KindOf(err) != core.Fenced {
			t.Errorf("cancel without token: %v", err)
		}
		_, err = b.gateway.HeartbeatFromResourceManager(t.Context(), &pb.HeartbeatFromResourceManagerRequest{ResourceManagerToken: core.NewToken().Bytes()})
		if core.KindOf(err) != core.Fenced {
			t.Errorf("heartbeat of a foreign resource manager: %v", err)
		}
		for name, change := range map[string]func(*pb.RequestSlotRequest){
			"another resource manager":   func(in *pb.RequestSlotRequest) { in.ResourceManagerToken = core.NewToken().Bytes() },
			"an earlier registration":    func(in *pb.RequestSlotRequest) { in.InstanceId = core.NewInstanceID().Bytes() },
			"no registration whatsoever": func(in *pb.RequestSlotRequest) { in.InstanceId = nil },
		} { // L-1
			in := b.order(1, core.NewAllocationID())
			change(in)
			if _, err := b.gateway.RequestSlot(t.Context(), in); core.KindOf(err) != core.Fenced {
				t.Errorf("slot request of %s: %v", name, err)
			}
		}
		b.wantFree(1)
	})
}

// A slot that comes while the TaskExecutor takes leave of the same JobMaster is offered after the goodbye, which would
// otherwise take it away again.
func TestGoodbyeComesBeforeTheNextRegistration(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		heard := make(chan struct{})
		b.jm.mu.Lock()
		b.jm.late = func(context.Context) { <-heard }
		b.jm.mu.Unlock()
		if _, err := b.gateway.FreeSlot(t.Context(), &pb.FreeSlotRequest{AllocationId: alloc.Bytes()}); err != nil {
			t.Fatal(err)
		}
		if err := b.request(0, core.NewAllocationID()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := b.jm.count("RegisterTaskManager"); n != 1 {
			t.Errorf("%d registrations before the goodbye was heard, want 1", n)
		}
		close(heard)
		synctest.Wait()
		if n, offers := b.jm.count("RegisterTaskManager"), b.jm.count("OfferSlots"); n != 2 || offers != 2 {
			t.Errorf("%d registrations and %d offers after the goodbye, want 2 and 2", n, offers)
		}
	})
	bubble(t, nil, func(t *testing.T, b *bed) { // the goodbye is never answered
		alloc := b.slot(0)
		b.jm.mu.Lock()
		b.jm.late = func(ctx context.Context) { <-ctx.Done() }
		b.jm.mu.Unlock()
		if _, err := b.gateway.FreeSlot(t.Context(), &pb.FreeSlotRequest{AllocationId: alloc.Bytes()}); err != nil {
			t.Fatal(err)
		}
		if err := b.request(0, core.NewAllocationID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := b.jm.count("OfferSlots"); n != 2 {
			t.Errorf("%d offers, want 2", n)
		}
	})
}

// A new JobMaster of the job takes over: what the old one had here ends.
func TestNewJobMaster(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		old := b.workers.last()
		master := b.service.Peer("jobmanager")
		master.Remove("jobmaster")
		b.jmToken = core.NewToken()
		if err := master.Serve("jobmaster", b.jmToken, b.jm); err != nil {
			t.Fatal(err)
		}
		b.slot(1)
		if !old.stopped {
			t.Error("the worker of the old job master runs on")
		}
		b.wantFree(1)
	})
}

// a deployment before the answer to the offer, a cancellation before the deployment.
func TestR18_Overtaking(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		b.jm.loseAnswer["OfferSlots"] = 1
		alloc := core.NewAllocationID()
		if err := b.request(0, alloc); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.deploy(alloc, 0, 0)
		time.Sleep(20 * time.Second) // past the slot timeout
		b.wantFree(1)
		b.wantStates("0_0 RUNNING")

		b.cancel(1, 3)
		b.wantStates("0_0 RUNNING", "1_3 CANCELED")
		b.deploy(alloc, 1, 3)
		if n := len(b.workers.last().deployed); n != 1 {
			t.Errorf("%d tasks run, want 1: the other was cancelled before it came", n)
		}
	})
}

// a worker that ends takes its tasks with it and nothing else; the next deployment gets a new one.
func TestR19_WorkerDies(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		b.workers.last().die("it exited with code 3")
		synctest.Wait()
		b.wantStates("0_0 RUNNING", "0_0 FAILED")
		if len(b.jm.causes) != 1 || b.jm.causes[0] != "it exited with code 3" {
			t.Errorf("causes %q", b.jm.causes)
		}
		b.wantFree(1) // the slot stays with the job (S-101)
		b.deploy(alloc, 0, 1)
		if b.workers.count() != 2 {
			t.Errorf("%d workers", b.workers.count())
		}
		if n := b.workers.last().spec.Number; n != 1 {
			t.Errorf("worker number %d", n)
		}
		b.wantStates("0_0 RUNNING", "0_0 FAILED", "0_1 RUNNING")
	})
}

// a task that ignores its cancellation costs its worker, and only that.
func TestR22_CancellationIgnored(t *testing.T) {
	bubble(t, func(c *Config) { c.CancellationTimeout = time.Minute }, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		b.deploy(alloc, 1, 0)
		w := b.workers.last()
		w.ignore()
		b.cancel(0, 0)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if w.cause() != nil {
			t.Fatal("killed too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := w.cause(); err == nil || !strings.Contains(err.Error(), "task.cancellation.timeout") {
			t.Errorf("killed because of %v", err)
		}
		b.wantStates("0_0 RUNNING", "1_0 RUNNING", "0_0 CANCELED", "1_0 FAILED")
	})
}

// A slot that is to be freed is free when its tasks have ended, not before.
func TestFreeSlotWaitsForTasks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		w := b.workers.last()
		w.ignore()
		b.free(alloc)
		b.wantFree(1)
		if err := b.request(0, core.NewAllocationID()); core.KindOf(err) != core.Conflict {
			t.Errorf("request of a slot that is being freed: %v", err)
		}
		w.say(b.attempt(0, 0), core.ExecutionCanceled)
		b.wantFree(2)
		b.wantStates("0_0 RUNNING", "0_0 CANCELED")
		w.die("stopped")
	})
}

// The JobMaster dies: its tasks end and its slots are free.
func TestJobMasterLost(t *testing.T) {
	for _, how := range []string{"silence", "disconnect", "connection", "fenced"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *bed) {
				alloc := b.slot(0)
				b.deploy(alloc, 0, 0)
				w := b.workers.last()
				w.ignore()
				switch how {
				case "silence":
					b.jm.mu.Lock()
					b.jm.loseRequest["HeartbeatFromTaskManager"] = 1 << 20
					b.jm.mu.Unlock()
				case "disconnect":
					_, err := b.gateway.DisconnectJobMaster(t.Context(), &pb.JobMasterLostRequest{JobId: b.job.Bytes(), JobMasterToken: b.jmToken.Bytes()})
					if err != nil {
						t.Fatal(err)
					}
				case "connection":
					b.service.Peer("jobmanager").Close()
				case "fenced":
					master := b.service.Peer("jobmanager")
					master.Remove("jobmaster")
					if err := master.Serve("jobmaster", core.NewToken(), b.jm); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(beatTimeout + beatEvery)
				synctest.Wait()
				if !w.stopped {
					t.Fatal("the tasks of a job without job master run on")
				}
				if total, free := counts(b.te); free != total-1 {
					t.Errorf("%d of %d slots are free while the worker lives", free, total)
				}
				w.die("stopped")
				synctest.Wait()
				if total, free := counts(b.te); free != total {
					t.Errorf("%d of %d slots are free", free, total)
				}
			})
		})
	}
}

func counts(te *TaskExecutor) (total, free int) {
	_, _ = rpc.Call(context.Background(), te.ep, func() (struct{}, error) {
		total, free = te.table.Counts()
		return struct{}{}, nil
	})
	return total, free
}

// silence of the ResourceManager ends the registration, not the jobs; a new one follows.
func TestR21_ResourceManagerLost(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		b.rm.mu.Lock()
		b.beating = false
		b.rm.mu.Unlock()
		time.Sleep(beatTimeout - time.Second)
		synctest.Wait()
		if n := b.rm.count("RegisterTaskExecutor"); n != 1 {
			t.Errorf("%d registrations before the timeout", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := b.rm.count("RegisterTaskExecutor"); n != 2 {
			t.Errorf("%d registrations after the timeout", n)
		}
		b.rm.mu.Lock()
		b.beating = true
		b.rm.mu.Unlock()
		b.wantFree(1)
		b.wantStates("0_0 RUNNING")
	})
}

// a TaskManager that reaches nobody gives up and names every address that it tried.
func TestR28_NoResourceManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(c *Config) {
			c.RegistrationTimeout = time.Minute
			c.ResourceManagers = func() []rpc.Address {
				return []rpc.Address{{Server: "here", Endpoint: "resourcemanager"}, {Server: "there", Endpoint: "resourcemanager"}}
			}
		})
		start := time.Now()
		<-b.te.Done()
		if took := time.Since(start); took < time.Minute || took > 61*time.Second {
			t.Errorf("gave up after %s", took)
		}
		err := b.te.Err()
		for _, want := range []string{"here/", "there/", "1m0s", "taskmanager.registration.timeout"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v does not say %q", err, want)
			}
		}
	})
}

func TestShutDown(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		if _, err := b.gateway.ShutDown(t.Context(), &pb.ShutDownRequest{Cause: "idle"}); err != nil {
			t.Fatal(err)
		}
		<-b.te.Done()
		if err := b.te.Err(); err != nil {
			t.Error(err)
		}
		if err := b.te.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !b.workers.last().stopped || b.jm.goodbyes != 1 || len(b.rm.gone) != 1 {
			t.Errorf("worker stopped %v, goodbyes %d and %v", b.workers.last().stopped, b.jm.goodbyes, b.rm.gone)
		}
	})
}

// A worker that does not end must not keep a TaskManager.
func TestCloseKillsWorkers(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		b.workers.last().ignore()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.te.Close(ctx); err != nil {
			t.Error(err)
		}
		if b.workers.last().killed == nil {
			t.Error("the worker was not killed")
		}
	})
}

func TestHeartbeatAndEvents(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bed) {
		alloc := b.slot(0)
		b.deploy(alloc, 0, 0)
		w := b.workers.last()
		b.jm.mu.Lock()
		b.jm.loseRequest["SendOperatorEvent"] = 3
		b.jm.mu.Unlock()
		for _, p := range []string{"a", "b", "c"} {
			w.events.OperatorEvent(&pb.OperatorEvent{Attempt: b.attempt(0, 0), Payload: []byte(p)})
		}
		w.events.OperatorEvent(&pb.OperatorEvent{Attempt: b.attempt(7, 0), Payload: []byte("of nobody")})
		time.Sleep(beatEvery + 100*time.Millisecond)
		synctest.Wait()
		if got := strings.Join(b.jm.events, ""); got != "abc" {
			t.Errorf("events %q", got)
		}
		if len(b.jm.beats) == 0 {
			t.Fatal("no heartbeat")
		}
		beat := b.jm.beats[len(b.jm.beats)-1]
		if len(beat.GetTasks()) != 1 || beat.GetTasks()[0].GetIo().GetRecordsIn() != 42 || len(beat.GetAllocations()) != 1 {
			t.Errorf("heartbeat %v", beat)
		}
		if m := b.te.Metrics(); len(m) != 1 || m[0].GetName() != "lag" {
			t.Errorf("metrics %v", m)
		}
		_, err := b.gateway.DeliverOperatorEvents(t.Context(), &pb.DeliverOperatorEventsRequest{
			JobId: b.job.Bytes(), JobMasterToken: b.jmToken.Bytes(),
			Events: []*pb.OperatorEvent{{Attempt: b.attempt(0, 0), Payload: []byte("split")}, {Attempt: b.attempt(0, 9), Payload: []byte("late")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(w.delivered) != 1 || w.delivered[0] != "split" {
			t.Errorf("delivered %q", w.delivered)
		}
		dump, err := b.gateway.RequestThreadDump(t.Context(), &pb.RequestThreadDumpRequest{})
		if err != nil || !strings.Contains(dump.GetDump(), "stacks of the worker") || !strings.Contains(dump.GetDump(), "goroutine") {
			t.Errorf("thread dump %v, %v", dump, err)
		}
	})
}
