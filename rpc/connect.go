package rpc

import (
	"context"
	"fmt"
	"strings"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// Invocation is one call of a gateway method on its way to an endpoint.
type Invocation struct {
	Method string          // full name as in the .proto: "/flinkgo.v1.Dispatcher/SubmitJob"
	In     any             // the request message
	NewOut func() any      // a new message to read a response, or a piece of a streamed one, into
	Piece  func(any) error // takes the pieces of a streamed response; nil when the method has one response
	// Do calls the method on a gateway of this process and returns the response (nil when it is streamed).
	Do func(ctx context.Context, gateway any) (any, error)
}

// Op is the method's own name, for errors: "SubmitJob".
func (c *Invocation) Op() string { return c.Method[strings.LastIndexByte(c.Method, '/')+1:] }

// Transport carries invocations to endpoints. What implements it gets its gateways from Connectors.
type Transport interface {
	// Invoke returns the response of call, or nil when it is streamed.
	Invoke(ctx context.Context, to Address, call *Invocation) (any, error)
}

// Connectors makes gateways over a Transport: the connecting half of a Service.
type Connectors struct{ transport Transport }

// NewConnectors returns the connectors of t.
func NewConnectors(t Transport) Connectors { return Connectors{t} }

// Dispatcher connects to the Dispatcher at to.
func (c Connectors) Dispatcher(to Address) DispatcherGateway {
	return dispatcherClient{target{c.transport, to}}
}

// ResourceManager connects to the ResourceManager at to.
func (c Connectors) ResourceManager(to Address) ResourceManagerGateway {
	return resourceManagerClient{target{c.transport, to}}
}

// JobMaster connects to the JobMaster at to.
func (c Connectors) JobMaster(to Address) JobMasterGateway {
	return jobMasterClient{target{c.transport, to}}
}

// TaskExecutor connects to the TaskExecutor at to.
func (c Connectors) TaskExecutor(to Address) TaskExecutorGateway {
	return taskExecutorClient{target{c.transport, to}}
}

// Metrics connects to the MetricQueryService at to.
func (c Connectors) Metrics(to Address) MetricQueryServiceGateway {
	return metricsClient{target{c.transport, to}}
}

// Blob connects to the BlobServer at to.
func (c Connectors) Blob(to Address) BlobGateway { return blobClient{target{c.transport, to}} }

// target is an endpoint and the way to it.
type target struct {
	transport Transport
	to        Address
}

// unary calls a method with one response.
func unary[G, In, Out any](ctx context.Context, t target, name string, method func(G, context.Context, *In) (*Out, error), in *In) (*Out, error) {
	call := &Invocation{Method: name, In: in, NewOut: func() any { return new(Out) }}
	call.Do = func(ctx context.Context, gateway any) (any, error) {
		g, ok := gateway.(G)
		if !ok {
			return nil, WrongGateway(call.Op(), t.to.Endpoint, gateway)
		}
		return method(g, ctx, in)
	}
	out, err := t.transport.Invoke(ctx, t.to, call)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

// piece is a message that carries a part of a file.
type piece interface{ GetData() []byte }

// streamed calls a method whose response is a sequence of bytes.
func streamed[G, In, Out any](ctx context.Context, t target, name string, method func(G, context.Context, *In, func([]byte) error) error, in *In, chunk func([]byte) error) error {
	call := &Invocation{Method: name, In: in, NewOut: func() any { return new(Out) }}
	call.Piece = func(m any) error { return chunk(m.(piece).GetData()) }
	call.Do = func(ctx context.Context, gateway any) (any, error) {
		g, ok := gateway.(G)
		if !ok {
			return nil, WrongGateway(call.Op(), t.to.Endpoint, gateway)
		}
		return nil, method(g, ctx, in, chunk)
	}
	_, err := t.transport.Invoke(ctx, t.to, call)
	return err
}

// WrongGateway is the error of a call to an endpoint of another kind.
func WrongGateway(op, endpoint string, gateway any) error {
	return core.E(op, core.Invalid, endpoint, fmt.Errorf("the endpoint is a %T, which has no such method", gateway))
}

// The clients below are the proxies of S-203: each method is its name, nothing else.

type dispatcherClient struct{ target }

func (c dispatcherClient) SubmitJob(ctx context.Context, in *pb.SubmitJobRequest) (*pb.SubmitJobResponse, error) {
	return unary(ctx, c.target, pb.Dispatcher_SubmitJob_FullMethodName, DispatcherGateway.SubmitJob, in)
}

func (c dispatcherClient) CancelJob(ctx context.Context, in *pb.CancelJobRequest) (*pb.CancelJobResponse, error) {
	return unary(ctx, c.target, pb.Dispatcher_CancelJob_FullMethodName, DispatcherGateway.CancelJob, in)
}

func (c dispatcherClient) ListJobs(ctx context.Context, in *pb.ListJobsRequest) (*pb.ListJobsResponse, error) {
	return unary(ctx, c.target, pb.Dispatcher_ListJobs_FullMethodName, DispatcherGateway.ListJobs, in)
}

func (c dispatcherClient) RequestJob(ctx context.Context, in *pb.RequestJobRequest) (*pb.RequestJobResponse, error) {
	return unary(ctx, c.target, pb.Dispatcher_RequestJob_FullMethodName, DispatcherGateway.RequestJob, in)
}

func (c dispatcherClient) RequestJobResult(ctx context.Context, in *pb.RequestJobResultRequest) (*pb.RequestJobResultResponse, error) {
	return unary(ctx, c.target, pb.Dispatcher_RequestJobResult_FullMethodName, DispatcherGateway.RequestJobResult, in)
}

func (c dispatcherClient) RequestClusterOverview(ctx context.Context, in *pb.RequestClusterOverviewRequest) (*pb.RequestClusterOverviewResponse, error) {
	return unary(ctx, c.target, pb.Dispatcher_RequestClusterOverview_FullMethodName, DispatcherGateway.RequestClusterOverview, in)
}

func (c dispatcherClient) ShutDownCluster(ctx context.Context, in *pb.ShutDownClusterRequest) (*pb.ShutDownClusterResponse, error) {
	return unary(ctx, c.target, pb.Dispatcher_ShutDownCluster_FullMethodName, DispatcherGateway.ShutDownCluster, in)
}

type resourceManagerClient struct{ target }

func (c resourceManagerClient) RegisterTaskExecutor(ctx context.Context, in *pb.RegisterTaskExecutorRequest) (*pb.RegisterTaskExecutorResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_RegisterTaskExecutor_FullMethodName, ResourceManagerGateway.RegisterTaskExecutor, in)
}

func (c resourceManagerClient) SendSlotReport(ctx context.Context, in *pb.SendSlotReportRequest) (*pb.SendSlotReportResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_SendSlotReport_FullMethodName, ResourceManagerGateway.SendSlotReport, in)
}

