package web

import (
	"bytes"
	"testing"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/scheduler"
)

func TestAggregateState(t *testing.T) {
	const (
		created, scheduled, running  = core.ExecutionCreated, core.ExecutionScheduled, core.ExecutionRunning
		finished, failed, initialize = core.ExecutionFinished, core.ExecutionFailed, core.ExecutionInitializing
	)
	for _, c := range []struct {
		states []core.ExecutionState
		want   core.ExecutionState
	}{
		{nil, created},
		{[]core.ExecutionState{created, scheduled}, scheduled},
		{[]core.ExecutionState{running, running}, running},
		{[]core.ExecutionState{running, initialize}, initialize},
		{[]core.ExecutionState{running, failed}, failed},
		{[]core.ExecutionState{finished, running}, running},
		{[]core.ExecutionState{finished, created}, running},
		{[]core.ExecutionState{finished, finished}, finished},
	} {
		var attempts []*scheduler.ArchivedAttempt
		for _, s := range c.states {
			attempts = append(attempts, &scheduler.ArchivedAttempt{State: s})
		}
		if got := aggregateState(attempts); got != c.want {
			t.Errorf("%v: %s, want %s", c.states, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	a := attempt(0, core.ExecutionRunning, 1)
	began, now := a.Timestamps[core.ExecutionDeploying], at().UnixMilli()
	if start, end, d := span(&a, now); start != began || end != -1 || d != now-began {
		t.Errorf("running: %d %d %d", start, end, d)
	}
	a = attempt(0, core.ExecutionFinished, 1)
	if start, end, d := span(&a, now); start != began || end != now-100 || d != now-100-began {
		t.Errorf("finished: %d %d %d", start, end, d)
	}
	// Canceled before it was deployed: it never was at work.
	a = scheduler.ArchivedAttempt{State: core.ExecutionCanceled, Timestamps: map[core.ExecutionState]int64{core.ExecutionCanceled: 5}}
	if start, end, d := span(&a, now); start != -1 || end != 5 || d != -1 {
		t.Errorf("never deployed: %d %d %d", start, end, d)
	}
	d := statusDuration(&a, now)
	if d["RUNNING"] != -1 || len(d) != 5 {
		t.Errorf("status durations %v", d)
	}
}

func TestDistribution(t *testing.T) {
	got := distribution([]int64{4, 1, 3, 2})
	if want := (rest.Distribution{Min: 1, Max: 4, Avg: 2, Sum: 10, Median: 3, P25: 2, P75: 4, P95: 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestProgress: records into the job are what its sources emit, records out are what its last vertices take.
func TestProgress(t *testing.T) {
	f := newFixture(t)
	j := f.cluster.jobs[runningID]
	j.Waiting, j.Restarts = "2 slots of 4", 3
	j.Failure = &scheduler.FailureInfo{Message: "boom"}
	p, err := f.client.Progress(t.Context(), runningID)
	if err != nil || p.RecordsIn != 400 || p.RecordsOut != 400 || p.TasksTotal != 4 || p.Tasks["RUNNING"] != 4 ||
		p.Waiting != "2 slots of 4" || p.Restarts != 3 || p.Failure != "boom" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := f.client.Progress(t.Context(), startingID); err != nil || p.State != core.JobInitializing || p.TasksTotal != 0 {
		t.Errorf("starting: %+v, %v", p, err)
	}
}

func FuzzCheckBinary(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01"))
	f.Add([]byte("#!/bin/sh"))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = checkBinary(bytes.NewReader(b), int64(len(b))) })
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"parallelism":"2","programArgsList":["a"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var run rest.JarRun
		if err := decodeJSON("fuzz", b, &run); err == nil && depthOf(b) > maxDepth {
			t.Error("too deep and taken")
		}
	})
}
