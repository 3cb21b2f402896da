package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	"github.com/flink-go/flink-go/runtime/driver"
	"github.com/flink-go/flink-go/runtime/taskexecutor"
	"github.com/flink-go/flink-go/runtime/worker"
)

// embeddedHost is the name of everything in an embedded cluster; no socket has it.
const embeddedHost = "embedded"

// Embedded is a cluster in this process, for one program: Dispatcher, ResourceManager, JobMaster and TaskExecutor as
// in any cluster, over in-process RPC, with the process itself as the worker. It opens no listener, file or directory, but for
// ServeREST.
type Embedded struct {
	service *rpc.Local
	control *control
	workers *taskexecutor.InProcess
	tm      *taskexecutor.TaskExecutor
	rest    *embeddedREST // nil unless ServeREST was called
}

// StartEmbedded starts a cluster that has the slots that job needs; disk is for state that is not on the heap.
func StartEmbedded(c *conf.Config, job *graph.Compiled, disk worker.OpenStateDisk, log *slog.Logger) (*Embedded, error) {
	e := &Embedded{service: rpc.NewLocal(embeddedHost)}
	var err error
	if e.control, err = startControl(c, log, e.service, driver.Standalone{}, nil, nil); err != nil {
		return nil, errors.Join(err, e.service.Close())
	}
	e.workers = &taskexecutor.InProcess{Log: log, OpenStateDisk: disk, Programs: func(id core.JobID) (*graph.Compiled, error) {
		if id != job.Job.ID {
			return nil, core.E("find program", core.NotFound, id.String(), errors.New("an embedded cluster runs the job of its process only"))
		}
		return job, nil
	}}
	cfg := taskExecutorConfig(c, log)
	if _, set := conf.StateBackendPebbleLocalDir.Lookup(c); !set {
		cfg.Settings[conf.StateBackendPebbleLocalDir.Key] = c.WorkingDir()
	}
	cfg.Resource, cfg.Host, cfg.DataHost = embeddedHost, embeddedHost, embeddedHost
	cfg.Slots = SlotsOf(job.Job)
	cfg.Service = e.service
	cfg.ResourceManagers = func() []rpc.Address { return []rpc.Address{e.control.rm.Address()} }
	cfg.Listen = func() (net.Listener, error) { return newSilentListener(), nil }
	cfg.Workers = e.workers
	if e.tm, err = taskexecutor.New(cfg); err == nil {
		err = e.tm.Start()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close(context.Background()))
	}
	return e, nil
}

// Dispatcher takes the job.
func (e *Embedded) Dispatcher() rpc.DispatcherGateway { return e.control.dispatcher }

// Close ends the cluster with what runs on it; ctx bounds how long it waits for tasks that ignore their cancellation.
func (e *Embedded) Close(ctx context.Context) error {
	var err error
	if e.rest != nil {
		err = e.rest.close()
	}
	err = errors.Join(err, e.control.dispatcher.Close())
	if e.tm != nil {
		err = errors.Join(err, e.tm.Close(ctx))
	}
	return errors.Join(err, e.control.rm.Close(), e.service.Close())
}

// SlotsOf is how many slots a job needs: in each slot sharing group as many as its widest vertex has subtasks.
func SlotsOf(job *graph.JobGraph) int {
	groups := map[string]int{}
	for _, v := range job.Vertices {
		groups[v.SlotSharingGroup] = max(groups[v.SlotSharingGroup], v.Parallelism)
	}
	n := 0
	for _, p := range groups {
		n += p
	}
	return max(n, 1)
}

// silentListener is the data listener of a TaskManager that has no peers: nobody ever connects.
type silentListener struct {
	once   sync.Once
	closed chan struct{}
}

func newSilentListener() *silentListener { return &silentListener{closed: make(chan struct{})} }

// Accept waits for Close.
func (l *silentListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

// Close ends Accept.
func (l *silentListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is a name for errors.
func (l *silentListener) Addr() net.Addr { return silentAddr{} }

type silentAddr struct{}

func (silentAddr) Network() string { return embeddedHost }
func (silentAddr) String() string  { return embeddedHost }
