package network

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/internal/frame"
)

// peer is another worker of the job, by its data address.
//
// Both sides may dial at the same time. Then the connection that the smaller address dialed stays: the other answer
// is "redundant", and its dialer waits for the one that is on its way. So there is one connection between two workers.
type peer struct {
	address string
	conn    *conn // guarded by Network.mu, as is everything here
	dialing bool
	// accepting: a connection from the peer is being answered, so that we do not dial.
	accepting bool
	opens     []*inbound // wait for a connection
}

// connect sends an open request as soon as there is a connection to address.
func (n *Network) connect(address string, in *inbound) error {
	if n.cfg.Listener == nil {
		return fmt.Errorf("a producer runs on %s, and this worker runs alone", address)
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return errClosed
	}
	n.lastID++
	in.id = n.lastID
	p := n.peers[address]
	if p == nil {
		p = &peer{address: address}
		n.peers[address] = p
	}
	p.opens = append(p.opens, in)
	c := p.conn
	n.dialIfNeeded(p)
	n.mu.Unlock()
	if c != nil {
		n.sendOpens(p)
	}
	return nil
}

// dialIfNeeded starts to dial when something waits and no connection is there or on its way. It needs Network.mu.
func (n *Network) dialIfNeeded(p *peer) {
	if p.conn == nil && !p.dialing && !p.accepting && len(p.opens) > 0 && !n.closed {
		p.dialing = true
		n.wg.Go(func() { n.dial(p) })
	}
}

// sendOpens sends what waits for the connection of p.
func (n *Network) sendOpens(p *peer) {
	n.mu.Lock()
	c, opens := p.conn, p.opens
	if c == nil {
		n.mu.Unlock()
		return
	}
	p.opens = nil
	var lost error
	c.mu.Lock()
	if c.err != nil {
		lost = c.lost(c.err)
	}
	for _, in := range opens {
		if !in.closed {
			in.conn = c
			if c.err == nil {
				c.inbounds[in.id] = in
			}
		}
	}
	c.mu.Unlock()
	n.mu.Unlock()
	c.reclaim() // more than one gate reads now
	for _, in := range opens {
		if in.conn == nil {
			continue // its task has ended meanwhile
		}
		if lost != nil {
			in.gate.owner.Fail(lost)
			continue
		}
		payload := encodeOpen(in)
		buf := frame.Append(nil, frame.Header{Kind: frame.Open, Gate: in.id}, payload)
		if _, err := c.send(buf, nil, false); err != nil {
			in.gate.owner.Fail(err)
		}
	}
}

const (
	firstBackoff = 10 * time.Millisecond
	maxBackoff   = time.Second
)

// dial connects to p until there is a connection, its own or the peer's. It ends with the Network.
func (n *Network) dial(p *peer) {
	deadline := time.Now().Add(n.cfg.ConnectTimeout)
	backoff := firstBackoff
	for {
		err := n.dialOnce(p)
		n.mu.Lock()
		have := p.conn != nil
		if have {
			p.dialing = false
		}
		n.mu.Unlock()
		if have {
			n.sendOpens(p)
			return
		}
		permanent := errors.As(err, new(*refusal)) || errors.As(err, new(*frame.VersionError))
		if permanent || n.ctx.Err() != nil || time.Now().After(deadline) {
			if n.ctx.Err() != nil {
				err = context.Cause(n.ctx)
			}
			n.giveUp(p, core.E("connect to producers on worker", core.Unavailable, p.address, err))
			return
		}
		wait := time.NewTimer(backoff/2 + rand.N(backoff/2))
		select {
		case <-wait.C:
		case <-n.ctx.Done():
			wait.Stop()
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// giveUp fails the tasks that wait for p.
func (n *Network) giveUp(p *peer, err error) {
	n.mu.Lock()
	p.dialing = false
	opens := p.opens
	p.opens = nil
	n.mu.Unlock()
	for _, in := range opens {
		in.gate.owner.Fail(err)
	}
}

// errRedundant says that a connection from the peer is on its way.
var errRedundant = errors.New("the peer is connecting to us")

// refusal is what a peer that will never serve us said.
type refusal struct{ reason string }

func (r *refusal) Error() string { return "refused: " + r.reason }

func (n *Network) dialOnce(p *peer) error {
	n.mu.Lock()
	have := p.conn != nil
	n.mu.Unlock()
	if have {
		return nil
	}
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.HandshakeTimeout)
	defer cancel()
	nc, err := n.cfg.Dial(ctx, p.address)
	if err != nil {
		return err
	}
	// The end of ctx breaks a handshake that hangs; a fault of Close says nothing that the handshake does not.
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	identity, err := n.greet(nc, p.address)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = nc.Close()
		return err
	}
	c := n.newConn(nc, p.address, identity, true)
	if err := n.adopt(p, c); err != nil {
		_ = nc.Close()
		return err
	}
	return nil
}

// adopt makes c the connection of p and starts its reader.
func (n *Network) adopt(p *peer, c *conn) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return errClosed
	}
	old := p.conn
	p.conn = c
	n.conns[c] = struct{}{}
	n.wg.Go(c.run)
	n.mu.Unlock()
	if old != nil {
		old.fail(errors.New("the peer connected anew"))
	}
	return nil
}

// forget removes a connection that has ended.
func (n *Network) forget(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
	p := n.peers[c.peer]
	if p == nil || p.conn != c {
		return
	}
	p.conn = nil
	n.dialIfNeeded(p)
}

// hello is the body of a preface: who speaks, to whom, and by what right.
type hello struct {
	job      core.JobID
	identity core.Token
	from, to string
	secret   []byte
}

