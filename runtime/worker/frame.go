package worker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/flink-go/flink-go/core"
)

// The frames on the socket between a TaskManager and a worker are a length, 4 bytes little endian, and so many bytes
// of protobuf.

// MaxFrame bounds a frame in both directions. The largest one carries a JobGraph of the largest size with its
// deployment.
const MaxFrame = 64 << 20

const frameHeader = 4

// ErrFrame is in the chain of errors about frames that no correct peer sends.
var ErrFrame = errors.New("malformed frame")

// ReadFrame reads one frame into m. It returns io.EOF when the stream ends between two frames. The length is checked
// before memory is allocated for it (L-11).
func ReadFrame(r *bufio.Reader, m proto.Message) error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if err == io.EOF {
			return err
		}
		return fmt.Errorf("reading the length of a frame: %w", err)
	}
	n := binary.LittleEndian.Uint32(header[:])
	if n > MaxFrame {
		return core.E("read frame", core.TooLarge, "", fmt.Errorf("%w: it says %d bytes, at most %d are allowed", ErrFrame, n, MaxFrame))
	}
	// What is there already is decoded in place. For the rest memory follows the bytes that really come: a length
	// alone does not cost more than a step.
	if int(n) <= r.Size() {
		b, err := r.Peek(int(n))
		if err != nil {
			return fmt.Errorf("reading a frame of %d bytes: %w", n, unexpected(err))
		}
		if err := proto.Unmarshal(b, m); err != nil {
			return fmt.Errorf("%w of %d bytes: %w", ErrFrame, n, err)
		}
		_, err = r.Discard(int(n))
		return err
	}
	b := make([]byte, 0, min(int(n), frameStep))
	for len(b) < int(n) {
		from := len(b)
		b = append(b, make([]byte, min(int(n)-from, max(from, frameStep)))...)
		if _, err := io.ReadFull(r, b[from:]); err != nil {
			return fmt.Errorf("reading a frame of %d bytes: %w", n, unexpected(err))
		}
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("%w of %d bytes: %w", ErrFrame, n, err)
	}
	return nil
}

const frameStep = 1 << 20

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendFrame appends m as a frame.
func appendFrame(b []byte, m proto.Message) ([]byte, error) {
	at := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		return b[:at], fmt.Errorf("encoding a frame: %w", err)
	}
	n := len(b) - at - frameHeader
	if n > MaxFrame {
		return b[:at], core.E("write frame", core.TooLarge, "", fmt.Errorf("it has %d bytes, at most %d are allowed", n, MaxFrame))
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(n))
	return b, nil
}

// Sender writes frames in order from a goroutine of its own, so that whoever has something to say never waits for the
// other side. What it holds is bounded by what there is to say: states and events of tasks on one side, orders of the
// TaskExecutor on the other. Its methods may be called from any goroutine.
type Sender struct {
	w      io.Writer
	failed func(error)
	wake   chan struct{} // capacity 1: one signal says "the queue is not empty"
	done   chan struct{}

	mu     sync.Mutex
	queue  []proto.Message
	closed bool
}

// NewSender starts a Sender. failed is called once, from the Sender's goroutine, when a frame cannot be written;
// nothing is written after it.
func NewSender(w io.Writer, failed func(error)) *Sender {
	s := &Sender{w: w, failed: failed, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go func() { // ends after Close, or at the first failure
		defer close(s.done)
		if err := s.loop(); err != nil {
			s.mu.Lock()
			s.closed, s.queue = true, nil
			s.mu.Unlock()
			s.failed(err)
		}
	}()
	return s
}

// Send queues m, which must not be changed any more. After Close or a failure it is dropped.
func (s *Sender) Send(m proto.Message) {
	s.mu.Lock()
	if !s.closed {
		s.queue = append(s.queue, m)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // a signal waits already
	}
}

// Close lets what is queued be written and returns when the goroutine has ended. The other side may not be reading:
// whoever calls it bounds the wait by closing the connection.
func (s *Sender) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	<-s.done
}

func (s *Sender) loop() error {
	var batch []proto.Message
	var buf []byte
	for {
		s.mu.Lock()
		batch, s.queue = s.queue, batch[:0]
		closed := s.closed
		s.mu.Unlock()
		if len(batch) == 0 {
			if closed {
				return nil
			}
			<-s.wake
			continue
		}
		buf = buf[:0]
		for _, m := range batch {
			var err error
			if buf, err = appendFrame(buf, m); err != nil {
				return err
			}
			if len(buf) >= frameStep {
				if _, err := s.w.Write(buf); err != nil {
					return fmt.Errorf("writing a frame: %w", err)
				}
				buf = buf[:0]
			}
		}
		if _, err := s.w.Write(buf); err != nil {
			return fmt.Errorf("writing a frame: %w", err)
		}
		clear(batch)
		if cap(buf) > 4*frameStep {
			buf = nil // a rare large one: not kept
		}
	}
}
