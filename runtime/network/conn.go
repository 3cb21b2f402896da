package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
	"github.com/flink-go/flink-go/internal/frame"
)

const (
	holdBytes  = 32 << 10 // frames are held back up to this much
	readBuffer = 16 << 10
	maxControl = 1 << 20 // payload of frames other than Data
	quickWrite = 4 << 10 // writes up to this go to the system without telling Go's scheduler
)

// conn is the one connection to another worker. It carries the channels of both directions.
//
// The task that fills a frame writes it, under write; the reader goroutine only splits frames and puts them into
// gates, it never blocks on a task and never writes. Lock order: Network.mu, then conn.mu; write is taken alone.
type conn struct {
	net      *Network
	nc       net.Conn
	peer     string
	identity core.Token // of the peer's process
	dialed   bool       // by us
	done     chan struct{}

	reading sync.Mutex // held by who reads: the connection's goroutine, or the task that it lent the reading to
	frames  *splitter
	lent    lending

	write       sync.Mutex
	quickWriter io.Writer
	out         []byte
	started     atomic.Int64          // when the write under way began, by Network.elapsed; 0: none
	writer      atomic.Pointer[Owner] // the task that writes; nil: none

	mu        sync.Mutex
	err       error
	streams   map[uint64]*stream     // ours to the peer, by consumer and channel
	consumers map[uint32]*remoteSide // the peer's, by its id
	inbounds  map[uint32]*inbound    // of our consumers, by our id
	leaving   bool                   // we close it in good order
}

// remoteSide is a consumer of the peer and the exchange in which it is entered.
type remoteSide struct {
	exchange *exchange
	consumer *consumer
}

func (n *Network) newConn(nc net.Conn, peer string, identity core.Token, dialed bool) *conn {
	r, w := quickIO(nc)
	return &conn{
		net: n, nc: nc, peer: peer, identity: identity, dialed: dialed, done: make(chan struct{}), quickWriter: w,
		frames: newSplitter(nc, r, &n.frames), lent: lending{back: make(chan struct{}, 1)},
		streams: map[uint64]*stream{}, consumers: map[uint32]*remoteSide{}, inbounds: map[uint32]*inbound{},
	}
}

var errPeerClosed = errors.New("the peer closed it")

// lost wraps what ended a connection for the tasks that needed it.
func (c *conn) lost(err error) error {
	return core.E("data connection to worker", core.Unavailable, c.peer, err)
}

// send writes one finished frame, or holds it back with others until flush when hold is set and it is small.
func (c *conn) send(buf []byte, owner *Owner, hold bool) (held bool, err error) {
	c.write.Lock()
	defer c.write.Unlock()
	if hold && len(c.out)+len(buf) <= holdBytes {
		c.out = append(c.out, buf...)
		return true, nil
	}
	if err := c.flushLocked(owner); err != nil {
		return false, err
	}
	return false, c.writeLocked(buf, owner)
}

func (c *conn) flush(o *Outlet) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.flushLocked(&o.owner)
}

func (c *conn) flushLocked(owner *Owner) error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.writeLocked(c.out, owner)
	c.out = c.out[:0]
	return err
}

func (c *conn) writeLocked(buf []byte, owner *Owner) error {
	c.writer.Store(owner)
	c.started.Store(int64(c.net.elapsed()))
	w := io.Writer(c.nc)
	if len(buf) <= quickWrite {
		w = c.quickWriter
	}
	_, err := w.Write(buf)
	c.started.Store(0)
	c.writer.Store(nil)
	if err != nil {
		c.fail(err)
		c.mu.Lock()
		err = c.lost(c.err)
		c.mu.Unlock()
	}
	return err
}

// checkStall breaks the connection when a write takes too long.
func (c *conn) checkStall(limit time.Duration) {
	since := c.started.Load()
	if since == 0 {
		return
	}
	took := c.net.elapsed() - time.Duration(since)
	if took > limit {
		c.fail(fmt.Errorf("the peer reads nothing: a write took %s", took.Round(time.Second)))
		return
	}
	if owner := c.writer.Load(); owner != nil && took > time.Second {
		select {
		case <-(*owner).Done():
			c.fail(errors.New("the peer does not read, and the task that writes has to end"))
		default:
		}
	}
}

