package network

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/internal/frame"
)

// A task that waits for what one connection brings may read it itself. The hand-over from the connection's goroutine
// makes Go wake a second thread to look for more work, of which there is none, for every flush of a producer that has
// little to send: half of what such a record costs. So the goroutine lends the reading to a task without outputs if
// nothing but its gate reads from the connection, nothing is written over it that would need credits, and the task
// slept each time when something came for it. It takes the reading back as soon as one of these ends, and
// when the task finds more waiting each time: then both together are faster.
//
// While the task is busy nobody reads. What waits then is for that task, or can wait: the end of the connection, and
// the peer's consumers, which are entered when the task has its next pause. A task with outputs could wait for a task
// that waits for such a consumer, and all three for ever.

const (
	lendAfter    = 16 // times in a row that the task slept
	reclaimAfter = 16 // reads in a row that did not wait
)

// lending is what a connection knows about who reads.
type lending struct {
	to    atomic.Pointer[Gate] // nil: the connection's goroutine reads
	back  chan struct{}        // the goroutine is to read again; capacity 1, as it is lent at most once
	slept int                  // of the goroutine: frames in a row for which the task had to be woken
	eager int                  // of the task: reads in a row that did not wait
}

// lend gives the reading to the task behind g, if it may and should. The connection's goroutine calls it.
func (c *conn) lend(g *Gate) bool {
	if c.lent.slept++; c.lent.slept < lendAfter || c.frames.raw == nil {
		return false
	}
	c.lent.slept = 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.leaving || len(c.inbounds) != 1 || len(c.streams) > 0 || len(c.consumers) > 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || !g.final || g.clocked || len(g.remote) != 1 || len(g.local) > 0 || g.remote[0].conn != c {
		return false
	}
	g.conn = c
	c.lent.eager = 0
	c.lent.to.Store(g)
	if asleep := g.asleep; asleep != nil { // it has done its work already and waits for the goroutine again
		g.asleep = nil
		asleep.interrupt()
	}
	return true
}

// reclaim makes the connection's goroutine read again. Any goroutine.
func (c *conn) reclaim() {
	g := c.lent.to.Swap(nil)
	if g == nil {
		return
	}
	g.mu.Lock()
	g.conn = nil
	asleep := g.asleep == sleeper(c.frames)
	if asleep {
		g.asleep = nil
	}
	g.mu.Unlock()
	if asleep {
		c.frames.interrupt()
	}
	c.lent.back <- struct{}{}
}

// readFor reads what comes next, or until it is interrupted. The task of g calls it, with the connection's splitter as
// what it sleeps on.
func (c *conn) readFor(g *Gate) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.lent.to.Load() != g {
		return
	}
	waited, err := c.frames.await()
	g.mu.Lock()
	g.asleep = nil
	g.mu.Unlock()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return
	case err != nil:
		c.reclaim() // the goroutine finds the same, or has room
		return
	case waited:
		c.lent.eager = 0
	default:
		c.lent.eager++
	}
	for c.frames.whole() {
		if _, err := c.readFrame(); err != nil {
			c.fail(err)
			return
		}
	}
	if c.lent.eager >= reclaimAfter {
		c.reclaim()
	}
}

// splitter cuts what a connection brings into frames. Who holds conn.reading uses it; interrupt is for any goroutine.
type splitter struct {
	nc    net.Conn
	raw   *rawIO // nil: its reads cannot be interrupted
	r     *bufio.Reader
	head  [frame.HeaderSize]byte
	pool  *sync.Pool
	f     *operator.Frame // of the frame that is being read
	alloc func(h *frame.Header) []byte
	open  bool // an interruption ends the read: nothing is lost
}

func newSplitter(nc net.Conn, r io.Reader, pool *sync.Pool) *splitter {
	s := &splitter{nc: nc, pool: pool}
	s.raw, _ = r.(*rawIO)
	if s.raw != nil {
		r = s
	}
	s.r = bufio.NewReaderSize(r, readBuffer)
	s.alloc = s.room
	return s
}

// Read implements io.Reader for the buffer.
func (s *splitter) Read(p []byte) (int, error) {
	for {
		n, err := s.raw.Read(p)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		_ = s.nc.SetReadDeadline(time.Time{}) // a connection that is closed says so in the next read
		if s.open {
			return 0, err
		}
	}
}

// interrupt implements sleeper.
func (s *splitter) interrupt() {
	// A deadline in the past ends the read.
	_ = s.nc.SetReadDeadline(time.Unix(1, 0))
}

// errLarge is the fault of a frame that does not fit into the buffer.
var errLarge = errors.New("frame is larger than the buffer")

// await returns when a whole frame is there to be read; waited tells that it was not there at once. What has come of a
// frame stays in the buffer when it is interrupted.
func (s *splitter) await() (waited bool, err error) {
	if s.whole() {
		return false, nil
	}
	s.open = true
	defer func() { s.open = false }()
	if _, err := s.r.Peek(frame.HeaderSize); err != nil {
		return true, err
	}
	size := s.size()
	if size > readBuffer {
		return true, errLarge
	}
	_, err = s.r.Peek(size)
	return s.raw.waited, err
}

// size returns the size of the frame whose header is in the buffer.
func (s *splitter) size() int {
	b, _ := s.r.Peek(4) // it is there
	return frame.HeaderSize + int(binary.LittleEndian.Uint32(b))
}

// whole tells whether a whole frame is in the buffer.
func (s *splitter) whole() bool {
	return s.r.Buffered() >= frame.HeaderSize && s.r.Buffered() >= s.size()
}

// next reads one frame.
func (s *splitter) next() (h frame.Header, f *operator.Frame, payload []byte, err error) {
	s.f = nil
	h, payload, err = frame.Read(s.r, &s.head, operator.MaxFrame, s.alloc)
	return h, s.f, payload, err
}

// room makes room for a payload.
func (s *splitter) room(h *frame.Header) []byte {
	if h.Kind != frame.Data {
		return make([]byte, h.Length)
	}
	f := s.pool.Get().(*operator.Frame)
	if cap(f.Payload) < int(h.Length) {
		f.Payload = make([]byte, h.Length)
	}
	f.Payload = f.Payload[:h.Length]
	s.f = f
	return f.Payload
}