func (c resourceManagerClient) RegisterJobMaster(ctx context.Context, in *pb.RegisterJobMasterRequest) (*pb.RegisterJobMasterResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_RegisterJobMaster_FullMethodName, ResourceManagerGateway.RegisterJobMaster, in)
}

func (c resourceManagerClient) DeclareRequiredResources(ctx context.Context, in *pb.DeclareRequiredResourcesRequest) (*pb.DeclareRequiredResourcesResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_DeclareRequiredResources_FullMethodName, ResourceManagerGateway.DeclareRequiredResources, in)
}

func (c resourceManagerClient) NotifySlotAvailable(ctx context.Context, in *pb.NotifySlotAvailableRequest) (*pb.NotifySlotAvailableResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_NotifySlotAvailable_FullMethodName, ResourceManagerGateway.NotifySlotAvailable, in)
}

func (c resourceManagerClient) DisconnectTaskExecutor(ctx context.Context, in *pb.DisconnectTaskExecutorRequest) (*pb.DisconnectTaskExecutorResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_DisconnectTaskExecutor_FullMethodName, ResourceManagerGateway.DisconnectTaskExecutor, in)
}

func (c resourceManagerClient) DisconnectJobMaster(ctx context.Context, in *pb.DisconnectJobMasterRequest) (*pb.DisconnectJobMasterResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_DisconnectJobMaster_FullMethodName, ResourceManagerGateway.DisconnectJobMaster, in)
}

