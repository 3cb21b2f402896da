package worker

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"sync"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/runtime/task"
)

// backendPebble keeps keyed state on disk; everything else keeps it on the heap.
const backendPebble = "pebble"

// StateDisk is where the tasks of a worker keep state on disk. Its methods may be called from any goroutine.
type StateDisk interface {
	// Store makes the store of a task; name is for people.
	Store(name string) (task.StateStore, error)
	Close() error
}

// StateDiskConfig says where a StateDisk is and what it may use.
type StateDiskConfig struct {
	Dir      string
	Memory   int64 // bytes, of all stores together
	Subtasks int   // how many stores are to be expected
	Log      *slog.Logger
}

// OpenStateDisk opens a StateDisk. Programs hand it in, so that processes that run none do without a database.
type OpenStateDisk func(StateDiskConfig) (StateDisk, error)

// disk is where the tasks of a Host keep their state, opened by the first of them.
type disk struct {
	mu   sync.Mutex
	open StateDisk
}

// openState returns what opens the state of a task on disk, nil if the job keeps it on the heap.
func (h *Host) openState() func(name string) (task.StateStore, error) {
	if cmp.Or(h.cfg.Submitted.Config.StateBackend, h.set.stateBackend) != backendPebble {
		return nil
	}
	return func(name string) (task.StateStore, error) {
		d, err := h.stateDisk()
		if err != nil {
			return nil, err
		}
		return d.Store(name)
	}
}

func (h *Host) stateDisk() (StateDisk, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.disk.open != nil {
		return h.disk.open, nil
	}
	if h.cfg.OpenStateDisk == nil {
		return nil, errors.New("this worker keeps no state on disk")
	}
	slots := max(h.cfg.Slots, 1)
	d, err := h.cfg.OpenStateDisk(StateDiskConfig{
		Dir:      cmp.Or(h.set.stateDir, os.TempDir()),
		Memory:   h.set.managedPerSlot * int64(slots),
		Subtasks: slots * statefulVertices(h.cfg.Submitted),
		Log:      h.log,
	})
	if err != nil {
		return nil, err
	}
	h.disk.open = d
	return d, nil
}

func (d *disk) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		return nil
	}
	return d.open.Close()
}

// statefulVertices counts the vertices of which each subtask has a store.
func statefulVertices(g *graph.JobGraph) int {
	n := 0
	for i := range g.Vertices {
		for _, op := range g.Vertices[i].Operators {
			if op.Stateful {
				n++
				break
			}
		}
	}
	return n
}
