package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
	"github.com/flink-go/flink-go/runtime/worker"
)

func errorInfo(err error) *pb.ErrorInfo { return worker.ErrorInfo(err) }

// child is one worker process and implements taskexecutor.Worker.
type child struct {
	l      *Launcher
	spec   taskexecutor.WorkerSpec
	events taskexecutor.WorkerEvents
	name   string
	ctx    context.Context // ends when the child is to end before it runs
	cancel context.CancelFunc
	conn   net.Conn // our end of the control socket; nil if it could not be made
	theirs *os.File // the child's end, until it has it
	sender *worker.Sender
	broken error // why there is no control socket

	mu      sync.Mutex
	process *os.Process // set while the process may be signaled
	stopped bool        // Stop was called
	killed  error       // cause of Kill
	failed  *pb.ErrorInfo
	ready   bool
	over    bool
	reports waiters[*pb.WorkerReport]
	stacks  waiters[string]
	timers  []*time.Timer
}

func newChild(l *Launcher, spec taskexecutor.WorkerSpec, events taskexecutor.WorkerEvents) *child {
	c := &child{l: l, spec: spec, events: events, name: fmt.Sprintf("worker-%s-%d", spec.Job, spec.Number)}
	c.ctx, c.cancel = context.WithCancel(l.ctx)
	c.conn, c.theirs, c.broken = controlSocket()
	w := io.Discard
	if c.broken == nil {
		w = c.conn
	}
	// A socket that breaks means that the process is gone, which its exit tells better.
	c.sender = worker.NewSender(w, func(error) {})
	c.sender.Send(&pb.ToWorker{Message: &pb.ToWorker_Start{Start: &pb.WorkerStart{
		JobId:       spec.Job.Bytes(),
		JobGraph:    spec.Graph,
		Config:      spec.Settings,
		DataAddress: spec.DataAddress,
		DataSecret:  spec.Secret,
		Slots:       int32(spec.Slots),
	}}})
	return c
}

func controlSocket() (ours net.Conn, theirs *os.File, err error) {
	fds, err := socketPair()
	if err != nil {
		return nil, nil, fmt.Errorf("making the control socket: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "control socket of a worker")
	f := os.NewFile(uintptr(fds[0]), "control socket")
	defer f.Close() // FileConn has its own duplicate
	ours, err = net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("making the control socket: %w", err)
	}
	return ours, theirs, nil
}

// run is the life of the child, from fetching its program to its end.
func (c *child) run() {
	c.finish(c.live())
}

// finish tells the end, after the last goroutine of the child.
func (c *child) finish(cause *pb.ErrorInfo) {
	c.mu.Lock()
	c.over = true
	for _, t := range c.timers {
		t.Stop()
	}
	switch {
	case c.stopped:
		cause = nil
	case c.killed != nil:
		cause = errorInfo(c.killed)
	case c.failed != nil:
		cause = c.failed
	}
	c.reports.fail()
	c.stacks.fail()
	c.mu.Unlock()
	c.cancel()
	if c.conn != nil {
		_ = c.conn.Close() // also ends a write of the Sender that nobody reads
		_ = c.theirs.Close()
	}
	c.sender.Close()
	c.events.Exited(cause)
}

// live runs the process and returns why it ended, or why it could not begin.
func (c *child) live() *pb.ErrorInfo {
	const op = "start worker of job"
	id := c.spec.Job.String()
	if c.broken != nil {
		return errorInfo(core.E(op, core.Internal, id, c.broken))
	}
	var job graph.JobGraph
	if err := json.Unmarshal(c.spec.Graph, &job); err != nil {
		return errorInfo(core.E(op, core.Invalid, id, fmt.Errorf("reading the job graph: %w", err)))
	}
	if job.Program.Blob.IsZero() {
		return errorInfo(core.E(op, core.Invalid, id, errors.New("the job names no program")))
	}
	path, err := c.l.cfg.Fetch(c.ctx, c.spec.Blobs, job.Program.Blob)
	if err != nil {
		return errorInfo(core.E(op, core.KindOf(err), id, fmt.Errorf("fetching the program %s: %w", job.Program.Blob, err)))
	}
	dir := filepath.Join(c.l.cfg.Dir, c.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errorInfo(core.E(op, core.Internal, id, err))
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			c.l.log.Warn("removing the directory of a worker", "job", id, "cause", err)
		}
	}()
	cause, err := c.exec(&job, path, dir)
	if err != nil {
		return errorInfo(core.E(op, core.Internal, id, err))
	}
	return cause
}

// startDir is where a worker starts: the client's working directory if this machine has it, else its own.
func startDir(client, own string) string {
	if filepath.IsAbs(client) {
		if info, err := os.Stat(client); err == nil && info.IsDir() {
			return client
		}
	}
	return own
}

