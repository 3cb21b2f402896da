package resourcemanager

import (
	"testing"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"google.golang.org/protobuf/proto"
)

// Whatever a peer sends as its slot report is refused or is a list of distinct, own slots.
func FuzzSlotReport(f *testing.F) {
	job, alloc := core.NewJobID().Bytes(), core.NewAllocationID().Bytes()
	for _, r := range []*pb.SlotReport{
		{},
		{Slots: []*pb.SlotStatus{{Slot: &pb.SlotID{ResourceId: "tm"}, JobId: job, AllocationId: alloc}, {Slot: &pb.SlotID{ResourceId: "tm", Number: 1}}}},
		{Slots: []*pb.SlotStatus{nil, {Slot: &pb.SlotID{ResourceId: "tm"}, JobId: job[:3]}}},
	} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in pb.SlotReport
		if proto.Unmarshal(b, &in) != nil {
			return
		}
		out, err := reportFromProto("tm", &in)
		if err != nil {
			return
		}
		if len(out) != len(in.GetSlots()) {
			t.Errorf("%d slots of %d", len(out), len(in.GetSlots()))
		}
		seen := make(map[int]bool)
		for _, s := range out {
			if s.Number < 0 || seen[s.Number] {
				t.Errorf("slot %d is negative or listed twice", s.Number)
			}
			seen[s.Number] = true
		}
	})
}
