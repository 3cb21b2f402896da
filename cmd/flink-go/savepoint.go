package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// errNeedsCheckpoints refuses what stands on checkpoints, before anything is asked of a cluster.
func errNeedsCheckpoints(what string) error {
	return fmt.Errorf("%s needs checkpoints, which this version does not have yet: a job that ends starts from its beginning", what)
}

func newStop() *cobra.Command {
	c := &cobra.Command{
		Use:   "stop [-p savepoint folder] [-d] <job id>",
		Short: "Stop a job with a savepoint",
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := parseJobID(args, "stop a job"); err != nil {
				return err
			}
			return errNeedsCheckpoints("stop")
		},
	}
	f := c.Flags()
	f.StringP("savepointPath", "p", "", "where to put the savepoint")
	f.BoolP("drain", "d", false, "let windows fire before the end")
	f.Bool("detached", false, "do not wait")
	f.String("type", "canonical", "canonical or native")
	return c
}

func newSavepoint() *cobra.Command {
	c := &cobra.Command{
		Use:   "savepoint <job id> [folder]",
		Short: "Take a savepoint of a running job",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("Missing JobID. Specify a Job ID to trigger a savepoint.")
			}
			if _, err := parseJobID(args[:1], "trigger a savepoint"); err != nil {
				return err
			}
			return errNeedsCheckpoints("savepoint")
		},
	}
	f := c.Flags()
	f.Bool("detached", false, "do not wait")
	f.StringP("dispose", "d", "", "remove the savepoint at this path instead")
	f.String("type", "canonical", "canonical or native")
	return c
}

func newCheckpoint() *cobra.Command {
	c := &cobra.Command{
		Use:   "checkpoint <job id>",
		Short: "Take a checkpoint of a running job now",
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := parseJobID(args, "trigger a checkpoint"); err != nil {
				return err
			}
			return errNeedsCheckpoints("checkpoint")
		},
	}
	c.Flags().Bool("full", false, "a full checkpoint")
	return c
}
