package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
)

func newList(a *app) *cobra.Command {
	var running, scheduled, all bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List running and scheduled jobs",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			_, _ = fmt.Fprintln(a.out, "Waiting for response...")
			jobs, err := client.JobsOverview(c.Context())
			if err != nil {
				return fmt.Errorf("Failed to retrieve job list: %w", err) //nolint:staticcheck // Flink's words
			}
			if !running && !scheduled && !all {
				running, scheduled = true, true
			}
			printJobs(a.out, jobs, running || all, scheduled || all, all)
			return nil
		},
	}
	f := c.Flags()
	f.BoolVarP(&running, "running", "r", false, "running jobs only")
	f.BoolVarP(&scheduled, "scheduled", "s", false, "scheduled jobs only")
	f.BoolVarP(&all, "all", "a", false, "terminated jobs too")
	return c
}

// printJobs prints what Flink prints; scripts read it.
func printJobs(w io.Writer, jobs []rest.JobOverview, running, scheduled, terminated bool) {
	var run, wait, ended []rest.JobOverview
	for _, j := range jobs {
		switch {
		case j.State == core.JobCreated || j.State == core.JobInitializing:
			wait = append(wait, j)
		case j.State.Terminal():
			ended = append(ended, j)
		default:
			run = append(run, j)
		}
	}
	if running {
		section(w, run, "------------------ Running/Restarting Jobs -------------------", "No running jobs.")
	}
	if scheduled {
		section(w, wait, "----------------------- Scheduled Jobs -----------------------", "No scheduled jobs.")
	}
	if terminated {
		section(w, ended, "---------------------- Terminated Jobs -----------------------", "No terminated jobs.")
	}
}

func section(w io.Writer, jobs []rest.JobOverview, title, none string) {
	if len(jobs) == 0 {
		_, _ = fmt.Fprintln(w, none)
		return
	}
	slices.SortFunc(jobs, func(a, b rest.JobOverview) int { return cmp.Compare(a.StartTime, b.StartTime) })
	_, _ = fmt.Fprintln(w, title)
	for _, j := range jobs {
		_, _ = fmt.Fprintf(w, "%s : %s : %s (%s)\n", time.UnixMilli(j.StartTime).Format("02.01.2006 15:04:05"), j.ID, printable(j.Name), j.State)
	}
	_, _ = fmt.Fprintln(w, "--------------------------------------------------------------")
}