// exec starts the process, serves it and waits for its end.
func (c *child) exec(job *graph.JobGraph, path, dir string) (*pb.ErrorInfo, error) {
	listener, err := listenerFile(c.spec.Listener)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	out, errs, err := c.l.outputs.open(c.spec.Job, c.spec.Number)
	if err != nil {
		return nil, err
	}
	defer out.close()
	defer errs.close()
	env, err := c.environment(job, dir)
	if err != nil {
		return nil, err
	}
	memory := c.memoryLimit()
	group := c.l.cgroups.make(c.name, memory)
	defer group.remove()

	cmd := exec.Command(path, job.Program.Args...) //nolint:noctx // a worker is asked to end before it is killed
	cmd.Args[0] = job.Program.Name
	if cmd.Args[0] == "" {
		cmd.Args[0] = filepath.Base(path)
	}
	cmd.Dir = startDir(job.Program.Dir, dir)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = out.w, errs.w
	cmd.ExtraFiles = []*os.File{c.theirs, listener}
	cmd.SysProcAttr = sysProcAttr(group)

	c.mu.Lock()
	ended := c.ctx.Err() != nil || c.stopped
	c.mu.Unlock()
	if ended {
		return errorInfo(core.E("start worker of job", core.Canceled, c.spec.Job.String(), context.Cause(c.ctx))), nil
	}
	start, kills := time.Now(), oomKills()
	exited, err := c.l.spawn(cmd, group)
	if err != nil {
		return nil, fmt.Errorf("running the program: %w", err)
	}
	c.mu.Lock()
	c.process = cmd.Process
	switch { // what came while it was being forked
	case c.killed != nil:
		killGroup(cmd.Process.Pid)
	case c.stopped:
		c.endInOrder()
	}
	c.mu.Unlock()
	limitProcess(cmd.Process.Pid, group, memory, c.l.log)
	group.add(cmd.Process.Pid)
	c.l.log.Info("worker started", "job", c.spec.Job, "worker", c.spec.Number, "pid", cmd.Process.Pid,
		"output", out.path, "took", time.Since(start))
	_ = c.theirs.Close()
	_ = listener.Close()

	var streams sync.WaitGroup
	streams.Go(out.copy)
	streams.Go(errs.copy)
	var reading sync.WaitGroup
	reading.Go(c.read)
	stopKill := context.AfterFunc(c.l.ctx, func() {
		c.Kill(core.E("run worker", core.Canceled, c.spec.Job.String(), errors.New("the TaskManager shuts down")))
	})
	defer stopKill()
	late := time.AfterFunc(c.l.cfg.StartLimit, c.notStarted)
	defer late.Stop()

	// The process group is killed while the dead process still holds its number: what it left behind goes with it,
	// and nobody else is hit.
	<-exited
	c.mu.Lock()
	killGroup(cmd.Process.Pid)
	c.process = nil
	c.mu.Unlock()
	waitErr := cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](waitErr); waitErr != nil && !ok {
		c.l.log.Warn("waiting for a worker", "job", c.spec.Job, "cause", waitErr)
	}

	// What it wrote before its end is still to be read. A grandchild that left its group may hold the pipes open; it
	// is not waited for.
	drained := time.AfterFunc(drainGrace, func() {
		_ = c.conn.SetReadDeadline(time.Now())
		out.abandon()
		errs.abandon()
	})
	defer drained.Stop()
	reading.Wait()
	streams.Wait()
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	return exitCause(c.spec.Job, exit{
		state:   cmd.ProcessState,
		stderr:  errs.tail(),
		ready:   ready,
		limit:   memory,
		over:    group.oomKilled(),
		machine: oomKills() != kills,
	}), nil
}

// notStarted ends a program that waits for something before it calls Execute (P-6).
func (c *child) notStarted() {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	if !ready {
		c.Kill(core.E("start worker of job", core.UserCode, c.spec.Job.String(),
			fmt.Errorf("the program did not call Execute within %s of its start", c.l.cfg.StartLimit)))
	}
}

// drainGrace is how long the output of an ended worker is read on when something keeps it open.
const drainGrace = 300 * time.Millisecond

// harmless are the environment variables that every worker sees.
var harmless = [...]string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "GODEBUG", "GOTRACEBACK"}

func (c *child) environment(job *graph.JobGraph, dir string) ([]string, error) {
	settings, err := json.Marshal(job.Program.Settings)
	if err != nil {
		return nil, fmt.Errorf("encoding the settings of the program: %w", err)
	}
	var env []string
	for _, name := range append(harmless[:], c.l.cfg.Env...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	env = append(env,
		"FLINKGO_ROLE=worker",
		"FLINKGO_SETTINGS="+string(settings),
		"TMPDIR="+dir,
		"GOMAXPROCS="+strconv.Itoa(c.processors()),
	)
	if limit := c.memoryLimit(); limit > 0 {
		// The rest is for what the Go runtime does not count: stacks of threads, binary, kernel buffers.
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(limit-limit/10, 10))
	}
	return env, nil
}

// processors is a worker's share of the machine: by the CPU of its slots if they say so, else by their number. Two at
// least, so that the garbage collector and the network do not wait for a busy task.
func (c *child) processors() int {
	want := c.spec.Slots
	if milli := c.spec.Profile.CPUMilli; milli > 0 {
		want = int((milli*int64(c.spec.Slots) + 999) / 1000)
	} else if total := c.l.cfg.SlotsTotal; total > 0 {
		want = max(want, (runtime.NumCPU()*c.spec.Slots+total-1)/total)
	}
	return min(max(want, 2), runtime.NumCPU())
}