func (h *hello) encode() []byte {
	b := append(h.job.Bytes(), h.identity.Bytes()...)
	for _, s := range []string{h.from, h.to, string(h.secret)} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return b
}

func decodeHello(b []byte) (*hello, error) {
	if len(b) < 32 {
		return nil, fmt.Errorf("greeting of %d bytes", len(b))
	}
	h := &hello{}
	copy(h.job[:], b)
	copy(h.identity[:], b[16:])
	b = b[32:]
	var parts [3][]byte
	for i := range parts {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return nil, errors.New("greeting is cut off")
		}
		n := int(binary.LittleEndian.Uint16(b))
		parts[i], b = b[2:2+n], b[2+n:]
	}
	h.from, h.to, h.secret = string(parts[0]), string(parts[1]), parts[2]
	return h, nil
}

// The answers to a greeting, in the argument of the first frame.
const (
	welcome uint64 = iota
	redundant
	refused
)

// greet introduces us on a connection that we dialed and returns the peer's identity.
func (n *Network) greet(nc net.Conn, address string) (core.Token, error) {
	h := hello{n.cfg.Job, n.identity, n.cfg.Address, address, n.cfg.Secret}
	if _, err := nc.Write(frame.AppendPreface(nil, h.encode())); err != nil {
		return core.Token{}, err
	}
	body, err := frame.ReadPreface(nc)
	if err != nil {
		return core.Token{}, err
	}
	var head [frame.HeaderSize]byte
	answer, payload, err := frame.Read(nc, &head, maxControl, func(h *frame.Header) []byte { return make([]byte, h.Length) })
	if err != nil {
		return core.Token{}, err
	}
	switch {
	case answer.Kind != frame.Answer || answer.Arg > refused:
		return core.Token{}, fmt.Errorf("%w: %s as the answer to the greeting", frame.ErrKind, answer.Kind)
	case answer.Arg == refused:
		return core.Token{}, &refusal{string(payload)}
	case answer.Arg == redundant:
		return core.Token{}, errRedundant
	}
	theirs, err := decodeHello(body)
	if err != nil {
		return core.Token{}, err
	}
	if subtle.ConstantTimeCompare(theirs.secret, n.cfg.Secret) == 0 {
		return core.Token{}, &refusal{"the peer has other credentials"}
	}
	return theirs.identity, nil
}

// accept serves the listener until it is closed.
func (n *Network) accept() {
	for {
		nc, err := n.cfg.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || n.ctx.Err() != nil {
				return
			}
			// Out of file descriptors, most likely: wait for some to be freed.
			n.log.Warn("cannot accept data connections", "cause", err)
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-n.ctx.Done():
				return
			}
		}
		select {
		case n.handshakes <- struct{}{}:
			n.wg.Go(func() {
				defer func() { <-n.handshakes }()
				if err := n.welcome(nc); err != nil {
					_ = nc.Close()
					n.log.Warn("data connection refused", "remote", nc.RemoteAddr().String(), "cause", err)
				}
			})
		default:
			_ = nc.Close() // the peer tries again
		}
	}
}

// welcome answers a connection that came in.
func (n *Network) welcome(nc net.Conn) error {
	if err := nc.SetDeadline(time.Now().Add(n.cfg.HandshakeTimeout)); err != nil {
		return err
	}
	stop := context.AfterFunc(n.ctx, func() { _ = nc.Close() })
	defer stop()
	us := hello{n.cfg.Job, n.identity, n.cfg.Address, "", nil}
	answer := func(kind uint64, reason string) error {
		if kind == welcome {
			us.secret = n.cfg.Secret // the peer has shown that it knows it
		}
		b := frame.AppendPreface(nil, us.encode())
		b = frame.Append(b, frame.Header{Kind: frame.Answer, Arg: kind}, []byte(reason))
		_, err := nc.Write(b)
		return err
	}
	refuse := func(reason error) error {
		return errors.Join(reason, answer(refused, reason.Error()))
	}
	body, err := frame.ReadPreface(nc)
	if err != nil {
		if errors.As(err, new(*frame.VersionError)) {
			return refuse(err)
		}
		return err // no answer for those who do not speak our protocol
	}
	h, err := decodeHello(body)
	switch {
	case err != nil:
		return refuse(err)
	case h.job != n.cfg.Job:
		return refuse(fmt.Errorf("this worker serves job %s, not %s", n.cfg.Job, h.job))
	case !bytes.Equal(h.secret, n.cfg.Secret) || subtle.ConstantTimeCompare(h.secret, n.cfg.Secret) == 0:
		return refuse(errors.New("wrong credentials for this job"))
	case h.from == "" || h.from == n.cfg.Address:
		return refuse(fmt.Errorf("a worker at %q connects to %q", h.from, n.cfg.Address))
	}
	n.mu.Lock()
	p := n.peers[h.from]
	if p == nil {
		p = &peer{address: h.from}
		n.peers[h.from] = p
	}
	ours := n.cfg.Address < h.from && (p.dialing || p.accepting || p.conn != nil && p.conn.identity == h.identity)
	if !ours {
		p.accepting = true
	}
	n.mu.Unlock()
	if ours {
		if err := answer(redundant, ""); err != nil {
			return err
		}
		return nc.Close()
	}
	defer func() {
		n.mu.Lock()
		p.accepting = false
		n.dialIfNeeded(p)
		n.mu.Unlock()
	}()
	if err := answer(welcome, ""); err != nil {
		return err
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if !stop() {
		return errClosed
	}
	if err := n.adopt(p, n.newConn(nc, h.from, h.identity, false)); err != nil {
		return err
	}
	n.sendOpens(p)
	return nil
}
