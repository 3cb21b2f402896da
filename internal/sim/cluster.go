package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/dispatcher"
	"github.com/flink-go/flink-go/runtime/jobmaster"
	"github.com/flink-go/flink-go/runtime/resourcemanager"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
	"github.com/flink-go/flink-go/slots"
)

// Plan is what may go wrong in a run; chances are per thousand deliveries.
type Plan struct {
	TaskManagers, Slots int
	Jobs                int
	Lose, Repeat, Kill  int
	TaskFailures        int       // in all
	Log                 io.Writer // of the components; nil: none
}

// DefaultPlan has a bit of everything, and enough slots when no more than one TaskManager is missing.
func DefaultPlan() Plan {
	return Plan{TaskManagers: 3, Slots: 2, Jobs: 1, Lose: 15, Repeat: 15, Kill: 4, TaskFailures: 2}
}

// Report is what a run came to.
type Report struct {
	Steps, Lost, Repeated, Killed int
	Trace                         uint64 // hash over all decisions
	Simulated                     time.Duration
}

// The durations of the components are odd, or timers that were set in one step would go off at the same instant, in no
// certain order.
const (
	heartbeatInterval = time.Second + 1
	heartbeatTimeout  = 5*heartbeatInterval + 3
	rmCallTimeout     = 2*time.Second + 7
	jobCallTimeout    = 2*time.Second + 13
	taskCallTimeout   = 2*time.Second + 19
	clientTimeout     = 3*time.Second + 23
	restartDelay      = 100*time.Millisecond + 29
	slotIdleTimeout   = 2*time.Second + 37
	slotTimeout       = 5*time.Second + 41
)

// cluster is one simulated cluster: a JobManager, TaskManagers, a client.
type cluster struct {
	plan    Plan
	rng     *rand.Rand
	network *Network
	world   *world
	log     *slog.Logger
	trace   io.Writer
	report  Report

	jm   *Node
	rm   *resourcemanager.ResourceManager
	disp *dispatcher.Dispatcher
	tms  []*taskManager // alive
	born int

	wg       sync.WaitGroup
	faults   bool
	mu       sync.Mutex
	ended    int // jobs whose result came
	problems []error
}

type taskManager struct {
	name string
	te   *taskexecutor.TaskExecutor
}

// Run simulates one cluster from start to end. It must be called inside a synctest bubble. The error says which
// invariant does not hold.
func Run(seed uint64, plan Plan) (Report, error) {
	out := plan.Log
	if out == nil {
		out = io.Discard
	}
	trace := fnv.New64a()
	c := &cluster{plan: plan, rng: rand.New(rand.NewPCG(seed, 1)), network: newNetwork(), world: newWorld(seed, plan.TaskFailures), trace: io.MultiWriter(trace, out),
		log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})), faults: true}
	begin := time.Now()
	err := c.run()
	c.report.Trace, c.report.Simulated = trace.Sum64(), time.Since(begin)
	return c.report, err
}

func (c *cluster) run() error {
	if err := c.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	for n := range c.plan.Jobs {
		client := c.network.node(fmt.Sprintf("client%d", n))
		job, b := c.world.job(n)
		c.wg.Go(func() { c.submit(ctx, client, job, b) })
	}
	err := c.drive()
	cancel()
	// From here nothing waits for the driver any more.
	c.network.open()
	for _, tm := range c.tms {
		tm.te.Close(context.Background()) // one that has given up says so again
	}
	err = errors.Join(err, c.disp.Close(), c.rm.Close())
	c.wg.Wait()
	return err
}

