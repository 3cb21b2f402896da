package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// waiters are the questions of one kind that a worker has still to answer, oldest first; it answers in order.
type waiters[T any] []waiter[T]

type waiter[T any] struct {
	answer chan T // capacity 1: whoever asked may have gone. Closed without answer when the worker is gone
	since  time.Time
}

func (w *waiters[T]) answer(v T) {
	if len(*w) > 0 {
		(*w)[0].answer <- v
		*w = (*w)[1:]
	}
}

func (w *waiters[T]) fail() {
	for _, q := range *w {
		close(q.answer)
	}
	*w = nil
}

// maxOpenQuestions bounds what a worker that does not answer is asked.
const maxOpenQuestions = 64

func ask[T any](ctx context.Context, c *child, w *waiters[T], question *pb.ToWorker) (T, error) {
	var zero T
	gone := func() (T, error) {
		return zero, core.E("ask worker", core.Unavailable, c.spec.Job.String(), errors.New("the worker is gone"))
	}
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return gone()
	}
	if len(*w) > 0 && c.ready {
		if silent := time.Since((*w)[0].since); silent > c.l.cfg.Unresponsive {
			c.mu.Unlock()
			err := core.E("ask worker", core.UserCode, c.spec.Job.String(),
				fmt.Errorf("the worker has not answered for %s: its process is stopped or locked up", silent.Round(time.Second)))
			c.Kill(err)
			return zero, err
		}
	}
	if len(*w) >= maxOpenQuestions {
		c.mu.Unlock()
		return zero, core.E("ask worker", core.Unavailable, c.spec.Job.String(), errors.New("the worker does not answer"))
	}
	q := waiter[T]{make(chan T, 1), time.Now()}
	*w = append(*w, q)
	c.sender.Send(question)
	c.mu.Unlock()
	select {
	case v, ok := <-q.answer:
		if !ok {
			return gone()
		}
		return v, nil
	case <-ctx.Done():
		return zero, core.E("ask worker", core.Unavailable, c.spec.Job.String(), context.Cause(ctx))
	}
}
