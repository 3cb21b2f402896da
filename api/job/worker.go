package job

import (
	"context"
	"log/slog"
	"os"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/runtime/state/pebble"
	"github.com/flink-go/flink-go/runtime/task"
	"github.com/flink-go/flink-go/runtime/worker"
)

// runWorker serves a TaskManager and returns this process's exit code.
func runWorker(c *graph.Compiled) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	return worker.RunChild(context.Background(), c, openPebble, log)
}

// openPebble opens the state backend on disk. Only programs have it: a daemon runs no user code and keeps no state.
func openPebble(c worker.StateDiskConfig) (worker.StateDisk, error) {
	d, err := pebble.Open(pebble.Config{Dir: c.Dir, Memory: c.Memory, Subtasks: c.Subtasks, Log: c.Log})
	if err != nil {
		return nil, err // not d: a nil pointer in an interface is not nil
	}
	return pebbleDisk{d}, nil
}

// pebbleDisk is a pebble.Disk with the types of package worker.
type pebbleDisk struct{ *pebble.Disk }

// Store implements worker.StateDisk.
func (d pebbleDisk) Store(name string) (task.StateStore, error) {
	s, err := d.Disk.Store(name)
	if err != nil {
		return nil, err
	}
	return s, nil
}