func (c resourceManagerClient) HeartbeatFromJobMaster(ctx context.Context, in *pb.HeartbeatFromJobMasterRequest) (*pb.HeartbeatFromJobMasterResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_HeartbeatFromJobMaster_FullMethodName, ResourceManagerGateway.HeartbeatFromJobMaster, in)
}

func (c resourceManagerClient) RequestTaskManagers(ctx context.Context, in *pb.RequestTaskManagersRequest) (*pb.RequestTaskManagersResponse, error) {
	return unary(ctx, c.target, pb.ResourceManager_RequestTaskManagers_FullMethodName, ResourceManagerGateway.RequestTaskManagers, in)
}

type jobMasterClient struct{ target }

func (c jobMasterClient) RegisterTaskManager(ctx context.Context, in *pb.RegisterTaskManagerRequest) (*pb.RegisterTaskManagerResponse, error) {
	return unary(ctx, c.target, pb.JobMaster_RegisterTaskManager_FullMethodName, JobMasterGateway.RegisterTaskManager, in)
}

func (c jobMasterClient) OfferSlots(ctx context.Context, in *pb.OfferSlotsRequest) (*pb.OfferSlotsResponse, error) {
	return unary(ctx, c.target, pb.JobMaster_OfferSlots_FullMethodName, JobMasterGateway.OfferSlots, in)
}

func (c jobMasterClient) FailSlot(ctx context.Context, in *pb.FailSlotRequest) (*pb.FailSlotResponse, error) {
	return unary(ctx, c.target, pb.JobMaster_FailSlot_FullMethodName, JobMasterGateway.FailSlot, in)
}

func (c jobMasterClient) UpdateTaskExecutionState(ctx context.Context, in *pb.UpdateTaskExecutionStateRequest) (*pb.UpdateTaskExecutionStateResponse, error) {
	return unary(ctx, c.target, pb.JobMaster_UpdateTaskExecutionState_FullMethodName, JobMasterGateway.UpdateTaskExecutionState, in)
}

func (c jobMasterClient) SendOperatorEvent(ctx context.Context, in *pb.SendOperatorEventRequest) (*pb.SendOperatorEventResponse, error) {
	return unary(ctx, c.target, pb.JobMaster_SendOperatorEvent_FullMethodName, JobMasterGateway.SendOperatorEvent, in)
}

func (c jobMasterClient) HeartbeatFromTaskManager(ctx context.Context, in *pb.HeartbeatFromTaskManagerRequest) (*pb.HeartbeatFromTaskManagerResponse, error) {
	return unary(ctx, c.target, pb.JobMaster_HeartbeatFromTaskManager_FullMethodName, JobMasterGateway.HeartbeatFromTaskManager, in)
}

func (c jobMasterClient) DisconnectTaskManager(ctx context.Context, in *pb.DisconnectTaskManagerRequest) (*pb.DisconnectTaskManagerResponse, error) {
	return unary(ctx, c.target, pb.JobMaster_DisconnectTaskManager_FullMethodName, JobMasterGateway.DisconnectTaskManager, in)
}

type taskExecutorClient struct{ target }

func (c taskExecutorClient) RequestSlot(ctx context.Context, in *pb.RequestSlotRequest) (*pb.RequestSlotResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_RequestSlot_FullMethodName, TaskExecutorGateway.RequestSlot, in)
}