// memoryLimit is a worker's share of the memory. Without a configured one a worker may have most of what the machine
// has: enough is left for the TaskManager to say what happened.
func (c *child) memoryLimit() int64 {
	per := c.l.cfg.MemoryPerSlot
	if per == 0 {
		per = c.spec.Profile.MemoryBytes
	}
	if per == 0 {
		return c.l.machine / 10 * 9
	}
	return per * int64(c.spec.Slots)
}

// read takes the frames of the worker until its socket closes.
func (c *child) read() {
	r := bufio.NewReaderSize(c.conn, 64<<10)
	for {
		m := new(pb.FromWorker)
		if err := worker.ReadFrame(r, m); err != nil {
			if errors.Is(err, worker.ErrFrame) {
				c.Kill(core.E("read from worker", core.Invalid, c.spec.Job.String(), err))
			}
			return
		}
		switch m := m.GetMessage().(type) {
		case *pb.FromWorker_Ready:
			c.mu.Lock()
			c.ready = true
			c.mu.Unlock()
		case *pb.FromWorker_Failed:
			c.mu.Lock()
			c.failed = m.Failed.GetCause()
			c.mu.Unlock()
		case *pb.FromWorker_State:
			c.events.TaskState(m.State)
		case *pb.FromWorker_Event:
			c.events.OperatorEvent(m.Event)
		case *pb.FromWorker_Report:
			c.mu.Lock()
			c.reports.answer(m.Report)
			c.mu.Unlock()
		case *pb.FromWorker_Stacks:
			c.mu.Lock()
			c.stacks.answer(m.Stacks.GetDump())
			c.mu.Unlock()
		}
	}
}

// Deploy implements taskexecutor.Worker.
func (c *child) Deploy(in *pb.SubmitTasksRequest) {
	c.sender.Send(&pb.ToWorker{Message: &pb.ToWorker_Deploy{Deploy: in}})
}

// Cancel implements taskexecutor.Worker.
func (c *child) Cancel(attempts []*pb.ExecutionAttemptID) {
	c.sender.Send(&pb.ToWorker{Message: &pb.ToWorker_Cancel{Cancel: &pb.CancelTasksRequest{Attempts: attempts}}})
}

// Deliver implements taskexecutor.Worker.
func (c *child) Deliver(events []*pb.OperatorEvent) {
	c.sender.Send(&pb.ToWorker{Message: &pb.ToWorker_Events{Events: &pb.DeliverOperatorEventsRequest{Events: events}}})
}

// Report implements taskexecutor.Worker. A worker that leaves questions open for too long is killed: it is stopped or
// has locked itself up.
func (c *child) Report(ctx context.Context) (*pb.WorkerReport, error) {
	return ask(ctx, c, &c.reports, &pb.ToWorker{Message: &pb.ToWorker_Report{Report: &pb.WorkerReportRequest{}}})
}

// Stacks implements taskexecutor.Worker.
func (c *child) Stacks(ctx context.Context) (string, error) {
	return ask(ctx, c, &c.stacks, &pb.ToWorker{Message: &pb.ToWorker_Stacks{Stacks: &pb.WorkerStackRequest{}}})
}

// Stop implements taskexecutor.Worker.
func (c *child) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.over {
		return
	}
	c.stopped = true
	if c.process == nil {
		c.cancel() // it has not begun
		return
	}
	c.endInOrder()
}

// endInOrder asks the process to end and sees to it that it does. c.mu is held.
func (c *child) endInOrder() {
	c.sender.Send(&pb.ToWorker{Message: &pb.ToWorker_Stop{Stop: &pb.WorkerStop{}}})
	c.timers = append(c.timers,
		time.AfterFunc(c.l.cfg.StopGrace, func() { c.signal(syscall.SIGTERM) }),
		time.AfterFunc(c.l.cfg.StopGrace+c.l.cfg.TermGrace, func() { c.signal(syscall.SIGKILL) }),
	)
}

// Kill implements taskexecutor.Worker.
func (c *child) Kill(cause error) {
	c.mu.Lock()
	if c.killed == nil {
		c.killed = cause
	}
	if c.process == nil {
		c.cancel()
	}
	c.mu.Unlock()
	c.signal(syscall.SIGKILL)
}

// signal reaches the process only while it is known not to have been waited for.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return
	}
	if sig == syscall.SIGKILL {
		killGroup(c.process.Pid)
		return
	}
	if err := c.process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.l.log.Warn("signaling a worker", "job", c.spec.Job, "signal", sig, "cause", err)
	}
}

// listenerFile returns a duplicate of the listener's descriptor for the child.
func listenerFile(l net.Listener) (*os.File, error) {
	f, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("a %T cannot be handed to another process", l)
	}
	file, err := f.File()
	if err != nil {
		return nil, fmt.Errorf("duplicating the data listener: %w", err)
	}
	return file, nil
}
