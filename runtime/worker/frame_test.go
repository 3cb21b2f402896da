package worker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

func frameOf(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := appendFrame(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func stacksOf(size int) *pb.FromWorker {
	return &pb.FromWorker{Message: &pb.FromWorker_Stacks{Stacks: &pb.WorkerStacks{Dump: strings.Repeat("s", size)}}}
}

func TestFramesOfAllSizes(t *testing.T) {
	var stream bytes.Buffer
	sizes := []int{0, 1, 15, 16, 4096, frameStep - 1, frameStep, 3*frameStep + 17}
	for _, n := range sizes {
		stream.Write(frameOf(t, stacksOf(n)))
	}
	r := bufio.NewReaderSize(&stream, 4096)
	for _, n := range sizes {
		m := new(pb.FromWorker)
		if err := ReadFrame(r, m); err != nil {
			t.Fatal(err)
		}
		if got := len(m.GetStacks().GetDump()); got != n {
			t.Errorf("read %d bytes, want %d", got, n)
		}
	}
	if err := ReadFrame(r, new(pb.FromWorker)); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestFrameCutShort(t *testing.T) {
	whole := frameOf(t, stacksOf(100))
	for n := 1; n < len(whole); n++ {
		err := ReadFrame(bufio.NewReader(bytes.NewReader(whole[:n])), new(pb.FromWorker))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// L-11: a length costs nothing before its bytes come.
func TestFrameOfAbsurdLength(t *testing.T) {
	for _, n := range []uint32{MaxFrame + 1, 1 << 31, 1<<32 - 1} {
		b := binary.LittleEndian.AppendUint32(nil, n)
		err := ReadFrame(bufio.NewReader(bytes.NewReader(append(b, "rest"...))), new(pb.FromWorker))
		if core.KindOf(err) != core.TooLarge || !errors.Is(err, ErrFrame) {
			t.Errorf("length %d: %v", n, err)
		}
	}
	lie := append(binary.LittleEndian.AppendUint32(nil, MaxFrame), "rest"...)
	allocated := testing.AllocsPerRun(5, func() {
		if err := ReadFrame(bufio.NewReaderSize(bytes.NewReader(lie), 16), new(pb.FromWorker)); err == nil {
			t.Error("a frame that never came was read")
		}
	})
	if allocated > 20 {
		t.Errorf("%v allocations for a frame that never came", allocated)
	}
	if _, err := appendFrame(nil, stacksOf(MaxFrame)); core.KindOf(err) != core.TooLarge {
		t.Errorf("writing a frame over the limit: %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frameOf(f, stacksOf(10)))
	f.Add(frameOf(f, &pb.ToWorker{Message: &pb.ToWorker_Deploy{Deploy: &pb.SubmitTasksRequest{JobGraphHash: "h", Tasks: []*pb.TaskDeployment{{Vertex: 1}}}}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Add([]byte{3, 0, 0, 0, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []proto.Message{new(pb.ToWorker), new(pb.FromWorker)} {
			r := bufio.NewReaderSize(bytes.NewReader(b), 16)
			for ReadFrame(r, m) == nil {
				again := m.ProtoReflect().New().Interface()
				if err := ReadFrame(bufio.NewReader(bytes.NewReader(frameOf(t, m))), again); err != nil {
					t.Fatalf("what was read cannot be written and read again: %v", err)
				}
				if !proto.Equal(m, again) {
					t.Fatalf("%v became %v", m, again)
				}
			}
		}
	})
}

func TestSenderKeepsOrderAndEnds(t *testing.T) {
	r, w := io.Pipe()
	s := NewSender(w, func(err error) { t.Errorf("failed: %v", err) })
	const n = 1000
	for i := range n {
		s.Send(stacksOf(i))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Close()
		_ = w.Close()
	}()
	in := bufio.NewReader(r)
	for i := range n {
		m := new(pb.FromWorker)
		if err := ReadFrame(in, m); err != nil {
			t.Fatal(err)
		}
		if got := len(m.GetStacks().GetDump()); got != i {
			t.Fatalf("frame %d came as number %d", got, i)
		}
	}
	<-done
	s.Send(stacksOf(1)) // dropped
}

func TestSenderTellsFailure(t *testing.T) {
	r, w := io.Pipe()
	failed := make(chan error, 1)
	s := NewSender(w, func(err error) { failed <- err })
	_ = r.Close()
	s.Send(stacksOf(1))
	if err := <-failed; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("failed with %v", err)
	}
	s.Close()
}
