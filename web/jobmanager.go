package web

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

func (s *Server) overview(ctx context.Context, _ *query) (any, error) {
	o, err := s.cfg.Dispatcher.RequestClusterOverview(ctx, &pb.RequestClusterOverviewRequest{})
	if err != nil {
		return nil, err
	}
	return rest.Overview{
		TaskManagers: int(o.GetTaskManagers()), SlotsTotal: int(o.GetSlotsTotal()), SlotsAvailable: int(o.GetSlotsFree()),
		JobsRunning: int(o.GetJobsRunning()), JobsFinished: int(o.GetJobsFinished()),
		JobsCancelled: int(o.GetJobsCancelled()), JobsFailed: int(o.GetJobsFailed()),
		FlinkVersion: APIVersion, FlinkCommit: s.version(),
	}, nil
}

// version names flink-go where Flink names its commit.
func (s *Server) version() string { return "flink-go " + cmp.Or(s.cfg.Version, "dev") }

func (s *Server) config(context.Context, *query) (any, error) {
	zone, offset := s.now().Zone()
	return rest.Configuration{
		RefreshInterval: conf.WebRefreshInterval.Get(s.cfg.Conf).Milliseconds(),
		TimezoneName:    zone, TimezoneOffset: int64(offset) * 1000,
		FlinkVersion: APIVersion, FlinkRevision: s.version() + " @ " + runtime.Version(),
		Features: rest.Features{WebSubmit: conf.WebSubmitEnable.Get(s.cfg.Conf), WebCancel: conf.WebCancelEnable.Get(s.cfg.Conf)},
	}, nil
}

func (s *Server) shutDown(ctx context.Context, q *query) (any, error) {
	if _, err := s.cfg.Dispatcher.ShutDownCluster(ctx, &pb.ShutDownClusterRequest{}); err != nil {
		return nil, err
	}
	s.log.Info("cluster shut down by REST", "from", show(q.req.RemoteAddr))
	return struct{}{}, nil
}

func (s *Server) dataSets(context.Context, *query) (any, error) {
	return map[string]any{"dataSets": []string{}}, nil
}

func (s *Server) jobManagerConfig(context.Context, *query) (any, error) {
	out := []rest.ConfigEntry{}
	for _, v := range s.cfg.Conf.Show() {
		if v.Text != "" {
			out = append(out, rest.ConfigEntry{Key: v.Key, Value: v.Text})
		}
	}
	return out, nil
}

func (s *Server) jobManagerConfigOfJob(ctx context.Context, q *query) (any, error) {
	if err := s.exists(ctx, q); err != nil {
		return nil, err
	}
	return s.jobManagerConfig(ctx, q)
}

func (s *Server) environment(context.Context, *query) (any, error) {
	return rest.Environment{
		JVM:       rest.JVM{Version: s.version() + ", " + runtime.Version(), Arch: runtime.GOOS + "/" + runtime.GOARCH, Options: []string{}},
		ClassPath: []string{},
	}, nil
}

// processMetrics adds this process's memory and goroutines under Flink's names.
func processMetrics(m *metricSet) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	for i, name := range []string{"Status.JVM.Memory.Heap.Used", "Status.JVM.Memory.Heap.Committed", "Status.JVM.Threads.Count", "Status.JVM.GarbageCollector.All.Count"} {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			m.add(name, float64(samples[i].Value.Uint64()))
		}
	}
}

func (s *Server) jobManagerLogs(context.Context, *query) (any, error) {
	out := rest.Logs{Logs: []rest.LogFile{}}
	if s.cfg.LogDir == "" {
		return out, nil
	}
	entries, err := os.ReadDir(s.cfg.LogDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		// Links are not listed: somebody may have planted them (B-28).
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			out.Logs = append(out.Logs, rest.LogFile{Name: e.Name(), Size: info.Size(), MTime: info.ModTime().UnixMilli()})
		}
	}
	return out, nil
}

func (s *Server) jobManagerLog(context.Context, *query) (any, error) {
	return s.jobManagerFile(s.cfg.LogFile)
}

func (s *Server) jobManagerStdout(context.Context, *query) (any, error) {
	return s.jobManagerFile(s.cfg.OutFile)
}

func (s *Server) jobManagerLogFile(_ context.Context, q *query) (any, error) {
	return s.jobManagerFile(q.params["filename"])
}

// jobManagerFile serves a file of the log directory and nothing outside it (SEC-07).
func (s *Server) jobManagerFile(name string) (any, error) {
	f, size, err := openIn(s.cfg.LogDir, name)
	if err != nil {
		if !errors.Is(err, errNoSuchFile) {
			s.log.Warn("log file is not served", "name", show(name), "error", err)
		}
		return nil, status(http.StatusNotFound, "This file does not exist in JobManager log dir.")
	}
	return stream(func(w io.Writer) error {
		defer f.Close()
		// What is appended meanwhile is not part of this answer.
		_, err := io.CopyN(w, f, size)
		if errors.Is(err, io.EOF) {
			return nil // it was cut meanwhile
		}
		return err
	}), nil
}

// openIn opens a regular file directly in dir. A name with a slash, a link and a special file are no such file.
func openIn(dir, name string) (*os.File, int64, error) {
	if dir == "" || name == "" || strings.ContainsAny(name, "/\\\x00") || name == "." || name == ".." {
		return nil, 0, errNoSuchFile
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, 0, notThere(err)
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, 0, notThere(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errNoSuchFile
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, 0, notThere(err)
	}
	return f, info.Size(), nil
}

func notThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errNoSuchFile
	}
	return err
}

func (s *Server) jobManagerThreadDump(context.Context, *query) (any, error) {
	b := make([]byte, 1<<20)
	for {
		n := runtime.Stack(b, true)
		if n < len(b) || len(b) >= 64<<20 {
			return threadDump(string(b[:n])), nil
		}
		b = make([]byte, 4*len(b))
	}
}

// threadDump cuts a dump of goroutines into one entry each.
func threadDump(dump string) rest.ThreadDump {
	out := rest.ThreadDump{Threads: []rest.Thread{}}
	for block := range strings.SplitSeq(strings.TrimSpace(dump), "\n\n") {
		if block = strings.TrimSpace(block); block == "" {
			continue
		}
		name, _, _ := strings.Cut(block, "\n")
		out.Threads = append(out.Threads, rest.Thread{Name: strings.TrimSuffix(name, ":"), Info: block + "\n"})
	}
	return out
}
