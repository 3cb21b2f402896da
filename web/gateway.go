package web

import (
	"context"
	"io"
	"os"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// ResourceManager is what the server asks of the ResourceManager; rpc.ResourceManagerGateway is one.
type ResourceManager interface {
	RequestTaskManagers(ctx context.Context, in *pb.RequestTaskManagersRequest) (*pb.RequestTaskManagersResponse, error)
}

// TaskExecutor is what the server asks of a TaskManager; rpc.TaskExecutorGateway is one.
type TaskExecutor interface {
	ListLogs(ctx context.Context, in *pb.ListLogsRequest) (*pb.ListLogsResponse, error)
	ReadLog(ctx context.Context, in *pb.ReadLogRequest, chunk func([]byte) error) error
	RequestThreadDump(ctx context.Context, in *pb.RequestThreadDumpRequest) (*pb.RequestThreadDumpResponse, error)
}

// Blobs is the store of programs by the SHA-256 of their content; blob.Store is one.
type Blobs interface {
	// Put keeps what r holds, at most limit bytes.
	Put(ctx context.Context, r io.Reader, limit int64) (core.BlobKey, int64, error)
	// Adopt makes a file of the server, whose SHA-256 is key, a blob. The file may be gone then.
	Adopt(ctx context.Context, path string, key core.BlobKey) error
	Has(key core.BlobKey) bool
	Open(key core.BlobKey) (*os.File, error)
}
