package operator

import "github.com/flink-go/flink-go/internal/frame"

// Message is one entry of a consumer's gate: data of a channel, or one of its control elements, in their order.
type Message struct {
	Kind     frame.Kind // Data, Watermark, Idle, Barrier or End
	Input    uint8      // of the head operator
	ThenIdle bool       // of Watermark: an Idle follows
	Channel  int32      // of that input
	Arg      int64      // the watermark or the checkpoint
	Data     any        // of Data: *Batch[T] from this process, *Frame from another
}

// Gate takes the messages for one consumer. Put never blocks: credits bound what can be in it. Any goroutine.
type Gate interface {
	Put(m Message)
}

// Frame is a Data frame that came from another process, not decoded yet.
type Frame struct {
	Header  frame.Header
	Payload []byte
	Home    FrameHome
}

// FrameHome takes a Frame back when the task is done with it and gives its credit to the producer. reusable says that
// nothing points into the payload.
type FrameHome interface {
	Release(f *Frame, reusable bool)
}

// Outlet is what a Writer needs of the network: one edge out of one subtask. All but Wake are for the task's
// goroutine; those that wait do not return if the task must end, they unwind it.
type Outlet interface {
	// Connect returns the way to target i, after waiting until its consumer is there.
	Connect(i int) Link
	// Wait blocks until Wake was called since the last Wait.
	Wait()
	// Wake ends a Wait. Any goroutine.
	Wake()
	// Flush hands frames that Streams hold back to the operating system.
	Flush()
	// Fail ends the task; it does not return.
	Fail(err error)
}

// Link leads to one consumer: to its Gate in this process, or by a Stream to another.
type Link struct {
	Gate    Gate // nil: remote
	Stream  Stream
	Input   uint8
	Channel int32
	Credits int // batches or frames of the channel that may be under way at once
}

// Stream is the producer's end of a channel to another process.
type Stream interface {
	// Acquire takes a credit, waiting for one. Every Data frame needs one.
	Acquire()
	// Send sends the frame whose payload is buf after frame.HeaderSize bytes of room. The Stream fills in who it is
	// for and its sequence number. buf may be used again afterwards.
	Send(buf []byte, h *frame.Header)
}

// Selection says to which of its targets a Writer sends a record. Watermarks and the like go to all of them.
type Selection uint8

// The selections; which ship strategy means which is the task's to say.
const (
	SelectFirst      Selection = iota // the only one, or the first of all
	SelectPartition                   // by the edge's Partition
	SelectRoundRobin                  // in turn
	SelectRandom                      // at random, evenly
	SelectAll                         // a copy to each
)

// Credits is how many batches or frames of a channel may be under way at once, for an edge of so many channels at one
// end: many channels get fewer, so that they do not hold too much.
func Credits(channels int) int {
	switch {
	case channels <= 64:
		return 8
	case channels <= 256:
		return 4
	default:
		return 2
	}
}

// WriterConfig is what a Writer is made from.
type WriterConfig struct {
	Outlet         Outlet
	Select         Selection
	Partition      any // Partition[T], for SelectPartition
	Targets        int // number of consumers
	MaxParallelism int // of the consumers' vertex
	Start          int // the target with which a round robin begins
	SegmentSize    int // bytes of a full batch or frame, 0: DefaultSegmentSize
	Records, Bytes *Counter
}

// DefaultSegmentSize is the size of a full batch or frame, as Flink's memory segments.
const DefaultSegmentSize = 32 << 10

// Output is the side of a Writer that the task sees; its other side is a Node[T].
type Output interface {
	// Pending tells whether Flush has something to send.
	Pending() bool
	// Flush sends part-filled batches and the latest watermark.
	Flush()
	// Barrier flushes, then sends the barrier of a checkpoint.
	Barrier(checkpoint int64)
}

// ReaderConfig is what a Reader is made from.
type ReaderConfig struct {
	Channels       int // of all edges that lead to this input
	Records, Bytes *Counter
}

// Input is one input of a head operator as the task sees it: it turns messages into calls of a Node[T].
type Input interface {
	// Read delivers m. An error means that its bytes are not what the producer wrote.
	Read(m *Message) error
	// Ended tells whether all channels have ended and End was called.
	Ended() bool
	// Watermark is the event time of this input so far. Any goroutine.
	Watermark() int64
}
