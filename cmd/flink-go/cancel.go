package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCancel(a *app) *cobra.Command {
	var savepoint bool
	c := &cobra.Command{
		Use:   "cancel <job id>",
		Short: "Cancel a job",
		RunE: func(c *cobra.Command, args []string) error {
			if savepoint {
				return errNeedsCheckpoints("cancel -s")
			}
			id, err := parseJobID(args, "cancel a job")
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			_, _ = fmt.Fprintf(a.out, "Cancelling job %s.\n", id)
			if err := client.Cancel(c.Context(), id); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(a.out, "Cancelled job %s.\n", id)
			return nil
		},
	}
	c.Flags().BoolVarP(&savepoint, "withSavepoint", "s", false, "take a savepoint first")
	return c
}
