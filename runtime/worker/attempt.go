package worker

import (
	"bytes"
	"cmp"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// AttemptFromProto reads the wire form of an attempt id.
func AttemptFromProto(p *pb.ExecutionAttemptID) (core.ExecutionAttemptID, error) {
	g, err := core.GraphIDFromBytes(p.GetGraph())
	if err != nil {
		return core.ExecutionAttemptID{}, err
	}
	v, err := core.VertexIDFromBytes(p.GetVertex())
	if err != nil {
		return core.ExecutionAttemptID{}, err
	}
	return core.ExecutionAttemptID{Graph: g, Vertex: v, Subtask: int(p.GetSubtask()), Attempt: int(p.GetAttempt())}, nil
}

// AttemptToProto is the inverse of AttemptFromProto.
func AttemptToProto(a core.ExecutionAttemptID) *pb.ExecutionAttemptID {
	return &pb.ExecutionAttemptID{
		Graph:   a.Graph.Bytes(),
		Vertex:  a.Vertex.Bytes(),
		Subtask: int32(a.Subtask),
		Attempt: int32(a.Attempt),
	}
}

// CompareAttempts orders attempt ids, for texts and messages that do not change from run to run.
func CompareAttempts(a, b *pb.ExecutionAttemptID) int {
	return cmp.Or(
		bytes.Compare(a.GetGraph(), b.GetGraph()),
		bytes.Compare(a.GetVertex(), b.GetVertex()),
		cmp.Compare(a.GetSubtask(), b.GetSubtask()),
		cmp.Compare(a.GetAttempt(), b.GetAttempt()),
	)
}