func (c taskExecutorClient) SubmitTasks(ctx context.Context, in *pb.SubmitTasksRequest) (*pb.SubmitTasksResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_SubmitTasks_FullMethodName, TaskExecutorGateway.SubmitTasks, in)
}

func (c taskExecutorClient) CancelTasks(ctx context.Context, in *pb.CancelTasksRequest) (*pb.CancelTasksResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_CancelTasks_FullMethodName, TaskExecutorGateway.CancelTasks, in)
}

func (c taskExecutorClient) FreeSlot(ctx context.Context, in *pb.FreeSlotRequest) (*pb.FreeSlotResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_FreeSlot_FullMethodName, TaskExecutorGateway.FreeSlot, in)
}

func (c taskExecutorClient) DeliverOperatorEvents(ctx context.Context, in *pb.DeliverOperatorEventsRequest) (*pb.DeliverOperatorEventsResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_DeliverOperatorEvents_FullMethodName, TaskExecutorGateway.DeliverOperatorEvents, in)
}

func (c taskExecutorClient) HeartbeatFromResourceManager(ctx context.Context, in *pb.HeartbeatFromResourceManagerRequest) (*pb.HeartbeatFromResourceManagerResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_HeartbeatFromResourceManager_FullMethodName, TaskExecutorGateway.HeartbeatFromResourceManager, in)
}

func (c taskExecutorClient) DisconnectResourceManager(ctx context.Context, in *pb.DisconnectResourceManagerRequest) (*pb.DisconnectResourceManagerResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_DisconnectResourceManager_FullMethodName, TaskExecutorGateway.DisconnectResourceManager, in)
}

func (c taskExecutorClient) DisconnectJobMaster(ctx context.Context, in *pb.JobMasterLostRequest) (*pb.JobMasterLostResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_DisconnectJobMaster_FullMethodName, TaskExecutorGateway.DisconnectJobMaster, in)
}

func (c taskExecutorClient) ListLogs(ctx context.Context, in *pb.ListLogsRequest) (*pb.ListLogsResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_ListLogs_FullMethodName, TaskExecutorGateway.ListLogs, in)
}

func (c taskExecutorClient) ReadLog(ctx context.Context, in *pb.ReadLogRequest, chunk func([]byte) error) error {
	return streamed[TaskExecutorGateway, pb.ReadLogRequest, pb.LogChunk](ctx, c.target, pb.TaskExecutor_ReadLog_FullMethodName, TaskExecutorGateway.ReadLog, in, chunk)
}

func (c taskExecutorClient) RequestThreadDump(ctx context.Context, in *pb.RequestThreadDumpRequest) (*pb.RequestThreadDumpResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_RequestThreadDump_FullMethodName, TaskExecutorGateway.RequestThreadDump, in)
}

func (c taskExecutorClient) ShutDown(ctx context.Context, in *pb.ShutDownRequest) (*pb.ShutDownResponse, error) {
	return unary(ctx, c.target, pb.TaskExecutor_ShutDown_FullMethodName, TaskExecutorGateway.ShutDown, in)
}

type metricsClient struct{ target }

func (c metricsClient) QueryMetrics(ctx context.Context, in *pb.QueryMetricsRequest) (*pb.QueryMetricsResponse, error) {
	return unary(ctx, c.target, pb.MetricQueryService_QueryMetrics_FullMethodName, MetricQueryServiceGateway.QueryMetrics, in)
}

type blobClient struct{ target }

func (c blobClient) ReadBlob(ctx context.Context, in *pb.ReadBlobRequest, chunk func([]byte) error) error {
	return streamed[BlobGateway, pb.ReadBlobRequest, pb.BlobChunk](ctx, c.target, pb.BlobServer_ReadBlob_FullMethodName, BlobGateway.ReadBlob, in, chunk)
}
