package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// Descriptors that a worker inherits.
const (
	controlFD  = 3 // unix socket to the TaskManager
	listenerFD = 4 // TCP listener for other workers
)

// Exit codes of a worker.
const (
	exitOK       = 0
	exitProtocol = 70 // the TaskManager said something that makes no sense, or there is none
	exitRefused  = 71 // the graph is not the submitted one, or the program failed before it; WorkerFailed said so
	exitOrphaned = 72 // the TaskManager is gone
)

// stopGrace is how long tasks may take to end when the worker is stopped. The TaskManager waits a little longer.
const stopGrace = 4 * time.Second

// RunChild makes this process the worker of the job that the program built, until the TaskManager stops it or is gone.
// It returns the exit code, with which the caller ends the process at once: what still runs then is not waited for.
func RunChild(ctx context.Context, compiled *graph.Compiled, disk OpenStateDisk, log *slog.Logger) int {
	conn, err := controlConn()
	if err != nil {
		log.Error("this process was not started by a TaskManager", keyCause, err)
		return exitProtocol
	}
	defer conn.Close()
	listener, err := dataListener()
	if err != nil {
		log.Error("no data listener was handed over", keyCause, err)
		return exitProtocol
	}
	limitStack()
	if tuner := tuneGC(); tuner != nil {
		defer tuner.Stop()
	}
	return serve(ctx, conn, listener, compiled, disk, log, runTask)
}

// RefuseChild tells the TaskManager why this process cannot be the worker that it was started to be, such as a program
// whose graph has faults. It returns the exit code.
func RefuseChild(cause error) int {
	conn, err := controlConn()
	if err != nil {
		return exitProtocol
	}
	defer conn.Close()
	return refuse(conn, cause)
}

func refuse(conn net.Conn, cause error) int {
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	b, err := appendFrame(nil, &pb.FromWorker{Message: &pb.FromWorker_Failed{Failed: &pb.WorkerFailed{Cause: ErrorInfo(cause)}}})
	if err == nil {
		_, err = conn.Write(b)
	}
	if err != nil {
		return exitOrphaned
	}
	return exitRefused
}

func controlConn() (net.Conn, error) {
	f := os.NewFile(controlFD, "control socket")
	if f == nil {
		return nil, errors.New("descriptor 3 is not open")
	}
	defer f.Close() // FileConn has its own duplicate, which children of this process do not inherit
	return net.FileConn(f)
}

func dataListener() (net.Listener, error) {
	f := os.NewFile(listenerFD, "data listener")
	if f == nil {
		return nil, errors.New("descriptor 4 is not open")
	}
	defer f.Close()
	return net.FileListener(f)
}

// limitStack makes a runaway recursion a stack overflow, with the names of the functions, before it is a lack of
// memory, without, or a worker that seems dead: a stack grows by copying, and while one of Go's own limit (1 GB) is
// copied the process answers nobody.
func limitStack() {
	debug.SetMaxStack(int(min(max(debug.SetMemoryLimit(-1)/8, minMaxStack), maxStack)))
}

const (
	minMaxStack = 32 << 20
	maxStack    = 128 << 20
)

// tuneGC starts the tuner unless the user has set GOGC.
func tuneGC() *GCTuner {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	return StartGCTuner(0)
}

// server is the child's side of the control socket.
type server struct {
	conn   net.Conn
	frames *bufio.Reader
	sender *Sender
	host   *Host
	log    *slog.Logger
}

// TaskState implements Events.
func (s *server) TaskState(m *pb.TaskState) {
	s.sender.Send(&pb.FromWorker{Message: &pb.FromWorker_State{State: m}})
}

// OperatorEvent implements Events.
func (s *server) OperatorEvent(m *pb.OperatorEvent) {
	s.sender.Send(&pb.FromWorker{Message: &pb.FromWorker_Event{Event: m}})
}

