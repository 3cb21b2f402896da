package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
	"github.com/flink-go/flink-go/runtime/worker"
)

// The test binary is its own worker program: started with FLINKGO_ROLE=worker it does what its first argument says as
// soon as it is asked to deploy.
func TestMain(m *testing.M) {
	switch os.Getenv("FLINKGO_ROLE") {
	case "worker":
		os.Exit(beWorker(os.Args[1:]))
	case "parent":
		beParent()
		return
	}
	goleak.VerifyTestMain(m)
}

// beWorker speaks the worker's protocol and misbehaves.
func beWorker(args []string) int {
	what := args[0]
	if what == "asleep" {
		<-time.After(time.Hour)
	}
	if what == "before" {
		code, _ := strconv.Atoi(args[1])
		return code
	}
	conn, err := net.FileConn(os.NewFile(3, "control"))
	if err != nil {
		return 90
	}
	l, err := net.FileListener(os.NewFile(4, "listener"))
	if err != nil {
		return 91
	}
	r := bufio.NewReader(conn)
	sender := worker.NewSender(conn, func(error) {})
	send := func(m *pb.FromWorker) { sender.Send(m) }
	for {
		in := new(pb.ToWorker)
		if err := worker.ReadFrame(r, in); err != nil {
			return 92
		}
		switch in.GetMessage().(type) {
		case *pb.ToWorker_Start:
			if what == "refuse" {
				send(&pb.FromWorker{Message: &pb.FromWorker_Failed{Failed: &pb.WorkerFailed{Cause: &pb.ErrorInfo{Message: "not the submitted graph"}}}})
				sender.Close()
				return 71
			}
			send(&pb.FromWorker{Message: &pb.FromWorker_Ready{Ready: &pb.WorkerReady{}}})
		case *pb.ToWorker_Deploy:
			misbehave(what, args, l, send)
		case *pb.ToWorker_Report:
			send(&pb.FromWorker{Message: &pb.FromWorker_Report{Report: &pb.WorkerReport{Tasks: []*pb.TaskReport{{State: "RUNNING"}}}}})
		case *pb.ToWorker_Stacks:
			send(&pb.FromWorker{Message: &pb.FromWorker_Stacks{Stacks: &pb.WorkerStacks{Dump: worker.Stacks()}}})
		case *pb.ToWorker_Stop:
			if what == "stubborn" {
				select {}
			}
			sender.Close()
			return 0
		}
	}
}

func misbehave(what string, args []string, l net.Listener, send func(*pb.FromWorker)) {
	switch what {
	case "exit":
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "panic":
		go func() { panic("out of a goroutine") }()
		select {}
	case "overflow":
		debug.SetMaxStack(16 << 20)
		var deeper func(n int) int
		deeper = func(n int) int { return deeper(n+1) + 1 }
		deeper(0)
	case "maps":
		// A real data race is not for a test: the words are the runtime's.
		fmt.Fprintln(os.Stderr, "fatal error: concurrent map writes")
		os.Exit(2)
	case "segv":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		select {}
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "terminate":
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "flood":
		line := bytes.Repeat([]byte("x"), 1023)
		line = append(line, '\n')
		for range 4096 {
			_, _ = os.Stdout.Write(line)
		}
		send(state("FINISHED"))
	case "memory":
		var keep [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			keep = append(keep, b)
			runtime.KeepAlive(keep)
		}
	case "child", "daemon":
		cmd := exec.Command("/bin/sleep", "1000")
		// A daemon leaves the session and process group of the worker.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: what == "daemon"}
		if err := cmd.Start(); err != nil {
			os.Exit(93)
		}
		send(&pb.FromWorker{Message: &pb.FromWorker_Event{Event: &pb.OperatorEvent{Payload: []byte(strconv.Itoa(cmd.Process.Pid))}}})
	case "signal": // all that is named, once harmlessly and, should that not be allowed, in earnest
		for _, arg := range args[1:] {
			pid, _ := strconv.Atoi(arg)
			if pid == 0 {
				pid = os.Getppid()
			}
			err := syscall.Kill(pid, 0)
			if err != nil {
				err = syscall.Kill(pid, syscall.SIGKILL)
			}
			send(&pb.FromWorker{Message: &pb.FromWorker_Event{Event: &pb.OperatorEvent{Payload: fmt.Append(nil, err)}}})
		}
	case "serve":
		c, err := l.Accept()
		if err != nil {
			os.Exit(94)
		}
		_, _ = fmt.Fprintln(c, "hello")
		_ = c.Close()
	case "environment":
		b, _ := json.Marshal(os.Environ())
		fds, _ := os.ReadDir("/proc/self/fd")
		dir, _ := os.Getwd()
		status, _ := os.ReadFile("/proc/self/status")
		_, _ = fmt.Fprintf(os.Stdout, "%s\n%d\n%s\n%s", b, len(fds), dir, status)
		send(state("FINISHED"))
	case "garbage":
		f := os.NewFile(3, "control")
		_, _ = f.Write([]byte{0xff, 0xff, 0xff, 0xff, 1, 2, 3})
		select {}
	default:
		send(state("RUNNING"))
	}
}