// fail ends the connection and tells whoever needs it. Later calls do nothing.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if errors.Is(err, io.EOF) {
		err = errPeerClosed
	}
	c.err = err
	_ = c.nc.Close() // the error that matters is err
	lost := c.lost(err)
	var owners []Owner
	for _, s := range c.streams {
		if !s.ended {
			owners = append(owners, s.outlet.owner)
		}
	}
	for _, in := range c.inbounds {
		if in.remaining > 0 {
			owners = append(owners, in.gate.owner)
		}
	}
	leaving := c.leaving
	c.mu.Unlock()
	c.reclaim()
	if !leaving && len(owners) > 0 {
		c.net.log.Warn("data connection ended", "peer", c.peer, "cause", err)
	}
	for _, o := range owners {
		o.Fail(lost)
	}
}

// run reads until the connection ends. It is the connection's goroutine.
func (c *conn) run() {
	defer close(c.done)
	err := c.read()
	c.fail(err)
	c.net.forget(c)
	c.mu.Lock()
	sides := c.consumers
	c.consumers = nil
	c.mu.Unlock()
	for _, s := range sides {
		s.exchange.remove(s.consumer)
		c.net.release(s.exchange)
	}
}

func (c *conn) read() error {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		gate, err := c.readFrame()
		if err != nil {
			return err
		}
		if gate == nil {
			c.lent.slept = 0
			continue
		}
		if c.lend(gate) {
			c.reading.Unlock()
			<-c.lent.back
			c.reading.Lock()
		}
	}
}

// readFrame reads one frame and does what it says. It returns the gate into which it was put if that has woken its
// task.
func (c *conn) readFrame() (woken *Gate, err error) {
	h, f, payload, err := c.frames.next()
	if err != nil {
		return nil, err
	}
	switch h.Kind {
	case frame.Data, frame.Watermark, frame.Idle, frame.Barrier, frame.End:
		return c.deliver(&h, f)
	case frame.Credit:
		return nil, c.credit(&h)
	case frame.Open:
		return nil, c.opened(&h, payload)
	case frame.Close:
		c.closed(h.Gate)
		return nil, nil
	default:
		return nil, fmt.Errorf("%w: %s after the handshake", frame.ErrKind, h.Kind)
	}
}

// deliver puts an element of a channel into its gate, which it returns if that has woken the task.
func (c *conn) deliver(h *frame.Header, f *operator.Frame) (woken *Gate, err error) {
	c.mu.Lock()
	in := c.inbounds[h.Gate]
	if in == nil {
		c.mu.Unlock()
		return nil, nil // the consumer has ended; the frame was under way
	}
	err = in.check(h)
	if err == nil && h.Kind == frame.End && in.remaining > 0 {
		in.remaining--
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	m := operator.Message{Kind: h.Kind, Input: in.input, Channel: in.base + int32(h.Channel), Arg: int64(h.Arg)}
	if h.Kind == frame.Data {
		if f == nil {
			f = new(operator.Frame)
		}
		f.Header, f.Home = *h, in
		m.Data = f
	}
	if in.gate.put(m) {
		woken = in.gate
	}
	return woken, nil
}

func (c *conn) credit(h *frame.Header) error {
	c.mu.Lock()
	s := c.streams[streamKey(h.Gate, h.Channel)]
	c.mu.Unlock()
	if s == nil {
		return nil // the producer has ended
	}
	if h.Arg > uint64(s.limit) || s.credits.Add(int32(h.Arg)) > s.limit {
		return fmt.Errorf("channel %d of consumer %d got more credits than the %d there are", h.Channel, h.Gate, s.limit)
	}
	if s.waiting.Swap(false) {
		s.outlet.Wake()
	}
	return nil
}

// drain closes the connection in good order.
func (c *conn) drain() {
	c.mu.Lock()
	c.leaving = true
	c.mu.Unlock()
	c.reclaim()
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		timer := time.NewTimer(drainTimeout)
		defer timer.Stop()
		select {
		case <-c.done:
		case <-timer.C:
		}
	}
	c.fail(errClosed)
	<-c.done
}

// inbound is what one consumer reads from one worker over one edge.
type inbound struct {
	id        uint32
	conn      *conn // set once, before the first frame
	gate      *Gate
	edge      *Edge
	input     uint8
	base      int32
	channels  int
	credits   int
	remaining int // channels that have not ended; guarded by conn.mu
	closed    bool

	seq    []uint64 // next of each channel; guarded by conn.mu; made with the first frame
	flight []int32  // frames that the producer has a credit less for, atomic
	// Of the task's goroutine:
	owed    []uint8 // credits not given back yet
	scratch []byte  // a credit frame
}

