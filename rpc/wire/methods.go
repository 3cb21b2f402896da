package wire

import (
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"google.golang.org/grpc"
)

// services lists every method that a server answers (L-12: what is not here is refused).
func (s *Service) services() []grpc.ServiceDesc {
	return []grpc.ServiceDesc{
		describe(&pb.Dispatcher_ServiceDesc, []grpc.MethodDesc{
			unary(s, pb.Dispatcher_SubmitJob_FullMethodName, rpc.DispatcherGateway.SubmitJob),
			unary(s, pb.Dispatcher_CancelJob_FullMethodName, rpc.DispatcherGateway.CancelJob),
			unary(s, pb.Dispatcher_ListJobs_FullMethodName, rpc.DispatcherGateway.ListJobs),
			unary(s, pb.Dispatcher_RequestJob_FullMethodName, rpc.DispatcherGateway.RequestJob),
			unary(s, pb.Dispatcher_RequestJobResult_FullMethodName, rpc.DispatcherGateway.RequestJobResult),
			unary(s, pb.Dispatcher_RequestClusterOverview_FullMethodName, rpc.DispatcherGateway.RequestClusterOverview),
			unary(s, pb.Dispatcher_ShutDownCluster_FullMethodName, rpc.DispatcherGateway.ShutDownCluster),
		}),
		describe(&pb.ResourceManager_ServiceDesc, []grpc.MethodDesc{
			unary(s, pb.ResourceManager_RegisterTaskExecutor_FullMethodName, rpc.ResourceManagerGateway.RegisterTaskExecutor),
			unary(s, pb.ResourceManager_SendSlotReport_FullMethodName, rpc.ResourceManagerGateway.SendSlotReport),
			unary(s, pb.ResourceManager_RegisterJobMaster_FullMethodName, rpc.ResourceManagerGateway.RegisterJobMaster),
			unary(s, pb.ResourceManager_DeclareRequiredResources_FullMethodName, rpc.ResourceManagerGateway.DeclareRequiredResources),
			unary(s, pb.ResourceManager_NotifySlotAvailable_FullMethodName, rpc.ResourceManagerGateway.NotifySlotAvailable),
			unary(s, pb.ResourceManager_DisconnectTaskExecutor_FullMethodName, rpc.ResourceManagerGateway.DisconnectTaskExecutor),
			unary(s, pb.ResourceManager_DisconnectJobMaster_FullMethodName, rpc.ResourceManagerGateway.DisconnectJobMaster),
			unary(s, pb.ResourceManager_HeartbeatFromJobMaster_FullMethodName, rpc.ResourceManagerGateway.HeartbeatFromJobMaster),
			unary(s, pb.ResourceManager_RequestTaskManagers_FullMethodName, rpc.ResourceManagerGateway.RequestTaskManagers),
		}),
		describe(&pb.JobMaster_ServiceDesc, []grpc.MethodDesc{
			unary(s, pb.JobMaster_RegisterTaskManager_FullMethodName, rpc.JobMasterGateway.RegisterTaskManager),
			unary(s, pb.JobMaster_OfferSlots_FullMethodName, rpc.JobMasterGateway.OfferSlots),
			unary(s, pb.JobMaster_FailSlot_FullMethodName, rpc.JobMasterGateway.FailSlot),
			unary(s, pb.JobMaster_UpdateTaskExecutionState_FullMethodName, rpc.JobMasterGateway.UpdateTaskExecutionState),
			unary(s, pb.JobMaster_SendOperatorEvent_FullMethodName, rpc.JobMasterGateway.SendOperatorEvent),
			unary(s, pb.JobMaster_HeartbeatFromTaskManager_FullMethodName, rpc.JobMasterGateway.HeartbeatFromTaskManager),
			unary(s, pb.JobMaster_DisconnectTaskManager_FullMethodName, rpc.JobMasterGateway.DisconnectTaskManager),
		}),
		describe(&pb.TaskExecutor_ServiceDesc, []grpc.MethodDesc{
			unary(s, pb.TaskExecutor_RequestSlot_FullMethodName, rpc.TaskExecutorGateway.RequestSlot),
			unary(s, pb.TaskExecutor_SubmitTasks_FullMethodName, rpc.TaskExecutorGateway.SubmitTasks),
			unary(s, pb.TaskExecutor_CancelTasks_FullMethodName, rpc.TaskExecutorGateway.CancelTasks),
			unary(s, pb.TaskExecutor_FreeSlot_FullMethodName, rpc.TaskExecutorGateway.FreeSlot),
			unary(s, pb.TaskExecutor_DeliverOperatorEvents_FullMethodName, rpc.TaskExecutorGateway.DeliverOperatorEvents),
			unary(s, pb.TaskExecutor_HeartbeatFromResourceManager_FullMethodName, rpc.TaskExecutorGateway.HeartbeatFromResourceManager),
			unary(s, pb.TaskExecutor_DisconnectResourceManager_FullMethodName, rpc.TaskExecutorGateway.DisconnectResourceManager),
			unary(s, pb.TaskExecutor_DisconnectJobMaster_FullMethodName, rpc.TaskExecutorGateway.DisconnectJobMaster),
			unary(s, pb.TaskExecutor_ListLogs_FullMethodName, rpc.TaskExecutorGateway.ListLogs),
			unary(s, pb.TaskExecutor_RequestThreadDump_FullMethodName, rpc.TaskExecutorGateway.RequestThreadDump),
			unary(s, pb.TaskExecutor_ShutDown_FullMethodName, rpc.TaskExecutorGateway.ShutDown),
		}, streamed(s, pb.TaskExecutor_ReadLog_FullMethodName, rpc.TaskExecutorGateway.ReadLog, func(b []byte) *pb.LogChunk { return &pb.LogChunk{Data: b} })),
		describe(&pb.MetricQueryService_ServiceDesc, []grpc.MethodDesc{
			unary(s, pb.MetricQueryService_QueryMetrics_FullMethodName, rpc.MetricQueryServiceGateway.QueryMetrics),
		}),
		describe(&pb.BlobServer_ServiceDesc, []grpc.MethodDesc{}, streamed(s, pb.BlobServer_ReadBlob_FullMethodName, rpc.BlobGateway.ReadBlob, func(b []byte) *pb.BlobChunk { return &pb.BlobChunk{Data: b} })),
	}
}
