package worker

import (
	"cmp"
	"os"
	"sync"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/runtime/state/pebble"
	"github.com/flink-go/flink-go/runtime/task"
)

// backendPebble keeps keyed state on disk; everything else keeps it on the heap.
const backendPebble = "pebble"

// disk is where the tasks of a Host keep their state, opened by the first of them.
type disk struct {
	mu   sync.Mutex
	open *pebble.Disk
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

func (h *Host) stateDisk() (*pebble.Disk, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.disk.open != nil {
		return h.disk.open, nil
	}
	slots := max(h.cfg.Slots, 1)
	d, err := pebble.Open(pebble.Config{
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
