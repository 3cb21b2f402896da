package network

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/internal/frame"
)

// The payload of an Open frame: what a consumer wants and which attempts it reads from.
//
//	16 graph | 16 producer | u32 output | u64 schema | u32 subtask | u32 attempt | u32 from | u32 credits
//	then the attempts of the producers as runs: u32 count, u32 attempt
//
// One request stands for all channels of an edge, so its size does not grow with their number while attempts agree.
const openFixed = 16 + 16 + 4 + 8 + 4 + 4 + 4 + 4

func encodeOpen(in *inbound) []byte {
	e, a := in.edge, in.gate.attempt
	le := binary.LittleEndian
	b := append(a.Graph.Bytes(), e.Producer.Bytes()...)
	b = le.AppendUint32(b, uint32(e.Output))
	b = le.AppendUint64(b, e.Schema)
	b = le.AppendUint32(b, uint32(a.Subtask))
	b = le.AppendUint32(b, uint32(a.Attempt))
	b = le.AppendUint32(b, uint32(e.From))
	b = le.AppendUint32(b, uint32(in.credits))
	attempts := e.Location.Attempt[e.From:e.To]
	for len(attempts) > 0 {
		n := 1
		for n < len(attempts) && attempts[n] == attempts[0] {
			n++
		}
		b = le.AppendUint32(b, uint32(n))
		b = le.AppendUint32(b, uint32(attempts[0]))
		attempts = attempts[n:]
	}
	return b
}

// decodeOpen reads what encodeOpen wrote.
func decodeOpen(b []byte) (k exchangeKey, schema uint64, c *consumer, err error) {
	if len(b) < openFixed || (len(b)-openFixed)%8 != 0 {
		return k, 0, nil, fmt.Errorf("open request of %d bytes", len(b))
	}
	le := binary.LittleEndian
	copy(k.graph[:], b)
	copy(k.producer[:], b[16:])
	k.output = int(le.Uint32(b[32:]))
	schema = le.Uint64(b[36:])
	c = &consumer{
		subtask: int(le.Uint32(b[44:])), attempt: int(le.Uint32(b[48:])), from: int(le.Uint32(b[52:])), credits: int(le.Uint32(b[56:])),
	}
	if c.subtask >= core.UpperMaxParallelism || c.from >= core.UpperMaxParallelism || c.credits < 1 || c.credits > math.MaxUint8 {
		return k, 0, nil, fmt.Errorf("open request of subtask %d for producers from %d with %d credits", c.subtask, c.from, c.credits)
	}
	for b = b[openFixed:]; len(b) > 0; b = b[8:] {
		n := int(le.Uint32(b))
		if n > core.UpperMaxParallelism-len(c.attempts) {
			return k, 0, nil, fmt.Errorf("open request for more than %d producers", core.UpperMaxParallelism)
		}
		for range n {
			c.attempts = append(c.attempts, int32(le.Uint32(b[4:])))
		}
	}
	return k, schema, c, nil
}

// opened enters a consumer of the peer. Its producers may come later.
func (c *conn) opened(h *frame.Header, payload []byte) error {
	k, schema, consumer, err := decodeOpen(payload)
	if err != nil {
		return err
	}
	consumer.conn, consumer.id, consumer.schema = c, h.Gate, schema
	x := c.net.exchange(k)
	c.mu.Lock()
	ok := c.err == nil && c.consumers[h.Gate] == nil
	if ok {
		c.consumers[h.Gate] = &remoteSide{x, consumer}
	}
	c.mu.Unlock()
	if !ok {
		c.net.release(x)
		return fmt.Errorf("consumer %d is open already", h.Gate)
	}
	c.reclaim() // its producers write, and wait for credits
	if !x.add(consumer) {
		c.net.log.Info("open request of an old attempt refused", "peer", c.peer, "subtask", consumer.subtask, "attempt", consumer.attempt)
	}
	return nil
}

// closed removes a consumer of the peer that has ended.
func (c *conn) closed(id uint32) {
	c.mu.Lock()
	s := c.consumers[id]
	delete(c.consumers, id)
	c.mu.Unlock()
	if s != nil {
		s.exchange.remove(s.consumer)
		c.net.release(s.exchange)
	}
}
