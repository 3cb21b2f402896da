package rpc

import (
	"context"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// A gateway is what one component may ask of another (S-200 to S-204). Its methods may be called from any goroutine
// and block until the answer or the end of ctx; inside the process of the endpoint they go straight to its mailbox,
// elsewhere through gRPC. Errors keep their core.Kind in both forms.

// DispatcherGateway reaches the Dispatcher.
type DispatcherGateway interface {
	SubmitJob(ctx context.Context, in *pb.SubmitJobRequest) (*pb.SubmitJobResponse, error)
	CancelJob(ctx context.Context, in *pb.CancelJobRequest) (*pb.CancelJobResponse, error)
	ListJobs(ctx context.Context, in *pb.ListJobsRequest) (*pb.ListJobsResponse, error)
	RequestJob(ctx context.Context, in *pb.RequestJobRequest) (*pb.RequestJobResponse, error)
	RequestJobResult(ctx context.Context, in *pb.RequestJobResultRequest) (*pb.RequestJobResultResponse, error)
	RequestClusterOverview(ctx context.Context, in *pb.RequestClusterOverviewRequest) (*pb.RequestClusterOverviewResponse, error)
	ShutDownCluster(ctx context.Context, in *pb.ShutDownClusterRequest) (*pb.ShutDownClusterResponse, error)
}

// ResourceManagerGateway reaches the ResourceManager.
type ResourceManagerGateway interface {
	RegisterTaskExecutor(ctx context.Context, in *pb.RegisterTaskExecutorRequest) (*pb.RegisterTaskExecutorResponse, error)
	SendSlotReport(ctx context.Context, in *pb.SendSlotReportRequest) (*pb.SendSlotReportResponse, error)
	RegisterJobMaster(ctx context.Context, in *pb.RegisterJobMasterRequest) (*pb.RegisterJobMasterResponse, error)
	DeclareRequiredResources(ctx context.Context, in *pb.DeclareRequiredResourcesRequest) (*pb.DeclareRequiredResourcesResponse, error)
	NotifySlotAvailable(ctx context.Context, in *pb.NotifySlotAvailableRequest) (*pb.NotifySlotAvailableResponse, error)
	DisconnectTaskExecutor(ctx context.Context, in *pb.DisconnectTaskExecutorRequest) (*pb.DisconnectTaskExecutorResponse, error)
	DisconnectJobMaster(ctx context.Context, in *pb.DisconnectJobMasterRequest) (*pb.DisconnectJobMasterResponse, error)
	HeartbeatFromJobMaster(ctx context.Context, in *pb.HeartbeatFromJobMasterRequest) (*pb.HeartbeatFromJobMasterResponse, error)
	RequestTaskManagers(ctx context.Context, in *pb.RequestTaskManagersRequest) (*pb.RequestTaskManagersResponse, error)
}

// JobMasterGateway reaches the JobMaster of one job.
type JobMasterGateway interface {
	RegisterTaskManager(ctx context.Context, in *pb.RegisterTaskManagerRequest) (*pb.RegisterTaskManagerResponse, error)
	OfferSlots(ctx context.Context, in *pb.OfferSlotsRequest) (*pb.OfferSlotsResponse, error)
	FailSlot(ctx context.Context, in *pb.FailSlotRequest) (*pb.FailSlotResponse, error)
	UpdateTaskExecutionState(ctx context.Context, in *pb.UpdateTaskExecutionStateRequest) (*pb.UpdateTaskExecutionStateResponse, error)
	SendOperatorEvent(ctx context.Context, in *pb.SendOperatorEventRequest) (*pb.SendOperatorEventResponse, error)
	HeartbeatFromTaskManager(ctx context.Context, in *pb.HeartbeatFromTaskManagerRequest) (*pb.HeartbeatFromTaskManagerResponse, error)
	DisconnectTaskManager(ctx context.Context, in *pb.DisconnectTaskManagerRequest) (*pb.DisconnectTaskManagerResponse, error)
}

// TaskExecutorGateway reaches the TaskExecutor of one TaskManager.
type TaskExecutorGateway interface {
	RequestSlot(ctx context.Context, in *pb.RequestSlotRequest) (*pb.RequestSlotResponse, error)
	SubmitTasks(ctx context.Context, in *pb.SubmitTasksRequest) (*pb.SubmitTasksResponse, error)
	CancelTasks(ctx context.Context, in *pb.CancelTasksRequest) (*pb.CancelTasksResponse, error)
	FreeSlot(ctx context.Context, in *pb.FreeSlotRequest) (*pb.FreeSlotResponse, error)
	DeliverOperatorEvents(ctx context.Context, in *pb.DeliverOperatorEventsRequest) (*pb.DeliverOperatorEventsResponse, error)
	HeartbeatFromResourceManager(ctx context.Context, in *pb.HeartbeatFromResourceManagerRequest) (*pb.HeartbeatFromResourceManagerResponse, error)
	DisconnectResourceManager(ctx context.Context, in *pb.DisconnectResourceManagerRequest) (*pb.DisconnectResourceManagerResponse, error)
	DisconnectJobMaster(ctx context.Context, in *pb.JobMasterLostRequest) (*pb.JobMasterLostResponse, error)
	ListLogs(ctx context.Context, in *pb.ListLogsRequest) (*pb.ListLogsResponse, error)
	// ReadLog calls chunk for each piece of the file in order; chunk's error ends the read.
	ReadLog(ctx context.Context, in *pb.ReadLogRequest, chunk func([]byte) error) error
	RequestThreadDump(ctx context.Context, in *pb.RequestThreadDumpRequest) (*pb.RequestThreadDumpResponse, error)
	ShutDown(ctx context.Context, in *pb.ShutDownRequest) (*pb.ShutDownResponse, error)
}

// MetricQueryServiceGateway reaches the MetricQueryService of one process.
type MetricQueryServiceGateway interface {
	QueryMetrics(ctx context.Context, in *pb.QueryMetricsRequest) (*pb.QueryMetricsResponse, error)
}

// BlobGateway reads programs and artifacts of a JobManager.
type BlobGateway interface {
	// ReadBlob calls chunk for each piece of the blob in order; chunk's error ends the read.
	ReadBlob(ctx context.Context, in *pb.ReadBlobRequest, chunk func([]byte) error) error
}

// Address is where a gateway is reached: an RPC server, an endpoint that it hosts, and the fencing token of the
// leader session that the caller means.
type Address struct {
	Server   string // host:port, or the name of an in-process service
	Endpoint string // "resourcemanager", "dispatcher", "taskexecutor", "jobmaster_<job id>", "metrics", "blob"
	Token    core.Token
}

// Service hosts endpoints and connects to those of others (S-215 to S-218). Implementations: rpc/wire (gRPC), Local
// (one process), and the simulated network of internal/sim. All methods may be called from any goroutine.
type Service interface {
	// Address is what others use as Address.Server to reach the endpoints of this service.
	Address() string
	// Serve makes a gateway reachable under an endpoint name. gateway implements one of the gateway interfaces; a
	// call that does not carry token is refused with kind Fenced before gateway sees it (the zero token accepts all).
	Serve(endpoint string, token core.Token, gateway any) error
	// Remove ends what Serve began; later calls get kind Unavailable.
	Remove(endpoint string)

	// The connectors return at once; a call on the gateway fails with kind Unavailable while the server is not
	// reached.
	Dispatcher(to Address) DispatcherGateway
	ResourceManager(to Address) ResourceManagerGateway
	JobMaster(to Address) JobMasterGateway
	TaskExecutor(to Address) TaskExecutorGateway
	Metrics(to Address) MetricQueryServiceGateway
	Blob(to Address) BlobGateway

	// Close stops the server, breaks connections and returns after the last handler.
	Close() error
}