func state(s string) *pb.FromWorker {
	return &pb.FromWorker{Message: &pb.FromWorker_State{State: &pb.TaskState{State: s}}}
}

// recorder collects the events of a worker.
type recorder struct {
	states chan string // buffered for all that a test provokes
	events chan []byte
	exited chan *pb.ErrorInfo
}

func newRecorder() *recorder {
	return &recorder{make(chan string, 16), make(chan []byte, 16), make(chan *pb.ErrorInfo, 1)}
}

func (r *recorder) TaskState(s *pb.TaskState)         { r.states <- s.GetState() }
func (r *recorder) OperatorEvent(e *pb.OperatorEvent) { r.events <- e.GetPayload() }
func (r *recorder) Exited(cause *pb.ErrorInfo)        { r.exited <- cause }

func (r *recorder) wait(t *testing.T) *pb.ErrorInfo {
	t.Helper()
	return receive(t, r.exited)
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 s")
		panic("unreachable")
	}
}

type fixture struct {
	*Launcher
	dir, logs string
	log       bytes.Buffer
}

func newFixture(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{dir: t.TempDir(), logs: t.TempDir()}
	cfg := Config{
		Fetch:  func(context.Context, rpc.BlobGateway, core.BlobKey) (string, error) { return exe, nil },
		Dir:    f.dir,
		LogDir: f.logs,
		Log:    slog.New(slog.NewTextHandler(&f.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	f.Launcher, err = New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(f.dir); len(left) > 0 {
			t.Errorf("%s is left in the directory of workers", left[0].Name())
		}
	})
	return f
}

func (f *fixture) start(t *testing.T, events taskexecutor.WorkerEvents, args ...string) taskexecutor.Worker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return f.startOn(t, l, events, args...)
}

func (f *fixture) startOn(t *testing.T, l net.Listener, events taskexecutor.WorkerEvents, args ...string) taskexecutor.Worker {
	t.Helper()
	job := &graph.JobGraph{Program: graph.Program{Blob: core.BlobKeyOf([]byte("program")), Name: "program", Args: args, Settings: map[string]string{"k": "v"}}}
	b, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	return f.Start(taskexecutor.WorkerSpec{Job: core.NewJobID(), Graph: b, Slots: 1, Listener: l}, events)
}

