package main

import (
	"github.com/spf13/cobra"

	"github.com/flink-go/flink-go/runtime/cluster"
)

// newJobManager and newTaskManager are the processes of clusters that this command starts: the same as the commands
// jobmanager and taskmanager, so that one binary is enough.

func newJobManager(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "jobmanager", Short: "Run a JobManager in the foreground", Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return codeOf(cluster.JobManagerMain(args, a.environ, a.err))
		},
	}
}

func newTaskManager(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "taskmanager", Short: "Run a TaskManager in the foreground", Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return codeOf(cluster.TaskManagerMain(args, a.environ, a.err))
		},
	}
}

func codeOf(code int) error {
	if code == 0 {
		return nil
	}
	return codeError(code)
}
