// Package driver starts and ends TaskManagers for a ResourceManager (S-093, S-210): Standalone starts none, its
// TaskManagers come by themselves; Process starts them as processes on this machine.
//
// A Driver may be used from any goroutine. It owns the processes that it started, and the goroutines that wait for
// them, until Close.
package driver

import (
	"context"
	"errors"

	"github.com/flink-go/flink-go/core"
)

// Worker is what each TaskManager that a driver starts brings.
type Worker struct {
	Slots   int // 0: the driver starts none
	Profile core.ResourceProfile
}

// Driver gets more or fewer TaskManagers.
type Driver interface {
	// Worker tells what a TaskManager has that StartWorker starts.
	Worker() Worker
	// Watch names the function that is told when a TaskManager that was started has ended, whoever ended it. It is
	// called once, before anything is started; exited must not block.
	Watch(exited func(id core.ResourceID, cause error))
	// StartWorker starts a TaskManager, which will register under id, and returns when that is on its way.
	StartWorker(ctx context.Context, id core.ResourceID) error
	// StopWorker ends a TaskManager and does not wait. Unknown ids are ignored.
	StopWorker(id core.ResourceID)
	// Close ends all TaskManagers that were started and returns when they are gone. It is idempotent.
	Close() error
}

// Standalone is the driver of a cluster whose TaskManagers are started by hand or by scripts.
type Standalone struct{}

// Worker says that none is started.
func (Standalone) Worker() Worker { return Worker{} }

// Watch has nothing to watch.
func (Standalone) Watch(func(core.ResourceID, error)) {}

// StartWorker refuses.
func (Standalone) StartWorker(_ context.Context, id core.ResourceID) error {
	return core.E("start TaskManager", core.Invalid, string(id), errors.New("a standalone cluster starts none by itself"))
}

// StopWorker does nothing: the TaskManager belongs to who started it.
func (Standalone) StopWorker(core.ResourceID) {}

// Close has nothing to end.
func (Standalone) Close() error { return nil }