// R-26, B-41, B-44: whatever a program does to its process, the cause says so.
func TestR26_CauseOfAnExit(t *testing.T) {
	for _, tc := range []struct {
		args  []string
		want  []string
		stack string
	}{
		{[]string{"exit", "0"}, []string{"code 0 without finishing its tasks"}, ""},
		{[]string{"exit", "3"}, []string{"exited with code 3"}, ""},
		{[]string{"before", "0"}, []string{"code 0 before Execute"}, ""},
		{[]string{"before", "3"}, []string{"code 3 before Execute"}, ""},
		{[]string{"panic"}, []string{"panic", "out of a goroutine", "code 2"}, "misbehave"},
		{[]string{"overflow"}, []string{"stack overflow", "code 2"}, "misbehave"},
		{[]string{"maps"}, []string{"concurrent use of a map"}, ""},
		{[]string{"segv"}, []string{"segmentation"}, ""},
		{[]string{"kill"}, []string{"signal 9", "by somebody on this machine"}, ""},
		{[]string{"terminate"}, []string{"signal 15", "by somebody on this machine"}, ""},
		{[]string{"refuse"}, []string{"not the submitted graph"}, ""},
		{[]string{"garbage"}, []string{"malformed frame"}, ""},
	} {
		t.Run(strings.Join(tc.args, "_"), func(t *testing.T) {
			f := newFixture(t, nil)
			r := newRecorder()
			w := f.start(t, r, tc.args...)
			if tc.args[0] == "exit" { // let it be ready first
				if _, err := w.Report(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.Deploy(&pb.SubmitTasksRequest{})
			cause := r.wait(t)
			for _, want := range tc.want {
				if !strings.Contains(cause.GetMessage(), want) {
					t.Errorf("cause %q does not say %q", cause.GetMessage(), want)
				}
			}
			lost := slices.Contains([]string{"kill", "terminate"}, tc.args[0])
			if got := cause.GetKind() == core.Lost.String(); got != lost {
				t.Errorf("kind %q", cause.GetKind())
			}
			if !strings.Contains(cause.GetStack(), tc.stack) {
				t.Errorf("stack does not show %q:\n%s", tc.stack, cause.GetStack())
			}
		})
	}
}

func TestWorkerAnswersAndStops(t *testing.T) {
	f := newFixture(t, nil)
	r := newRecorder()
	w := f.start(t, r, "run")
	w.Deploy(&pb.SubmitTasksRequest{})
	if s := receive(t, r.states); s != "RUNNING" {
		t.Errorf("state %s", s)
	}
	report, err := w.Report(t.Context())
	if err != nil || len(report.GetTasks()) != 1 {
		t.Errorf("report %v, %v", report, err)
	}
	stacks, err := w.Stacks(t.Context())
	if err != nil || !strings.Contains(stacks, "beWorker") {
		t.Errorf("stacks %q, %v", stacks, err)
	}
	w.Stop()
	if cause := r.wait(t); cause != nil {
		t.Errorf("cause %v after a stop", cause)
	}
	if _, err := w.Report(t.Context()); core.KindOf(err) != core.Unavailable {
		t.Errorf("report after the end: %v", err)
	}
}

func TestStopBeforeTheProgramIsThere(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Fetch = func(ctx context.Context, _ rpc.BlobGateway, _ core.BlobKey) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
	})
	r := newRecorder()
	f.start(t, r, "run").Stop()
	if cause := r.wait(t); cause != nil {
		t.Errorf("cause %v after a stop", cause)
	}
}

func TestFetchFails(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Fetch = func(context.Context, rpc.BlobGateway, core.BlobKey) (string, error) {
			return "", errors.New("no such blob")
		}
	})
	r := newRecorder()
	f.start(t, r, "run")
	if cause := r.wait(t); !strings.Contains(cause.GetMessage(), "no such blob") {
		t.Errorf("cause %v", cause)
	}
}

func TestStubbornWorkerIsKilled(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.StopGrace, c.TermGrace = 50*time.Millisecond, 50*time.Millisecond })
	r := newRecorder()
	w := f.start(t, r, "stubborn")
	w.Deploy(&pb.SubmitTasksRequest{})
	receive(t, r.states)
	w.Stop()
	if cause := r.wait(t); cause != nil {
		t.Errorf("cause %v after a stop", cause)
	}
}

// a worker that is stopped by a signal answers nothing; it counts as dead after a while.
func TestR20_StoppedWorkerIsKilled(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Unresponsive = 50 * time.Millisecond })
	r := newRecorder()
	w := f.start(t, r, "stop")
	if _, err := w.Report(t.Context()); err != nil { // it is ready
		t.Fatal(err)
	}
	w.Deploy(&pb.SubmitTasksRequest{})
	for len(r.exited) == 0 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, _ = w.Report(ctx)
		cancel()
	}
	if cause := r.wait(t); !strings.Contains(cause.GetMessage(), "has not answered") {
		t.Errorf("cause %v", cause)
	}
}

// P-6: a program that does not get as far as Execute is not waited for without end.
func TestProgramThatNeverCallsExecute(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.StartLimit = 100 * time.Millisecond })
	r := newRecorder()
	f.start(t, r, "asleep")
	if cause := r.wait(t); !strings.Contains(cause.GetMessage(), "did not call Execute within 100ms") {
		t.Errorf("cause %v", cause)
	}
}