func (c *cluster) start() error {
	c.jm = c.network.node("jm")
	heartbeat := rpc.HeartbeatConfig{Interval: heartbeatInterval, Timeout: heartbeatTimeout}
	var err error
	c.rm, err = resourcemanager.New(resourcemanager.Config{Service: c.jm, Token: core.NewToken(), Log: c.log.With("node", "jm"), Heartbeat: heartbeat, CallTimeout: rmCallTimeout,
		Slots: slots.ManagerConfig{StartUp: time.Minute}})
	if err != nil {
		return err
	}
	c.disp = dispatcher.New(dispatcher.Config{Log: c.log.With("node", "jm"), NewJobMaster: func(job *graph.JobGraph) (dispatcher.JobMaster, error) {
		return jobmaster.New(jobmaster.Config{Job: job, Service: c.jm, Log: c.log.With("node", "jm"),
			ResourceManager:    func(context.Context) (rpc.Address, error) { return c.rm.Address(), nil },
			Restart:            graph.RestartStrategy{Type: "fixed-delay", Attempts: 1000, Delay: restartDelay},
			SlotRequestTimeout: 10 * time.Minute, SlotIdleTimeout: slotIdleTimeout,
			HeartbeatInterval: heartbeatInterval, HeartbeatTimeout: heartbeatTimeout, RPCTimeout: jobCallTimeout})
	}})
	if err := c.jm.Serve(dispatcher.EndpointName, core.Token{}, c.disp); err != nil {
		return err
	}
	for range c.plan.TaskManagers {
		if err := c.addTaskManager(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) addTaskManager() error {
	c.born++
	name := fmt.Sprintf("tm%d", c.born)
	node := c.network.node(name)
	te, err := taskexecutor.New(taskexecutor.Config{Resource: core.ResourceID(name), Host: name, DataHost: name, Slots: c.plan.Slots, Service: node,
		ResourceManagers: func() []rpc.Address { return []rpc.Address{c.rm.Address()} },
		Listen: func() (net.Listener, error) {
			return &listener{addr: dataAddr(name + ":1"), gone: make(chan struct{})}, nil
		},
		Random:  rand.New(rand.NewPCG(c.rng.Uint64(), 3)).Float64, // called by one goroutine
		Workers: &workers{c.network, name, c.world}, Log: c.log.With("node", name),
		SlotTimeout: slotTimeout, CancellationTimeout: 30 * time.Second, CallTimeout: taskCallTimeout, RegistrationTimeout: time.Hour})
	if err != nil {
		return err
	}
	if err := te.Start(); err != nil {
		return err
	}
	c.tms = append(c.tms, &taskManager{name, te})
	return nil
}

// submit hands a job in, again until it is acknowledged, and waits for its result.
func (c *cluster) submit(ctx context.Context, client *Node, job *graph.JobGraph, b []byte) {
	d := client.Dispatcher(rpc.Address{Server: "jm", Endpoint: dispatcher.EndpointName})
	again := func(what string, try func(ctx context.Context) (bool, error)) bool {
		for ctx.Err() == nil {
			once, cancel := context.WithTimeout(ctx, clientTimeout)
			done, err := try(once)
			cancel()
			if done {
				return true
			}
			if err != nil && core.KindOf(err) != core.Unavailable && core.KindOf(err) != core.Canceled && !errors.Is(err, context.DeadlineExceeded) {
				c.problem(fmt.Errorf("%s: %w", what, err))
				return false
			}
		}
		return false
	}
	if !again("submit job", func(ctx context.Context) (bool, error) {
		_, err := d.SubmitJob(ctx, &pb.SubmitJobRequest{JobGraph: b})
		return err == nil, err
	}) {
		return
	}
	again("request result", func(ctx context.Context) (bool, error) {
		r, err := d.RequestJobResult(ctx, &pb.RequestJobResultRequest{JobId: job.ID.Bytes(), WaitMillis: 1000})
		if err != nil || !r.GetDone() {
			return false, err
		}
		if r.GetStatus() != core.JobFinished.String() {
			c.problem(fmt.Errorf("job %s ended %s: %s", job.ID, r.GetStatus(), r.GetFailure().GetMessage()))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended++
		return true, nil
	})
}

func (c *cluster) problem(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, err)
}

func (c *cluster) state() (ended int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended, errors.Join(c.problems...)
}

const (
	maxSteps     = 200_000
	maxSimulated = 30 * time.Minute
)

// drive lets things happen until all jobs have ended, then without faults until the views must agree.
func (c *cluster) drive() error {
	begin := time.Now()
	idle := time.Microsecond
	var quietFrom time.Time
	for c.report.Steps = 0; ; c.report.Steps++ {
		synctest.Wait()
		ended, err := c.state()
		if err != nil {
			return err
		}
		if ended == c.plan.Jobs && quietFrom.IsZero() {
			quietFrom, c.faults = time.Now(), false
		}
		if !quietFrom.IsZero() && time.Since(quietFrom) > 10*heartbeatInterval {
			return c.agree()
		}
		if c.report.Steps > maxSteps || time.Since(begin) > maxSimulated {
			return fmt.Errorf("%d of %d jobs ended after %d steps and %s", ended, c.plan.Jobs, c.report.Steps, time.Since(begin))
		}
		n := c.network.sorted()
		if n == 0 || c.rng.IntN(10) == 0 {
			// Odd nanoseconds keep timers of different components apart.
			time.Sleep(idle + time.Duration(c.rng.IntN(1000)))
			if n == 0 {
				idle = min(2*idle, 200*time.Millisecond)
			}
			continue
		}
		idle = time.Microsecond
		if err := c.next(c.network.take(c.rng.IntN(n))); err != nil {
			return err
		}
	}
}

// next decides what becomes of it.
func (c *cluster) next(it *item) error {
	what := "deliver"
	dice := c.rng.IntN(1000)
	switch {
	case !c.faults:
	case dice < c.plan.Lose && it.lose != nil:
		what = "lose"
	case dice < c.plan.Lose+c.plan.Repeat && it.repeat != nil:
		what = "repeat"
	case dice >= 1000-c.plan.Kill && len(c.tms) > 0:
		if err := c.kill(c.rng.IntN(len(c.tms))); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(c.trace, "%s %s\n", what, it.what)
	switch what {
	case "lose":
		c.report.Lost++
		it.lose()
	case "repeat":
		c.report.Repeated++
		it.deliver()
		c.network.add(&item{what: "again: " + it.what, from: it.from, to: it.to, deliver: it.repeat, lose: func() {}})
	default:
		it.deliver()
	}
	return nil
}

// kill ends a TaskManager as kill -9 does and starts another.
func (c *cluster) kill(i int) error {
	tm := c.tms[i]
	c.tms = slices.Delete(c.tms, i, i+1)
	c.report.Killed++
	_, _ = fmt.Fprintf(c.trace, "kill %s\n", tm.name)
	c.network.kill(tm.name)
	c.world.nodeGone(tm.name)
	c.wg.Go(func() {
		_ = tm.te.Close(context.Background()) // the process is gone: nobody hears what it says
	})
	synctest.Wait() // or its end would race with what happens next
	return c.addTaskManager()
}

// agree checks what must hold when all jobs have ended and time has passed: the views of ResourceManager and
// TaskManagers agree, every slot is free, nothing runs (R-16, P-8).
func (c *cluster) agree() error {
	var errs []error
	if n := c.world.running(); n > 0 {
		errs = append(errs, fmt.Errorf("%d attempts still run: %v", n, c.world.live))
	}
	infos, err := c.rm.RequestTaskManagers(context.Background(), &pb.RequestTaskManagersRequest{})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, tm := range infos.GetTaskManagers() {
		known[tm.GetResourceId()] = true
		if tm.GetSlotsFree() != tm.GetSlotsTotal() {
			errs = append(errs, fmt.Errorf("the ResourceManager sees %d of %d slots of %s free: %v", tm.GetSlotsFree(), tm.GetSlotsTotal(), tm.GetResourceId(), tm.GetSlots()))
		}
	}
	for _, tm := range c.tms {
		if !known[tm.name] {
			errs = append(errs, fmt.Errorf("the ResourceManager does not know %s", tm.name))
		}
		hb, err := tm.te.HeartbeatFromResourceManager(context.Background(), &pb.HeartbeatFromResourceManagerRequest{ResourceManagerToken: c.rm.Address().Token.Bytes()})
		if err != nil {
			errs = append(errs, fmt.Errorf("heartbeat of %s: %w", tm.name, err))
			continue
		}
		for _, s := range hb.GetSlots().GetSlots() {
			if len(s.GetAllocationId()) > 0 {
				errs = append(errs, fmt.Errorf("slot %d of %s is still allocated to job %x", s.GetSlot().GetNumber(), tm.name, s.GetJobId()))
			}
		}
	}
	if len(known) != len(c.tms) {
		errs = append(errs, fmt.Errorf("the ResourceManager knows %d TaskManagers of %d", len(known), len(c.tms)))
	}
	return errors.Join(errs...)
}

// sorted brings what waits into an order that does not depend on which goroutine came first, and counts it.
func (n *Network) sorted() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortStableFunc(n.pending, func(a, b *item) int {
		return cmp.Or(strings.Compare(a.what, b.what), cmp.Compare(a.seq, b.seq))
	})
	return len(n.pending)
}

// open ends the simulation: calls that wait get an error, later ones too.
func (n *Network) open() {
	n.mu.Lock()
	n.closed = true
	waiting := n.pending
	n.pending = nil
	n.mu.Unlock()
	for _, it := range waiting {
		if it.abandon != nil {
			it.abandon()
		}
	}
}
