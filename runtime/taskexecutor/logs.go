package taskexecutor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/worker"
)

// ListLogs implements rpc.TaskExecutorGateway. It does not need the main goroutine: files belong to nobody.
func (t *TaskExecutor) ListLogs(ctx context.Context, _ *pb.ListLogsRequest) (*pb.ListLogsResponse, error) {
	if t.cfg.LogDir == "" {
		return &pb.ListLogsResponse{}, nil
	}
	entries, err := os.ReadDir(t.cfg.LogDir)
	if err != nil {
		return nil, core.E("list logs", core.Internal, string(t.cfg.Resource), err)
	}
	out := &pb.ListLogsResponse{}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, rpc.ContextError(ctx, "list logs", string(t.cfg.Resource))
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or a link that somebody planted
		}
		out.Files = append(out.Files, &pb.LogFile{Name: e.Name(), Size: info.Size(), MtimeMillis: info.ModTime().UnixMilli()})
	}
	return out, nil
}

// ReadLog implements rpc.TaskExecutorGateway. Names reach nothing outside the log directory (SEC-07).
func (t *TaskExecutor) ReadLog(ctx context.Context, in *pb.ReadLogRequest, chunk func([]byte) error) error {
	const op = "read log"
	name := in.GetName()
	switch name {
	case "":
		name = t.cfg.LogFile
	case "stdout":
		name = t.cfg.OutFile
	}
	if t.cfg.LogDir == "" || name == "" {
		return core.E(op, core.NotFound, in.GetName(), errors.New("this TaskManager writes no such file"))
	}
	if in.GetOffset() < 0 || in.GetLimit() < 0 {
		return core.E(op, core.Invalid, clip(name, 64), fmt.Errorf("offset %d, limit %d: want none negative", in.GetOffset(), in.GetLimit()))
	}
	root, err := os.OpenRoot(t.cfg.LogDir)
	if err != nil {
		return core.E(op, core.Internal, clip(name, 64), err)
	}
	defer root.Close()
	// Only files directly in the directory are logs: a link is not, wherever it points.
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || strings.ContainsAny(name, `/\`) {
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			err = fs.ErrNotExist // say no more than that
		}
		return core.E(op, core.NotFound, clip(name, 64), err)
	}
	f, err := root.Open(name)
	if err != nil {
		return core.E(op, core.Internal, clip(name, 64), err)
	}
	defer f.Close()
	limit := in.GetLimit()
	if limit == 0 {
		limit = math.MaxInt64 - in.GetOffset()
	}
	r := io.NewSectionReader(f, in.GetOffset(), limit)
	buf := make([]byte, logChunk)
	for {
		if ctx.Err() != nil {
			return rpc.ContextError(ctx, op, clip(name, 64))
		}
		n, err := r.Read(buf)
		if n > 0 {
			// The chunk may be passed on by reference, so it is the receiver's.
			if err := chunk(slices.Clone(buf[:n])); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return core.E(op, core.Internal, clip(name, 64), err)
		}
	}
}

// logChunk is the size of a piece of a log on its way.
const logChunk = 64 << 10

// RequestThreadDump implements rpc.TaskExecutorGateway: the stacks of this process and of its workers.
func (t *TaskExecutor) RequestThreadDump(ctx context.Context, _ *pb.RequestThreadDumpRequest) (*pb.RequestThreadDumpResponse, error) {
	type named struct {
		name   string
		worker Worker
	}
	workers, err := rpc.Call(ctx, t.ep, func() ([]named, error) {
		var list []named
		for _, w := range t.workers() {
			list = append(list, named{fmt.Sprintf("worker %d of job %s", w.number, w.job.id), w.worker})
		}
		return list, nil
	})
	if err != nil {
		return nil, err
	}
	dumps := make([]string, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, stacksTimeout)
			defer cancel()
			dump, err := w.worker.Stacks(ctx)
			if err != nil {
				dump = "not to be had: " + err.Error() + "\n"
			}
			dumps[i] = dump
		})
	}
	wg.Wait()
	var b strings.Builder
	fmt.Fprintf(&b, "TaskManager %s\n\n%s", t.cfg.Resource, worker.Stacks())
	for i, w := range workers {
		fmt.Fprintf(&b, "\n%s\n\n%s", w.name, dumps[i])
	}
	return &pb.RequestThreadDumpResponse{Dump: b.String()}, nil
}
