package operator

import "sync/atomic"

// Counter counts events of one subtask. One goroutine adds, any may read.
type Counter struct{ n atomic.Int64 }

// Add adds n. Only the owning task calls it, so that a plain load and store suffice and no locked instruction runs.
func (c *Counter) Add(n int64) { c.n.Store(c.n.Load() + n) }

// Value returns the count.
func (c *Counter) Value() int64 { return c.n.Load() }
