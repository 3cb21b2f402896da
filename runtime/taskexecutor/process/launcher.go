package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
)

// Config is what a Launcher needs. Zero fields take their default.
type Config struct {
	// Fetch returns the path of a verified private copy of a program.
	Fetch func(ctx context.Context, blobs rpc.BlobGateway, key core.BlobKey) (path string, err error)
	// Dir is where each worker gets a directory of its own, removed with it.
	Dir string
	// LogDir takes worker-<job>-<n>.out and .err. Several TaskManagers may share it.
	LogDir string
	// LogLimit bounds each of these files; one older file is kept beside it. 16 MiB.
	LogLimit int64
	// Env names the variables of this process that workers may see, besides a few harmless ones.
	Env []string
	// MemoryPerSlot bounds a worker's memory together with its number of slots; 0: the slot's profile decides, and if
	// that says nothing either, most of the machine's memory is the bound.
	MemoryPerSlot int64
	// SlotsTotal is the number of slots of the TaskManager, for a worker's share of the processors; 0: not shared.
	SlotsTotal int
	// Sandbox is worker.sandbox: "auto" (also "") confines workers where the system can, "on" refuses to be without,
	// "off" does not confine them.
	Sandbox string
	// StopGrace is how long a worker may take to end in good order (5 s), TermGrace how long after SIGTERM (1 s).
	StopGrace, TermGrace time.Duration
	// Unresponsive is how long a worker may leave a question open before it counts as dead; 60 s.
	Unresponsive time.Duration
	// StartLimit is how long a program may take until it calls Execute as a worker; 1 min.
	StartLimit time.Duration
	Log        *slog.Logger
}

// Launcher starts workers as child processes. Its methods may be called from any goroutine.
type Launcher struct {
	cfg     Config
	log     *slog.Logger
	ctx     context.Context // of fetching programs; ends at Close
	cancel  context.CancelFunc
	outputs *outputs
	cgroups *cgroups
	machine int64 // bytes of memory that there are

	confinement confinement

	mu       sync.Mutex
	closed   bool
	children sync.WaitGroup
}

var _ taskexecutor.Workers = (*Launcher)(nil)

// New makes a Launcher. Its owner closes it after all workers have ended.
func New(cfg Config) (*Launcher, error) {
	const op = "prepare worker processes"
	if cfg.Fetch == nil || cfg.Log == nil || cfg.Dir == "" || cfg.LogDir == "" {
		return nil, core.E(op, core.Invalid, "", errors.New("one of Fetch, Log, Dir and LogDir is not set"))
	}
	if cfg.LogLimit <= 0 {
		cfg.LogLimit = 16 << 20
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&cfg.StopGrace, 5 * time.Second}, {&cfg.TermGrace, time.Second}, {&cfg.Unresponsive, time.Minute}, {&cfg.StartLimit, time.Minute}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	for _, dir := range []*string{&cfg.Dir, &cfg.LogDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, core.E(op, core.Invalid, *dir, err)
		}
		*dir = abs
		if err := os.MkdirAll(abs, 0o700); err != nil {
			return nil, core.E(op, core.Internal, abs, err)
		}
	}
	confine := confinement{privileges: cfg.Sandbox != "off", signals: cfg.Sandbox != "off"}
	if err := tryConfine(confine); err != nil {
		if cfg.Sandbox == "on" {
			return nil, core.E(op, core.Unavailable, "", fmt.Errorf("worker.sandbox is on: %w", err))
		}
		cfg.Log.Warn("workers are not fully confined: a program can signal this process and other jobs", "cause", err)
		confine.signals = false
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Launcher{
		cfg:     cfg,
		log:     cfg.Log,
		ctx:     ctx,
		cancel:  cancel,
		outputs: &outputs{dir: cfg.LogDir, limit: cfg.LogLimit, log: cfg.Log},
		cgroups: findCgroups(cfg.Log),
		machine: machineMemory(),

		confinement: confine,
	}, nil
}

// Start implements taskexecutor.Workers.
func (l *Launcher) Start(spec taskexecutor.WorkerSpec, events taskexecutor.WorkerEvents) taskexecutor.Worker {
	c := newChild(l, spec, events)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.finish(errorInfo(core.E("start worker", core.Unavailable, spec.Job.String(), errors.New("the TaskManager shuts down"))))
		return c
	}
	l.children.Go(c.run)
	return c
}

// Close kills the workers that are left and waits for their end.
func (l *Launcher) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.children.Wait()
	return nil
}
