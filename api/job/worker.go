package job

import (
	"context"
	"log/slog"
	"os"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/runtime/worker"
)

// runWorker serves a TaskManager and returns this process's exit code.
func runWorker(c *graph.Compiled) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	return worker.RunChild(context.Background(), c, log)
}
