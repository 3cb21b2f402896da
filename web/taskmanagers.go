package web

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// registered asks for all TaskManagers, in the order of their names.
func (s *Server) registered(ctx context.Context) ([]*pb.TaskManagerInfo, error) {
	resp, err := s.cfg.ResourceManager.RequestTaskManagers(ctx, &pb.RequestTaskManagersRequest{})
	if err != nil {
		return nil, err
	}
	all := slices.Clone(resp.GetTaskManagers())
	slices.SortFunc(all, func(a, b *pb.TaskManagerInfo) int { return cmp.Compare(a.GetResourceId(), b.GetResourceId()) })
	return all, nil
}

// taskManagerInfo finds the TaskManager that the path names.
func (s *Server) taskManagerInfo(ctx context.Context, q *query) (*pb.TaskManagerInfo, error) {
	id := q.params["taskmanagerid"]
	all, err := s.registered(ctx)
	if err != nil {
		return nil, err
	}
	for _, tm := range all {
		if tm.GetResourceId() == id {
			return tm, nil
		}
	}
	return nil, status(http.StatusNotFound, "Could not find TaskExecutor with id %s.", show(id))
}

func (s *Server) taskManagers(ctx context.Context, _ *query) (any, error) {
	all, err := s.registered(ctx)
	if err != nil {
		return nil, err
	}
	out := rest.TaskManagers{TaskManagers: make([]rest.TaskManager, len(all))}
	for i, tm := range all {
		out.TaskManagers[i] = taskManagerView(tm)
	}
	return out, nil
}

// resource is n slots of a profile.
func resource(p *pb.ResourceProfile, n int32) rest.Resource {
	return rest.Resource{
		CPUCores:          float64(p.GetCpuMilli()) / 1000 * float64(n),
		TaskHeapMemory:    p.GetMemoryBytes() >> 20 * int64(n),
		ExtendedResources: map[string]float64{},
	}
}

func taskManagerView(tm *pb.TaskManagerInfo) rest.TaskManager {
	h := tm.GetHardware()
	return rest.TaskManager{
		ID: core.ResourceID(tm.GetResourceId()), Path: tm.GetRpcAddress() + "/" + tm.GetEndpoint(), DataPort: 0, JMXPort: -1,
		LastHeartbeat: tm.GetLastHeartbeatMillis(), Slots: int(tm.GetSlotsTotal()), FreeSlots: int(tm.GetSlotsFree()),
		TotalResource: resource(tm.GetSlotProfile(), tm.GetSlotsTotal()),
		FreeResource:  resource(tm.GetSlotProfile(), tm.GetSlotsFree()),
		Hardware: rest.Hardware{CPUCores: int(h.GetCpuCores()), PhysicalMemory: h.GetPhysicalMemory(),
			FreeMemory: h.GetFreeMemory(), ManagedMemory: h.GetManagedMemory()},
		MemoryConfiguration: rest.MemoryConfiguration{TaskHeap: tm.GetMemoryBytes(),
			TotalFlinkMemory: tm.GetMemoryBytes(), TotalProcessMemory: tm.GetMemoryBytes()},
	}
}

func (s *Server) taskManager(ctx context.Context, q *query) (any, error) {
	tm, err := s.taskManagerInfo(ctx, q)
	if err != nil {
		return nil, err
	}
	out := rest.TaskManagerDetails{TaskManager: taskManagerView(tm), AllocatedSlots: []rest.AllocatedSlot{}}
	out.Metrics.GarbageCollectors = []rest.GarbageCollector{}
	used := tm.GetHardware().GetPhysicalMemory() - tm.GetHardware().GetFreeMemory()
	out.Metrics.HeapUsed, out.Metrics.HeapCommitted, out.Metrics.HeapMax = max(0, used), max(0, used), tm.GetMemoryBytes()
	for _, slot := range tm.GetSlots() {
		if job, err := core.JobIDFromBytes(slot.GetJobId()); err == nil {
			out.AllocatedSlots = append(out.AllocatedSlots, rest.AllocatedSlot{JobID: job, Resource: resource(slot.GetProfile(), 1)})
		}
	}
	return out, nil
}

func (s *Server) taskManagerMetrics(ctx context.Context, q *query) (any, error) {
	names, err := q.metricNames()
	if err != nil {
		return nil, err
	}
	tm, err := s.taskManagerInfo(ctx, q)
	if err != nil {
		return none(err)
	}
	m := newMetricSet()
	m.add("Status.Flink.Memory.Managed.Total", float64(tm.GetMemoryBytes()))
	m.add("slotsTotal", float64(tm.GetSlotsTotal()))
	m.add("slotsFree", float64(tm.GetSlotsFree()))
	return m.answer(names), nil
}

// executor reaches the TaskExecutor of the TaskManager that the path names.
func (s *Server) executor(ctx context.Context, q *query) (TaskExecutor, error) {
	tm, err := s.taskManagerInfo(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.cfg.Connect(tm), nil
}

func (s *Server) taskManagerLogs(ctx context.Context, q *query) (any, error) {
	e, err := s.executor(ctx, q)
	if err != nil {
		return nil, err
	}
	resp, err := e.ListLogs(ctx, &pb.ListLogsRequest{})
	if err != nil {
		return nil, err
	}
	out := rest.Logs{Logs: []rest.LogFile{}}
	for _, f := range resp.GetFiles() {
		out.Logs = append(out.Logs, rest.LogFile{Name: f.GetName(), Size: f.GetSize(), MTime: f.GetMtimeMillis()})
	}
	return out, nil
}

func (s *Server) taskManagerLog(ctx context.Context, q *query) (any, error) {
	return s.taskManagerFile(ctx, q, "")
}

func (s *Server) taskManagerStdout(ctx context.Context, q *query) (any, error) {
	return s.taskManagerFile(ctx, q, "stdout")
}

func (s *Server) taskManagerLogFile(ctx context.Context, q *query) (any, error) {
	name := q.params["filename"]
	if name == "" {
		return nil, invalid("Cannot resolve path parameter (filename): it is empty")
	}
	return s.taskManagerFile(ctx, q, name)
}

// taskManagerFile passes a file of a TaskManager on, piece by piece. The TaskManager guards its own directory.
func (s *Server) taskManagerFile(ctx context.Context, q *query, name string) (any, error) {
	e, err := s.executor(ctx, q)
	if err != nil {
		return nil, err
	}
	// The status line goes out with the first piece: until then an error can still say what is wrong.
	w := &lateWriter{w: q.w}
	err = e.ReadLog(ctx, &pb.ReadLogRequest{Name: name}, func(b []byte) error {
		_, err := w.Write(b)
		return err
	})
	switch {
	case err != nil && !w.begun:
		if core.KindOf(err) == core.Invalid {
			err = status(http.StatusNotFound, "%s", err.Error())
		}
		return nil, err
	case err != nil:
		return stream(func(io.Writer) error { return fmt.Errorf("read log: %w", err) }), nil //nolint:nilerr // breaks off what has begun
	}
	return stream(func(io.Writer) error { return nil }), nil
}

// lateWriter sets the header of a text before the first byte.
type lateWriter struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lateWriter) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	}
	p := &pacedWriter{w: l.w, control: http.NewResponseController(l.w)}
	return p.Write(b)
}

func (s *Server) taskManagerThreadDump(ctx context.Context, q *query) (any, error) {
	e, err := s.executor(ctx, q)
	if err != nil {
		return nil, err
	}
	resp, err := e.RequestThreadDump(ctx, &pb.RequestThreadDumpRequest{})
	if err != nil {
		return nil, err
	}
	return threadDump(resp.GetDump()), nil
}
