// Package socket reads lines of text from a TCP connection: for demonstrations and tests, as it has no way to read
// again what was lost with a failure.
//
//	lines := stream.From(env, socket.TextLines("localhost:9999"))
package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/internal/lines"
)

// Option changes how a socket is read.
type Option func(*config)

type config struct {
	retries int // -1: no limit
	delay   time.Duration
	limit   int
	dial    func(ctx context.Context, address string) (net.Conn, error)
}

// Reconnect lets the source connect again, up to times in a row without reading anything and after delay each, when
// the connection could not be made or was closed by the other side; -1 is no limit. Without it a failed connection
// fails the attempt, and a close ends the input.
func Reconnect(times int, delay time.Duration) Option {
	return func(c *config) { c.retries, c.delay = times, delay }
}

// LineLimit sets the longest line, in bytes. The default is 1 MiB.
func LineLimit(n int) Option { return func(c *config) { c.limit = max(n, 1) } }

// TextLines connects to host:port and reads lines, without their ends, in one subtask.
func TextLines(address string, opts ...Option) stream.Source[string] {
	c := config{limit: 1 << 20, dial: func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	}}
	for _, o := range opts {
		o(&c)
	}
	return stream.Source[string]{
		Name:        "Socket " + address,
		Parallelism: 1,
		Open: func(ctx *stream.RuntimeContext) (stream.Reader[string], error) {
			r := &reader{c: &c, address: address, run: ctx, batches: make(chan batch, 4)}
			var live context.Context
			live, r.stop = context.WithCancel(ctx.Context())
			// Ends with the input or with Close, which waits for it.
			r.receiving.Go(func() { r.receive(live) })
			return r, nil
		},
	}
}

// batch is what was received at once.
type batch struct {
	lines []string
	err   error // io.EOF: the input is over
}

// reader hands over what its goroutine receives.
type reader struct {
	c       *config
	address string
	run     *stream.RuntimeContext
	stop    context.CancelFunc

	receiving sync.WaitGroup
	batches   chan batch // a few, so that receiving goes on while a batch is read, and waits when the job is slower

	now batch // what Next returns from
}

// Next returns the next line that was received.
func (r *reader) Next(v *string) (int64, stream.Status, error) {
	for len(r.now.lines) == 0 {
		if errors.Is(r.now.err, io.EOF) {
			return 0, stream.End, nil
		}
		if r.now.err != nil {
			return 0, 0, r.now.err
		}
		select {
		case r.now = <-r.batches:
		default:
			return 0, stream.Idle, nil
		}
	}
	*v, r.now.lines = r.now.lines[0], r.now.lines[1:]
	return stream.NoTimestamp, stream.Record, nil
}

// Close ends the connection and the goroutine.
func (r *reader) Close() error {
	r.stop()
	r.receiving.Wait()
	return nil
}

// send hands a batch over and wakes the task; false if the reader was closed.
func (r *reader) send(ctx context.Context, b batch) bool {
	select {
	case r.batches <- b:
		r.run.Run(func() {})
		return true
	case <-ctx.Done():
		return false
	}
}

// receive connects and reads until the input is over.
func (r *reader) receive(ctx context.Context) {
	for failures := 0; ; failures++ {
		read, err := r.connection(ctx)
		if read {
			failures = 0
		}
		again := r.c.retries < 0 || failures < r.c.retries
		if _, tooLong := errors.AsType[*lines.TooLongError](err); ctx.Err() != nil || tooLong || !again {
			r.send(ctx, batch{err: r.end(err)})
			return
		}
		r.run.Log().Info("socket reconnects", "address", r.address, "after", err)
		wait := time.NewTimer(r.c.delay)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
}

// end is the error that an input ends with: io.EOF if the other side closed it and nothing else was asked for.
func (r *reader) end(err error) error {
	if errors.Is(err, io.EOF) && r.c.retries == 0 {
		return io.EOF
	}
	return fmt.Errorf("socket %s: %w", r.address, err)
}

// connection reads one connection to its end and tells whether it gave any line.
func (r *reader) connection(ctx context.Context) (read bool, err error) {
	conn, err := r.c.dial(ctx, r.address)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // nothing was written
	// A Read ends when ctx does.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	scan := lines.NewScanner(conn, 0, 0, r.c.limit)
	const most = 1000
	var b batch
	for {
		line, err := scan.Next()
		if err == nil {
			b.lines = append(b.lines, line)
			if scan.Pending() && len(b.lines) < most {
				continue
			}
		}
		if len(b.lines) > 0 {
			read = true
			if !r.send(ctx, b) {
				return read, ctx.Err()
			}
			b = batch{}
		}
		if err != nil {
			return read, err
		}
	}
}
