package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	seeds    = flag.Int("seeds", 0, "how many seeds TestSeeds runs; 0: 300, or 60 with -short")
	oneSeed  = flag.Uint64("seed", 0, "run this seed alone, with its log")
	firstOne = flag.Uint64("first", 1, "the first seed of TestSeeds")
)

// TestSeeds runs clusters in which messages are lost, repeated and reordered, tasks fail and TaskManagers are killed.
// Every job must finish, and afterwards the views of all components agree (R-15 to, P-8).
func TestSeeds(t *testing.T) {
	if *oneSeed != 0 {
		plan := DefaultPlan()
		plan.Log = t.Output()
		runSeed(t, *oneSeed, plan)
		return
	}
	n := *seeds
	if n == 0 {
		n = 300
		if testing.Short() {
			n = 60
		}
	}
	var sum Report
	for i := range n {
		seed := *firstOne + uint64(i)
		r := runSeed(t, seed, DefaultPlan())
		sum.Steps += r.Steps
		sum.Lost += r.Lost
		sum.Repeated += r.Repeated
		sum.Killed += r.Killed
		sum.Simulated += r.Simulated
		if t.Failed() {
			return
		}
	}
	t.Logf("%d seeds, %d steps, %d messages lost, %d repeated, %d TaskManagers killed, %s simulated", n, sum.Steps, sum.Lost, sum.Repeated, sum.Killed, sum.Simulated)
}

func runSeed(t *testing.T, seed uint64, plan Plan) (r Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed) // slots are chosen by their ids when nothing else tells them apart
		var err error
		if r, err = Run(seed, plan); err != nil {
			t.Errorf("seed %d: %v\nrepeat it by: make sim SEED=%d", seed, err, seed)
		}
	})
	return r
}

// More of everything: several jobs that compete for slots while a tenth of all messages meet a fault.
func TestHarshSeeds(t *testing.T) {
	n := *seeds / 4
	if *seeds == 0 {
		n = 60
		if testing.Short() {
			n = 15
		}
	}
	plan := Plan{TaskManagers: 3, Slots: 2, Jobs: 3, Lose: 60, Repeat: 40, Kill: 3, TaskFailures: 6}
	for i := range n {
		if runSeed(t, *firstOne+uint64(i), plan); t.Failed() {
			return
		}
	}
}

// A run without faults, with more jobs than slots at a time.
func TestManyJobsTakeTurns(t *testing.T) {
	plan := Plan{TaskManagers: 2, Slots: 4, Jobs: 4}
	runSeed(t, 7, plan)
}

// The same seed takes the same decisions, or a failure could not be repeated.
func TestSeedsRepeat(t *testing.T) {
	for seed := range uint64(5) {
		first := runSeed(t, seed, DefaultPlan())
		second := runSeed(t, seed, DefaultPlan())
		if first != second {
			t.Errorf("seed %d: %s and %s", seed, fmt.Sprint(first), fmt.Sprint(second))
		}
	}
}
