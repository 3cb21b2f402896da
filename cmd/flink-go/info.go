package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/flink-go/flink-go/graph"
)

// planTimeout bounds how long a program may take to build its graph.
const planTimeout = time.Minute

// maxPlan bounds the size of a JobGraph that a program writes.
const maxPlan = 256 << 20

func newInfo(a *app) *cobra.Command {
	var f runFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "info [options] <package folder | file.go | binary> [arguments of the program]",
		Short: "Print the plan of a program without running it",
		RunE: func(c *cobra.Command, args []string) error {
			g, err := a.plan(c.Context(), f, args)
			if err != nil {
				return err
			}
			if !asJSON {
				return graph.Draw(a.out, g) // warnings included
			}
			for _, w := range g.Warnings {
				_, _ = fmt.Fprintln(a.err, "warning:", w)
			}
			return printPlanJSON(a.out, g)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, in the shape that Flink prints")
	f.addShaping(c)
	return c
}

// plan runs the program in its plan role and returns the JobGraph that it comes to.
func (a *app) plan(ctx context.Context, f runFlags, args []string) (*graph.JobGraph, error) {
	settings, err := a.settings(f)
	if err != nil {
		return nil, err
	}
	if _, err := a.config(settings...); err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, usage("A program should be specified: a package folder, a .go file or a binary.")
	}
	p, err := findProgram(ctx, args[0], f.pick, a.err)
	if err != nil {
		return nil, err
	}
	defer p.cleanup()
	environ, err := a.programEnviron(settings)
	if err != nil {
		return nil, err
	}
	raw, err := runPlan(ctx, p.path, args[1:], append(environ, "FLINKGO_ROLE=plan"), a.err)
	if err != nil {
		return nil, err
	}
	g := &graph.JobGraph{}
	if err := json.Unmarshal(raw, g); err != nil {
		return nil, fmt.Errorf("the program %s wrote a plan that cannot be read: %w", args[0], err)
	}
	return g, nil
}

// runPlan runs a program until it has written its plan to file descriptor 3. What it prints besides is not wanted.
func runPlan(ctx context.Context, path string, args, environ []string, errOut io.Writer) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = environ, errOut, []*os.File{w}
	err = cmd.Start()
	_ = w.Close() // the program has its own
	if err != nil {
		return nil, fmt.Errorf("the program %s does not start: %w", path, err)
	}
	// A child of the program may hold the pipe open after its end; the deadline bounds that too.
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Now()) })
	defer stop()
	raw, readErr := io.ReadAll(io.LimitReader(r, maxPlan+1))
	waitErr := cmd.Wait()
	raw = bytes.TrimSpace(raw)
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return nil, fmt.Errorf("the program %s did not come to Execute within %v", path, planTimeout)
	case len(raw) > maxPlan:
		return nil, fmt.Errorf("the program %s wrote a plan of more than %d bytes", path, maxPlan)
	case len(raw) == 0 && waitErr == nil:
		return nil, errNoExecute(path)
	case waitErr != nil:
		return nil, childError(path, waitErr)
	}
	return raw, readErr
}

// errNoExecute is about a program that is no job (B-05).
func errNoExecute(path string) error {
	return fmt.Errorf("the program %s ended without calling job.Main or job.Execute: there is no job to run", path)
}
