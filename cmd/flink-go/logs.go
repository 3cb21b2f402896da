package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flink-go/flink-go/core"
)

func newLogs(a *app) *cobra.Command {
	var taskManager string
	var list bool
	c := &cobra.Command{
		Use:   "logs [--taskmanager id] [file]",
		Short: "Print a log of the JobManager or a TaskManager",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s takes one file, but got %q too", c.CommandPath(), args[1])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			id := core.ResourceID(taskManager)
			if !list {
				name := ""
				if len(args) > 0 {
					name = args[0]
				}
				return client.Log(c.Context(), id, name, a.out)
			}
			files, err := client.Logs(c.Context(), id)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, f := range files {
				_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", time.UnixMilli(f.MTime).Format(time.DateTime), f.Size, printable(f.Name))
			}
			return w.Flush()
		},
	}
	c.Flags().StringVar(&taskManager, "taskmanager", "", "of this TaskManager instead of the JobManager")
	c.Flags().BoolVarP(&list, "list", "l", false, "list the files")
	return c
}