// check refuses what the producer must not send (B-51).
func (in *inbound) check(h *frame.Header) error {
	if h.Channel >= uint32(in.channels) {
		return fmt.Errorf("channel %d of consumer %d, which has %d", h.Channel, h.Gate, in.channels)
	}
	if in.seq == nil {
		in.seq, in.flight, in.owed = make([]uint64, in.channels), make([]int32, in.channels), make([]uint8, in.channels)
	}
	if h.Seq != in.seq[h.Channel] {
		return fmt.Errorf("channel %d of consumer %d: frame %d where %d was due", h.Channel, h.Gate, h.Seq, in.seq[h.Channel])
	}
	in.seq[h.Channel]++
	if h.Kind == frame.Data && atomic.AddInt32(&in.flight[h.Channel], 1) > int32(in.credits) {
		return fmt.Errorf("channel %d of consumer %d: more frames than its %d credits", h.Channel, h.Gate, in.credits)
	}
	return nil
}

// Release implements operator.FrameHome. Credits go back in halves of the window: the other half keeps the producer
// going meanwhile.
func (in *inbound) Release(f *operator.Frame, reusable bool) {
	channel := f.Header.Channel
	f.Home = nil
	if !reusable {
		f.Payload = nil
	}
	in.conn.net.frames.Put(f)
	in.owed[channel]++
	n := in.owed[channel]
	if int(n) < max(in.credits/2, 1) {
		return
	}
	in.owed[channel] = 0
	atomic.AddInt32(&in.flight[channel], -int32(n))
	h := frame.Header{Kind: frame.Credit, Gate: in.id, Channel: channel, Arg: uint64(n)}
	if in.scratch == nil {
		in.scratch = make([]byte, frame.HeaderSize)
	}
	frame.Seal(in.scratch, &h)
	// A connection that fails tells the gate's owner itself, if channels are still open.
	_, _ = in.conn.send(in.scratch, &in.gate.owner, false)
}

// close takes the consumer from the connection and tells the peer if it still sends.
func (in *inbound) close() {
	n := in.gate.net
	n.mu.Lock()
	in.closed = true
	c := in.conn
	n.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	delete(c.inbounds, in.id)
	tell := c.err == nil
	c.mu.Unlock()
	c.reclaim()
	if tell {
		var buf [frame.HeaderSize]byte
		frame.Seal(buf[:], &frame.Header{Kind: frame.Close, Gate: in.id})
		_, _ = c.send(buf[:], &in.gate.owner, false) // a failed connection has told everyone
	}
}

// stream is the producer's end of one channel to another worker; see operator.Stream.
type stream struct {
	conn    *conn
	outlet  *Outlet
	gate    uint32
	channel uint32
	limit   int32
	seq     uint64
	ended   bool // guarded by conn.mu: what follows is no longer our loss
	credits atomic.Int32
	waiting atomic.Bool
}

func streamKey(gate, channel uint32) uint64 { return uint64(gate)<<32 | uint64(channel) }

// stream makes the producer's end of a channel.
func (c *conn) stream(o *Outlet, to *consumer, channel uint32) (*stream, error) {
	defer c.reclaim() // there will be credits to read
	s := &stream{conn: c, outlet: o, gate: to.id, channel: channel, limit: int32(to.credits)}
	s.credits.Store(s.limit)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.lost(c.err)
	}
	key := streamKey(s.gate, s.channel)
	if old := c.streams[key]; old != nil {
		if old.outlet != o {
			return nil, fmt.Errorf("channel %d of consumer %d has a producer", channel, to.id)
		}
		return old, nil
	}
	c.streams[key] = s
	o.streams = append(o.streams, s)
	return s, nil
}

// forget removes a stream.
func (c *conn) forget(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, streamKey(s.gate, s.channel))
}

// Acquire implements operator.Stream.
func (s *stream) Acquire() {
	for {
		if s.credits.Load() > 0 {
			s.credits.Add(-1)
			return
		}
		s.waiting.Store(true)
		if s.credits.Load() > 0 {
			continue
		}
		s.outlet.Wait()
	}
}

// Send implements operator.Stream.
func (s *stream) Send(buf []byte, h *frame.Header) {
	h.Gate, h.Channel, h.Seq = s.gate, s.channel, s.seq
	s.seq++
	if h.Kind == frame.End {
		s.conn.mu.Lock()
		s.ended = true
		s.conn.mu.Unlock()
	}
	frame.Seal(buf, h)
	held, err := s.conn.send(buf, &s.outlet.owner, true)
	if err != nil {
		s.outlet.owner.Unwind(err)
	}
	if held {
		if !slices.Contains(s.outlet.held, s.conn) {
			s.outlet.held = append(s.outlet.held, s.conn)
		}
	}
}
