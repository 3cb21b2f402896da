package resourcemanager_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/rpc/wire"
	"github.com/flink-go/flink-go/runtime/resourcemanager"
)

// countingExecutor takes every slot request.
type countingExecutor struct {
	rpc.TaskExecutorGateway
	requests chan struct{}
}

func (e countingExecutor) RequestSlot(context.Context, *pb.RequestSlotRequest) (*pb.RequestSlotResponse, error) {
	e.requests <- struct{}{}
	return &pb.RequestSlotResponse{}, nil
}

// From the declaration of a job of 1000 slots until 10 TaskManagers, over the wire, have been told of all.
func BenchmarkThousandSlots(b *testing.B) {
	const tms, each = 10, 100
	service := func() *wire.Service {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return wire.NewService(ln, wire.Options{})
	}
	for b.Loop() {
		b.StopTimer()
		jm, tm := service(), service()
		rm, err := resourcemanager.New(resourcemanager.Config{Service: jm, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		te := countingExecutor{requests: make(chan struct{}, tms*each)}
		gateway := tm.ResourceManager(rm.Address())
		for i := range tms {
			name := fmt.Sprint("tm", i)
			if err := tm.Serve(name, core.Token{}, te); err != nil {
				b.Fatal(err)
			}
			out, err := gateway.RegisterTaskExecutor(b.Context(), &pb.RegisterTaskExecutorRequest{ResourceId: name, RpcAddress: tm.Address(), Endpoint: name})
			if err != nil {
				b.Fatal(err)
			}
			report := &pb.SlotReport{}
			for n := range each {
				report.Slots = append(report.Slots, &pb.SlotStatus{Slot: &pb.SlotID{ResourceId: name, Number: int32(n)}})
			}
			if _, err := gateway.SendSlotReport(b.Context(), &pb.SendSlotReportRequest{ResourceId: name, InstanceId: out.GetInstanceId(), Report: report}); err != nil {
				b.Fatal(err)
			}
		}
		job := core.NewJobID().Bytes()
		if _, err := rm.RegisterJobMaster(b.Context(), &pb.RegisterJobMasterRequest{JobId: job, RpcAddress: jm.Address(), Endpoint: "jobmaster"}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		_, err = rm.DeclareRequiredResources(b.Context(), &pb.DeclareRequiredResourcesRequest{
			JobId: job, Requirements: []*pb.ResourceRequirement{{Count: tms * each}},
		})
		if err != nil {
			b.Fatal(err)
		}
		for range tms * each {
			<-te.requests
		}
		b.StopTimer()
		_ = rm.Close()
		_ = tm.Close()
		_ = jm.Close()
		b.StartTimer()
	}
}