// what a worker prints is kept in bounded space.
func TestR57_OutputIsCapped(t *testing.T) {
	const limit = 256 << 10
	f := newFixture(t, func(c *Config) { c.LogLimit = limit })
	r := newRecorder()
	w := f.start(t, r, "flood")
	w.Deploy(&pb.SubmitTasksRequest{})
	receive(t, r.states)
	w.Stop()
	r.wait(t)
	files, err := filepath.Glob(filepath.Join(f.logs, "worker-*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	noted := false
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > limit+1024 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
		noted = noted || bytes.Contains(b, []byte("reached its limit"))
	}
	if !noted {
		t.Error("no file says that output was dropped")
	}
}

// a job whose workers die again and again keeps the output of the last ones; a TaskManager with the same log
// directory is not disturbed.
func TestR57_OldOutputGoes(t *testing.T) {
	dir, job := t.TempDir(), core.NewJobID()
	mine := &outputs{dir: dir, limit: 1 << 20, log: slog.New(slog.DiscardHandler)}
	others := &outputs{dir: dir, limit: 1 << 20, log: slog.New(slog.DiscardHandler)}
	open := func(o *outputs, job core.JobID, n int) string {
		t.Helper()
		out, errs, err := o.open(job, n)
		if err != nil {
			t.Fatal(err)
		}
		out.close()
		errs.close()
		return out.path
	}
	foreign := open(others, job, 0)
	for n := range 2 * keepPerJob {
		if open(mine, job, n) == foreign {
			t.Fatal("two workers write into one file")
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 2*keepPerJob+2 {
		t.Errorf("%d files, want %d", len(files), 2*keepPerJob+2)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
	for range keepInAll {
		open(mine, core.NewJobID(), 0)
	}
	files, _ = filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 2*keepInAll+2 {
		t.Errorf("%d files, want %d", len(files), 2*keepInAll+2)
	}
}

func TestStartAfterClose(t *testing.T) {
	f := newFixture(t, nil)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRecorder()
	f.start(t, r, "run").Stop()
	if cause := r.wait(t); !strings.Contains(cause.GetMessage(), "shuts down") {
		t.Errorf("cause %v", cause)
	}
}

// A stop that comes while the process is being forked ends it all the same.
func TestStopWhileStarting(t *testing.T) {
	f := newFixture(t, nil)
	for range 20 {
		r := newRecorder()
		w := f.start(t, r, "run")
		w.Stop()
		if cause := r.wait(t); cause != nil {
			t.Errorf("cause %v after a stop", cause)
		}
		r = newRecorder()
		w = f.start(t, r, "run")
		w.Kill(errors.New("enough"))
		if cause := r.wait(t); cause.GetMessage() != "enough" {
			t.Errorf("cause %v after a kill", cause)
		}
	}
}

// The next worker of a job listens at the same address, for the listener stays with the TaskManager.
func TestListenerOutlivesWorker(t *testing.T) {
	f := newFixture(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 {
		r := newRecorder()
		w := f.startOn(t, l, r, "serve")
		w.Deploy(&pb.SubmitTasksRequest{})
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || line != "hello\n" {
			t.Errorf("read %q, %v", line, err)
		}
		conn.Close()
		w.Kill(errors.New("enough"))
		if cause := r.wait(t); cause.GetMessage() != "enough" {
			t.Errorf("cause %v", cause)
		}
	}
}

// SEC-16: a worker sees nothing of the TaskManager that it does not need.
func TestSEC16_Environment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_TASKMANAGER", "x")
	f := newFixture(t, nil)
	r := newRecorder()
	w := f.start(t, r, "environment")
	w.Deploy(&pb.SubmitTasksRequest{})
	receive(t, r.states)
	w.Stop()
	r.wait(t)
	files, _ := filepath.Glob(filepath.Join(f.logs, "worker-*.out"))
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(string(b), "\n", 4)
	if strings.Contains(lines[0], "SECRET") {
		t.Errorf("environment %s", lines[0])
	}
	if !strings.Contains(lines[0], `FLINKGO_SETTINGS={\"k\":\"v\"}`) {
		t.Errorf("no settings in %s", lines[0])
	}
	if !strings.HasPrefix(lines[2], f.dir) {
		t.Errorf("working directory %s, want one in %s", lines[2], f.dir)
	}
	if runtime.GOOS == "linux" {
		for _, want := range []string{"NoNewPrivs:\t1", "Umask:\t0077"} {
			if !strings.Contains(lines[3], want) {
				t.Errorf("no %q in the status of the worker", want)
			}
		}
	}
}

// SEC-16, P-5, B-44: a program cannot signal its TaskManager, nor what else runs here, nor the worker of another job.
func TestB44_WorkersSignalOnlyThemselves(t *testing.T) {
	signal := func(t *testing.T, sandbox string) (parent, other string) {
		t.Helper()
		f := newFixture(t, func(c *Config) { c.Sandbox = sandbox })
		if sandbox == "auto" && !f.confinement.signals {
			t.Skip("this kernel cannot confine signals")
		}
		others := newRecorder()
		neighbor := f.start(t, others, "child") // which has a worker and a child of it
		neighbor.Deploy(&pb.SubmitTasksRequest{})
		pid := string(receive(t, others.events))
		r := newRecorder()
		w := f.start(t, r, "signal", "0", pid)
		w.Deploy(&pb.SubmitTasksRequest{})
		parent, other = string(receive(t, r.events)), string(receive(t, r.events))
		for _, w := range []taskexecutor.Worker{w, neighbor} {
			w.Stop()
		}
		r.wait(t)
		others.wait(t)
		return parent, other
	}
	t.Run("auto", func(t *testing.T) {
		if parent, other := signal(t, "auto"); parent != syscall.EPERM.Error() || other != syscall.EPERM.Error() {
			t.Errorf("signaling the parent: %s, another job: %s", parent, other)
		}
	})
	t.Run("off", func(t *testing.T) {
		if parent, _ := signal(t, "off"); parent != "<nil>" {
			t.Errorf("signaling the parent: %s", parent)
		}
	})
}

// P-8: what a worker started goes with it; a daemon too, where there are cgroups.
func TestGrandchildrenEnd(t *testing.T) {
	for _, what := range []string{"child", "daemon"} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t, nil)
			if what == "daemon" && f.cgroups == nil {
				t.Skip("no cgroup can be made here")
			}
			r := newRecorder()
			w := f.start(t, r, what)
			w.Deploy(&pb.SubmitTasksRequest{})
			pid, err := strconv.Atoi(string(receive(t, r.events)))
			if err != nil {
				t.Fatal(err)
			}
			w.Stop()
			r.wait(t)
			waitGone(t, pid)
		})
	}
}

