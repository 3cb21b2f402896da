package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/runtime/cluster"
)

func newCluster(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Start, stop and look at a session cluster on this machine",
		Args:  unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Usage()
			return usage("Please specify an action.")
		},
	}
	c.AddCommand(newClusterStart(a), newClusterStop(a), newClusterStatus(a))
	return c
}

func newClusterStart(a *app) *cobra.Command {
	var jobManagers, taskManagers, slots int
	var asJSON bool
	c := &cobra.Command{
		Use:   "start",
		Short: "Start a JobManager and TaskManagers in the background",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case jobManagers != 1:
				return usage("--jobmanagers %d: this version runs one JobManager per cluster", jobManagers)
			case taskManagers < 0 || taskManagers > 1000:
				return usage("--taskmanagers %d: expected 0 to 1000", taskManagers)
			case c.Flags().Changed("slots") && (slots < 1 || slots > 32768):
				return usage("--slots %d: expected 1 to 32768", slots)
			}
			return a.clusterStart(c.Context(), taskManagers, slots, asJSON)
		},
	}
	f := c.Flags()
	f.IntVar(&jobManagers, "jobmanagers", 1, "number of JobManagers")
	f.IntVar(&taskManagers, "taskmanagers", 1, "number of TaskManagers")
	f.IntVar(&slots, "slots", 0, "slots per TaskManager (default: taskmanager.numberOfTaskSlots)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// clusterState is what start and status say in JSON.
type clusterState struct {
	REST         string `json:"rest"`
	RPC          string `json:"rpc"`
	JobManager   int    `json:"jobmanager"` // process id
	TaskManagers []int  `json:"taskmanagers"`
	Slots        int    `json:"slots"`
	SlotsFree    int    `json:"slots-free"`
	Jobs         int    `json:"jobs-running"`
	LogDir       string `json:"log-dir"`
	Ready        bool   `json:"ready"`
	Millis       int64  `json:"millis,omitempty"` // from the start of the command to its last slot
}

// slotsReadyTimeout bounds how long start waits for TaskManagers to register.
const slotsReadyTimeout = 30 * time.Second

func (a *app) clusterStart(ctx context.Context, taskManagers, slots int, asJSON bool) error {
	began := time.Now()
	c, err := a.config()
	if err != nil {
		return err
	}
	for _, w := range c.Warnings() {
		_, _ = fmt.Fprintln(a.err, "warning:", w)
	}
	o, err := a.localOptions(c)
	if err != nil {
		return err
	}
	o.TaskManagers, o.Slots = taskManagers, slots
	say := a.out
	if asJSON {
		say = io.Discard
	}
	_, _ = fmt.Fprintln(say, "Starting cluster.")
	l, err := cluster.StartLocal(ctx, o)
	if err != nil {
		return err
	}
	state, err := a.waitForSlots(ctx, c, l)
	if err != nil {
		_, _ = cluster.StopLocal(c) // the first error counts
		return fmt.Errorf("the cluster started, but its TaskManagers did not register: %w; see the logs in %s", err, l.LogDir)
	}
	state.Millis = time.Since(began).Milliseconds()
	if asJSON {
		return json.NewEncoder(a.out).Encode(state)
	}
	printCluster(a.out, state)
	return nil
}

// waitForSlots returns when all TaskManagers have registered their slots.
func (a *app) waitForSlots(ctx context.Context, c *conf.Config, l *cluster.Local) (clusterState, error) {
	client, err := a.connect(c, l.REST)
	if err != nil {
		return clusterState{}, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, slotsReadyTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		o, err := client.Overview(ctx)
		if err != nil {
			return clusterState{}, err
		}
		if o.SlotsTotal >= l.Slots {
			return stateOf(l, o, true), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return clusterState{}, fmt.Errorf("%d of %d slots after %v", o.SlotsTotal, l.Slots, slotsReadyTimeout)
		}
	}
}

func stateOf(l *cluster.Local, o rest.Overview, ready bool) clusterState {
	s := clusterState{
		REST: l.REST, RPC: l.RPC, JobManager: l.JobManager.PID, LogDir: l.LogDir, Ready: ready,
		Slots: o.SlotsTotal, SlotsFree: o.SlotsAvailable, Jobs: o.JobsRunning, TaskManagers: []int{},
	}
	for _, tm := range l.TaskManagers {
		s.TaskManagers = append(s.TaskManagers, tm.PID)
	}
	return s
}

func printCluster(w io.Writer, s clusterState) {
	_, _ = fmt.Fprintf(w, "JobManager    %s (pid %d)\n", s.REST, s.JobManager)
	_, _ = fmt.Fprintf(w, "TaskManagers  %d (pids %v)\n", len(s.TaskManagers), s.TaskManagers)
	_, _ = fmt.Fprintf(w, "Slots         %d, %d free\n", s.Slots, s.SlotsFree)
	_, _ = fmt.Fprintf(w, "Logs          %s\n", s.LogDir)
	if s.Millis > 0 {
		_, _ = fmt.Fprintf(w, "Ready in %d ms.\n", s.Millis)
	}
}

func newClusterStop(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "stop",
		Short: "End the cluster that was started on this machine, with all its jobs",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			l, err := cluster.StopLocal(c)
			gone := core.KindOf(err) == core.NotFound
			if err != nil && !gone {
				return err
			}
			switch {
			case asJSON:
				return json.NewEncoder(a.out).Encode(map[string]bool{"stopped": !gone})
			case gone && l == nil:
				_, err = fmt.Fprintln(a.out, "No cluster to stop on this machine.")
			case gone:
				_, err = fmt.Fprintln(a.out, "The cluster had ended already; its files are removed.")
			default:
				_, err = fmt.Fprintf(a.out, "Stopped %d TaskManagers and the JobManager (pid %d).\n", len(l.TaskManagers), l.JobManager.PID)
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newClusterStatus(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Print what runs; exit code 1 when nothing does",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cf, err := a.config()
			if err != nil {
				return err
			}
			l, err := cluster.FindLocal(cf)
			if err != nil {
				return err
			}
			if !l.JobManagerRuns() {
				return fmt.Errorf("the JobManager (pid %d) has ended, %d of %d TaskManagers run; flink-go cluster stop ends them", l.JobManager.PID, l.Running(), len(l.TaskManagers))
			}
			client, err := a.connect(cf, l.REST)
			if err != nil {
				return err
			}
			defer client.Close()
			o, err := client.Overview(c.Context())
			if err != nil {
				return err
			}
			state := stateOf(l, o, o.SlotsTotal >= l.Slots)
			if asJSON {
				return json.NewEncoder(a.out).Encode(state)
			}
			printCluster(a.out, state)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// localOptions are what clusters of this command have in common: this very binary runs their processes.
func (a *app) localOptions(c *conf.Config) (cluster.LocalOptions, error) {
	self, err := os.Executable()
	if err != nil {
		return cluster.LocalOptions{}, errors.New("the binary of this command cannot be found: " + err.Error())
	}
	o := cluster.LocalOptions{Conf: c, Command: []string{self}, Environ: a.environ, ConfigDir: a.configDir, Defines: a.defines}
	return o, nil
}
