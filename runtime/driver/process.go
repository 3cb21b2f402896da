package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/core"
)

// ProcessConfig adjusts a Process driver.
type ProcessConfig struct {
	Worker Worker
	// Command is the command line of a TaskManager and Env its whole environment; "{id}" in either is replaced by
	// its resource id.
	Command []string
	Env     []string
	// LogDir gets a file <id>.out with what a TaskManager writes to its standard output and error; "": discarded.
	LogDir string
	// StopTimeout is how long a TaskManager may take to end in good order until it is killed, 5 s.
	StopTimeout time.Duration
	Log         *slog.Logger
}

// Process starts TaskManagers as processes of this machine. They do not outlive this process (on Linux the kernel
// sees to it), nor Close.
type Process struct {
	cfg    ProcessConfig
	exited func(core.ResourceID, error)
	start  chan startRequest // unbuffered: a request is either taken or refused by Close
	done   chan struct{}     // closed by Close
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	procs  map[core.ResourceID]*process
}

type process struct {
	id   core.ResourceID
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
	stop sync.Once
}

type startRequest struct {
	id     core.ResourceID
	answer chan error // capacity 1, so that the starter never waits
}

var _ Driver = (*Process)(nil)

// NewProcess makes a driver that has started nothing yet.
func NewProcess(cfg ProcessConfig) (*Process, error) {
	if len(cfg.Command) == 0 || cfg.Worker.Slots < 1 {
		return nil, core.E("configure process driver", core.Invalid, "", errors.New("it needs a command and at least one slot per TaskManager"))
	}
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, 5*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Process{
		cfg:    cfg,
		exited: func(core.ResourceID, error) {},
		start:  make(chan startRequest),
		done:   make(chan struct{}),
		procs:  make(map[core.ResourceID]*process),
	}
	p.wg.Go(p.starter)
	return p, nil
}

// Worker tells what a TaskManager brings.
func (p *Process) Worker() Worker { return p.cfg.Worker }

// Watch names who is told of ended processes.
func (p *Process) Watch(exited func(core.ResourceID, error)) { p.exited = exited }

// StartWorker starts a process.
func (p *Process) StartWorker(ctx context.Context, id core.ResourceID) error {
	r := startRequest{id, make(chan error, 1)}
	select {
	case p.start <- r:
		return <-r.answer
	case <-p.done:
		return p.errClosed(id)
	case <-ctx.Done():
		return core.E("start TaskManager", core.Canceled, string(id), context.Cause(ctx))
	}
}

func (p *Process) errClosed(id core.ResourceID) error {
	return core.E("start TaskManager", core.Unavailable, string(id), errors.New("the driver is closed"))
}

// starter starts all processes. It keeps one operating system thread for itself until Close: the kernel ends a child
// when the thread that started it ends, and no other goroutine can promise that its thread stays.
func (p *Process) starter() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case r := <-p.start:
			r.answer <- p.launch(r.id)
		case <-p.done:
			p.stopAll() // before the thread is given up
			return
		}
	}
}

func (p *Process) launch(id core.ResourceID) error {
	op := func(err error) error { return core.E("start TaskManager", core.Unavailable, string(id), err) }
	fill := func(s string) string { return strings.ReplaceAll(s, "{id}", string(id)) }
	argv := slices.Clone(p.cfg.Command)
	for i := range argv {
		argv[i] = fill(argv[i])
	}
	//nolint:noctx // it lives until StopWorker or Close, not as long as a call
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = make([]string, len(p.cfg.Env)) // not nil: nothing is inherited
	for i, v := range p.cfg.Env {
		cmd.Env[i] = fill(v)
	}
	cmd.SysProcAttr = childAttributes()
	if p.cfg.LogDir != "" {
		out, err := os.OpenFile(filepath.Join(p.cfg.LogDir, fileName(id)+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return op(err)
		}
		defer closeQuietly(out) // the child has its own descriptor
		cmd.Stdout, cmd.Stderr = out, out
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.errClosed(id)
	}
	if p.procs[id] != nil {
		return core.E("start TaskManager", core.AlreadyExists, string(id), errors.New("it runs"))
	}
	if err := cmd.Start(); err != nil {
		return op(err)
	}
	proc := &process{id: id, cmd: cmd, gone: make(chan struct{})}
	p.procs[id] = proc
	p.cfg.Log.Info("TaskManager process started", "taskmanager", id, "pid", cmd.Process.Pid)
	p.wg.Go(func() { p.await(proc) }) // ends with the process
	return nil
}

func closeQuietly(c io.Closer) { _ = c.Close() }

// fileName keeps a resource id from naming a file elsewhere.
func fileName(id core.ResourceID) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == os.PathSeparator || r == 0 {
			return '_'
		}
		return r
	}, string(id))
}

// await waits for a process and tells that it is gone.
func (p *Process) await(proc *process) {
	err := proc.cmd.Wait()
	if err == nil {
		err = errors.New("exit status 0")
	}
	// Whatever it left in its process group goes with it.
	_ = syscall.Kill(-proc.cmd.Process.Pid, syscall.SIGKILL)
	p.mu.Lock()
	delete(p.procs, proc.id)
	p.mu.Unlock()
	close(proc.gone)
	p.cfg.Log.Info("TaskManager process ended", "taskmanager", proc.id, "pid", proc.cmd.Process.Pid, "cause", err)
	p.exited(proc.id, fmt.Errorf("its process ended: %w", err))
}

// StopWorker asks a process to end, and kills it when it does not in time.
func (p *Process) StopWorker(id core.ResourceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc := p.procs[id]; proc != nil && !p.closed {
		p.terminate(proc)
	}
}

// terminate is called with mu held.
func (p *Process) terminate(proc *process) {
	proc.stop.Do(func() {
		_ = proc.cmd.Process.Signal(syscall.SIGTERM) // it has ended already if that fails
		p.wg.Go(func() {                             // ends with the process
			timer := time.NewTimer(p.cfg.StopTimeout)
			defer timer.Stop()
			select {
			case <-proc.gone:
			case <-timer.C:
				p.cfg.Log.Warn("TaskManager process does not end and is killed", "taskmanager", proc.id, "after", p.cfg.StopTimeout)
				_ = proc.cmd.Process.Kill()
			}
		})
	})
}

// stopAll ends all processes and waits for them.
func (p *Process) stopAll() {
	p.mu.Lock()
	p.closed = true
	all := make([]*process, 0, len(p.procs))
	for _, proc := range p.procs {
		all = append(all, proc)
		p.terminate(proc)
	}
	p.mu.Unlock()
	for _, proc := range all {
		<-proc.gone
	}
}

// Close ends all processes and returns when they are gone.
func (p *Process) Close() error {
	p.mu.Lock()
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	p.mu.Unlock()
	p.wg.Wait()
	return nil
}
