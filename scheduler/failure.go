package scheduler

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flink-go/flink-go/core"
)

// FailureOf describes err as it is kept and shown.
func FailureOf(err error, at time.Time) FailureInfo {
	f := FailureInfo{Message: err.Error(), Kind: core.KindOf(err).String(), At: at.UnixMilli()}
	root := err
	for next := errors.Unwrap(root); next != nil; next = errors.Unwrap(root) {
		root = next
	}
	f.Type = strings.TrimPrefix(fmt.Sprintf("%T", root), "*")
	return f
}

// history keeps the last failures, newest first. Each has a root cause, and the failures that came with it.
type history struct {
	entries   []ExceptionEntry
	limit     int
	truncated bool
}

// add records a failure that starts a restart or ends the job.
func (h *history) add(e ExceptionEntry) {
	if len(h.entries) >= h.limit {
		h.truncated = true
		h.entries = h.entries[:h.limit-1]
	}
	h.entries = append([]ExceptionEntry{e}, h.entries...)
}

// join records a failure that came while the last one was being handled.
func (h *history) join(e ExceptionEntry) {
	if len(h.entries) == 0 {
		h.add(e)
		return
	}
	last := &h.entries[0]
	if len(last.Concurrent) >= h.limit {
		h.truncated = true
		return
	}
	last.Concurrent = append(last.Concurrent, e)
}

func (x *ExecutionGraph) entry(t *task, f FailureInfo) ExceptionEntry {
	e := ExceptionEntry{FailureInfo: f}
	if t != nil {
		e.Task, e.Host, e.Resource = t.name(), t.now.host, t.now.resource
	}
	return e
}