func serve(ctx context.Context, conn net.Conn, listener net.Listener, compiled *graph.Compiled, disk OpenStateDisk, log *slog.Logger, start startTask) int {
	s := &server{conn: conn, frames: bufio.NewReaderSize(conn, 64<<10), log: log}
	first := new(pb.ToWorker)
	if err := ReadFrame(s.frames, first); err != nil {
		return s.readFailed(err)
	}
	hello := first.GetStart()
	if hello == nil {
		log.Error("the first frame of the TaskManager is not a start", "frame", fmt.Sprintf("%T", first.GetMessage()))
		return exitProtocol
	}
	var submitted graph.JobGraph
	if err := json.Unmarshal(hello.GetJobGraph(), &submitted); err != nil {
		return refuse(conn, core.E("start worker", core.Invalid, "", fmt.Errorf("reading the submitted job graph: %w", err)))
	}
	s.sender = NewSender(conn, func(err error) {
		// The TaskManager is gone, or stuck with a full socket that then broke: reading says the same.
		log.Debug("writing to the TaskManager", keyCause, err)
		_ = conn.Close()
	})
	host, err := newHost(HostConfig{
		Submitted:     &submitted,
		Compiled:      compiled,
		Listener:      listener,
		DataAddress:   hello.GetDataAddress(),
		Secret:        hello.GetDataSecret(),
		Settings:      hello.GetConfig(),
		Slots:         int(hello.GetSlots()),
		OpenStateDisk: disk,
		Events:        s,
		Log:           log,
	}, start)
	if err != nil {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		s.sender.Send(&pb.FromWorker{Message: &pb.FromWorker_Failed{Failed: &pb.WorkerFailed{Cause: ErrorInfo(err)}}})
		s.sender.Close()
		return exitRefused
	}
	s.host = host
	s.sender.Send(&pb.FromWorker{Message: &pb.FromWorker_Ready{Ready: &pb.WorkerReady{}}})
	stopReading := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stopReading()
	return s.loop()
}

// loop serves until the worker is stopped or its TaskManager is gone. In the second case nothing is cleaned up: what
// this process still does must have no effect any more.
func (s *server) loop() int {
	for {
		m := new(pb.ToWorker)
		if err := ReadFrame(s.frames, m); err != nil {
			return s.readFailed(err)
		}
		switch m := m.GetMessage().(type) {
		case *pb.ToWorker_Deploy:
			s.host.Deploy(m.Deploy)
		case *pb.ToWorker_Cancel:
			s.host.Cancel(m.Cancel.GetAttempts())
		case *pb.ToWorker_Events:
			s.host.Deliver(m.Events.GetEvents())
		case *pb.ToWorker_Report:
			s.sender.Send(&pb.FromWorker{Message: &pb.FromWorker_Report{Report: s.host.Report()}})
		case *pb.ToWorker_Stacks:
			s.sender.Send(&pb.FromWorker{Message: &pb.FromWorker_Stacks{Stacks: &pb.WorkerStacks{Dump: Stacks()}}})
		case *pb.ToWorker_Stop:
			return s.stop()
		default:
			s.log.Error("the TaskManager sent a frame that is not known", "frame", fmt.Sprintf("%T", m))
			return exitProtocol
		}
	}
}

// stop ends the worker in good order; a TaskManager that dies meanwhile ends it too.
func (s *server) stop() int {
	ctx, cancel := context.WithTimeoutCause(context.Background(), stopGrace, errors.New("time is over"))
	defer cancel()
	orphaned := make(chan struct{})
	go func() { // ends with the process, or when the socket closes
		_, _ = io.Copy(io.Discard, s.frames)
		close(orphaned) // first, or what cancel ends would not see why
		cancel()
	}()
	err := s.host.Close(ctx)
	select {
	case <-orphaned:
		return exitOrphaned
	default:
	}
	if err != nil {
		s.log.Warn("stopping the worker", keyCause, err)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	s.sender.Close()
	return exitOK
}

func (s *server) readFailed(err error) int {
	if errors.Is(err, ErrFrame) {
		s.log.Error("reading from the TaskManager", keyCause, err)
		return exitProtocol
	}
	return exitOrphaned
}
