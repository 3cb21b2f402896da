package network

import "github.com/flink-go/flink-go/core"

// Locations says where the subtasks of a job run and which attempt each is. It is shared by all tasks of a deployment
// and never changed.
type Locations struct {
	Workers  []string // data addresses; "" or the Network's own stands for this process
	Vertices []VertexLocation
}

// VertexLocation holds, by subtask of one vertex, its worker (an index into Locations.Workers, -1: not deployed) and
// its attempt.
type VertexLocation struct {
	Worker  []int32
	Attempt []int32
}

// Edge is one edge into a consumer subtask.
type Edge struct {
	Producer core.VertexID
	Output   int // of the producer, as JobEdge.Output
	From, To int // the producer's subtasks that send to this one
	Location VertexLocation
	Input    uint8  // of the head operator
	Base     int32  // number of the first channel within that input
	Schema   uint64 // fingerprint of the record type
}

// Owner is the task behind a Gate or an Outlet.
type Owner interface {
	// Done is closed when the task must end.
	Done() <-chan struct{}
	// Unwind ends the task's goroutine and does not return; err is nil after Done.
	Unwind(err error)
	// Fail ends the task. Any goroutine.
	Fail(err error)
	// Blocked is called around a wait for credits.
	Blocked(begin bool)
}