// waitGone returns when the process has ended; one that nobody reaps counts.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		<-tick.C
	}
	t.Errorf("process %d is still there", pid)
}

// beParent is a TaskManager process of its own, to be killed: it prints the worker's process id.
func beParent() {
	exe, _ := os.Executable()
	dir, _ := os.MkdirTemp("", "parent")
	l, err := New(Config{
		Fetch:  func(context.Context, rpc.BlobGateway, core.BlobKey) (string, error) { return exe, nil },
		Dir:    dir,
		LogDir: dir,
		Log:    slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	job := &graph.JobGraph{Program: graph.Program{Blob: core.BlobKeyOf([]byte("program")), Args: []string{"run"}}}
	b, _ := json.Marshal(job)
	r := newRecorder()
	w := l.Start(taskexecutor.WorkerSpec{Job: core.NewJobID(), Graph: b, Slots: 1, Listener: listener}, r)
	w.Deploy(&pb.SubmitTasksRequest{})
	<-r.states
	_, _ = fmt.Fprintln(os.Stdout, "ready")
	select {}
}

// a worker ends within a second of its TaskManager.
func TestR19_ParentDies(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "FLINKGO_ROLE=parent", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		if _, rest, ok := strings.Cut(lines.Text(), " pid="); ok {
			pid, _ = strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	if pid == 0 {
		t.Fatal("the parent did not say its worker's process id")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = cmd.Wait()
	waitGone(t, pid)
	if took := time.Since(start); took > time.Second {
		t.Errorf("the worker ended %s after its TaskManager", took)
	}
}

// a worker that is over its memory ends alone, and the cause names the reason.
func TestR27_OutOfMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("fills memory")
	}
	t.Run("cgroup", func(t *testing.T) {
		f := newFixture(t, func(c *Config) { c.MemoryPerSlot = 64 << 20 })
		if f.cgroups == nil {
			t.Skip("no cgroup can be made here")
		}
		r := newRecorder()
		f.start(t, r, "memory").Deploy(&pb.SubmitTasksRequest{})
		if cause := r.wait(t); !strings.Contains(cause.GetMessage(), "out of memory: it was killed at its limit of 64 MiB") {
			t.Errorf("cause %v", cause)
		}
	})
	t.Run("rlimit", func(t *testing.T) {
		if runtime.GOOS != "linux" || raceEnabled {
			t.Skip("workers are limited on Linux only, and not with the race detector in them")
		}
		f := newFixture(t, func(c *Config) { c.MemoryPerSlot = 64 << 20 })
		f.cgroups = nil
		r := newRecorder()
		f.start(t, r, "memory").Deploy(&pb.SubmitTasksRequest{})
		if cause := r.wait(t); !strings.Contains(cause.GetMessage(), "out of memory") {
			t.Errorf("cause %v", cause)
		}
	})
}
